//! What stands in the file of copies kept aside.

use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _, Table,
    TableDefinition, WriteTransaction,
};

use crate::id::now_ms;
use crate::outbox::fallback::{DELIVERED_TTL, MAX_DELIVERED, ms};

/// A copy by its parcel's ID, and when it is due, in milliseconds since 1970.
const FALLBACK: TableDefinition<'_, u128, (u64, &[u8])> = TableDefinition::new("aside");
/// The copies whose calls were said.
const DELIVERED: TableDefinition<'_, u128, ()> = TableDefinition::new("said");

/// As many that are older than it is to be remembered are forgotten with each new one.
const FORGET_BATCH: usize = 8;

/// A copy, by its name, and when it is due.
pub(crate) type FallbackCopy = (u128, u64, Vec<u8>);

/// The tables of one transaction that writes.
pub(crate) struct FallbackTables<'t> {
    aside: Table<'t, u128, (u64, &'static [u8])>,
    said: Table<'t, u128, ()>,
}

impl<'t> FallbackTables<'t> {
    pub(crate) fn of(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            aside: transaction.open_table(FALLBACK)?,
            said: transaction.open_table(DELIVERED)?,
        })
    }

    pub(crate) fn len(&self) -> Result<u64, redb::Error> {
        Ok(self.aside.len()?)
    }

    /// Keeps a copy; gives the bytes of the one that stood there under its name.
    pub(crate) fn insert(
        &mut self,
        id: u128,
        due: u64,
        record: &[u8],
    ) -> Result<Option<usize>, redb::Error> {
        let before = self.aside.insert(id, (due, record))?;
        Ok(before.map(|row| row.value().1.len()))
    }

    /// Takes a copy away, whose calls were said or are about to be; gives what it is.
    pub(crate) fn finish(&mut self, id: u128) -> Result<Option<Vec<u8>>, redb::Error> {
        let record = self.aside.remove(id)?.map(|row| row.value().1.to_owned());
        self.said.insert(id, ())?;
        // An ID begins with the time when it was made.
        let forget = u128::from(now_ms().saturating_sub(ms(DELIVERED_TTL))) << 80;
        for _ in 0..FORGET_BATCH {
            let is_old = self
                .said
                .first()?
                .is_some_and(|(first, _)| first.value() < forget);
            if !is_old && self.said.len()? <= MAX_DELIVERED {
                break;
            }
            self.said.pop_first()?;
        }
        Ok(record)
    }

    pub(crate) fn is_finished(&self, id: u128) -> Result<bool, redb::Error> {
        Ok(self.said.get(id)?.is_some())
    }

    /// When each copy is due.
    pub(crate) fn dues(&self) -> Result<Vec<(u128, u64)>, redb::Error> {
        self.aside
            .iter()?
            .map(|row| {
                row.map(|(id, copy)| (id.value(), copy.value().0))
                    .map_err(Into::into)
            })
            .collect()
    }

    /// Takes the first of what another file keeps aside.
    pub(crate) fn take_first(&mut self) -> Result<Option<FallbackCopy>, redb::Error> {
        let first = self.aside.pop_first()?;
        Ok(first.map(|(id, copy)| (id.value(), copy.value().0, copy.value().1.to_owned())))
    }

    /// Takes the first that another file knows was said.
    pub(crate) fn take_first_finished(&mut self) -> Result<Option<u128>, redb::Error> {
        Ok(self.said.pop_first()?.map(|(id, _)| id.value()))
    }
}

/// Whether a copy's calls were said.
pub(crate) fn was_said(database: &Database, id: u128) -> Result<bool, redb::Error> {
    let transaction = database.begin_read()?;
    Ok(transaction.open_table(DELIVERED)?.get(id)?.is_some())
}
