//! Dispatcher: accepts envelopes and appends them to the outbox, or delivers them at once.

mod append;
mod flush;
mod guards;
mod health;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures_util::future::FutureExt as _;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::deliver::dispatcher::append::PendingAppend;
use crate::deliver::dispatcher::guards::{ResultGuard, UnfinishedGuard};
use crate::deliver::http::HttpClient;
use crate::deliver::sender::{BeforeSend, Sender, UndeliveredError};
use crate::deliver::shutdown::Shutdown;
use crate::deliver::worker::Worker;
use crate::error::{ErrorReporter, Failure, Reason};
use crate::outbox::record::encode;
use crate::outbox::{Outbox, Record, RecordRef, TryAppendError};
use crate::record::envelope::{Envelope, EnvelopeRef};

pub use crate::deliver::dispatcher::health::Health;

/// Reason of a declined append without an outbox.
const NO_OUTBOX: &str = "no outbox is configured";

/// Reason of a declined append or delivery after a shutdown.
const SHUT_DOWN: &str = "the Mengpaneel was shut down";

/// Most deliveries in flight that bypass the outbox.
const MAX_IN_FLIGHT: usize = 10_000;

/// Front of the delivery thread. If dropped, it shuts the worker down.
pub(crate) struct Dispatcher {
    outbox: Option<Arc<dyn Outbox>>,
    /// True if this process delivers the records of the outbox.
    is_consumer: bool,
    sender: Arc<Sender>,
    runtime: Handle,
    shutdown: Arc<Shutdown>,
    shutdown_timeout: Duration,
}

/// Configuration of a [`Dispatcher`].
pub(crate) struct DispatcherConfig {
    pub(crate) token: String,
    pub(crate) http: HttpClient,
    pub(crate) outbox: Option<Arc<dyn Outbox>>,
    pub(crate) reporter: ErrorReporter,
    pub(crate) before_send: Option<BeforeSend>,
    pub(crate) retry_for: Duration,
    pub(crate) shutdown_timeout: Duration,
    /// Number of batches in flight at once; 0 if other processes drain the outbox.
    pub(crate) concurrency: usize,
    pub(crate) max_redeliveries: u32,
}

