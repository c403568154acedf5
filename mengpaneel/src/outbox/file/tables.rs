//! What stands in the file: the records, who has them in hand, and those that were given up.

use redb::{
    Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, Table, TableDefinition,
    WriteTransaction,
};

use crate::outbox::file::fallback_tables::FallbackTables;

/// The format that this version writes; a file says its own.
pub(crate) const FORMAT: u64 = 1;

/// As many that were given up are kept; the oldest go.
const MAX_DEAD_LETTERS: u64 = 10_000;

/// A record by its parcel's ID, whose first part is a time: the oldest stands first.
const RECORDS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("records");
/// Twice how often a record was taken out and not given back; plus one if it was being sent.
const LEASED: TableDefinition<'_, u128, u32> = TableDefinition::new("handed_out");
/// Records that were given up, in the order in which they were.
const DEAD_LETTERS: TableDefinition<'_, (u64, u128), &[u8]> = TableDefinition::new("buried");
/// Numbers about the whole: its format, and the bytes of all records.
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

/// Who had a record in hand before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeaseHistory {
    pub(crate) abandoned: u32,
    pub(crate) in_doubt: bool,
}

impl LeaseHistory {
    fn read(number: u32) -> Self {
        Self {
            abandoned: number / 2,
            in_doubt: number % 2 == 1,
        }
    }

    fn write(self) -> u32 {
        self.abandoned.saturating_mul(2) | u32::from(self.in_doubt)
    }
}

/// A record, by its name, and who had it in hand.
pub(crate) type Row = (u128, Vec<u8>, Option<LeaseHistory>);

/// A dead letter, by its key: its number among them, and the name of its record.
pub(crate) type DeadLetter = ((u64, u128), Vec<u8>);

/// What is known of the whole.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Size {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// The tables of one transaction that writes.
pub(crate) struct Tables<'t> {
    transaction: &'t WriteTransaction,
    asides: Option<FallbackTables<'t>>,
    records: Table<'t, u128, &'static [u8]>,
    handed_out: Table<'t, u128, u32>,
    buried: Table<'t, (u64, u128), &'static [u8]>,
    numbers: Table<'t, &'static str, u64>,
}

