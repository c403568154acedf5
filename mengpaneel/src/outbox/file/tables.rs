//! Tables of the file: records, their leases, and dead letters.

use std::collections::HashMap;
use std::iter;

use redb::{
    Database, Range, ReadableDatabase, ReadableTable, ReadableTableMetadata, Table,
    TableDefinition, WriteTransaction,
};

use crate::outbox::file::fallback_tables::{FallbackRow, FallbackTables};
use crate::outbox::file::size::Size;

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

/// Rows that move to another file.
pub(crate) struct Batch {
    pub(crate) records: Vec<Row>,
    pub(crate) copies: Vec<FallbackRow>,
    /// Keys of fallback copies whose calls were sent.
    pub(crate) delivered: Vec<u128>,
    pub(crate) dead_letters: Vec<(u128, Vec<u8>)>,
}

impl Batch {
    /// Returns the number of rows.
    pub(crate) fn len(&self) -> usize {
        self.records.len() + self.copies.len() + self.delivered.len() + self.dead_letters.len()
    }
}

/// Tables of one write transaction.
pub(crate) struct Tables<'t> {
    transaction: &'t WriteTransaction,
    fallbacks: Option<FallbackTables<'t>>,
    records: Table<'t, u128, &'static [u8]>,
    leased: Table<'t, u128, u32>,
    dead_letters: Table<'t, (u64, u128), &'static [u8]>,
    numbers: Table<'t, &'static str, u64>,
    /// Number and size of the records after the changes so far.
    pub(crate) size: Size,
    /// Size in bytes that the file stores.
    stored_bytes: u64,
}

impl<'t> Tables<'t> {
    pub(crate) fn open(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        let records = transaction.open_table(RECORDS)?;
        let numbers = transaction.open_table(NUMBERS)?;
        let size = Size {
            records: records.len()?,
            bytes: numbers.get("bytes")?.map_or(0, |bytes| bytes.value()),
        };
        Ok(Self {
            transaction,
            fallbacks: None,
            records,
            leased: transaction.open_table(LEASED)?,
            dead_letters: transaction.open_table(DEAD_LETTERS)?,
            numbers,
            size,
            stored_bytes: size.bytes,
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

    /// Stores the size of the records if it changed, and returns it.
    pub(crate) fn close(mut self) -> Result<Size, redb::Error> {
        if self.size.bytes != self.stored_bytes {
            self.numbers.insert("bytes", self.size.bytes)?;
        }
        Ok(self.size)
    }

    /// Inserts a record, or replaces it.
    pub(crate) fn insert(&mut self, key: u128, record: &[u8]) -> Result<(), redb::Error> {
        let replaced = self.records.insert(key, record)?;
        let replaced = replaced.map(|record| record.value().len() as u64);
        self.size.records += u64::from(replaced.is_none());
        self.size.replace_bytes(replaced, record);
        Ok(())
    }

    /// Removes a record and its lease.
    pub(crate) fn remove(&mut self, key: u128) -> Result<(), redb::Error> {
        if let Some(record) = self.records.remove(key)? {
            self.size.records = self.size.records.saturating_sub(1);
            self.size
                .replace_bytes(Some(record.value().len() as u64), &[]);
        }
        self.unlease(key)
    }

    /// Inserts a fallback copy, or replaces it.
    pub(crate) fn insert_fallback(
        &mut self,
        key: u128,
        due_ms: u64,
        record: &[u8],
    ) -> Result<(), redb::Error> {
        let replaced = self.fallbacks()?.insert(key, due_ms, record)?;
        self.size.replace_bytes(replaced, record);
        Ok(())
    }

    /// Removes a fallback copy, as [`FallbackTables::finish`] does.
    pub(crate) fn finish_fallback(&mut self, key: u128) -> Result<Option<Vec<u8>>, redb::Error> {
        let copy = self.fallbacks()?.finish(key)?;
        let removed = copy.as_ref().map(|copy| copy.len() as u64);
        self.size.replace_bytes(removed, &[]);
        Ok(copy)
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

    /// Makes the oldest dead letter pending again. Returns its key; `None` if there is none, or the
    /// bounds leave no room for it.
    pub(crate) fn requeue_first(&mut self, bounds: Size) -> Result<Option<u128>, redb::Error> {
        let Some((key, record)) = self
            .dead_letters
            .first()?
            .map(|(key, record)| (key.value().1, record.value().to_owned()))
        else {
            return Ok(None);
        };
        if !self.size.has_room(bounds, &record) {
            return Ok(None);
        }
        self.insert(key, &record)?;
        self.dead_letters.pop_first()?;
        Ok(Some(key))
    }

    /// Removes up to `limit` rows in all, the oldest of each table.
    pub(crate) fn pop_batch(&mut self, limit: usize) -> Result<Batch, redb::Error> {
        let records = up_to(limit, || self.pop_first())?;
        let limit = limit - records.len();
        let fallbacks = self.fallbacks()?;
        let copies = up_to(limit, || fallbacks.pop_first())?;
        let limit = limit - copies.len();
        let delivered = up_to(limit, || fallbacks.pop_first_delivered())?;
        let limit = limit - delivered.len();
        let dead_letters = up_to(limit, || {
            let first = self.dead_letters.pop_first()?;
            Ok(first.map(|(key, record)| (key.value().1, record.value().to_owned())))
        })?;
        if dead_letters.len() < limit {
            self.size.bytes = 0;
        }
        Ok(Batch {
            records,
            copies,
            delivered,
            dead_letters,
        })
    }

    /// Removes the oldest record with its lease history; `None` if there is none.
    fn pop_first(&mut self) -> Result<Option<Row>, redb::Error> {
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

    /// Returns the leases that nobody ended.
    pub(crate) fn lease_histories(&self) -> Result<HashMap<u128, LeaseHistory>, redb::Error> {
        let mut histories = HashMap::new();
        for row in self.leased.iter()? {
            let (key, history) = row?;
            histories.insert(key.value(), LeaseHistory::decode(history.value()));
        }
        Ok(histories)
    }
}

/// Calls a function until it returns `None`, at most `limit` times.
pub(crate) fn up_to<T>(
    limit: usize,
    mut next: impl FnMut() -> Result<Option<T>, redb::Error>,
) -> Result<Vec<T>, redb::Error> {
    iter::from_fn(|| next().transpose()).take(limit).collect()
}

/// Returns the format of the file. A new file gets the format of this version.
pub(crate) fn ensure_format(tables: &mut Tables<'_>) -> Result<u64, redb::Error> {
    let found = tables.numbers.get("format")?.map(|format| format.value());
    if found.is_none() {
        tables.numbers.insert("format", FORMAT)?;
    }
    Ok(found.unwrap_or(FORMAT))
}

/// Runs one write transaction. Also returns the size of the records after it.
pub(crate) fn transact<T>(
    database: &Database,
    work: impl FnOnce(&mut Tables<'_>) -> Result<T, redb::Error>,
) -> Result<(T, Size), redb::Error> {
    let transaction = database.begin_write()?;
    let mut tables = Tables::open(&transaction)?;
    let result = work(&mut tables)?;
    let size = tables.close()?;
    transaction.commit()?;
    Ok((result, size))
}

/// Returns the records from key `first` on.
pub(crate) fn records_from(
    database: &Database,
    first: u128,
) -> Result<Range<'static, u128, &'static [u8]>, redb::Error> {
    let records = database.begin_read()?.open_table(RECORDS)?;
    Ok(records.range(first..)?)
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
