//! Store: one file and the state in memory that belongs to it, for the thread that owns the file.

pub(crate) mod fallback;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use redb::Database;

use crate::outbox::file::error::{FileError, catch_panic};
use crate::outbox::file::fallback_index::FallbackIndex;
use crate::outbox::file::lock;
use crate::outbox::file::mutation::Mutation;
use crate::outbox::file::size::Size;
use crate::outbox::file::tables;
use crate::outbox::file::tables::{LeaseHistory, Tables, transact};
use crate::outbox::{Lease, Record};

/// Number of redeliveries from which a record is leased alone.
const ISOLATE_AFTER: u32 = 2;

/// One file, and its state in memory.
pub(crate) struct Store {
    path: PathBuf,
    /// `None` after a failure of the disk, until the next operation opens the file again.
    database: Option<Database>,
    bounds: Size,
    size: Size,
    /// Lower bound of the keys that can be leased.
    lowest_key: u128,
    leased: HashSet<u128>,
    /// Retried records by the time when they are due.
    scheduled: BTreeSet<(Instant, u128)>,
    /// Keys of the records in `scheduled`.
    scheduled_keys: HashSet<u128>,
    /// Earlier leases of the records that were open when the file was last closed.
    histories: HashMap<u128, LeaseHistory>,
    fallbacks: FallbackIndex,
}

/// Error of an import, in one of the two files.
pub(crate) enum ImportError {
    Orphaned(FileError),
    Own(FileError),
}

impl Store {
    pub(crate) fn new(path: PathBuf, database: Database, bounds: Size) -> Result<Self, FileError> {
        let read_state =
            |tables: &mut Tables<'_>| Ok((tables.lease_histories()?, tables.fallbacks()?.index()?));
        let ((histories, fallbacks), size) =
            catch_panic(&path, || transact(&database, read_state))?;
        Ok(Self {
            path,
            database: Some(database),
            bounds,
            size,
            lowest_key: 0,
            leased: HashSet::new(),
            scheduled: BTreeSet::new(),
            scheduled_keys: HashSet::new(),
            histories,
            fallbacks,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the number of pending records.
    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.size.records).unwrap_or(usize::MAX)
    }

    /// Returns when the next retry is due; `None` without one.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.scheduled.first().map(|(due, _)| *due)
    }

    /// Applies changes with one commit. Returns the result of each.
    pub(crate) fn write(
        &mut self,
        mutations: &[Mutation],
    ) -> Result<Vec<Result<(), String>>, FileError> {
        let bounds = self.bounds;
        let results = self.commit(|tables| {
            let results = mutations
                .iter()
                .map(|mutation| mutation.apply(tables, bounds));
            results.collect::<Result<Vec<_>, _>>()
        })?;
        for (mutation, result) in mutations.iter().zip(&results) {
            if result.is_ok() {
                self.record_committed(mutation);
            }
        }
        Ok(results)
    }

    /// Applies a committed change to the state in memory.
    fn record_committed(&mut self, mutation: &Mutation) {
        match mutation {
            Mutation::Append(record) => self.make_available(record.id().as_u128()),
            Mutation::StoreFallback(due_ms, copy) => {
                self.fallbacks.insert(copy.id().as_u128(), *due_ms);
            }
            Mutation::FinishFallback(key) => self.fallbacks.remove(*key),
            Mutation::MarkSending(_) => {}
            Mutation::Acknowledge(keys) => keys.iter().for_each(|key| self.end_lease(*key)),
            Mutation::Retry(rows, delay) => {
                let due = Instant::now() + *delay;
                for (key, _) in rows {
                    self.end_lease(*key);
                    self.scheduled.insert((due, *key));
                    self.scheduled_keys.insert(*key);
                }
            }
            Mutation::DeadLetter(rows) => rows.iter().for_each(|(key, _)| self.end_lease(*key)),
        }
    }

    fn end_lease(&mut self, key: u128) {
        self.leased.remove(&key);
        self.histories.remove(&key);
    }

    /// Lets the next lease find a record.
    fn make_available(&mut self, key: u128) {
        self.lowest_key = self.lowest_key.min(key);
    }

    /// Leases up to `limit` records that are due, oldest first.
    pub(crate) fn lease(&mut self, limit: usize) -> Result<Vec<Lease>, FileError> {
        self.promote_due();
        let mut batch: Vec<Lease> = Vec::new();
        let mut new_leases = Vec::new();
        let mut last = self.lowest_key;
        read(&mut self.database, &self.path, |database| {
            for row in tables::records_from(database, self.lowest_key)? {
                let (key, record) = row?;
                last = key.value();
                if self.leased.contains(&last) || self.scheduled_keys.contains(&last) {
                    continue;
                }
                let history = self.histories.get(&last).copied().unwrap_or_default();
                let is_isolated = history.redeliveries >= ISOLATE_AFTER;
                if is_isolated && !batch.is_empty() {
                    break;
                }
                let lease = Lease::new(last, Record::from_bytes(record.value().to_vec()));
                batch.push(lease.redelivered(history.redeliveries, history.in_doubt));
                let redeliveries = history.redeliveries + 1;
                new_leases.push((
                    last,
                    LeaseHistory {
                        redeliveries,
                        ..history
                    },
                ));
                if is_isolated || batch.len() >= limit {
                    break;
                }
            }
            Ok(())
        })?;
        if batch.is_empty() {
            return Ok(batch);
        }
        self.commit(|tables| {
            new_leases
                .iter()
                .try_for_each(|(key, history)| tables.lease(*key, *history))
        })?;
        // All records before the last visited one are leased, scheduled or removed.
        self.lowest_key = last;
        self.leased.extend(new_leases.iter().map(|(key, _)| *key));
        Ok(batch)
    }

