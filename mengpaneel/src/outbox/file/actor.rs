//! The keeper: the thread that has the file. What waits for it while the disk is busy is done with
//! one commit, so that a request never waits for the disk one by one.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use redb::Database;
use tokio::sync::oneshot::Sender;

use crate::outbox::file::command::{Change, Done, Order, refuse};
use crate::outbox::file::error::FileError;
use crate::outbox::file::lock;
use crate::outbox::file::store::Store;
use crate::outbox::{OutboxError, Taken};

/// As many changes share one commit at most.
const MAX_GROUP: usize = 4_096;

/// How often files beside ours are looked at that others may have left behind.
const LOOK: Duration = Duration::from_secs(5);

/// As many records of such a file are moved between two looks at what else is to be done.
const MOVED_AT_ONCE: usize = 2_000;

/// How long nothing is taken after the disk failed.
const REST: Duration = Duration::from_secs(5);

type Asked = (usize, Sender<Result<Vec<Taken>, OutboxError>>);

/// What the thread has in mind.
pub(crate) struct Keeper {
    store: Store,
    /// The name that was given: the files beside it are ours to take over.
    name: PathBuf,
    orders: Receiver<Order>,
    /// Who waits for records.
    asked: VecDeque<Asked>,
    /// The file that is being taken over.
    left: Option<(PathBuf, Database)>,
    /// Files that were empty when they had this time.
    empty: HashMap<PathBuf, SystemTime>,
    next_look: Instant,
    /// What was given back while nothing could be written.
    unwritten: Vec<Change>,
    /// The last commit failed, and that was told.
    is_failing: bool,
    /// Nothing is taken before: a disk that is nearly full would take and refuse in turn.
    rest_until: Instant,
    last_error: String,
}

impl Keeper {
    pub(crate) fn new(store: Store, name: PathBuf, orders: Receiver<Order>) -> Self {
        Self {
            store,
            name,
            orders,
            asked: VecDeque::new(),
            left: None,
            empty: HashMap::new(),
            next_look: Instant::now(),
            unwritten: Vec::new(),
            is_failing: false,
            rest_until: Instant::now(),
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
            self.hand_out();
            self.take_over();
        }
    }

    /// The next order, or the time to look at something else.
    fn wait(&self) -> Result<Order, RecvTimeoutError> {
        let aside = self
            .store
            .until_aside()
            .map(|left| Instant::now() + Duration::from_millis(left));
        let aside = aside.map(|due| due.max(self.rest_until));
        let due = [self.store.next_due(), aside]
            .into_iter()
            .flatten()
            .min()
            .filter(|_| !self.asked.is_empty());
        let until = due.map_or(self.next_look, |due| due.min(self.next_look));
        let patience = if self.left.is_some() {
            Duration::ZERO
        } else {
            until.duration_since(Instant::now())
        };
        self.orders.recv_timeout(patience)
    }

    /// Does what was ordered meanwhile: the changes with one commit.
    fn work(&mut self, first: Option<Order>) {
        let mut changes = std::mem::take(&mut self.unwritten);
        let mut done: Vec<Option<Done>> = changes.iter().map(|_| None).collect();
        let mut order = first;
        while let Some(asked) = order {
            match asked {
                Order::Write(Change::Append(..), answer) if Instant::now() < self.rest_until => {
                    drop(answer.send(Err(self.last_error.clone())));
                }
                Order::Write(change, answer) => {
                    changes.push(change);
                    done.push(Some(answer));
                }
                Order::Lease(limit, answer) => self.asked.push_back((limit, answer)),
                Order::TakeBack(leases) => self.store.take_back(&leases),
                Order::Claim(id, answer) => {
                    drop(answer.send(self.store.claim(id).map_err(Into::into)))
                }
                Order::GiveBack(id) => self.store.give_back(id),
                Order::Buried(limit, answer) => {
                    drop(answer.send(self.store.buried(limit).map_err(Into::into)))
                }
                Order::Requeue(limit, answer) => {
                    drop(answer.send(self.store.requeue(limit).map_err(Into::into)))
                }
                Order::Waiting(answer) => drop(answer.send(Ok(self.store.len()))),
            }
            order = if changes.len() < MAX_GROUP {
                self.orders.try_recv().ok()
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
                        Change::Retry(..) | Change::Bury(_) | Change::Said(_)
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
    fn hand_out(&mut self) {
        if !self.asked.is_empty() && self.store.has_due_aside() && Instant::now() >= self.rest_until
        {
            let is_alone = self.is_alone();
            if let Err(error) = self.store.wake_asides(is_alone) {
                self.failed(&error);
            }
        }
        while let Some((limit, answer)) = self.asked.pop_front() {
            if answer.is_closed() {
                continue;
            }
            match self.store.lease(limit) {
                Ok(leases) if leases.is_empty() => {
                    self.asked.push_front((limit, answer));
                    return;
                }
                Ok(leases) => {
                    if let Err(Ok(leases)) = answer.send(Ok(leases)) {
                        self.store.take_back(&leases);
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
        if self.left.is_none() && Instant::now() >= self.next_look {
            self.left = self.find_left();
            self.next_look = Instant::now() + LOOK;
        }
        let Some((path, database)) = self.left.take() else {
            return;
        };
        match self.store.adopt(&database, MOVED_AT_ONCE) {
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
                self.left = Some((path, database));
            }
            Err(error) => self.failed(&error),
        }
    }

    /// A file beside ours that nobody has open, and that changed since it was empty.
    fn find_left(&self) -> Option<(PathBuf, Database)> {
        lock::names(&self.name)
            .filter(|path| path != self.store.path())
            .find_map(|path| {
                let changed = path.metadata().and_then(|file| file.modified()).ok()?;
                if self.empty.get(&path) == Some(&changed) {
                    return None;
                }
                lock::open_left(&path).map(|database| (path, database))
            })
    }

    /// Whether no other process has, or had and left, a file beside ours in which it may have noted
    /// what it said.
    fn is_alone(&self) -> bool {
        lock::names(&self.name)
            .filter(|path| path != self.store.path())
            .all(|path| {
                let changed = path.metadata().and_then(|file| file.modified());
                changed.map_or(true, |changed| self.empty.get(&path) == Some(&changed))
            })
    }

    fn failed(&mut self, error: &FileError) {
        self.rest_until = Instant::now() + REST;
        self.last_error = error.to_string();
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::error!(target: "mengpaneel", "{error}; the outbox takes nothing for now");
        }
    }

    fn recovered(&mut self) {
        if Instant::now() >= self.rest_until && std::mem::take(&mut self.is_failing) {
            tracing::info!(target: "mengpaneel", "{} is written again", self.store.path().display());
        }
    }
}
