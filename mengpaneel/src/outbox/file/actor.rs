//! Actor: the thread that owns the file. Changes that arrive while the disk is busy share one
//! commit, so that requests do not wait for the disk one after the other.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use redb::Database;

use crate::outbox::file::command::{Command, Reply};
use crate::outbox::file::error::FileError;
use crate::outbox::file::lock;
use crate::outbox::file::mutation::{Mutation, keys};
use crate::outbox::file::store::{ImportError, Store};
use crate::outbox::{Lease, OutboxError};

/// Maximum number of changes in one commit.
const MAX_CHANGES_PER_COMMIT: usize = 4_096;

/// Interval between two searches for orphaned sibling files.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Maximum number of records that are imported from an orphaned file between two commands.
const IMPORT_BATCH: usize = 2_000;

/// Time for which appends are declined after the disk failed.
const FAILURE_PAUSE: Duration = Duration::from_secs(5);

/// Last failure of the disk.
struct Failure {
    /// End of the pause. Without a pause, a nearly full disk would alternately accept and decline
    /// appends.
    until: Instant,
    error: OutboxError,
}

/// State of the thread.
pub(crate) struct FileActor {
    store: Store,
    /// Configured path. Its orphaned sibling files are taken over.
    path: PathBuf,
    commands: Receiver<Command>,
    /// Lease requests that wait for records.
    lease_requests: VecDeque<(usize, Reply<Vec<Lease>>)>,
    /// File that is being taken over.
    orphaned_file: Option<(PathBuf, Database)>,
    /// Sibling files that were found empty, with their modification time at that moment.
    empty_files: HashMap<PathBuf, SystemTime>,
    /// Sibling files that could not be imported, with their modification time at that moment.
    damaged_files: HashMap<PathBuf, SystemTime>,
    next_poll: Instant,
    /// Changes to write with the next commit, because an earlier one failed.
    unwritten: Vec<Mutation>,
    /// Failure that was logged. `None` once a commit succeeds after its pause.
    failure: Option<Failure>,
}

impl FileActor {
    pub(crate) fn new(store: Store, path: PathBuf, commands: Receiver<Command>) -> Self {
        Self {
            store,
            path,
            commands,
            lease_requests: VecDeque::new(),
            orphaned_file: None,
            empty_files: HashMap::new(),
            damaged_files: HashMap::new(),
            next_poll: Instant::now(),
            unwritten: Vec::new(),
            failure: None,
        }
    }

    /// Executes commands until the last sender is dropped.
    pub(crate) fn run(mut self) {
        self.take_over();
        loop {
            let first = match self.wait() {
                Err(RecvTimeoutError::Disconnected) => return,
                command => command.ok(),
            };
            self.execute(first);
            self.serve_leases();
            self.take_over();
        }
    }

    /// Waits for the next command. Times out when other work is due.
    fn wait(&self) -> Result<Command, RecvTimeoutError> {
        let fallback_due = self
            .store
            .ms_until_next_fallback()
            .map(|remaining_ms| Instant::now() + Duration::from_millis(remaining_ms))
            .map(|due| self.paused().map_or(due, |failure| due.max(failure.until)));
        let due = [self.store.next_due(), fallback_due]
            .into_iter()
            .flatten()
            .min()
            .filter(|_| !self.lease_requests.is_empty());
        let until = due.map_or(self.next_poll, |due| due.min(self.next_poll));
        let timeout = if self.orphaned_file.is_some() {
            Duration::ZERO
        } else {
            until.duration_since(Instant::now())
        };
        self.commands.recv_timeout(timeout)
    }

    /// Executes the commands that have arrived, the changes with one commit.
    fn execute(&mut self, first: Option<Command>) {
        let mut mutations = std::mem::take(&mut self.unwritten);
        let unwritten_count = mutations.len();
        let mut replies = Vec::new();
        for command in first.into_iter().chain(self.commands.try_iter()) {
            match (command, self.paused()) {
                (Command::Write(Mutation::Append(..), reply), Some(failure)) => {
                    drop(reply.send(Err(failure.error.clone())));
                }
                (Command::Write(mutation, reply), _) => {
                    mutations.push(mutation);
                    replies.push(reply);
                }
                (Command::Lease(limit, reply), _) => {
                    self.lease_requests.push_back((limit, reply));
                }
                (Command::Run(operation), _) => operation(&mut self.store),
            }
            if mutations.len() >= MAX_CHANGES_PER_COMMIT {
                break;
            }
        }
        if mutations.is_empty() {
            return;
        }
        // Sending fails if the caller was dropped, and then nobody needs the result.
        match self.store.write(&mutations) {
            Ok(results) => {
                self.record_success();
                let path = self.store.path().display();
                for (reply, result) in replies
                    .into_iter()
                    .zip(results.into_iter().skip(unwritten_count))
                {
                    let result = result.map_err(|reason| OutboxError(format!("{path}: {reason}")));
                    drop(reply.send(result));
                }
            }
            Err(error) => {
                self.record_failure(&error);
                for reply in replies {
                    drop(reply.send(Err(OutboxError(error.to_string()))));
                }
                // The worker does not repeat these changes.
                mutations.retain(|mutation| {
                    matches!(
                        mutation,
                        Mutation::Retry(..) | Mutation::DeadLetter(_) | Mutation::FinishFallback(_)
                    )
                });
                self.unwritten = mutations;
            }
        }
    }

