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
use crate::deliver::shutdown::{InFlightGuard, Shutdown};
use crate::deliver::worker::Worker;
use crate::error::{ErrorReporter, Failure, Reason};
use crate::outbox::{AppendError, Outbox, TryAppend};
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
        let DispatcherConfig {
            token,
            http,
            outbox,
            reporter,
            before_send,
            retry_for,
            shutdown_timeout,
            ..
        } = config;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let sender = Arc::new(Sender::new(token, http, reporter, retry_for, before_send));
        let shutdown = Arc::<Shutdown>::default();
        let is_consumer = config.concurrency > 0;
        let worker = Worker {
            outbox: outbox.clone().filter(|_| is_consumer),
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
            shutdown_timeout,
        })
    }

    /// Appends an envelope to the outbox. If the caller is cancelled, the append continues.
    ///
    /// # Errors
    /// [`AppendError`] with the envelope if the outbox declined it.
    pub(crate) async fn enqueue(self: &Arc<Self>, envelope: Envelope) -> Result<(), AppendError> {
        match self.try_append(EnvelopeRef::from(&envelope)) {
            TryAppend::Stored => Ok(()),
            TryAppend::Declined(reason) => Err(AppendError {
                envelope: Box::new(envelope),
                reason,
            }),
            TryAppend::Later => PendingAppend::new(self, envelope).await,
        }
    }

    /// Delivers an envelope now, in one attempt. If the caller is cancelled, the delivery
    /// continues.
    ///
    /// # Errors
    /// [`UndeliveredError`] with the failures.
    pub(crate) async fn deliver(&self, envelope: Envelope) -> Result<(), UndeliveredError> {
        self.deliver_now(envelope, None).await
    }

    /// Delivers an envelope now. If that fails, it is appended to the outbox; if that fails too,
    /// the failures are reported.
    pub(crate) async fn deliver_or_report(&self, envelope: Envelope) {
        let delivered = self.deliver_now(envelope, self.outbox.clone()).await;
        if let Err(error) = delivered {
            for failure in &error.0 {
                self.report(failure);
            }
        }
    }

    /// Delivers an envelope now, or appends it to `fallback` if Mixpanel is unavailable.
    async fn deliver_now(
        &self,
        envelope: Envelope,
        fallback: Option<Arc<dyn Outbox>>,
    ) -> Result<(), UndeliveredError> {
        let calls = envelope.calls.iter().cloned().collect();
        let (result, failures) = oneshot::channel();
        let sender = Arc::clone(&self.sender);
        let spawned = self.spawn(async move {
            let (mut failures, undelivered) = sender.send_once(&envelope).await;
            if let (Some(messages), Some(outbox)) = (undelivered, fallback) {
                let id = envelope.id;
                sender.cache_messages(id, messages);
                match outbox.append(envelope).await {
                    Ok(()) => failures.clear(),
                    Err(_) => sender.uncache_messages(id),
                }
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
        let failures = match spawned {
            Ok(()) => (&mut guard.failures).await.unwrap_or_else(|_| {
                vec![Failure::for_calls(
                    Reason::Abandoned(SHUT_DOWN.into()),
                    calls,
                )]
            }),
            Err(reason) => vec![Failure::for_calls(reason, calls)],
        };
        if failures.is_empty() {
            Ok(())
        } else {
            Err(UndeliveredError(failures))
        }
    }

    /// Appends an envelope to the outbox or delivers it, without waiting: for the drop of a
    /// request.
    pub(crate) fn enqueue_detached(self: &Arc<Self>, envelope: Envelope) {
        match self.try_append(EnvelopeRef::from(&envelope)) {
            TryAppend::Stored => {}
            TryAppend::Declined(_) => self.deliver_detached(envelope),
            TryAppend::Later => self.append_detached(envelope),
        }
    }

    /// Same as [`enqueue_detached`](Self::enqueue_detached) for a borrowed envelope, which is
    /// copied only if it cannot be stored at once: for a call after the flush.
    pub(crate) fn enqueue_ref_detached(self: &Arc<Self>, envelope: EnvelopeRef<'_>) {
        match self.try_append(envelope) {
            TryAppend::Stored => {}
            TryAppend::Declined(_) => self.deliver_detached(envelope.to_envelope()),
            TryAppend::Later => self.append_detached(envelope.to_envelope()),
        }
    }

    fn try_append(&self, envelope: EnvelopeRef<'_>) -> TryAppend {
        match &self.outbox {
            _ if self.is_shutting_down() => TryAppend::Declined(SHUT_DOWN.into()),
            None => TryAppend::Declined(NO_OUTBOX.into()),
            Some(outbox) => outbox.try_append(envelope),
        }
    }

    fn append_detached(self: &Arc<Self>, envelope: Envelope) {
        // An append that is not ready at once continues on the delivery thread when it is dropped.
        if let Some(Err(error)) = PendingAppend::new(self, envelope).now_or_never() {
            self.deliver_detached(*error.envelope);
        }
    }

    /// Delivers an envelope without a waiting caller and reports the failures.
    fn deliver_detached(&self, envelope: Envelope) {
        let calls: Vec<_> = envelope.calls.iter().cloned().collect();
        let sender = Arc::clone(&self.sender);
        let spawned = self.spawn(async move {
            let mut unfinished = UnfinishedGuard {
                sender: &sender,
                calls: envelope.calls.iter().cloned().collect(),
            };
            sender.send_or_report(&envelope).await;
            unfinished.calls.clear();
        });
        if let Err(reason) = spawned {
            self.report(&Failure::for_calls(reason, calls));
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
        let (pending, outbox_error) = match &self.outbox {
            Some(outbox) => match outbox.pending().await {
                Ok(pending) => (pending, None),
                Err(error) => (0, Some(error.to_string())),
            },
            None => (0, None),
        };
        Health {
            pending: pending + self.shutdown.in_flight(),
            delivered: self.shutdown.delivered(),
            oldest_age: self.sender.oldest_age(),
            error: outbox_error.or_else(|| self.sender.circuit_breaker.last_error()),
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

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Result<(), Reason> {
        let guard = self.track()?;
        self.runtime.spawn(async move {
            work.await;
            drop(guard);
        });
        Ok(())
    }

    fn track(&self) -> Result<InFlightGuard, Reason> {
        if self.is_shutting_down() {
            return Err(Reason::Abandoned(SHUT_DOWN.into()));
        }
        let guard = self.shutdown.track(MAX_IN_FLIGHT);
        guard.ok_or_else(|| {
            Reason::Abandoned(format!("{MAX_IN_FLIGHT} deliveries are already in flight"))
        })
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
