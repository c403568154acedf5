//! Store: one file and the state in memory that belongs to it, for the thread that owns the file.

pub(crate) mod dead_letters;
pub(crate) mod fallback;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use redb::Database;

use crate::outbox::file::command::{Bounds, Delta, Mutation};
use crate::outbox::file::error::{FileError, catch_panic};
use crate::outbox::file::fallback_index::FallbackIndex;
use crate::outbox::file::lock;
use crate::outbox::file::size::{Size, byte_len};
use crate::outbox::file::tables;
use crate::outbox::file::tables::{LeaseHistory, Tables};
use crate::outbox::{Lease, Record};

/// Number of redeliveries from which a record is leased alone.
const ISOLATE_AFTER: u32 = 2;

/// One file, and its state in memory.
pub(crate) struct Store {
    path: PathBuf,
    /// `None` after a failure of the disk, until the next operation opens the file again.
    database: Option<Database>,
    bounds: Bounds,
    size: Size,
    /// Lower bound of the keys that can be leased.
    lowest_key: u128,
    leased: HashSet<u128>,
    /// Retried records by the time when they are due.
    scheduled: BTreeMap<(Instant, u64), u128>,
    /// Keys of the records in `scheduled`.
    scheduled_keys: HashSet<u128>,
    /// Sequence number of the last scheduled record. It keeps records apart that are due at once.
    sequence: u64,
    /// Earlier leases of the records that were open when the file was last closed.
    histories: HashMap<u128, LeaseHistory>,
    fallbacks: FallbackIndex,
}

