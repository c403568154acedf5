//! Dead letters in the store: requeued, and imported from orphaned files.

use redb::Database;

use crate::outbox::file::error::{FileError, catch_panic};
use crate::outbox::file::size::byte_len;
use crate::outbox::file::store::Store;
use crate::outbox::file::tables::Tables;

impl Store {
    /// Makes dead letters pending again, oldest first, while the bounds allow; returns their
    /// number.
    pub(crate) fn requeue(&mut self, limit: usize) -> Result<usize, FileError> {
        let (mut size, bounds) = (self.size, self.bounds);
        let requeued = self.commit(|tables| {
            let mut requeued = Vec::new();
            for (dead_letter_key, encoded) in tables.dead_letters(limit)? {
                let bytes = byte_len(&encoded);
                if size.records >= bounds.records || size.bytes.saturating_add(bytes) > bounds.bytes
                {
                    break;
                }
                let (_, key) = dead_letter_key;
                let replaced = tables.insert(key, &encoded)?;
                tables.remove_dead_letter(dead_letter_key)?;
                size.records += u64::from(replaced.is_none());
                size.bytes = (size.bytes + bytes).saturating_sub(replaced.unwrap_or_default());
                requeued.push(key);
            }
            tables.set_bytes(size.bytes)?;
            Ok(requeued)
        })?;
        self.size = size;
        for key in &requeued {
            self.lowest_key = self.lowest_key.min(*key);
        }
        Ok(requeued.len())
    }

    /// Moves dead letters out of an orphaned file; returns their number. This file is committed
    /// first, as with records.
    pub(crate) fn import_dead_letters(
        &mut self,
        orphaned: &Database,
        limit: usize,
    ) -> Result<usize, FileError> {
        let path = self.path.clone();
        let to_error = |error: redb::Error| FileError::from_redb(&path, error);
        let transaction = orphaned
            .begin_write()
            .map_err(|error| to_error(error.into()))?;
        let remove = |tables: &mut Tables<'_>| {
            let rows = tables.dead_letters(limit)?;
            rows.iter()
                .try_for_each(|(key, _)| tables.remove_dead_letter(*key))?;
            Ok(rows)
        };
        let rows = catch_panic(&path, || {
            remove(&mut Tables::open(&transaction).map_err(to_error)?).map_err(to_error)
        })?;
        if rows.is_empty() {
            return Ok(0);
        }
        self.commit(|tables| {
            rows.iter()
                .try_for_each(|((_, key), encoded)| tables.insert_dead_letter(*key, encoded))
        })?;
        transaction
            .commit()
            .map_err(|error| to_error(error.into()))?;
        Ok(rows.len())
    }
}
