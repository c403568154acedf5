//! The store: one file and what is remembered of it, for the one thread that has it.

pub(crate) mod dead_letters;
pub(crate) mod fallback;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use redb::Database;
use uuid::Uuid;

use crate::error::log_text::one_line;
use crate::outbox::file::command::{Bounds, Delta, Mutation};
use crate::outbox::file::error::{FileError, guarded};
use crate::outbox::file::fallback_index::FallbackIndex;
use crate::outbox::file::lock;
use crate::outbox::file::tables;
use crate::outbox::file::tables::{LeaseHistory, Size, Tables};
use crate::outbox::leased::{LeaseBatch, LeasedRecord};
use crate::outbox::{Lease, LeaseId, record};

/// A record that was abandoned as often is handed out alone.
const ISOLATE_AFTER: u32 = 2;

/// One file, and what is remembered of it.
pub(crate) struct Store {
    path: PathBuf,
    /// `None` after a failure of the disk, until it is opened again.
    database: Option<Database>,
    bounds: Bounds,
    size: Size,
    /// No record that can be handed out stands before this one.
    first: u128,
    leased: HashSet<u128>,
    later: BTreeMap<(Instant, u64), u128>,
    waits: HashSet<u128>,
    ticket: u64,
    histories: HashMap<u128, LeaseHistory>,
    fallbacks: FallbackIndex,
}

impl Store {
    pub(crate) fn new(
        path: PathBuf,
        database: Database,
        bounds: Bounds,
    ) -> Result<Self, FileError> {
        let (size, pasts, asides) = look(&database).map_err(|error| FileError::of(&path, error))?;
        Ok(Self {
            path,
            database: Some(database),
            bounds,
            size,
            first: 0,
            leased: HashSet::new(),
            later: BTreeMap::new(),
            waits: HashSet::new(),
            ticket: 0,
            histories: pasts,
            fallbacks: asides,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.size.records).unwrap_or(usize::MAX)
    }

    /// When the next record is due that was put off.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.later.first_key_value().map(|((due, _), _)| *due)
    }

    /// Makes changes with one commit, and gives the answer to each.
    pub(crate) fn write(
        &mut self,
        changes: &[Mutation],
    ) -> Result<Vec<Result<(), String>>, FileError> {
        let mut outcome = Delta {
            size: self.size,
            ..Delta::default()
        };
        let bounds = self.bounds;
        let answers = self.commit(|tables| {
            let answers = changes
                .iter()
                .map(|change| change.apply(tables, bounds, &mut outcome));
            let answers = answers.collect::<Result<Vec<_>, _>>()?;
            tables.set_bytes(outcome.size.bytes)?;
            Ok(answers)
        })?;
        self.size = outcome.size;
        for id in outcome.released {
            self.leased.remove(&id);
            self.histories.remove(&id);
        }
        for id in outcome.appended {
            self.first = self.first.min(id);
        }
        for (id, due) in outcome.stored_fallbacks {
            self.fallbacks.put(id, due);
        }
        for id in outcome.finished_fallbacks {
            self.fallbacks.remove(id);
        }
        let now = Instant::now();
        for (delay, id) in outcome.later {
            self.leased.remove(&id);
            self.histories.remove(&id);
            self.ticket += 1;
            self.later.insert((now + delay, self.ticket), id);
            self.waits.insert(id);
        }
        Ok(answers)
    }

    /// Hands out what is due, the oldest first.
    pub(crate) fn lease(&mut self, limit: usize) -> Result<Vec<LeasedRecord>, FileError> {
        self.promote_due();
        let mut found = LeaseBatch::default();
        let mut handed_out = Vec::new();
        let mut broken = Vec::new();
        let mut last = self.first;
        let path = self.path.clone();
        let (in_hand, waits, pasts) = (&self.leased, &self.waits, &self.histories);
        let database = reopened(&mut self.database, &path)?;
        let mut look = |id, written: &[u8]| {
            last = id;
            if in_hand.contains(&id) || waits.contains(&id) {
                return true;
            }
            let past = pasts.get(&id).copied().unwrap_or_default();
            let alone = past.abandoned >= ISOLATE_AFTER;
            if alone && !found.is_empty() {
                return false;
            }
            if let Err(error) = found.add(lease_id(id), written, past.abandoned, past.in_doubt) {
                broken.push((id, written.to_owned(), error.to_string()));
            } else {
                handed_out.push((
                    id,
                    LeaseHistory {
                        abandoned: past.abandoned + 1,
                        ..past
                    },
                ));
            }
            !alone && found.len() < limit
        };
        let first = self.first;
        guarded(&path, || {
            tables::read_from(database, first, &mut look)
                .map_err(|error| FileError::of(&path, error))
        })?;
        self.defer(broken)?;
        if found.is_empty() {
            return Ok(Vec::new());
        }
        self.commit(|tables| {
            handed_out
                .iter()
                .try_for_each(|(id, past)| tables.lease(*id, *past))
        })?;
        // All before the last are in hand, put off or gone.
        self.first = last;
        self.leased.extend(handed_out.iter().map(|(id, _)| *id));
        Ok(found.into_records())
    }

