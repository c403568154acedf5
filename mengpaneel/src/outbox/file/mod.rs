//! Outbox in a file: an embedded database whose records survive a killed process.

pub(crate) mod actor;
pub(crate) mod command;
mod error;
pub(crate) mod fallback_index;
pub(crate) mod fallback_tables;
pub(crate) mod lock;
mod mutation;
mod size;
mod store;
mod tables;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, ready};
use tokio::sync::{Semaphore, oneshot};
use uuid::Uuid;

use crate::id::now_ms;
use crate::outbox::fallback::ms;
use crate::outbox::file::actor::FileActor;
use crate::outbox::file::command::Command;
pub use crate::outbox::file::error::FileError;
pub use crate::outbox::file::lock::OnLocked;
use crate::outbox::file::mutation::{Mutation, keys, rows};
use crate::outbox::file::size::Size;
use crate::outbox::file::store::Store;
use crate::outbox::{AppendError, ClaimResult, Consumer, Lease, Outbox, OutboxError, Record};

/// Maximum number of records that wait for the disk at once.
const MAX_APPENDS_IN_FLIGHT: usize = 10_000;

/// Outbox in a file. Stored records survive a killed process and a power failure.
///
/// Records that arrive while the disk is busy are written with one commit, so that a request
/// waits for at most one other commit. A file belongs to one process; [`OnLocked`] configures a
/// second process. Records are delivered in the order in which they were recorded, as long as there
/// is one file.
///
/// Records hold data about visitors. A new file can be opened by its owner only (mode 0600,
/// whatever the umask). An existing file keeps its permissions; where other users may open it, the
/// log says so once.
///
/// ```
/// use mengpaneel::outbox::File;
///
/// let outbox = File::new("/var/lib/blog/outbox").max_records(1_000_000);
/// # let _ = outbox;
/// ```
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    bounds: Size,
    on_locked: OnLocked,
    handle: OnceLock<FileHandle>,
}

/// Handle of the thread that owns the file.
#[derive(Debug)]
struct FileHandle {
    path: PathBuf,
    permits: Semaphore,
    /// `None` while the handle is dropped.
    thread: Option<(Sender<Command>, JoinHandle<()>)>,
}

impl File {
    /// Creates an outbox for ten million records or 8 GiB. The file is created if it is missing.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let bounds = Size {
            records: 10_000_000,
            bytes: 8 << 30,
        };
        Self {
            path: path.into(),
            bounds,
            on_locked: OnLocked::default(),
            handle: OnceLock::new(),
        }
    }

    /// Sets the maximum number of pending records. One record holds the calls of one request.
    #[must_use]
    pub fn max_records(mut self, max_records: u64) -> Self {
        self.bounds.records = max_records;
        self
    }

    /// Sets the maximum size of the pending records in bytes; the file is somewhat larger.
    #[must_use]
    pub fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.bounds.bytes = max_bytes;
        self
    }

    /// Sets the behavior if another process has the file open. Default: [`OnLocked::UseSibling`].
    #[must_use]
    pub fn on_locked(self, on_locked: OnLocked) -> Self {
        Self { on_locked, ..self }
    }

    /// Opens the file and starts the thread that owns it.
    /// [`Builder::build`](crate::Builder::build) does so too.
    ///
    /// # Errors
    /// [`FileError`] with the problem and its remedy.
    pub fn try_open(&self) -> Result<(), FileError> {
        if self.handle.get().is_none() {
            let handle = FileHandle::open(&self.path, self.bounds, self.on_locked)?;
            drop(self.handle.set(handle));
        }
        Ok(())
    }

    /// Returns the path of the open file: the configured path or a sibling. `None` until the
    /// outbox is opened.
    pub fn open_path(&self) -> Option<&Path> {
        self.handle.get().map(|handle| handle.path.as_path())
    }

    /// Runs an operation on the thread, and waits for its result.
    async fn query<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Store) -> Result<T, FileError> + Send + 'static,
    ) -> Result<T, OutboxError> {
        let (reply, response) = oneshot::channel();
        // Sending fails if the caller was dropped, and then nobody needs the result.
        self.run(|store| drop(reply.send(operation(store))))?;
        Ok(response.await.map_err(|_| self.stopped())??)
    }

    /// Runs an operation on the thread.
    fn run(&self, operation: impl FnOnce(&mut Store) + Send + 'static) -> Result<(), OutboxError> {
        self.send(Command::Run(Box::new(operation)))
    }

    async fn write(&self, mutation: Mutation) -> Result<(), OutboxError> {
        let (reply, response) = oneshot::channel();
        self.send(Command::Write(mutation, reply))?;
        response.await.map_err(|_| self.stopped())?
    }

    /// Writes the end of leases, unless there are none.
    fn end_leases(
        &self,
        leases: &[Lease],
        mutation: Mutation,
    ) -> BoxFuture<'_, Result<(), OutboxError>> {
        if leases.is_empty() {
            return ready(Ok(())).boxed();
        }
        self.write(mutation).boxed()
    }

    fn stopped(&self) -> OutboxError {
        OutboxError(format!(
            "the thread that owns {} has ended",
            self.description()
        ))
    }

    fn not_opened(&self) -> String {
        format!("{} was not opened: call `open` first", self.description())
    }

    fn send(&self, command: Command) -> Result<(), OutboxError> {
        let handle = self
            .handle
            .get()
            .ok_or_else(|| OutboxError(self.not_opened()))?;
        let (commands, _) = handle.thread.as_ref().ok_or_else(|| self.stopped())?;
        commands.send(command).map_err(|_| self.stopped())
    }

    async fn store(
        &self,
        record: Record,
        to_mutation: impl FnOnce(Record) -> Mutation,
    ) -> Result<(), AppendError> {
        let Some(handle) = self.handle.get() else {
            return Err(AppendError::new(record, self.not_opened()));
        };
        let Ok(_permit) = handle.permits.try_acquire() else {
            let reason = format!(
                "{MAX_APPENDS_IN_FLIGHT} records already wait for the disk of {}",
                handle.path.display()
            );
            return Err(AppendError::new(record, reason));
        };
        let record = record.with_checksum();
        let stored = self.write(to_mutation(record.clone())).await;
        stored.map_err(|error| AppendError::new(record, error.0))
    }
}

