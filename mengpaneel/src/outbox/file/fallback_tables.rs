//! Tables of fallback copies in the file.

use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _, Table,
    TableDefinition, WriteTransaction,
};

use crate::id::now_ms;
use crate::outbox::fallback::{DELIVERED_TTL, MAX_DELIVERED, ms};
use crate::outbox::file::fallback_index::FallbackIndex;

/// Copies by envelope ID, with the time when each is due, in milliseconds since 1970.
const FALLBACK: TableDefinition<'_, u128, (u64, &[u8])> = TableDefinition::new("aside");
/// IDs of the copies whose calls were sent.
const DELIVERED: TableDefinition<'_, u128, ()> = TableDefinition::new("said");

/// Maximum number of expired deliveries that are forgotten with each new one.
const FORGET_BATCH: usize = 8;

/// Copy with its key and the time when it is due.
pub(crate) type FallbackRow = (u128, u64, Vec<u8>);

/// Tables of one write transaction.
pub(crate) struct FallbackTables<'t> {
    copies: Table<'t, u128, (u64, &'static [u8])>,
    delivered: Table<'t, u128, ()>,
}

impl<'t> FallbackTables<'t> {
    pub(crate) fn open(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            copies: transaction.open_table(FALLBACK)?,
            delivered: transaction.open_table(DELIVERED)?,
        })
    }

    /// Returns the number of copies.
    pub(crate) fn len(&self) -> Result<u64, redb::Error> {
        Ok(self.copies.len()?)
    }

    /// Inserts a copy. Returns the length of the copy that it replaced.
    pub(crate) fn insert(
        &mut self,
        key: u128,
        due_ms: u64,
        record: &[u8],
    ) -> Result<Option<u64>, redb::Error> {
        let replaced = self.copies.insert(key, (due_ms, record))?;
        Ok(replaced.map(|row| row.value().1.len() as u64))
    }

    /// Removes a copy whose calls were sent or are about to be. Returns the copy; `None` if there
    /// was none. Either way the ID counts as delivered.
    pub(crate) fn finish(&mut self, key: u128) -> Result<Option<Vec<u8>>, redb::Error> {
        let record = self.copies.remove(key)?.map(|row| row.value().1.to_owned());
        self.delivered.insert(key, ())?;
        // The upper 48 bits of an ID are the time of its creation.
        let forget_before = u128::from(now_ms().saturating_sub(ms(DELIVERED_TTL))) << 80;
        for _ in 0..FORGET_BATCH {
            let is_old = self
                .delivered
                .first()?
                .is_some_and(|(first, _)| first.value() < forget_before);
            if !is_old && self.delivered.len()? <= MAX_DELIVERED {
                break;
            }
            self.delivered.pop_first()?;
        }
        Ok(record)
    }

    pub(crate) fn is_delivered(&self, key: u128) -> Result<bool, redb::Error> {
        Ok(self.delivered.get(key)?.is_some())
    }

    /// Returns the index of the copies.
    pub(crate) fn index(&self) -> Result<FallbackIndex, redb::Error> {
        let mut index = FallbackIndex::default();
        for row in self.copies.iter()? {
            let (key, copy) = row?;
            index.insert(key.value(), copy.value().0);
        }
        Ok(index)
    }

    /// Removes the oldest copy; `None` if there is none.
    pub(crate) fn pop_first(&mut self) -> Result<Option<FallbackRow>, redb::Error> {
        let first = self.copies.pop_first()?;
        Ok(first.map(|(key, copy)| (key.value(), copy.value().0, copy.value().1.to_owned())))
    }

    /// Removes the oldest ID whose calls were sent; `None` if there is none.
    pub(crate) fn pop_first_delivered(&mut self) -> Result<Option<u128>, redb::Error> {
        Ok(self.delivered.pop_first()?.map(|(key, _)| key.value()))
    }
}

/// Returns whether the calls of a copy were sent.
pub(crate) fn is_delivered(database: &Database, key: u128) -> Result<bool, redb::Error> {
    let transaction = database.begin_read()?;
    Ok(transaction.open_table(DELIVERED)?.get(key)?.is_some())
}
