//! The keeper: the thread that has the file. What waits for it while the disk is busy is done with
//! one commit, so that a request never waits for the disk one by one.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use redb::Database;
use tokio::sync::oneshot::Sender;

use crate::outbox::file::command::{Command, Mutation, Reply, refuse};
use crate::outbox::file::error::FileError;
use crate::outbox::file::lock;
use crate::outbox::file::store::Store;
use crate::outbox::{LeasedRecord, OutboxError};

/// As many changes share one commit at most.
const MAX_GROUP: usize = 4_096;

/// How often files beside ours are looked at that others may have left behind.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// As many records of such a file are moved between two looks at what else is to be done.
const MOVE_BATCH: usize = 2_000;

/// How long nothing is taken after the disk failed.
const FAILURE_PAUSE: Duration = Duration::from_secs(5);

type LeaseRequest = (usize, Sender<Result<Vec<LeasedRecord>, OutboxError>>);

/// What the thread has in mind.
pub(crate) struct FileActor {
    store: Store,
    /// The name that was given: the files beside it are ours to take over.
    name: PathBuf,
    commands: Receiver<Command>,
    /// Who waits for records.
    lease_requests: VecDeque<LeaseRequest>,
    /// The file that is being taken over.
    abandoned_file: Option<(PathBuf, Database)>,
    /// Files that were empty when they had this time.
    empty: HashMap<PathBuf, SystemTime>,
    next_look: Instant,
    /// What was given back while nothing could be written.
    unwritten: Vec<Mutation>,
    /// The last commit failed, and that was told.
    is_failing: bool,
    /// Nothing is taken before: a disk that is nearly full would take and refuse in turn.
    paused_until: Instant,
    last_error: String,
}

impl FileActor {
    pub(crate) fn new(store: Store, name: PathBuf, orders: Receiver<Command>) -> Self {
        Self {
            store,
            name,
            commands: orders,
            lease_requests: VecDeque::new(),
            abandoned_file: None,
            empty: HashMap::new(),
            next_look: Instant::now(),
            unwritten: Vec::new(),
            is_failing: false,
            paused_until: Instant::now(),
            last_error: String::new(),
        }
    }

