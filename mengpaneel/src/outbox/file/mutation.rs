//! Changes of the file's content.

use std::time::Duration;

use crate::outbox::file::size::Size;
use crate::outbox::file::tables::Tables;
use crate::outbox::{Lease, LeaseId, Record};

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

impl Mutation {
    /// Applies the change. The inner result is the reason of a refusal.
    pub(crate) fn apply(
        &self,
        tables: &mut Tables<'_>,
        bounds: Size,
    ) -> Result<Result<(), String>, redb::Error> {
        match self {
            Self::Append(record) => {
                let (key, record) = (record.id().as_u128(), record.as_bytes());
                let added = format_args!("{} more", record.len());
                let refusal = tables
                    .size
                    .refusal(bounds, record, "records are pending", added);
                if let Some(reason) = refusal {
                    return Ok(Err(reason));
                }
                tables.insert(key, record)?;
            }
            Self::StoreFallback(due_ms, record) => {
                let (key, record) = (record.id().as_u128(), record.as_bytes());
                let size = Size {
                    records: tables.fallbacks()?.len()?,
                    ..tables.size
                };
                let added = format_args!("a fallback copy");
                let refusal = size.refusal(bounds, record, "fallback copies are", added);
                if let Some(reason) = refusal {
                    return Ok(Err(reason));
                }
                tables.insert_fallback(key, *due_ms, record)?;
            }
            Self::FinishFallback(key) => drop(tables.finish_fallback(*key)?),
            Self::MarkSending(keys) => {
                for key in keys {
                    tables.mark_sending(*key)?;
                }
            }
            Self::Acknowledge(keys) => {
                for key in keys {
                    tables.remove(*key)?;
                }
            }
            Self::Retry(records, _) => {
                for (key, record) in records {
                    tables.unlease(*key)?;
                    tables.insert(*key, record.as_bytes())?;
                }
            }
            Self::DeadLetter(records) => {
                for (key, record) in records {
                    tables.remove(*key)?;
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
    let row = |lease: &Lease| Some((key(lease)?, lease.record.clone().with_checksum()));
    leases.iter().filter_map(row).collect()
}
