//! Tables of the file: records, their leases, and dead letters.

use redb::{
    Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, Table, TableDefinition,
    WriteTransaction,
};

use crate::outbox::file::fallback_tables::FallbackTables;
use crate::outbox::file::size::{Size, byte_len};

/// Format that this version writes. Each file stores its own.
pub(crate) const FORMAT: u64 = 2;

/// Maximum number of dead letters; the oldest are removed first.
const MAX_DEAD_LETTERS: u64 = 10_000;

/// Records by envelope ID. An ID begins with a time, so that the oldest record comes first.
const RECORDS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("records");
/// Leases: twice the number of unfinished leases, plus one if the record was marked as sending.
const LEASED: TableDefinition<'_, u128, u32> = TableDefinition::new("handed_out");
/// Dead letters by sequence number and envelope ID.
const DEAD_LETTERS: TableDefinition<'_, (u64, u128), &[u8]> = TableDefinition::new("buried");
/// Numbers about the whole file: its format, and the size of all records in bytes.
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

/// Earlier leases of a record that nobody ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeaseHistory {
    pub(crate) redeliveries: u32,
    pub(crate) in_doubt: bool,
}

impl LeaseHistory {
    fn decode(number: u32) -> Self {
        Self {
            redeliveries: number / 2,
            in_doubt: number % 2 == 1,
        }
    }

    fn encode(self) -> u32 {
        self.redeliveries.saturating_mul(2) | u32::from(self.in_doubt)
    }
}

/// Record with its key and lease history. `None` if the record was never leased.
pub(crate) type Row = (u128, Vec<u8>, Option<LeaseHistory>);

/// Dead letter with its key.
pub(crate) type DeadLetter = ((u64, u128), Vec<u8>);

/// Tables of one write transaction.
pub(crate) struct Tables<'t> {
    transaction: &'t WriteTransaction,
    fallbacks: Option<FallbackTables<'t>>,
    records: Table<'t, u128, &'static [u8]>,
    leased: Table<'t, u128, u32>,
    dead_letters: Table<'t, (u64, u128), &'static [u8]>,
    numbers: Table<'t, &'static str, u64>,
}

impl<'t> Tables<'t> {
    pub(crate) fn open(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            transaction,
            fallbacks: None,
            records: transaction.open_table(RECORDS)?,
            leased: transaction.open_table(LEASED)?,
            dead_letters: transaction.open_table(DEAD_LETTERS)?,
            numbers: transaction.open_table(NUMBERS)?,
        })
    }

    /// Returns the tables of fallback copies. Opened on first use: few transactions need them.
    pub(crate) fn fallbacks(&mut self) -> Result<&mut FallbackTables<'t>, redb::Error> {
        let fallbacks = match self.fallbacks.take() {
            Some(fallbacks) => fallbacks,
            None => FallbackTables::open(self.transaction)?,
        };
        Ok(self.fallbacks.insert(fallbacks))
    }

    /// Returns the format of the file. A new file gets the format of this version.
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

    /// Inserts a record. Returns the length of the record that it replaced.
    pub(crate) fn insert(&mut self, key: u128, record: &[u8]) -> Result<Option<u64>, redb::Error> {
        let replaced = self.records.insert(key, record)?;
        Ok(replaced.map(|record| byte_len(record.value())))
    }

    /// Removes a record and its lease. Returns its length; `None` if there was no record.
    pub(crate) fn remove(&mut self, key: u128) -> Result<Option<u64>, redb::Error> {
        let removed = self
            .records
            .remove(key)?
            .map(|record| byte_len(record.value()));
        self.unlease(key)?;
        Ok(removed)
    }

    pub(crate) fn unlease(&mut self, key: u128) -> Result<(), redb::Error> {
        self.leased.remove(key)?;
        Ok(())
    }

    pub(crate) fn lease(&mut self, key: u128, history: LeaseHistory) -> Result<(), redb::Error> {
        self.leased.insert(key, history.encode())?;
        Ok(())
    }

    /// Marks a leased record as being sent.
    pub(crate) fn mark_sending(&mut self, key: u128) -> Result<(), redb::Error> {
        let history = self
            .leased
            .get(key)?
            .map(|history| LeaseHistory::decode(history.value()))
            .unwrap_or_default();
        self.lease(
            key,
            LeaseHistory {
                in_doubt: true,
                ..history
            },
        )
    }

    /// Inserts a dead letter. Removes the oldest ones beyond the maximum.
    pub(crate) fn insert_dead_letter(
        &mut self,
        key: u128,
        record: &[u8],
    ) -> Result<(), redb::Error> {
        let last = self
            .dead_letters
            .last()?
            .map_or(0, |(key, _)| key.value().0);
        self.dead_letters.insert((last + 1, key), record)?;
        while self.dead_letters.len()? > MAX_DEAD_LETTERS {
            self.dead_letters.pop_first()?;
        }
        Ok(())
    }

    /// Returns up to `limit` dead letters, oldest first.
    pub(crate) fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, redb::Error> {
        let rows = self.dead_letters.iter()?.take(limit);
        rows.map(|row| {
            row.map(|(key, record)| (key.value(), record.value().to_owned()))
                .map_err(Into::into)
        })
        .collect()
    }

    pub(crate) fn remove_dead_letter(&mut self, key: (u64, u128)) -> Result<(), redb::Error> {
        self.dead_letters.remove(key)?;
        Ok(())
    }

    /// Removes the oldest record with its lease history; `None` if there is none.
    pub(crate) fn pop_first(&mut self) -> Result<Option<Row>, redb::Error> {
        let Some((key, record)) = self
            .records
            .pop_first()?
            .map(|(key, record)| (key.value(), record.value().to_owned()))
        else {
            return Ok(None);
        };
        let history = self
            .leased
            .remove(key)?
            .map(|history| LeaseHistory::decode(history.value()));
        Ok(Some((key, record, history)))
    }
}

/// Returns the leases that were open when the file was last closed.
pub(crate) fn lease_histories(
    database: &Database,
) -> Result<Vec<(u128, LeaseHistory)>, redb::Error> {
    let transaction = database.begin_read()?;
    let leased = transaction.open_table(LEASED)?;
    let mut histories = Vec::new();
    for row in leased.iter()? {
        let (key, history) = row?;
        histories.push((key.value(), LeaseHistory::decode(history.value())));
    }
    Ok(histories)
}

/// Visits the records from key `first` on, until `visit` returns `false`.
pub(crate) fn visit_from(
    database: &Database,
    first: u128,
    mut visit: impl FnMut(u128, &[u8]) -> bool,
) -> Result<(), redb::Error> {
    let transaction = database.begin_read()?;
    let records = transaction.open_table(RECORDS)?;
    for row in records.range(first..)? {
        let (key, record) = row?;
        if !visit(key.value(), record.value()) {
            break;
        }
    }
    Ok(())
}

/// Returns up to `limit` dead letters, latest first.
pub(crate) fn read_dead_letters(
    database: &Database,
    limit: usize,
) -> Result<Vec<Vec<u8>>, redb::Error> {
    let transaction = database.begin_read()?;
    let dead_letters = transaction.open_table(DEAD_LETTERS)?;
    let rows = dead_letters.iter()?.rev().take(limit);
    rows.map(|row| {
        row.map(|(_, record)| record.value().to_owned())
            .map_err(Into::into)
    })
    .collect()
}