    /// Works until nobody can ask any more.
    pub(crate) fn run(mut self) {
        self.take_over();
        loop {
            let first = match self.wait() {
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            self.work(first);
            self.serve_leases();
            self.take_over();
        }
    }

    /// The next order, or the time to look at something else.
    fn wait(&self) -> Result<Command, RecvTimeoutError> {
        let aside = self
            .store
            .until_next_fallback()
            .map(|left| Instant::now() + Duration::from_millis(left));
        let aside = aside.map(|due| due.max(self.paused_until));
        let due = [self.store.next_due(), aside]
            .into_iter()
            .flatten()
            .min()
            .filter(|_| !self.lease_requests.is_empty());
        let until = due.map_or(self.next_look, |due| due.min(self.next_look));
        let patience = if self.abandoned_file.is_some() {
            Duration::ZERO
        } else {
            until.duration_since(Instant::now())
        };
        self.commands.recv_timeout(patience)
    }

    /// Does what was ordered meanwhile: the changes with one commit.
    fn work(&mut self, first: Option<Command>) {
        let mut changes = std::mem::take(&mut self.unwritten);
        let mut done: Vec<Option<Reply>> = changes.iter().map(|_| None).collect();
        let mut order = first;
        while let Some(asked) = order {
            match asked {
                Command::Write(Mutation::Append(..), answer)
                    if Instant::now() < self.paused_until =>
                {
                    drop(answer.send(Err(self.last_error.clone())));
                }
                Command::Write(change, answer) => {
                    changes.push(change);
                    done.push(Some(answer));
                }
                Command::Lease(limit, answer) => self.lease_requests.push_back((limit, answer)),
                Command::Unlease(leases) => self.store.unlease(&leases),
                Command::ClaimFallback(id, answer) => {
                    drop(answer.send(self.store.claim(id).map_err(Into::into)));
                }
                Command::ReleaseFallback(id) => self.store.release(id),
                Command::DeadLetters(limit, answer) => {
                    drop(answer.send(self.store.dead_letters(limit).map_err(Into::into)));
                }
                Command::Requeue(limit, answer) => {
                    drop(answer.send(self.store.requeue(limit).map_err(Into::into)));
                }
                Command::Pending(answer) => drop(answer.send(Ok(self.store.len()))),
            }
            order = if changes.len() < MAX_GROUP {
                self.commands.try_recv().ok()
            } else {
                None
            };
        }
        if changes.is_empty() {
            return;
        }
        match self.store.write(&changes) {
            Ok(answers) => {
                self.recovered();
                for (done, answer) in done.into_iter().zip(answers) {
                    // Whoever is not there any more does not miss it.
                    drop(done.map(|done| done.send(answer.map_err(|why| self.of_file(&why)))));
                }
            }
            Err(error) => {
                self.failed(&error);
                refuse(done.into_iter().flatten(), &error);
                // Whoever gave records back has forgotten them.
                changes.retain(|change| {
                    matches!(
                        change,
                        Mutation::Retry(..) | Mutation::DeadLetter(_) | Mutation::FinishFallback(_)
                    )
                });
                self.unwritten = changes;
            }
        }
    }

    fn of_file(&self, why: &str) -> String {
        format!("{}: {why}", self.store.path().display())
    }

    /// Hands records to those who wait for them.
    fn serve_leases(&mut self) {
        if !self.lease_requests.is_empty()
            && self.store.has_due_fallback()
            && Instant::now() >= self.paused_until
        {
            let is_alone = self.is_alone();
            if let Err(error) = self.store.promote_due_fallbacks(is_alone) {
                self.failed(&error);
            }
        }
        while let Some((limit, answer)) = self.lease_requests.pop_front() {
            if answer.is_closed() {
                continue;
            }
            match self.store.lease(limit) {
                Ok(leases) if leases.is_empty() => {
                    self.lease_requests.push_front((limit, answer));
                    return;
                }
                Ok(leases) => {
                    if let Err(Ok(leases)) = answer.send(Ok(leases)) {
                        self.store.unlease(&leases);
                    }
                }
                Err(error) => {
                    self.failed(&error);
                    drop(answer.send(Err(error.into())));
                }
            }
        }
    }

    /// Takes over what others left behind, a part at a time.
    fn take_over(&mut self) {
        if self.abandoned_file.is_none() && Instant::now() >= self.next_look {
            self.abandoned_file = self.find_abandoned();
            self.next_look = Instant::now() + POLL_INTERVAL;
        }
        let Some((path, database)) = self.abandoned_file.take() else {
            return;
        };
        match self.store.import_from(&database, MOVE_BATCH) {
            Ok(0) => {
                drop(database);
                if let Ok(changed) = path.metadata().and_then(|file| file.modified()) {
                    self.empty.insert(path, changed);
                }
                // The next one.
                self.next_look = Instant::now();
            }
            Ok(moved) => {
                tracing::info!(target: "mengpaneel", "took over {moved} records from {}", path.display());
                self.abandoned_file = Some((path, database));
            }
            Err(error) => self.failed(&error),
        }
    }

    /// A file beside ours that nobody has open, and that changed since it was empty.
    fn find_abandoned(&self) -> Option<(PathBuf, Database)> {
        lock::sibling_paths(&self.name)
            .filter(|path| path != self.store.path())
            .find_map(|path| {
                let changed = path.metadata().and_then(|file| file.modified()).ok()?;
                if self.empty.get(&path) == Some(&changed) {
                    return None;
                }
                lock::open_abandoned(&path).map(|database| (path, database))
            })
    }

    /// Whether no other process has, or had and left, a file beside ours in which it may have noted
    /// what it said.
    fn is_alone(&self) -> bool {
        lock::sibling_paths(&self.name)
            .filter(|path| path != self.store.path())
            .all(|path| {
                let changed = path.metadata().and_then(|file| file.modified());
                changed.map_or(true, |changed| self.empty.get(&path) == Some(&changed))
            })
    }

    fn failed(&mut self, error: &FileError) {
        self.paused_until = Instant::now() + FAILURE_PAUSE;
        self.last_error = error.to_string();
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::error!(target: "mengpaneel", "{error}; the outbox takes nothing for now");
        }
    }

    fn recovered(&mut self) {
        if Instant::now() >= self.paused_until && std::mem::take(&mut self.is_failing) {
            tracing::info!(target: "mengpaneel", "{} is written again", self.store.path().display());
        }
    }
}