impl<'t> Tables<'t> {
    pub(crate) fn of(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            transaction,
            asides: None,
            records: transaction.open_table(RECORDS)?,
            handed_out: transaction.open_table(LEASED)?,
            buried: transaction.open_table(DEAD_LETTERS)?,
            numbers: transaction.open_table(NUMBERS)?,
        })
    }

    /// What is kept aside; opened by the few that ask.
    pub(crate) fn fallbacks(&mut self) -> Result<&mut FallbackTables<'t>, redb::Error> {
        let asides = match self.asides.take() {
            Some(asides) => asides,
            None => FallbackTables::of(self.transaction)?,
        };
        Ok(self.asides.insert(asides))
    }

    /// The format of the file; a new one gets ours.
    pub(crate) fn format(&mut self) -> Result<u64, redb::Error> {
        let found = self.numbers.get("format")?.map(|format| format.value());
        if found.is_none() {
            self.numbers.insert("format", FORMAT)?;
        }
        Ok(found.unwrap_or(FORMAT))
    }

    pub(crate) fn size(&self) -> Result<Size, redb::Error> {
        let bytes = self.numbers.get("bytes")?.map_or(0, |bytes| bytes.value());
        Ok(Size {
            records: self.records.len()?,
            bytes,
        })
    }

    pub(crate) fn set_bytes(&mut self, bytes: u64) -> Result<(), redb::Error> {
        self.numbers.insert("bytes", bytes)?;
        Ok(())
    }

    /// Puts a record there; gives the bytes of the one that stood there under its name.
    pub(crate) fn put(&mut self, id: u128, record: &[u8]) -> Result<Option<usize>, redb::Error> {
        let before = self.records.insert(id, record)?;
        Ok(before.map(|before| before.value().len()))
    }

    /// Takes a record away; gives its bytes, if it was there.
    pub(crate) fn remove(&mut self, id: u128) -> Result<Option<usize>, redb::Error> {
        let removed = self.records.remove(id)?.map(|record| record.value().len());
        self.unlease(id)?;
        Ok(removed)
    }

    pub(crate) fn unlease(&mut self, id: u128) -> Result<(), redb::Error> {
        self.handed_out.remove(id)?;
        Ok(())
    }

    pub(crate) fn lease(&mut self, id: u128, past: LeaseHistory) -> Result<(), redb::Error> {
        self.handed_out.insert(id, past.write())?;
        Ok(())
    }

    /// Notes that a record in hand is being sent.
    pub(crate) fn mark(&mut self, id: u128) -> Result<(), redb::Error> {
        let past = self
            .handed_out
            .get(id)?
            .map(|past| LeaseHistory::read(past.value()))
            .unwrap_or_default();
        self.lease(
            id,
            LeaseHistory {
                in_doubt: true,
                ..past
            },
        )
    }

    /// Keeps a record that was given up.
    pub(crate) fn dead_letter(&mut self, id: u128, record: &[u8]) -> Result<(), redb::Error> {
        let last = self.buried.last()?.map_or(0, |(key, _)| key.value().0);
        self.buried.insert((last + 1, id), record)?;
        while self.buried.len()? > MAX_DEAD_LETTERS {
            self.buried.pop_first()?;
        }
        Ok(())
    }

    /// Up to `limit` dead letters that `is_wanted` accepts, oldest first, under their keys.
    pub(crate) fn dead_letters(
        &self,
        limit: usize,
        is_wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<DeadLetter>, redb::Error> {
        let mut found = Vec::new();
        for row in self.buried.iter()? {
            if found.len() >= limit {
                break;
            }
            let (key, record) = row?;
            if is_wanted(record.value()) {
                found.push((key.value(), record.value().to_owned()));
            }
        }
        Ok(found)
    }

    /// Removes a dead letter.
    pub(crate) fn take_dead_letter(&mut self, key: (u64, u128)) -> Result<(), redb::Error> {
        self.buried.remove(key)?;
        Ok(())
    }

    /// Takes the first of what another file holds.
    pub(crate) fn take_first(&mut self) -> Result<Option<Row>, redb::Error> {
        let Some((id, record)) = self
            .records
            .pop_first()?
            .map(|(id, record)| (id.value(), record.value().to_owned()))
        else {
            return Ok(None);
        };
        let past = self
            .handed_out
            .remove(id)?
            .map(|past| LeaseHistory::read(past.value()));
        Ok(Some((id, record, past)))
    }
}

/// Who had which record in hand when the file was last closed.
pub(crate) fn lease_histories(
    database: &Database,
) -> Result<Vec<(u128, LeaseHistory)>, redb::Error> {
    let transaction = database.begin_read()?;
    let handed_out = transaction.open_table(LEASED)?;
    let mut pasts = Vec::new();
    for row in handed_out.iter()? {
        let (id, past) = row?;
        pasts.push((id.value(), LeaseHistory::read(past.value())));
    }
    Ok(pasts)
}

/// Reads records from `first` on, as long as `wanted` says so.
pub(crate) fn read_from(
    database: &Database,
    first: u128,
    mut wanted: impl FnMut(u128, &[u8]) -> bool,
) -> Result<(), redb::Error> {
    let transaction = database.begin_read()?;
    let records = transaction.open_table(RECORDS)?;
    for row in records.range(first..)? {
        let (id, record) = row?;
        if !wanted(id.value(), record.value()) {
            break;
        }
    }
    Ok(())
}

/// The latest of those that were given up.
pub(crate) fn read_dead_letters(
    database: &Database,
    limit: usize,
) -> Result<Vec<(u128, Vec<u8>)>, redb::Error> {
    let transaction = database.begin_read()?;
    let buried = transaction.open_table(DEAD_LETTERS)?;
    let rows = buried.iter()?.rev().take(limit);
    rows.map(|row| {
        row.map(|(key, record)| (key.value().1, record.value().to_owned()))
            .map_err(Into::into)
    })
    .collect()
}