    /// Takes back what was handed out to somebody who was not there any more.
    pub(crate) fn unlease(&mut self, records: &[LeasedRecord]) {
        for id in records
            .iter()
            .filter_map(|record| super::id_of(&record.id()))
        {
            self.leased.remove(&id);
            self.first = self.first.min(id);
        }
    }

    pub(crate) fn dead_letters(&mut self, limit: usize) -> Result<Vec<Lease>, FileError> {
        let path = self.path.clone();
        let rows = tables::read_dead_letters(reopened(&mut self.database, &path)?, limit);
        let rows = rows.map_err(|error| FileError::of(&path, error))?;
        let leases = rows
            .into_iter()
            .map(|(id, written)| record::decode(lease_id(id), &written));
        Ok(leases.filter_map(Result::ok).collect())
    }

    /// Moves up to `limit` records out of a file that was left behind; whether there may be more.
    /// Ours is committed first: a crash leaves a copy under the same name, never a hole.
    pub(crate) fn import_from(
        &mut self,
        left: &Database,
        limit: usize,
    ) -> Result<usize, FileError> {
        let path = self.path.clone();
        let failed = |error: redb::Error| FileError::of(&path, error);
        let theirs = left.begin_write().map_err(|error| failed(error.into()))?;
        let mut moved = Vec::new();
        {
            let mut tables = Tables::of(&theirs).map_err(failed)?;
            while moved.len() < limit {
                let Some(row) = tables.take_first().map_err(failed)? else {
                    break;
                };
                moved.push(row);
            }
            if moved.len() < limit {
                tables.set_bytes(0).map_err(failed)?;
            }
        }
        let mut size = self.size;
        self.commit(|tables| {
            for (id, written, past) in &moved {
                let before = tables.put(*id, written)?;
                size.records += u64::from(before.is_none());
                size.bytes += u64::try_from(written.len()).unwrap_or(u64::MAX);
                if let Some(past) = past {
                    tables.lease(*id, *past)?;
                }
            }
            tables.set_bytes(size.bytes)
        })?;
        self.size = size;
        theirs.commit().map_err(|error| failed(error.into()))?;
        for (id, _, past) in &moved {
            self.first = self.first.min(*id);
            if let Some(past) = past {
                self.histories.insert(*id, *past);
            }
        }
        if !moved.is_empty() {
            return Ok(moved.len());
        }
        match self.import_fallbacks(left, limit)? {
            0 => self.import_dead_letters(left, limit),
            moved => Ok(moved),
        }
    }

    /// Records that cannot be read are buried, so that they do not stand in the way.
    fn defer(&mut self, broken: Vec<(u128, Vec<u8>, String)>) -> Result<(), FileError> {
        let Some((_, _, why)) = broken.first() else {
            return Ok(());
        };
        let (path, why) = (self.path.display(), one_line(why));
        tracing::error!(target: "mengpaneel", "{path}: {} records cannot be read ({why}): buried", broken.len());
        let records = broken
            .into_iter()
            .map(|(id, written, _)| (id, written))
            .collect();
        self.write(&[Mutation::DeadLetter(records)]).map(drop)
    }

    fn promote_due(&mut self) {
        let now = Instant::now();
        while let Some(entry) = self.later.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let id = entry.remove();
            self.waits.remove(&id);
            self.first = self.first.min(id);
        }
    }

    /// One transaction. A disk that failed is opened anew by the next one.
    fn commit<T>(
        &mut self,
        work: impl FnOnce(&mut Tables<'_>) -> Result<T, redb::Error>,
    ) -> Result<T, FileError> {
        let database = reopened(&mut self.database, &self.path)?;
        let path = &self.path;
        let done = guarded(path, || {
            transact(database, work).map_err(|error| FileError::of(path, error))
        });
        if done.is_err() {
            self.database = None;
        }
        done
    }
}

/// The name of a record, from what it stands under.
fn lease_id(id: u128) -> LeaseId {
    LeaseId(
        Uuid::from_u128(id)
            .hyphenated()
            .encode_lower(&mut Uuid::encode_buffer())
            .to_owned(),
    )
}

fn transact<T>(
    database: &Database,
    work: impl FnOnce(&mut Tables<'_>) -> Result<T, redb::Error>,
) -> Result<T, redb::Error> {
    let transaction = database.begin_write()?;
    let done = work(&mut Tables::of(&transaction)?)?;
    transaction.commit()?;
    Ok(done)
}

fn reopened<'d>(
    database: &'d mut Option<Database>,
    path: &Path,
) -> Result<&'d Database, FileError> {
    let opened = match database.take() {
        Some(database) => database,
        None => lock::open(path)?,
    };
    Ok(database.insert(opened))
}

fn look(
    database: &Database,
) -> Result<(Size, HashMap<u128, LeaseHistory>, FallbackIndex), redb::Error> {
    let pasts = tables::lease_histories(database)?.into_iter().collect();
    let (size, dues) = transact(database, |tables| {
        Ok((tables.size()?, tables.fallbacks()?.dues()?))
    })?;
    let mut asides = FallbackIndex::default();
    for (id, due) in dues {
        asides.put(id, due);
    }
    Ok((size, pasts, asides))
}