    /// Answers lease requests with the records that are due. A request whose caller was dropped
    /// promotes no copy.
    fn serve_leases(&mut self) {
        self.lease_requests.retain(|(_, reply)| !reply.is_closed());
        if !self.lease_requests.is_empty()
            && self.store.has_due_fallback()
            && self.paused().is_none()
        {
            let is_alone = self.is_alone();
            if let Err(error) = self.store.promote_due_fallbacks(is_alone) {
                self.record_failure(&error);
            }
        }
        while let Some((limit, reply)) = self.lease_requests.pop_front() {
            match self.store.lease(limit) {
                Ok(leases) if leases.is_empty() => {
                    self.lease_requests.push_front((limit, reply));
                    return;
                }
                Ok(leases) => {
                    if let Err(Ok(leases)) = reply.send(Ok(leases)) {
                        self.store.unlease(keys(&leases));
                    }
                }
                Err(error) => {
                    self.record_failure(&error);
                    drop(reply.send(Err(error.into())));
                }
            }
        }
    }

    /// Imports one batch from an orphaned file.
    fn take_over(&mut self) {
        if self.orphaned_file.is_none() && Instant::now() >= self.next_poll {
            self.orphaned_file = self.find_orphaned();
            self.next_poll = Instant::now() + POLL_INTERVAL;
        }
        let Some((path, database)) = self.orphaned_file.take() else {
            return;
        };
        match self.store.import_from(&path, &database, IMPORT_BATCH) {
            Ok(0) => {
                drop(database);
                remember(path, &mut self.empty_files);
                // Search for the next orphaned file at once.
                self.next_poll = Instant::now();
            }
            Ok(count) => {
                tracing::info!(target: "mengpaneel", count, path = %path.display(), "took over records from an orphaned outbox file");
                self.orphaned_file = Some((path, database));
            }
            Err(ImportError::Own(error)) => self.record_failure(&error),
            Err(ImportError::Orphaned(error)) => {
                tracing::error!(target: "mengpaneel", %error, "an orphaned outbox file cannot be taken over; its records stay there");
                drop(database);
                remember(path, &mut self.damaged_files);
            }
        }
    }

    /// Opens a sibling file that no process has open and that changed since it was empty or damaged.
    fn find_orphaned(&self) -> Option<(PathBuf, Database)> {
        self.changed_siblings()
            .filter(|path| !is_unchanged(path, &self.damaged_files))
            .find_map(|path| lock::open_orphaned(&path).map(|database| (path, database)))
    }

    /// Returns whether each sibling file is missing or known to be empty. Otherwise another process
    /// may have recorded its deliveries there.
    fn is_alone(&self) -> bool {
        self.changed_siblings().next().is_none()
    }

    /// Returns the existing sibling files that are not known to be empty.
    fn changed_siblings(&self) -> impl Iterator<Item = PathBuf> {
        lock::sibling_paths(&self.path).filter(|path| {
            path != self.store.path() && path.exists() && !is_unchanged(path, &self.empty_files)
        })
    }

    /// Returns the last failure while appends are declined for it.
    fn paused(&self) -> Option<&Failure> {
        let failure = self.failure.as_ref();
        failure.filter(|failure| Instant::now() < failure.until)
    }

    fn record_failure(&mut self, error: &FileError) {
        let failure = Failure {
            until: Instant::now() + FAILURE_PAUSE,
            error: OutboxError(error.to_string()),
        };
        if self.failure.replace(failure).is_none() {
            tracing::error!(target: "mengpaneel", %error, "the outbox file failed; appends are declined until it can be written again");
        }
    }

    fn record_success(&mut self) {
        if self.paused().is_none() && self.failure.take().is_some() {
            tracing::info!(target: "mengpaneel", path = %self.store.path().display(), "the outbox file can be written again");
        }
    }
}

/// Remembers a file with its modification time.
fn remember(path: PathBuf, files: &mut HashMap<PathBuf, SystemTime>) {
    if let Ok(modified) = path.metadata().and_then(|file| file.modified()) {
        files.insert(path, modified);
    }
}

/// Returns whether a file did not change since it was remembered.
fn is_unchanged(path: &Path, files: &HashMap<PathBuf, SystemTime>) -> bool {
    let modified = path.metadata().and_then(|file| file.modified());
    modified.is_ok_and(|modified| files.get(path) == Some(&modified))
}
