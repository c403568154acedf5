//! The outbox in a file: embedded, and still there after a kill.

pub(crate) mod actor;
pub(crate) mod command;
mod error;
pub(crate) mod fallback_index;
pub(crate) mod fallback_tables;
pub(crate) mod lock;
mod store;
mod tables;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::Semaphore;

use futures_util::future::{BoxFuture, FutureExt as _, TryFutureExt as _, ready};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::id::now_ms;
use crate::outbox::fallback::ms;
use crate::outbox::file::actor::FileActor;
use crate::outbox::file::command::{Bounds, Command, Mutation};
pub use crate::outbox::file::error::FileError;
pub use crate::outbox::file::lock::OnLocked;
use crate::outbox::file::store::Store;
use crate::outbox::file::tables::FORMAT;
use crate::outbox::{
    AppendError, ClaimResult, Lease, LeaseId, LeasedRecord, Outbox, OutboxError, record,
};
use crate::record::envelope::Envelope;

/// As many parcels may wait for the disk at once.
const MAX_PENDING: usize = 10_000;

/// An outbox in a file: what it took is still there after the process was killed, or the machine
/// lost its power.
///
/// What arrives while the disk is busy is written with one commit, so that a request waits for one
/// turn of the disk at most. A file is one process's: see [`OnLocked`] for what a second one does.
/// Records are delivered in the order in which they were recorded, as long as there is one file.
///
/// Records hold what was recorded of visitors. A file that is made can be opened by its owner only
/// (mode 0600, whatever the umask). One that was there keeps its rights; where others may open it,
/// the log says so once.
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
    bounds: Bounds,
    locked: OnLocked,
    handle: OnceLock<FileHandle>,
}

/// Where the thread that has the file takes orders.
#[derive(Debug)]
struct FileHandle {
    orders: Option<Sender<Command>>,
    path: PathBuf,
    permits: Semaphore,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl File {
    /// An outbox in this file, which is made if it is not there: ten million records or 8 GiB.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let bounds = Bounds {
            records: 10_000_000,
            bytes: 8 << 30,
        };
        Self {
            path: path.into(),
            bounds,
            locked: OnLocked::default(),
            handle: OnceLock::new(),
        }
    }

    /// How many records may wait: one is what one request recorded.
    #[must_use]
    pub fn max_records(mut self, max_records: u64) -> Self {
        self.bounds.records = max_records;
        self
    }

    /// How many bytes of records may wait; the file is somewhat larger.
    #[must_use]
    pub fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.bounds.bytes = max_bytes;
        self
    }

    /// What to do where another process has the file open. Default: [`OnLocked::UseSibling`].
    #[must_use]
    pub fn on_locked(self, locked: OnLocked) -> Self {
        Self { locked, ..self }
    }

    /// Opens the file and starts the thread that has it; [`Builder::build`](crate::Builder::build)
    /// does so too.
    ///
    /// # Errors
    /// What is wrong with the file, and what to do.
    pub fn try_open(&self) -> Result<(), FileError> {
        if self.handle.get().is_none() {
            let desk = FileHandle::open(&self.path, self.bounds, self.locked)?;
            drop(self.handle.set(desk));
        }
        Ok(())
    }

    /// The file that is open: the one that was named, or one beside it.
    pub fn open_path(&self) -> Option<&Path> {
        self.handle.get().map(|desk| desk.path.as_path())
    }

    fn command<T: Send + 'static>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<T, OutboxError>>) -> Command,
    ) -> BoxFuture<'_, Result<T, OutboxError>> {
        let (answer, answered) = oneshot::channel();
        match self.send(order(answer)) {
            Ok(()) => answered
                .map(|answer| answer.unwrap_or_else(|_| Err(self.ended())))
                .boxed(),
            Err(error) => ready(Err(error)).boxed(),
        }
    }

    fn write(&self, change: Mutation) -> BoxFuture<'_, Result<(), OutboxError>> {
        let (answer, answered) = oneshot::channel();
        if let Err(error) = self.send(Command::Write(change, answer)) {
            return ready(Err(error)).boxed();
        }
        answered
            .map(|answer| answer.map_err(|_| self.ended())?.map_err(OutboxError))
            .boxed()
    }

    fn ended(&self) -> OutboxError {
        OutboxError(format!(
            "the thread that has {} has ended",
            self.description()
        ))
    }

    fn unopened(&self) -> String {
        format!("{} was not opened: call `open` first", self.description())
    }

    fn send(&self, order: Command) -> Result<(), OutboxError> {
        let desk = self
            .handle
            .get()
            .ok_or_else(|| OutboxError(self.unopened()))?;
        let orders = desk.orders.as_ref().ok_or_else(|| self.ended())?;
        orders.send(order).map_err(|_| self.ended())
    }
}

impl FileHandle {
    fn open(path: &Path, bounds: Bounds, locked: OnLocked) -> Result<Self, FileError> {
        let (open_path, database) = lock::open_any(path, locked)?;
        let store = Store::new(open_path.clone(), database, bounds)?;
        let (orders, ordered) = mpsc::channel();
        let keeper = FileActor::new(store, path.to_owned(), ordered);
        let thread = thread::Builder::new()
            .name("mengpaneel-file".into())
            .spawn(move || keeper.run())
            .map_err(|error| FileError::Other {
                path: path.to_owned(),
                why: error.to_string(),
            })?;
        let thread = Mutex::new(Some(thread));
        Ok(Self {
            orders: Some(orders),
            path: open_path,
            permits: Semaphore::new(MAX_PENDING),
            thread,
        })
    }
}