impl Store {
    pub(crate) fn new(
        path: PathBuf,
        database: Database,
        bounds: Bounds,
    ) -> Result<Self, FileError> {
        let (size, histories, fallbacks) =
            read_state(&database).map_err(|error| FileError::from_redb(&path, error))?;
        Ok(Self {
            path,
            database: Some(database),
            bounds,
            size,
            lowest_key: 0,
            leased: HashSet::new(),
            scheduled: BTreeMap::new(),
            scheduled_keys: HashSet::new(),
            sequence: 0,
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
        self.scheduled.first_key_value().map(|((due, _), _)| *due)
    }

    /// Applies changes with one commit. Returns the result of each.
    pub(crate) fn write(
        &mut self,
        mutations: &[Mutation],
    ) -> Result<Vec<Result<(), String>>, FileError> {
        let mut delta = Delta {
            size: self.size,
            ..Delta::default()
        };
        let bounds = self.bounds;
        let results = self.commit(|tables| {
            let results = mutations
                .iter()
                .map(|mutation| mutation.apply(tables, bounds, &mut delta));
            let results = results.collect::<Result<Vec<_>, _>>()?;
            tables.set_bytes(delta.size.bytes)?;
            Ok(results)
        })?;
        self.size = delta.size;
        for key in delta.released {
            self.leased.remove(&key);
            self.histories.remove(&key);
        }
        for key in delta.appended {
            self.lowest_key = self.lowest_key.min(key);
        }
        for (key, due_ms) in delta.stored_fallbacks {
            self.fallbacks.insert(key, due_ms);
        }
        for key in delta.finished_fallbacks {
            self.fallbacks.remove(key);
        }
        let now = Instant::now();
        for (delay, key) in delta.scheduled {
            self.leased.remove(&key);
            self.histories.remove(&key);
            self.sequence += 1;
            self.scheduled.insert((now + delay, self.sequence), key);
            self.scheduled_keys.insert(key);
        }
        Ok(results)
    }

    /// Leases up to `limit` records that are due, oldest first.
    pub(crate) fn lease(&mut self, limit: usize) -> Result<Vec<Lease>, FileError> {
        self.promote_due();
        let mut batch: Vec<Lease> = Vec::new();
        let mut new_leases = Vec::new();
        let mut last = self.lowest_key;
        let path = self.path.clone();
        let (leased, scheduled, histories) = (&self.leased, &self.scheduled_keys, &self.histories);
        let database = ensure_open(&mut self.database, &path)?;
        let mut visit = |key, encoded: &[u8]| {
            last = key;
            if leased.contains(&key) || scheduled.contains(&key) {
                return true;
            }
            let history = histories.get(&key).copied().unwrap_or_default();
            let LeaseHistory {
                redeliveries,
                in_doubt,
            } = history;
            let is_isolated = redeliveries >= ISOLATE_AFTER;
            if is_isolated && !batch.is_empty() {
                return false;
            }
            let lease = Lease::new(key, Record::from_bytes(encoded.to_vec()));
            batch.push(lease.redelivered(redeliveries, in_doubt));
            new_leases.push((
                key,
                LeaseHistory {
                    redeliveries: redeliveries + 1,
                    in_doubt,
                },
            ));
            !is_isolated && batch.len() < limit
        };
        let first = self.lowest_key;
        catch_panic(&path, || {
            tables::visit_from(database, first, &mut visit)
                .map_err(|error| FileError::from_redb(&path, error))
        })?;
        if batch.is_empty() {
            return Ok(Vec::new());
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
            self.lowest_key = self.lowest_key.min(key);
        }
    }

    /// Returns up to `limit` dead letters, latest first.
    pub(crate) fn dead_letters(&mut self, limit: usize) -> Result<Vec<Record>, FileError> {
        let path = self.path.clone();
        let found = tables::read_dead_letters(ensure_open(&mut self.database, &path)?, limit);
        let found = found.map_err(|error| FileError::from_redb(&path, error))?;
        Ok(found.into_iter().map(Record::from_bytes).collect())
    }

    /// Moves up to `limit` records, else fallback copies, else dead letters out of an orphaned
    /// file; returns their number. This file is committed first: a crash leaves a duplicate with
    /// the same key, never a gap.
    pub(crate) fn import_from(
        &mut self,
        orphaned: &Database,
        limit: usize,
    ) -> Result<usize, FileError> {
        let path = self.path.clone();
        let to_error = |error: redb::Error| FileError::from_redb(&path, error);
        let transaction = orphaned
            .begin_write()
            .map_err(|error| to_error(error.into()))?;
        let mut rows = Vec::new();
        {
            let mut tables = Tables::open(&transaction).map_err(to_error)?;
            while rows.len() < limit {
                let Some(row) = tables.pop_first().map_err(to_error)? else {
                    break;
                };
                rows.push(row);
            }
            if rows.len() < limit {
                tables.set_bytes(0).map_err(to_error)?;
            }
        }
        let mut size = self.size;
        self.commit(|tables| {
            for (key, encoded, history) in &rows {
                let replaced = tables.insert(*key, encoded)?;
                size.records += u64::from(replaced.is_none());
                size.bytes += byte_len(encoded);
                if let Some(history) = history {
                    tables.lease(*key, *history)?;
                }
            }
            tables.set_bytes(size.bytes)
        })?;
        self.size = size;
        transaction
            .commit()
            .map_err(|error| to_error(error.into()))?;
        for (key, _, history) in &rows {
            self.lowest_key = self.lowest_key.min(*key);
            if let Some(history) = history {
                self.histories.insert(*key, *history);
            }
        }
        if !rows.is_empty() {
            return Ok(rows.len());
        }
        match self.import_fallbacks(orphaned, limit)? {
            0 => self.import_dead_letters(orphaned, limit),
            count => Ok(count),
        }
    }

    fn promote_due(&mut self) {
        let now = Instant::now();
        while let Some(entry) = self.scheduled.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let key = entry.remove();
            self.scheduled_keys.remove(&key);
            self.lowest_key = self.lowest_key.min(key);
        }
    }

    /// Runs one transaction. After a failure, the next operation opens the file again.
    fn commit<T>(
        &mut self,
        work: impl FnOnce(&mut Tables<'_>) -> Result<T, redb::Error>,
    ) -> Result<T, FileError> {
        let database = ensure_open(&mut self.database, &self.path)?;
        let path = &self.path;
        let result = catch_panic(path, || {
            transact(database, work).map_err(|error| FileError::from_redb(path, error))
        });
        if result.is_err() {
            self.database = None;
        }
        result
    }
}

fn transact<T>(
    database: &Database,
    work: impl FnOnce(&mut Tables<'_>) -> Result<T, redb::Error>,
) -> Result<T, redb::Error> {
    let transaction = database.begin_write()?;
    let result = work(&mut Tables::open(&transaction)?)?;
    transaction.commit()?;
    Ok(result)
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

fn read_state(
    database: &Database,
) -> Result<(Size, HashMap<u128, LeaseHistory>, FallbackIndex), redb::Error> {
    let histories = tables::lease_histories(database)?.into_iter().collect();
    let (size, due_times) = transact(database, |tables| {
        Ok((tables.size()?, tables.fallbacks()?.due_times_ms()?))
    })?;
    let mut fallbacks = FallbackIndex::default();
    for (key, due_ms) in due_times {
        fallbacks.insert(key, due_ms);
    }
    Ok((size, histories, fallbacks))
}
