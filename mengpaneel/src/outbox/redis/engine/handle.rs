//! State of an opened outbox in Redis.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _, ready};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::outbox::redis::connection::thread::ConnectionThread;
use crate::outbox::redis::connection::{QueryError, RedisConnection};
use crate::outbox::redis::database::{Database, Keys};
use crate::outbox::redis::engine::Redis;
use crate::outbox::redis::reader::Reader;
use crate::outbox::redis::writer::{Append, Writer};
use crate::outbox::{Lease, Outbox as _, OutboxError};

/// Most appends in flight.
pub(crate) const MAX_APPENDS_IN_FLIGHT: usize = 10_000;

/// State of an opened outbox.
pub(crate) struct RedisHandle {
    pub(crate) appends: mpsc::UnboundedSender<Append>,
    pub(crate) permits: Semaphore,
    pub(crate) reader: Arc<Reader>,
    pub(crate) thread: ConnectionThread,
}

impl RedisHandle {
    /// Starts the thread. It connects on first use.
    ///
    /// # Errors
    /// [`OutboxError`] if the URL or the certificates are invalid, or the thread cannot start.
    pub(crate) fn open(redis: &Redis) -> Result<Self, OutboxError> {
        let database = Arc::new(Database {
            connection: RedisConnection::new(&redis.url, redis.roots.as_deref())?,
            keys: Keys::new(&redis.key),
        });
        let (appends, append_receiver) = mpsc::unbounded_channel();
        let writer = Writer::new(Arc::clone(&database), append_receiver, redis.max_records);
        // The writer ends when the last sender of appends is dropped.
        let thread =
            ConnectionThread::start("mengpaneel-redis", &redis.description(), writer.run())?;
        Ok(Self {
            appends,
            permits: Semaphore::new(MAX_APPENDS_IN_FLIGHT),
            reader: Arc::new(Reader::new(database, redis.claim_after)),
            thread,
        })
    }
}

impl Redis {
    pub(crate) fn handle(&self) -> Result<&RedisHandle, OutboxError> {
        self.handle.get().ok_or_else(|| {
            OutboxError(format!(
                "{} is not open: call `open` first",
                self.description()
            ))
        })
    }

    pub(crate) fn thread_ended(&self) -> OutboxError {
        OutboxError(format!(
            "the thread with the connections to {} has ended",
            self.description()
        ))
    }

    /// Runs work on the thread that has the connections. If the caller is cancelled, it continues.
    pub(crate) fn run_on_thread<T, F>(
        &self,
        work: impl FnOnce(Arc<Reader>) -> F,
    ) -> BoxFuture<'_, Result<T, OutboxError>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, QueryError>> + Send + 'static,
    {
        let handle = match self.handle() {
            Ok(handle) => handle,
            Err(error) => return ready(Err(error)).boxed(),
        };
        let task = handle.thread.spawn(work(Arc::clone(&handle.reader)));
        task.map(|result| Ok(result.map_err(|_| self.thread_ended())??))
            .boxed()
    }
}

/// Caller that waits for a lease. If dropped, the records that it did not receive are unleased.
pub(crate) struct LeaseGuard<'a> {
    pub(crate) reader: &'a Reader,
    pub(crate) result: oneshot::Receiver<Result<Vec<Lease>, OutboxError>>,
}

impl Drop for LeaseGuard<'_> {
    fn drop(&mut self) {
        self.result.close();
        if let Ok(Ok(records)) = self.result.try_recv() {
            self.reader.unlease(records);
        }
    }
}
