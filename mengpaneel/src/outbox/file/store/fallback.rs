//! Fallback copies in the store: claimed, released, and promoted to records when they are due.

use uuid::Uuid;

use crate::id::now_ms;
use crate::outbox::file::error::FileError;
use crate::outbox::file::fallback_tables;
use crate::outbox::file::store::Store;
use crate::outbox::{ClaimResult, Record};

/// Maximum number of copies that are promoted with one commit.
const PROMOTE_BATCH: usize = 1_000;

impl Store {
    /// Claims a copy.
    pub(crate) fn claim(&mut self, key: u128) -> Result<ClaimResult, FileError> {
        if let Some(result) = self.fallbacks.claim(key, now_ms()) {
            return Ok(result);
        }
        let is_delivered = self.read(|database| fallback_tables::is_delivered(database, key))?;
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
        let promoted = self.commit(|tables| {
            let mut promoted = Vec::new();
            for key in &due {
                let copy = tables.finish_fallback(*key)?.map(Record::from_bytes);
                let deliverable = match copy {
                    Some(copy) if !is_alone => copy.deduplicable(),
                    copy => copy,
                };
                if let Some(record) = deliverable {
                    tables.insert(*key, record.as_bytes())?;
                    promoted.push(*key);
                }
            }
            Ok(promoted)
        })?;
        for key in due {
            self.fallbacks.remove(key);
        }
        for key in promoted {
            tracing::debug!(target: "mengpaneel", id = %Uuid::from_u128(key), "no page sent these delayed calls in time; the server delivers them");
            self.make_available(key);
        }
        Ok(())
    }
}
