//! Copies kept aside, in the store: claimed, given back, and made records when they are due.

use redb::Database;
use uuid::Uuid;

use super::{FileError, Store, guarded};
use crate::outbox::Aside;
use crate::outbox::file::aside_tables::Copy;
use crate::outbox::file::tables::Tables;
use crate::recorder::now_ms;

/// As many copies become records with one commit at most.
const MAX_AT_ONCE: usize = 1_000;

impl Store {
    /// Claims a copy.
    pub(in crate::outbox::file) fn claim(&mut self, id: u128) -> Result<Aside, FileError> {
        if let Some(claimed) = self.asides.claim(id, now_ms()) {
            return Ok(claimed);
        }
        let was_said = self.commit(|tables| tables.asides()?.was_said(id))?;
        Ok(if was_said { Aside::Said } else { Aside::Unknown })
    }

    pub(in crate::outbox::file) fn give_back(&mut self, id: u128) {
        self.asides.give_back(id);
    }

    /// How long it is until the next copy is due, in milliseconds.
    pub(in crate::outbox::file) fn until_aside(&self) -> Option<u64> {
        self.asides.next_due().map(|due| due.saturating_sub(now_ms()))
    }

    /// Makes records of the copies that are due.
    pub(super) fn wake_asides(&mut self) -> Result<(), FileError> {
        let due = self.asides.due(now_ms(), MAX_AT_ONCE);
        if due.is_empty() {
            return Ok(());
        }
        let mut size = self.size;
        let woken = self.commit(|tables| {
            let mut woken = Vec::new();
            for id in &due {
                let Some(record) = tables.asides()?.said(*id)? else { continue };
                size.records += u64::from(tables.put(*id, &record)?.is_none());
                size.bytes += u64::try_from(record.len()).unwrap_or(u64::MAX);
                woken.push(*id);
            }
            tables.set_bytes(size.bytes)?;
            Ok(woken)
        })?;
        self.size = size;
        for id in due {
            self.asides.remove(id);
        }
        for id in woken {
            tracing::debug!(target: "mengpaneel", id = %Uuid::from_u128(id), "delayed calls that no page fetched go out");
            self.first = self.first.min(id);
        }
        Ok(())
    }

    /// Moves what another file keeps aside into ours; gives how many.
    pub(super) fn adopt_asides(&mut self, left: &Database, limit: usize) -> Result<usize, FileError> {
        let path = self.path.clone();
        let failed = |error: redb::Error| FileError::of(&path, error);
        let theirs = left.begin_write().map_err(|error| failed(error.into()))?;
        let (copies, said) = guarded(&path, || take(&mut Tables::of(&theirs).map_err(failed)?, limit).map_err(failed))?;
        self.commit(|tables| {
            let asides = tables.asides()?;
            copies.iter().try_for_each(|(id, due, record)| asides.keep(*id, *due, record))?;
            said.iter().try_for_each(|id| asides.said(*id).map(drop))
        })?;
        theirs.commit().map_err(|error| failed(error.into()))?;
        for (id, due, _) in &copies {
            self.asides.put(*id, *due);
        }
        Ok(copies.len() + said.len())
    }
}

fn take(tables: &mut Tables<'_>, limit: usize) -> Result<(Vec<Copy>, Vec<u128>), redb::Error> {
    let asides = tables.asides()?;
    let (mut copies, mut said) = (Vec::new(), Vec::new());
    while copies.len() < limit
        && let Some(copy) = asides.take_first()?
    {
        copies.push(copy);
    }
    while copies.len() + said.len() < limit
        && let Some(id) = asides.take_first_said()?
    {
        said.push(id);
    }
    Ok((copies, said))
}
