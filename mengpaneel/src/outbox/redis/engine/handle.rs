//! Handle of the thread that has the connections to Redis.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, ready};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Semaphore, mpsc, oneshot};
use uuid::Uuid;

use crate::outbox::redis::connection::{QueryError, RedisAddr, RedisConnection};
use crate::outbox::redis::engine::Redis;
use crate::outbox::redis::keys::Keys;
use crate::outbox::redis::reader::Reader;
use crate::outbox::redis::writer::{Append, Writer};
use crate::outbox::{Lease, Outbox as _, OutboxError};

/// Longest time that Redis may take for a response.
pub(crate) const QUERY_TIMEOUT: Duration = Duration::from_secs(1);

/// Most appends in flight.
pub(crate) const MAX_APPENDS_IN_FLIGHT: usize = 10_000;

/// State of an opened outbox.
pub(crate) struct RedisHandle {
    pub(crate) appends: mpsc::UnboundedSender<Append>,
    pub(crate) permits: Semaphore,
    pub(crate) reader: Arc<Reader>,
    pub(crate) runtime: Handle,
    /// Ends the thread when it is dropped.
    _end: oneshot::Sender<()>,
}

impl RedisHandle {
    /// Starts the thread. It connects on first use.
    ///
    /// # Errors
    /// [`OutboxError`] if the URL or the certificates are invalid, or the thread cannot start.
    pub(crate) fn open(redis: &Redis) -> Result<Self, OutboxError> {
        let address = RedisAddr::parse(&redis.url, QUERY_TIMEOUT, redis.roots.as_deref())?;
        let start_error = |error: std::io::Error| {
            OutboxError(format!(
                "cannot start the thread for {}: {error}",
                redis.description()
            ))
        };
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(start_error)?;
        let handle = runtime.handle().clone();
        let keys = Arc::new(Keys::new(&redis.key));
        let connection = Arc::new(RedisConnection::new(address, QUERY_TIMEOUT));
        let (appends, append_receiver) = mpsc::unbounded_channel();
        let writer = Writer::new(
            Arc::clone(&connection),
            Arc::clone(&keys),
            append_receiver,
            redis.max_records,
        );
        let consumer = format!("{}-{}", std::process::id(), Uuid::new_v4());
        let blocking_connection = connection.duplicate();
        let reader = Arc::new(Reader::new(
            connection,
            blocking_connection,
            keys,
            consumer,
            redis.claim_after,
        ));
        let (end, ended) = oneshot::channel::<()>();
        let run = move || {
            runtime.block_on(async {
                // The writer ends when the last sender of appends is dropped.
                let writing = tokio::spawn(writer.run());
                drop(ended.await);
                drop(writing.await);
            });
        };
        thread::Builder::new()
            .name("mengpaneel-redis".into())
            .spawn(run)
            .map_err(start_error)?;
        Ok(Self {
            appends,
            permits: Semaphore::new(MAX_APPENDS_IN_FLIGHT),
            reader,
            runtime: handle,
            _end: end,
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
        let task = handle.runtime.spawn(work(Arc::clone(&handle.reader)));
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
