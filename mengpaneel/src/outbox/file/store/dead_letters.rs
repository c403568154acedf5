//! Dead letters in the store: put back among the records, and taken over from files that were left
//! behind.

use redb::Database;

use crate::outbox::file::store::{FileError, Store, guarded, lease_id};
use crate::outbox::file::tables::Tables;
use crate::outbox::record;

impl Store {
    /// Puts dead letters back among the records, oldest first, as long as there is room; gives how
    /// many. One that cannot be read stays.
    pub(crate) fn requeue(&mut self, limit: usize) -> Result<usize, FileError> {
        let (mut size, bounds) = (self.size, self.bounds);
        let moved = self.commit(|tables| {
            let mut moved = Vec::new();
            let is_readable = |written: &[u8]| record::decode(lease_id(0), written).is_ok();
            for (key, written) in tables.dead_letters(limit, is_readable)? {
                let bytes = u64::try_from(written.len()).unwrap_or(u64::MAX);
                if size.records >= bounds.records || size.bytes.saturating_add(bytes) > bounds.bytes
                {
                    break;
                }
                let (_, id) = key;
                let before = tables.put(id, &written)?;
                tables.take_dead_letter(key)?;
                size.records += u64::from(before.is_none());
                let replaced = before.map_or(0, |before| u64::try_from(before).unwrap_or(u64::MAX));
                size.bytes = (size.bytes + bytes).saturating_sub(replaced);
                moved.push(id);
            }
            tables.set_bytes(size.bytes)?;
            Ok(moved)
        })?;
        self.size = size;
        for id in &moved {
            self.first = self.first.min(*id);
        }
        Ok(moved.len())
    }

    /// Moves dead letters of another file into ours; gives how many. Ours is committed first, as
    /// with records.
    pub(crate) fn import_dead_letters(
        &mut self,
        left: &Database,
        limit: usize,
    ) -> Result<usize, FileError> {
        let path = self.path.clone();
        let failed = |error: redb::Error| FileError::of(&path, error);
        let theirs = left.begin_write().map_err(|error| failed(error.into()))?;
        let take = |tables: &mut Tables<'_>| {
            let rows = tables.dead_letters(limit, |_| true)?;
            rows.iter()
                .try_for_each(|(key, _)| tables.take_dead_letter(*key))?;
            Ok(rows)
        };
        let rows = guarded(&path, || {
            take(&mut Tables::of(&theirs).map_err(failed)?).map_err(failed)
        })?;
        if rows.is_empty() {
            return Ok(0);
        }
        self.commit(|tables| {
            rows.iter()
                .try_for_each(|((_, id), written)| tables.dead_letter(*id, written))
        })?;
        theirs.commit().map_err(|error| failed(error.into()))?;
        Ok(rows.len())
    }
}