impl Dispatcher {
    /// Starts the delivery thread.
    ///
    /// # Errors
    /// The I/O error if the operating system cannot start a thread.
    pub(crate) fn start(config: DispatcherConfig) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let outbox = config.outbox;
        let sender = Arc::new(Sender::new(
            config.token,
            config.http,
            config.reporter,
            config.retry_for,
            config.before_send,
        ));
        let shutdown = Arc::<Shutdown>::default();
        let is_consumer = config.concurrency > 0
            && outbox
                .as_ref()
                .is_some_and(|outbox| outbox.consumer().is_some());
        let worker = Worker {
            outbox: outbox.clone(),
            sender: Arc::clone(&sender),
            shutdown: Arc::clone(&shutdown),
            concurrency: config.concurrency,
            max_redeliveries: config.max_redeliveries,
        };
        thread::Builder::new()
            .name("mengpaneel".into())
            .spawn(move || runtime.block_on(worker.run()))?;
        Ok(Self {
            outbox,
            is_consumer,
            sender,
            runtime: handle,
            shutdown,
            shutdown_timeout: config.shutdown_timeout,
        })
    }

    /// Appends an envelope to the outbox. If the caller is cancelled, the append continues.
    ///
    /// # Errors
    /// The reason why the outbox declined the envelope.
    pub(crate) async fn enqueue(self: &Arc<Self>, envelope: &Envelope) -> Result<(), String> {
        let record = encode(envelope.into());
        match self.try_append(&record) {
            Ok(()) => Ok(()),
            Err(TryAppendError::Declined(reason)) => Err(reason),
            Err(TryAppendError::WouldBlock) => {
                let appended = PendingAppend::new(self, Record::from_bytes(record)).await;
                appended.map_err(|error| error.reason)
            }
        }
    }

    /// Delivers an envelope now, in one attempt. If the caller is cancelled, the delivery
    /// continues.
    ///
    /// # Errors
    /// [`UndeliveredError`] with the failures.
    pub(crate) async fn deliver(&self, envelope: &Envelope) -> Result<(), UndeliveredError> {
        self.deliver_now(Record::new(envelope), None).await
    }

    /// Delivers an envelope now. If that fails, it is appended to the outbox; if that fails too,
    /// the failures are reported.
    pub(crate) async fn deliver_or_report(&self, envelope: &Envelope) {
        let record = Record::new(envelope);
        if let Err(error) = self.deliver_now(record, self.outbox.clone()).await {
            for failure in &error.0 {
                self.report(failure);
            }
        }
    }

    /// Delivers a record now, or appends it to `fallback` if Mixpanel is unavailable.
    async fn deliver_now(
        &self,
        record: Record,
        fallback: Option<Arc<dyn Outbox>>,
    ) -> Result<(), UndeliveredError> {
        let (result, failures) = oneshot::channel();
        let sender = Arc::clone(&self.sender);
        let sent = record.clone();
        let spawned = self.spawn(async move {
            let (mut failures, undelivered) = sender.send_once(&sent).await;
            if let (Some(undelivered), Some(outbox)) = (undelivered, fallback)
                && outbox.append(undelivered).await.is_ok()
            {
                failures.clear();
            }
            // If the request or job was cancelled, nobody receives the failures.
            for failure in result.send(failures).err().iter().flatten() {
                sender.report(failure);
            }
        });
        let mut guard = ResultGuard {
            failures,
            sender: Arc::clone(&self.sender),
        };
        let abandoned = |reason| vec![Failure::for_calls(reason, record.calls())];
        let failures = match spawned {
            Ok(()) => (&mut guard.failures)
                .await
                .unwrap_or_else(|_| abandoned(Reason::Abandoned(SHUT_DOWN.into()))),
            Err(reason) => abandoned(reason),
        };
        if failures.is_empty() {
            Ok(())
        } else {
            Err(UndeliveredError(failures))
        }
    }

    /// Appends an envelope to the outbox or delivers it, without waiting: for the drop of a
    /// request, and for a call after the flush.
    pub(crate) fn enqueue_detached<'a>(self: &Arc<Self>, envelope: impl Into<EnvelopeRef<'a>>) {
        let record = encode(envelope.into());
        match self.try_append(&record) {
            Ok(()) => {}
            Err(TryAppendError::Declined(_)) => {
                self.deliver_detached(&Record::from_bytes(record));
            }
            // An append that is not ready at once continues on the delivery thread when it is
            // dropped.
            Err(TryAppendError::WouldBlock) => {
                let append = PendingAppend::new(self, Record::from_bytes(record));
                if let Some(Err(error)) = append.now_or_never() {
                    self.deliver_detached(&error.record);
                }
            }
        }
    }

    fn try_append(&self, record: &[u8]) -> Result<(), TryAppendError> {
        match &self.outbox {
            _ if self.is_shutting_down() => Err(TryAppendError::Declined(SHUT_DOWN.into())),
            None => Err(TryAppendError::Declined(NO_OUTBOX.into())),
            Some(outbox) => outbox.try_append(RecordRef::new(record)),
        }
    }

    /// Delivers a record without a waiting caller and reports the failures.
    fn deliver_detached(&self, record: &Record) {
        let sender = Arc::clone(&self.sender);
        let sent = record.clone();
        let spawned = self.spawn(async move {
            let mut unfinished = UnfinishedGuard {
                sender: &sender,
                record: Some(&sent),
            };
            sender.send_or_report(&sent).await;
            unfinished.record = None;
        });
        if let Err(reason) = spawned {
            self.report(&Failure::for_calls(reason, record.calls()));
        }
    }

    /// Runs work on the delivery thread; a shutdown waits for it. The receiver resolves at its end
    /// and may be dropped.
    pub(crate) fn spawn_tracked(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> oneshot::Receiver<()> {
        let guard = self.shutdown.track(usize::MAX);
        let (done, is_done) = oneshot::channel::<()>();
        self.runtime.spawn(async move {
            work.await;
            drop((done, guard));
        });
        is_done
    }

    /// Runs work on the delivery thread that a shutdown does not wait for.
    pub(crate) fn spawn_untracked(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    /// Returns the outbox if its records outlive this process.
    pub(crate) fn durable_outbox(&self) -> Option<Arc<dyn Outbox>> {
        self.outbox
            .as_ref()
            .filter(|outbox| outbox.is_durable())
            .cloned()
    }

    /// Returns whether Mixpanel is unavailable and an outbox can store calls until it recovers.
    pub(crate) fn prefers_outbox(&self) -> bool {
        self.outbox.is_some() && self.sender.circuit_breaker.last_error().is_some()
    }

    /// Returns the delivery status.
    pub(crate) async fn health(&self) -> Health {
        let pending = match &self.outbox {
            Some(outbox) => outbox.pending().await,
            None => Ok(0),
        };
        let progress = self.shutdown.progress();
        Health {
            pending: pending.as_ref().unwrap_or(&0) + progress.in_flight,
            delivered: progress.delivered,
            oldest_age: self.sender.oldest_age(),
            error: match pending {
                Ok(_) => self.sender.circuit_breaker.last_error(),
                Err(error) => Some(error.to_string()),
            },
        }
    }

    /// Reports a failure to `on_error`.
    pub(crate) fn report(&self, failure: &Failure) {
        self.sender.report(failure);
    }

    /// Returns whether a shutdown was requested.
    pub(crate) fn is_shutting_down(&self) -> bool {
        self.shutdown.is_requested()
    }

    /// Runs a delivery on the delivery thread.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Result<(), Reason> {
        if self.is_shutting_down() {
            return Err(Reason::Abandoned(SHUT_DOWN.into()));
        }
        let Some(guard) = self.shutdown.track(MAX_IN_FLIGHT) else {
            let reason = format!("{MAX_IN_FLIGHT} deliveries are already in flight");
            return Err(Reason::Abandoned(reason));
        };
        self.runtime.spawn(async move {
            work.await;
            drop(guard);
        });
        Ok(())
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        self.shutdown.request(self.shutdown_timeout);
    }
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatcher")
            .field("has_outbox", &self.outbox.is_some())
            .finish_non_exhaustive()
    }
}
