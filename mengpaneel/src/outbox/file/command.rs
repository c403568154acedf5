//! Commands to the thread that owns the file, and the channels of its replies.

use std::time::Duration;

use tokio::sync::oneshot::Sender;

use crate::outbox::file::error::FileError;
use crate::outbox::file::size::{Size, byte_len};
use crate::outbox::file::tables::Tables;
use crate::outbox::{ClaimResult, Lease, LeaseId, OutboxError, Record};

/// Channel for the result of a change.
pub(crate) type Reply = Sender<Result<(), String>>;

/// Command to the thread.
pub(crate) enum Command {
    /// Change of the file. Many changes share one commit.
    Write(Mutation, Reply),
    Lease(usize, Sender<Result<Vec<Lease>, OutboxError>>),
    /// Return of records whose lease request was dropped.
    Unlease(Vec<u128>),
    DeadLetters(usize, Sender<Result<Vec<Record>, OutboxError>>),
    Requeue(usize, Sender<Result<usize, OutboxError>>),
    ClaimFallback(u128, Sender<Result<ClaimResult, OutboxError>>),
    /// Release of a claimed copy whose calls were not sent.
    ReleaseFallback(u128),
    Pending(Sender<Result<usize, OutboxError>>),
}

/// Change of the file's content.
pub(crate) enum Mutation {
    Append(Record),
    MarkSending(Vec<u128>),
    Acknowledge(Vec<u128>),
    Retry(Vec<(u128, Record)>, Duration),
    DeadLetter(Vec<(u128, Record)>),
    /// Fallback copy with the time when it is due, in milliseconds since 1970.
    StoreFallback(u64, Record),
    /// Fallback copy whose calls were sent.
    FinishFallback(u128),
}

/// Maximum number and size of the pending records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// Effects of a transaction on the thread's own state, once it is committed.
#[derive(Default)]
pub(crate) struct Delta {
    pub(crate) size: Size,
    pub(crate) appended: Vec<u128>,
    pub(crate) released: Vec<u128>,
    /// Keys of retried records, after the delays of the retries.
    pub(crate) scheduled: Vec<(Duration, u128)>,
    /// Keys of fallback copies, with their due times in milliseconds since 1970.
    pub(crate) stored_fallbacks: Vec<(u128, u64)>,
    pub(crate) finished_fallbacks: Vec<u128>,
}

impl Mutation {
    /// Applies the change. The inner result is the reason of a refusal.
    pub(crate) fn apply(
        &self,
        tables: &mut Tables<'_>,
        bounds: Bounds,
        delta: &mut Delta,
    ) -> Result<Result<(), String>, redb::Error> {
        match self {
            Self::Append(record) => return append(record, tables, bounds, delta),
            Self::StoreFallback(due_ms, record) => {
                return store_fallback(*due_ms, record, tables, bounds, delta);
            }
            Self::FinishFallback(key) => {
                let removed = tables.fallbacks()?.finish(*key)?;
                delta.size.bytes = delta
                    .size
                    .bytes
                    .saturating_sub(removed.map_or(0, |copy| byte_len(&copy)));
                delta.finished_fallbacks.push(*key);
            }
            Self::MarkSending(keys) => {
                for key in keys {
                    tables.mark_sending(*key)?;
                }
            }
            Self::Acknowledge(keys) => {
                for key in keys {
                    remove(*key, tables, delta)?;
                }
            }
            Self::Retry(records, delay) => {
                for (key, record) in records {
                    tables.unlease(*key)?;
                    let record = record.as_bytes();
                    let replaced = tables.insert(*key, record)?;
                    delta.size.records += u64::from(replaced.is_none());
                    delta.size.bytes = (delta.size.bytes + byte_len(record))
                        .saturating_sub(replaced.unwrap_or_default());
                    delta.scheduled.push((*delay, *key));
                }
            }
            Self::DeadLetter(records) => {
                for (key, record) in records {
                    remove(*key, tables, delta)?;
                    tables.insert_dead_letter(*key, record.as_bytes())?;
                }
            }
        }
        Ok(Ok(()))
    }
}

/// Returns the key of a leased record in the file: the ID of the envelope. `None` for a lease of
/// another outbox.
fn key(lease: &Lease) -> Option<u128> {
    match lease.id {
        LeaseId::Number(key) => Some(key),
        LeaseId::Text(_) | LeaseId::Nested(..) => None,
    }
}

/// Returns the keys of leased records.
pub(crate) fn keys(leases: &[Lease]) -> Vec<u128> {
    leases.iter().filter_map(key).collect()
}

/// Returns leased records in their current state, with their keys.
pub(crate) fn rows(leases: &[Lease]) -> Vec<(u128, Record)> {
    let row = |lease: &Lease| Some((key(lease)?, lease.record.clone()));
    leases.iter().filter_map(row).collect()
}

fn append(
    record: &Record,
    tables: &mut Tables<'_>,
    bounds: Bounds,
    delta: &mut Delta,
) -> Result<Result<(), String>, redb::Error> {
    let (key, record) = (record.id().as_u128(), record.as_bytes());
    let size = &mut delta.size;
    if size.records >= bounds.records {
        return Ok(Err(format!(
            "{} records are pending in the file, the limit (`max_records`)",
            size.records
        )));
    }
    if size.bytes + byte_len(record) > bounds.bytes {
        return Ok(Err(format!(
            "{} bytes are pending in the file; {} more would exceed `max_bytes`",
            size.bytes,
            record.len()
        )));
    }
    let replaced = tables.insert(key, record)?;
    size.records += u64::from(replaced.is_none());
    size.bytes = (size.bytes + byte_len(record)).saturating_sub(replaced.unwrap_or_default());
    delta.appended.push(key);
    Ok(Ok(()))
}

fn store_fallback(
    due_ms: u64,
    record: &Record,
    tables: &mut Tables<'_>,
    bounds: Bounds,
    delta: &mut Delta,
) -> Result<Result<(), String>, redb::Error> {
    let (key, record) = (record.id().as_u128(), record.as_bytes());
    let fallbacks = tables.fallbacks()?;
    let count = fallbacks.len()?;
    if count >= bounds.records {
        return Ok(Err(format!(
            "{count} fallback copies are in the file, the limit (`max_records`)"
        )));
    }
    let size = &mut delta.size;
    if size.bytes + byte_len(record) > bounds.bytes {
        return Ok(Err(format!(
            "{} bytes are pending in the file; a fallback copy would exceed `max_bytes`",
            size.bytes
        )));
    }
    let replaced = fallbacks.insert(key, due_ms, record)?;
    size.bytes = (size.bytes + byte_len(record)).saturating_sub(replaced.unwrap_or_default());
    delta.stored_fallbacks.push((key, due_ms));
    Ok(Ok(()))
}

fn remove(key: u128, tables: &mut Tables<'_>, delta: &mut Delta) -> Result<(), redb::Error> {
    if let Some(bytes) = tables.remove(key)? {
        delta.size.records = delta.size.records.saturating_sub(1);
        delta.size.bytes = delta.size.bytes.saturating_sub(bytes);
    }
    delta.released.push(key);
    Ok(())
}

/// Replies to each caller that the commit failed.
pub(crate) fn reply_error(replies: impl IntoIterator<Item = Reply>, error: &FileError) {
    for reply in replies {
        // Sending fails if the caller was dropped, and then nobody needs the error.
        drop(reply.send(Err(error.to_string())));
    }
}