    /// Makes records pending again whose lease request was dropped.
    pub(crate) fn unlease(&mut self, keys: Vec<u128>) {
        for key in keys {
            self.leased.remove(&key);
            self.make_available(key);
        }
    }

    /// Returns up to `limit` dead letters, latest first.
    pub(crate) fn dead_letters(&mut self, limit: usize) -> Result<Vec<Record>, FileError> {
        let found = self.read(|database| tables::read_dead_letters(database, limit))?;
        Ok(found.into_iter().map(Record::from_bytes).collect())
    }

    /// Makes dead letters pending again, oldest first, while the bounds allow; returns their
    /// number.
    pub(crate) fn requeue(&mut self, limit: usize) -> Result<usize, FileError> {
        let bounds = self.bounds;
        let requeued =
            self.commit(|tables| tables::up_to(limit, || tables.requeue_first(bounds)))?;
        for key in &requeued {
            self.make_available(*key);
        }
        Ok(requeued.len())
    }

    /// Moves up to `limit` records, fallback copies, known deliveries and dead letters out of an
    /// orphaned file at `path`; returns their number. This file is committed first: a crash leaves a
    /// duplicate with the same key, never a gap.
    pub(crate) fn import_from(
        &mut self,
        path: &Path,
        orphaned: &Database,
        limit: usize,
    ) -> Result<usize, ImportError> {
        let (transaction, batch) = catch_panic(path, || {
            let transaction = orphaned.begin_write()?;
            let mut tables = Tables::open(&transaction)?;
            let batch = tables.pop_batch(limit)?;
            tables.close()?;
            Ok((transaction, batch))
        })
        .map_err(ImportError::Orphaned)?;
        let copies = self.commit(|tables| {
            for (key, encoded, history) in &batch.records {
                tables.insert(*key, encoded)?;
                if let Some(history) = history {
                    tables.lease(*key, *history)?;
                }
            }
            let mut copies = Vec::new();
            for (key, due_ms, copy) in &batch.copies {
                if !tables.fallbacks()?.is_delivered(*key)? {
                    tables.insert_fallback(*key, *due_ms, copy)?;
                    copies.push((*key, *due_ms));
                }
            }
            for key in &batch.delivered {
                tables.finish_fallback(*key)?;
            }
            for (key, encoded) in &batch.dead_letters {
                tables.insert_dead_letter(*key, encoded)?;
            }
            Ok(copies)
        });
        let copies = copies.map_err(ImportError::Own)?;
        for (key, _, history) in &batch.records {
            self.make_available(*key);
            self.histories
                .extend(history.map(|history| (*key, history)));
        }
        for (key, due_ms) in copies {
            self.fallbacks.insert(key, due_ms);
        }
        for key in &batch.delivered {
            self.fallbacks.remove(*key);
        }
        catch_panic(path, || Ok(transaction.commit()?)).map_err(ImportError::Orphaned)?;
        Ok(batch.len())
    }

    fn promote_due(&mut self) {
        let now = Instant::now();
        while let Some((due, key)) = self.scheduled.first().copied()
            && due <= now
        {
            self.scheduled.pop_first();
            self.scheduled_keys.remove(&key);
            self.make_available(key);
        }
    }

    fn read<T>(
        &mut self,
        query: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, FileError> {
        read(&mut self.database, &self.path, query)
    }

    /// Runs one transaction.
    fn commit<T>(
        &mut self,
        work: impl FnOnce(&mut Tables<'_>) -> Result<T, redb::Error>,
    ) -> Result<T, FileError> {
        let (result, size) = self.read(|database| transact(database, work))?;
        self.size = size;
        Ok(result)
    }
}

/// Runs a query on a file. After a failure, the next query opens it again.
fn read<T>(
    database: &mut Option<Database>,
    path: &Path,
    query: impl FnOnce(&Database) -> Result<T, redb::Error>,
) -> Result<T, FileError> {
    let opened = ensure_open(database, path)?;
    let result = catch_panic(path, || query(opened));
    if result.is_err() {
        *database = None;
    }
    result
}

fn ensure_open<'d>(
    database: &'d mut Option<Database>,
    path: &Path,
) -> Result<&'d Database, FileError> {
    let opened = match database.take() {
        Some(database) => database,
        None => lock::open(path)?,
    };
    Ok(database.insert(opened))
}