impl Drop for FileHandle {
    /// Ends when all that was ordered is done; the file is free then.
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
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

    fn append(&self, parcel: Envelope) -> BoxFuture<'_, Result<(), AppendError>> {
        self.put(parcel, Mutation::Append).boxed()
    }

    fn lease(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>> {
        self.lease_records(limit)
            .map_ok(LeasedRecord::into_leases)
            .boxed()
    }

    fn lease_records(&self, limit: usize) -> BoxFuture<'_, Result<Vec<LeasedRecord>, OutboxError>> {
        let (answer, answered) = oneshot::channel();
        match self.send(Command::Lease(limit, answer)) {
            Ok(()) => {
                let mut leasing = LeaseGuard {
                    file: self,
                    answered,
                };
                async move {
                    (&mut leasing.answered)
                        .await
                        .unwrap_or_else(|_| Err(self.ended()))
                }
                .boxed()
            }
            Err(error) => ready(Err(error)).boxed(),
        }
    }

    fn mark_sending<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        self.write(Mutation::Mark(
            leases.iter().filter_map(|lease| id_of(&lease.id)).collect(),
        ))
    }

    fn acknowledge(&self, ids: Vec<LeaseId>) -> BoxFuture<'_, Result<(), OutboxError>> {
        if ids.is_empty() {
            return ready(Ok(())).boxed();
        }
        self.write(Mutation::Acknowledge(
            ids.iter().filter_map(id_of).collect(),
        ))
    }

    fn retry_later(
        &self,
        leases: Vec<Lease>,
        delay: Duration,
    ) -> BoxFuture<'_, Result<(), OutboxError>> {
        if leases.is_empty() {
            return ready(Ok(())).boxed();
        }
        match written(&leases) {
            Ok(records) => self.write(Mutation::Retry(records, delay)),
            Err(error) => ready(Err(error)).boxed(),
        }
    }

    fn dead_letter(&self, leases: Vec<Lease>) -> BoxFuture<'_, Result<(), OutboxError>> {
        if leases.is_empty() {
            return ready(Ok(())).boxed();
        }
        match written(&leases) {
            Ok(records) => self.write(Mutation::DeadLetter(records)),
            Err(error) => ready(Err(error)).boxed(),
        }
    }

    fn dead_letters(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>> {
        self.command(|answer| Command::DeadLetters(limit, answer))
    }

    fn requeue(&self, limit: usize) -> BoxFuture<'_, Result<usize, OutboxError>> {
        self.command(|answer| Command::Requeue(limit, answer))
    }

    fn schedule_fallback(
        &self,
        parcel: Envelope,
        after: Duration,
    ) -> BoxFuture<'_, Result<(), AppendError>> {
        let due = now_ms().saturating_add(ms(after));
        self.put(parcel, move |id, record| {
            Mutation::StoreFallback(id, due, record)
        })
        .boxed()
    }

    fn claim_fallback(&self, id: Uuid) -> BoxFuture<'_, Result<ClaimResult, OutboxError>> {
        self.command(|answer| Command::ClaimFallback(id.as_u128(), answer))
    }

    fn finish_fallback(&self, id: Uuid, is_said: bool) -> BoxFuture<'_, Result<(), OutboxError>> {
        if is_said {
            return self.write(Mutation::FinishFallback(id.as_u128()));
        }
        ready(self.send(Command::ReleaseFallback(id.as_u128()))).boxed()
    }

    fn pending(&self) -> BoxFuture<'_, Result<usize, OutboxError>> {
        self.command(Command::Pending)
    }
}

impl File {
    async fn put(
        &self,
        parcel: Envelope,
        change: impl FnOnce(u128, Vec<u8>) -> Mutation,
    ) -> Result<(), AppendError> {
        let decline = |parcel, reason| {
            Err(AppendError {
                envelope: Box::new(parcel),
                reason,
            })
        };
        let record = record::encode_envelope(&parcel);
        let Some(desk) = self.handle.get() else {
            return decline(parcel, self.unopened());
        };
        let Ok(_permit) = desk.permits.try_acquire() else {
            return decline(
                parcel,
                format!(
                    "{MAX_PENDING} parcels wait for the disk of {} already",
                    desk.path.display()
                ),
            );
        };
        match self.write(change(parcel.id.as_u128(), record)).await {
            Ok(()) => Ok(()),
            Err(OutboxError(reason)) => decline(parcel, reason),
        }
    }
}

/// Somebody who waits for records. If they go, what was handed to them meanwhile goes back.
struct LeaseGuard<'a> {
    file: &'a File,
    answered: oneshot::Receiver<Result<Vec<LeasedRecord>, OutboxError>>,
}

impl Drop for LeaseGuard<'_> {
    fn drop(&mut self) {
        self.answered.close();
        if let Ok(Ok(leases)) = self.answered.try_recv() {
            // Only fails with the thread, and then there is nobody to hand them out.
            drop(self.file.send(Command::Unlease(leases)));
        }
    }
}

fn written(leases: &[Lease]) -> Result<Vec<(u128, Vec<u8>)>, OutboxError> {
    let records = leases
        .iter()
        .filter_map(|lease| Some((id_of(&lease.id)?, record::encode_lease(lease))));
    records
        .map(|(id, record)| Ok((id, record.map_err(|error| OutboxError(error.to_string()))?)))
        .collect()
}

/// The parcel that a lease's name names.
fn id_of(id: &LeaseId) -> Option<u128> {
    Uuid::parse_str(&id.0).ok().map(|id| id.as_u128())
}