impl FileHandle {
    fn open(path: &Path, bounds: Size, on_locked: OnLocked) -> Result<Self, FileError> {
        let (open_path, database) = lock::open_any(path, on_locked)?;
        let store = Store::new(open_path.clone(), database, bounds)?;
        let (commands, receiver) = mpsc::channel();
        let actor = FileActor::new(store, path.to_owned(), receiver);
        let thread = thread::Builder::new()
            .name("mengpaneel-file".into())
            .spawn(move || actor.run())
            .map_err(|error| FileError::from_redb(path, error.into()))?;
        Ok(Self {
            path: open_path,
            permits: Semaphore::new(MAX_APPENDS_IN_FLIGHT),
            thread: Some((commands, thread)),
        })
    }
}

impl Drop for FileHandle {
    /// Waits until the thread has executed all commands, after which the file is unlocked.
    fn drop(&mut self) {
        if let Some((commands, thread)) = self.thread.take() {
            drop(commands);
            drop(thread.join());
        }
    }
}

impl Outbox for File {
    fn open(&self) -> Result<(), OutboxError> {
        Ok(self.try_open()?)
    }

    fn description(&self) -> String {
        format!(
            "the file {}",
            self.open_path().unwrap_or(&self.path).display()
        )
    }

    fn append(&self, record: Record) -> BoxFuture<'_, Result<(), AppendError>> {
        self.store(record, Mutation::Append).boxed()
    }

    fn pending(&self) -> BoxFuture<'_, Result<usize, OutboxError>> {
        self.query(|store| Ok(store.len())).boxed()
    }

    fn consumer(&self) -> Option<&dyn Consumer> {
        Some(self)
    }

    fn schedule_fallback(
        &self,
        record: Record,
        after: Duration,
    ) -> BoxFuture<'_, Result<(), AppendError>> {
        let due = now_ms().saturating_add(ms(after));
        self.store(record, move |record| Mutation::StoreFallback(due, record))
            .boxed()
    }

    fn claim_fallback(&self, id: Uuid) -> BoxFuture<'_, Result<ClaimResult, OutboxError>> {
        self.query(move |store| store.claim(id.as_u128())).boxed()
    }

    fn finish_fallback(&self, id: Uuid, is_sent: bool) -> BoxFuture<'_, Result<(), OutboxError>> {
        let key = id.as_u128();
        if is_sent {
            return self.write(Mutation::FinishFallback(key)).boxed();
        }
        ready(self.run(move |store| store.release(key))).boxed()
    }
}

impl Consumer for File {
    fn lease(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>> {
        async move {
            let (reply, response) = oneshot::channel();
            self.send(Command::Lease(limit, reply))?;
            let mut guard = LeaseGuard {
                file: self,
                response,
            };
            let leases = (&mut guard.response).await;
            leases.map_err(|_| self.stopped())?
        }
        .boxed()
    }

    fn mark_sending<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        self.write(Mutation::MarkSending(keys(leases))).boxed()
    }

    fn acknowledge<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        self.end_leases(leases, Mutation::Acknowledge(keys(leases)))
    }

    fn retry_later<'a>(
        &'a self,
        leases: &'a [Lease],
        delay: Duration,
    ) -> BoxFuture<'a, Result<(), OutboxError>> {
        self.end_leases(leases, Mutation::Retry(rows(leases), delay))
    }

    fn dead_letter<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        self.end_leases(leases, Mutation::DeadLetter(rows(leases)))
    }

    fn dead_letters(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Record>, OutboxError>> {
        self.query(move |store| store.dead_letters(limit)).boxed()
    }

    fn requeue(&self, limit: usize) -> BoxFuture<'_, Result<usize, OutboxError>> {
        self.query(move |store| store.requeue(limit)).boxed()
    }
}

/// Response to a lease request. If dropped, it returns records that arrived meanwhile.
struct LeaseGuard<'a> {
    file: &'a File,
    response: oneshot::Receiver<Result<Vec<Lease>, OutboxError>>,
}

impl Drop for LeaseGuard<'_> {
    fn drop(&mut self) {
        self.response.close();
        if let Ok(Ok(leases)) = self.response.try_recv() {
            // Fails only if the thread has ended, and then no lease is possible.
            drop(self.file.run(move |store| store.unlease(keys(&leases))));
        }
    }
}
