//! Copies kept aside, in the store: claimed, given back, and made records when they are due.

use redb::Database;
use uuid::Uuid;

use crate::id::now_ms;
use crate::outbox::file::fallback_tables;
use crate::outbox::file::fallback_tables::FallbackCopy;
use crate::outbox::file::store::{FileError, Store, guarded, reopened};
use crate::outbox::file::tables::Tables;
use crate::outbox::{ClaimResult, record};

/// As many copies become records with one commit at most.
const PROMOTE_BATCH: usize = 1_000;

impl Store {
    /// Claims a copy.
    pub(crate) fn claim(&mut self, id: u128) -> Result<ClaimResult, FileError> {
        if let Some(claimed) = self.fallbacks.claim(id, now_ms()) {
            return Ok(claimed);
        }
        let path = self.path.clone();
        let database = reopened(&mut self.database, &path)?;
        let was_said = guarded(&path, || {
            fallback_tables::was_said(database, id).map_err(|error| FileError::of(&path, error))
        })?;
        Ok(if was_said {
            ClaimResult::Delivered
        } else {
            ClaimResult::NotFound
        })
    }

    pub(crate) fn release(&mut self, id: u128) {
        self.fallbacks.release(id);
    }

    /// How long it is until the next copy is due, in milliseconds.
    pub(crate) fn until_next_fallback(&self) -> Option<u64> {
        self.fallbacks
            .next_due()
            .map(|due| due.saturating_sub(now_ms()))
    }

    /// Whether a copy is due now.
    pub(crate) fn has_due_fallback(&self) -> bool {
        self.until_next_fallback() == Some(0)
    }

    /// Makes records of the copies that are due. Where another process may have said one, and has a
    /// file of its own to note it in, only that goes out which Mixpanel tells from what was said.
    pub(crate) fn promote_due_fallbacks(&mut self, is_alone: bool) -> Result<(), FileError> {
        let due = self.fallbacks.due(now_ms(), PROMOTE_BATCH);
        if due.is_empty() {
            return Ok(());
        }
        let mut size = self.size;
        let woken = self.commit(|tables| {
            let mut woken = Vec::new();
            for id in &due {
                let Some(mut copy) = tables.fallbacks()?.finish(*id)? else {
                    continue;
                };
                size.bytes = size.bytes.saturating_sub(bytes(&copy));
                if !is_alone {
                    let Some(rest) = record::retain_deduplicable(&copy) else {
                        continue;
                    };
                    copy = rest;
                }
                let before = tables.put(*id, &copy)?;
                size.records += u64::from(before.is_none());
                size.bytes += bytes(&copy);
                woken.push(*id);
            }
            tables.set_bytes(size.bytes)?;
            Ok(woken)
        })?;
        self.size = size;
        for id in due {
            self.fallbacks.remove(id);
        }
        for id in woken {
            tracing::debug!(target: "mengpaneel", id = %Uuid::from_u128(id), "delayed calls that no page fetched go out");
            self.first = self.first.min(id);
        }
        Ok(())
    }

    /// Moves what another file keeps aside into ours; gives how many.
    pub(crate) fn import_fallbacks(
        &mut self,
        left: &Database,
        limit: usize,
    ) -> Result<usize, FileError> {
        let path = self.path.clone();
        let failed = |error: redb::Error| FileError::of(&path, error);
        let theirs = left.begin_write().map_err(|error| failed(error.into()))?;
        let (copies, said) = guarded(&path, || {
            take(&mut Tables::of(&theirs).map_err(failed)?, limit).map_err(failed)
        })?;
        let mut size = self.size;
        let kept = self.commit(|tables| {
            let asides = tables.fallbacks()?;
            let mut kept = Vec::new();
            for (id, due, copy) in &copies {
                if !asides.is_finished(*id)? {
                    asides.insert(*id, *due, copy)?;
                    size.bytes += bytes(copy);
                    kept.push((*id, *due));
                }
            }
            for id in &said {
                let before = asides.finish(*id)?;
                size.bytes = size
                    .bytes
                    .saturating_sub(before.map_or(0, |copy| bytes(&copy)));
            }
            tables.set_bytes(size.bytes)?;
            Ok(kept)
        })?;
        self.size = size;
        theirs.commit().map_err(|error| failed(error.into()))?;
        for (id, due) in kept {
            self.fallbacks.put(id, due);
        }
        for id in &said {
            self.fallbacks.remove(*id);
        }
        Ok(copies.len() + said.len())
    }
}

fn take(
    tables: &mut Tables<'_>,
    limit: usize,
) -> Result<(Vec<FallbackCopy>, Vec<u128>), redb::Error> {
    let asides = tables.fallbacks()?;
    let (mut copies, mut said) = (Vec::new(), Vec::new());
    while copies.len() < limit
        && let Some(copy) = asides.take_first()?
    {
        copies.push(copy);
    }
    while copies.len() + said.len() < limit
        && let Some(id) = asides.take_first_finished()?
    {
        said.push(id);
    }
    Ok((copies, said))
}

fn bytes(copy: &[u8]) -> u64 {
    u64::try_from(copy.len()).unwrap_or(u64::MAX)
}
