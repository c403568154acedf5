//! Orders: what the file's thread is asked to do, and where its answers go.

use std::time::Duration;

use tokio::sync::oneshot::Sender;

use crate::outbox::file::error::FileError;
use crate::outbox::file::tables::{Size, Tables};
use crate::outbox::{ClaimResult, Lease, LeasedRecord, OutboxError};

/// An answer to those that ask for a change.
pub(crate) type Reply = Sender<Result<(), String>>;

/// What is asked of the file.
pub(crate) enum Command {
    /// A change: many of them share one commit.
    Write(Mutation, Reply),
    Lease(usize, Sender<Result<Vec<LeasedRecord>, OutboxError>>),
    /// Records that were handed out to somebody who was not there any more.
    Unlease(Vec<LeasedRecord>),
    DeadLetters(usize, Sender<Result<Vec<Lease>, OutboxError>>),
    Requeue(usize, Sender<Result<usize, OutboxError>>),
    ClaimFallback(u128, Sender<Result<ClaimResult, OutboxError>>),
    /// Calls that were claimed and not said.
    ReleaseFallback(u128),
    Pending(Sender<Result<usize, OutboxError>>),
}

/// A change of what stands in the file.
pub(crate) enum Mutation {
    Append(u128, Vec<u8>),
    Mark(Vec<u128>),
    Acknowledge(Vec<u128>),
    Retry(Vec<(u128, Vec<u8>)>, Duration),
    DeadLetter(Vec<(u128, Vec<u8>)>),
    /// Keeps a copy aside, until this time.
    StoreFallback(u128, u64, Vec<u8>),
    /// A copy's calls were said.
    FinishFallback(u128),
}

/// The most that may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// What a transaction changes, for the thread's own memory once it is committed.
#[derive(Default)]
pub(crate) struct Delta {
    pub(crate) size: Size,
    pub(crate) appended: Vec<u128>,
    pub(crate) released: Vec<u128>,
    pub(crate) later: Vec<(Duration, u128)>,
    pub(crate) stored_fallbacks: Vec<(u128, u64)>,
    pub(crate) finished_fallbacks: Vec<u128>,
}

impl Mutation {
    /// Makes the change, or refuses it with a reason.
    pub(crate) fn apply(
        &self,
        tables: &mut Tables<'_>,
        bounds: Bounds,
        changed: &mut Delta,
    ) -> Result<Result<(), String>, redb::Error> {
        match self {
            Self::Append(id, record) => return append(*id, record, tables, bounds, changed),
            Self::StoreFallback(id, due, record) => {
                return store_fallback(*id, *due, record, tables, bounds, changed);
            }
            Self::FinishFallback(id) => {
                let before = tables.fallbacks()?.finish(*id)?;
                changed.size.bytes = changed
                    .size
                    .bytes
                    .saturating_sub(before.map_or(0, |copy| len(&copy)));
                changed.finished_fallbacks.push(*id);
            }
            Self::Mark(ids) => {
                for id in ids {
                    tables.mark(*id)?;
                }
            }
            Self::Acknowledge(ids) => {
                for id in ids {
                    remove(*id, tables, changed)?;
                }
            }
            Self::Retry(records, delay) => {
                for (id, record) in records {
                    tables.unlease(*id)?;
                    let before = tables.put(*id, record)?;
                    changed.size.records += u64::from(before.is_none());
                    changed.size.bytes =
                        (changed.size.bytes + len(record)).saturating_sub(before.map_or(0, bytes));
                    changed.later.push((*delay, *id));
                }
            }
            Self::DeadLetter(records) => {
                for (id, record) in records {
                    remove(*id, tables, changed)?;
                    tables.dead_letter(*id, record)?;
                }
            }
        }
        Ok(Ok(()))
    }
}

fn append(
    id: u128,
    record: &[u8],
    tables: &mut Tables<'_>,
    bounds: Bounds,
    changed: &mut Delta,
) -> Result<Result<(), String>, redb::Error> {
    let size = &mut changed.size;
    if size.records >= bounds.records {
        return Ok(Err(format!(
            "{} records wait in the file, its bound",
            size.records
        )));
    }
    if size.bytes + len(record) > bounds.bytes {
        let (waiting, more) = (size.bytes, record.len());
        return Ok(Err(format!(
            "{waiting} bytes wait in the file, and {more} more would pass its bound"
        )));
    }
    let before = tables.put(id, record)?;
    size.records += u64::from(before.is_none());
    size.bytes = (size.bytes + len(record)).saturating_sub(before.map_or(0, bytes));
    changed.appended.push(id);
    Ok(Ok(()))
}

fn store_fallback(
    id: u128,
    due: u64,
    record: &[u8],
    tables: &mut Tables<'_>,
    bounds: Bounds,
    changed: &mut Delta,
) -> Result<Result<(), String>, redb::Error> {
    let asides = tables.fallbacks()?;
    let kept = asides.len()?;
    if kept >= bounds.records {
        return Ok(Err(format!(
            "{kept} copies are kept aside in the file, its bound"
        )));
    }
    let size = &mut changed.size;
    if size.bytes + len(record) > bounds.bytes {
        return Ok(Err(format!(
            "{} bytes wait in the file, and a copy would pass its bound",
            size.bytes
        )));
    }
    let before = asides.insert(id, due, record)?;
    size.bytes = (size.bytes + len(record)).saturating_sub(before.map_or(0, bytes));
    changed.stored_fallbacks.push((id, due));
    Ok(Ok(()))
}

fn remove(id: u128, tables: &mut Tables<'_>, changed: &mut Delta) -> Result<(), redb::Error> {
    if let Some(removed) = tables.remove(id)? {
        changed.size.records = changed.size.records.saturating_sub(1);
        changed.size.bytes = changed.size.bytes.saturating_sub(bytes(removed));
    }
    changed.released.push(id);
    Ok(())
}

fn len(record: &[u8]) -> u64 {
    bytes(record.len())
}

fn bytes(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Tells everybody who asked that it cannot be done.
pub(crate) fn refuse(orders: impl IntoIterator<Item = Reply>, error: &FileError) {
    for done in orders {
        // Nobody waits any more where the request was given up.
        drop(done.send(Err(error.to_string())));
    }
}
