//! Fallback copies in the store: claimed, released, and promoted to records when they are due.

use redb::Database;
use uuid::Uuid;

use crate::id::now_ms;
use crate::outbox::file::error::{FileError, catch_panic};
use crate::outbox::file::fallback_tables;
use crate::outbox::file::fallback_tables::FallbackRow;
use crate::outbox::file::size::byte_len;
use crate::outbox::file::store::{Store, ensure_open};
use crate::outbox::file::tables::Tables;
use crate::outbox::{ClaimResult, Record};

/// Maximum number of copies that are promoted with one commit.
const PROMOTE_BATCH: usize = 1_000;

impl Store {
    /// Claims a copy.
    pub(crate) fn claim(&mut self, key: u128) -> Result<ClaimResult, FileError> {
        if let Some(result) = self.fallbacks.claim(key, now_ms()) {
            return Ok(result);
        }
        let path = self.path.clone();
        let database = ensure_open(&mut self.database, &path)?;
        let is_delivered = catch_panic(&path, || {
            fallback_tables::is_delivered(database, key)
                .map_err(|error| FileError::from_redb(&path, error))
        })?;
        Ok(if is_delivered {
            ClaimResult::Delivered
        } else {
            ClaimResult::NotFound
        })
    }

    pub(crate) fn release(&mut self, key: u128) {
        self.fallbacks.release(key);
    }

    /// Returns the time until the next copy is due, in milliseconds; `None` without copies.
    pub(crate) fn ms_until_next_fallback(&self) -> Option<u64> {
        self.fallbacks
            .next_due_ms()
            .map(|due_ms| due_ms.saturating_sub(now_ms()))
    }

    /// Returns whether a copy is due.
    pub(crate) fn has_due_fallback(&self) -> bool {
        self.ms_until_next_fallback() == Some(0)
    }

    /// Promotes due copies to records. Unless `is_alone`, another process may have sent the calls
    /// and recorded that in its own file: then only events that Mixpanel deduplicates are sent.
    pub(crate) fn promote_due_fallbacks(&mut self, is_alone: bool) -> Result<(), FileError> {
        let due = self.fallbacks.due(now_ms(), PROMOTE_BATCH);
        if due.is_empty() {
            return Ok(());
        }
        let mut size = self.size;
        let promoted = self.commit(|tables| {
            let mut promoted = Vec::new();
            for key in &due {
                let Some(mut copy) = tables.fallbacks()?.finish(*key)? else {
                    continue;
                };
                size.bytes = size.bytes.saturating_sub(byte_len(&copy));
                if !is_alone {
                    let Some(part) = Record::from_bytes(copy).deduplicable() else {
                        continue;
                    };
                    copy = part.as_bytes().to_vec();
                }
                let replaced = tables.insert(*key, &copy)?;
                size.records += u64::from(replaced.is_none());
                size.bytes += byte_len(&copy);
                promoted.push(*key);
            }
            tables.set_bytes(size.bytes)?;
            Ok(promoted)
        })?;
        self.size = size;
        for key in due {
            self.fallbacks.remove(key);
        }
        for key in promoted {
            tracing::debug!(target: "mengpaneel", id = %Uuid::from_u128(key), "no page sent these delayed calls in time; the server delivers them");
            self.lowest_key = self.lowest_key.min(key);
        }
        Ok(())
    }

    /// Moves fallback copies and known deliveries out of an orphaned file; returns their number.
    pub(crate) fn import_fallbacks(
        &mut self,
        orphaned: &Database,
        limit: usize,
    ) -> Result<usize, FileError> {
        let path = self.path.clone();
        let to_error = |error: redb::Error| FileError::from_redb(&path, error);
        let transaction = orphaned
            .begin_write()
            .map_err(|error| to_error(error.into()))?;
        let (copies, delivered) = catch_panic(&path, || {
            pop_up_to(&mut Tables::open(&transaction).map_err(to_error)?, limit).map_err(to_error)
        })?;
        let mut size = self.size;
        let imported = self.commit(|tables| {
            let fallbacks = tables.fallbacks()?;
            let mut imported = Vec::new();
            for (key, due_ms, copy) in &copies {
                if !fallbacks.is_delivered(*key)? {
                    fallbacks.insert(*key, *due_ms, copy)?;
                    size.bytes += byte_len(copy);
                    imported.push((*key, *due_ms));
                }
            }
            for key in &delivered {
                let removed = fallbacks.finish(*key)?;
                size.bytes = size
                    .bytes
                    .saturating_sub(removed.map_or(0, |copy| byte_len(&copy)));
            }
            tables.set_bytes(size.bytes)?;
            Ok(imported)
        })?;
        self.size = size;
        transaction
            .commit()
            .map_err(|error| to_error(error.into()))?;
        for (key, due_ms) in imported {
            self.fallbacks.insert(key, due_ms);
        }
        for key in &delivered {
            self.fallbacks.remove(*key);
        }
        Ok(copies.len() + delivered.len())
    }
}

/// Removes up to `limit` copies and known deliveries in all.
fn pop_up_to(
    tables: &mut Tables<'_>,
    limit: usize,
) -> Result<(Vec<FallbackRow>, Vec<u128>), redb::Error> {
    let fallbacks = tables.fallbacks()?;
    let (mut copies, mut delivered) = (Vec::new(), Vec::new());
    while copies.len() < limit
        && let Some(copy) = fallbacks.pop_first()?
    {
        copies.push(copy);
    }
    while copies.len() + delivered.len() < limit
        && let Some(key) = fallbacks.pop_first_delivered()?
    {
        delivered.push(key);
    }
    Ok((copies, delivered))
}
