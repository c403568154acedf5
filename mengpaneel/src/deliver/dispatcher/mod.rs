//! The post: where parcels are handed in, for the outbox or for delivery right now.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::call::Call;
use crate::deliver::flush_timeout::{Fate, FlushTimeoutError};
use crate::deliver::http::HttpClient;
use crate::deliver::sender::{BeforeSend, Sender, UndeliveredError};
use crate::deliver::shutdown::{InFlightGuard, SHUTDOWN_GRACE, Shutdown};
use crate::deliver::worker::Worker;
use crate::error::{ErrorReporter, Failure, Reason};
use crate::outbox::{AppendError, Outbox, OutboxError, TryAppend};
use crate::record::envelope::{Envelope, EnvelopeRef};

use crate::deliver::dispatcher::guards::{ResultGuard, UnfinishedGuard};

mod guards;

/// Time that the worker itself may need after its deadline and [`GRACE`].
const WORKER_GRACE: Duration = Duration::from_secs(1);

/// Interval at which a flush looks whether others drained what waited: their progress wakes nobody
/// here.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Why nothing waits.
const NO_OUTBOX: &str = "none is configured";

/// As many parcels may be on their way past the outbox at once.
const MAX_IN_FLIGHT: usize = 10_000;

/// Where parcels are handed in: for the outbox, or for delivery right now.
pub(crate) struct Dispatcher {
    outbox: Option<Arc<dyn Outbox>>,
    /// True if this process delivers what waits in the outbox.
    is_consumer: bool,
    sender: Arc<Sender>,
    runtime: Handle,
    shutdown: Arc<Shutdown>,
    shutdown_timeout: Duration,
}

/// What a [`Post`] needs to know.
pub(crate) struct DispatcherConfig {
    pub(crate) token: String,
    pub(crate) delivery: HttpClient,
    pub(crate) outbox: Option<Arc<dyn Outbox>>,
    pub(crate) failures: ErrorReporter,
    pub(crate) before_send: Option<BeforeSend>,
    pub(crate) retry_for: Duration,
    pub(crate) shutdown_timeout: Duration,
    /// As many batches are on their way at once; 0: other processes drain the outbox.
    pub(crate) concurrency: usize,
    pub(crate) max_deliveries: u32,
}

/// How delivery goes; for a readiness probe, and for whoever watches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// How many records wait for the server to send them.
    pub pending: usize,
    /// How many records this process took out of the outbox and brought to their end: delivered,
    /// or refused and told of.
    pub delivered: usize,
    /// How long the oldest of those that were tried last has waited; `None` where nothing is late.
    pub oldest_age: Option<Duration>,
    /// What is wrong: Mixpanel is away or refuses the credentials, or the outbox cannot be
    /// reached.
    pub error: Option<String>,
}

impl Health {
    /// Whether what is recorded gets through. Where it does not it waits, and the app works all the
    /// same: a probe that takes instances out of service should not hang on this alone.
    pub fn is_healthy(&self) -> bool {
        self.error.is_none()
    }
}

impl Dispatcher {
    /// Starts the thread. Fails where the system gives none.
    pub(crate) fn start(config: DispatcherConfig) -> std::io::Result<Self> {
        let DispatcherConfig {
            token,
            delivery,
            outbox,
            failures,
            before_send,
            retry_for,
            shutdown_timeout,
            ..
        } = config;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let sender = Arc::new(Sender::new(
            token,
            delivery,
            failures,
            retry_for,
            before_send,
        ));
        let closing = Arc::<Shutdown>::default();
        let drains = config.concurrency > 0;
        let worker = Worker {
            outbox: outbox.clone().filter(|_| drains),
            sender: Arc::clone(&sender),
            shutdown: Arc::clone(&closing),
            concurrency: config.concurrency,
            max_deliveries: config.max_deliveries,
        };
        thread::Builder::new()
            .name("mengpaneel".into())
            .spawn(move || runtime.block_on(worker.run()))?;
        Ok(Self {
            outbox,
            is_consumer: drains,
            sender,
            runtime: handle,
            shutdown: closing,
            shutdown_timeout,
        })
    }

    /// Puts a parcel in the outbox, or says why not. Where the caller stops waiting, the post goes
    /// on by itself.
    pub(crate) async fn enqueue(self: &Arc<Self>, parcel: Envelope) -> Result<(), AppendError> {
        match self.append_now(EnvelopeRef::from(&parcel)) {
            TryAppend::Stored => Ok(()),
            TryAppend::Declined(reason) => Err(AppendError {
                envelope: Box::new(parcel),
                reason,
            }),
            TryAppend::Later => PendingAppend::new(self, parcel).await,
        }
    }

    /// Delivers a parcel now, in one attempt. Goes on where the caller stops waiting.
    pub(crate) async fn deliver(&self, parcel: Envelope) -> Result<(), UndeliveredError> {
        self.deliver_now(parcel, None).await
    }

    /// Delivers a parcel now; where that cannot be, it waits in the outbox.
    async fn deliver_or_enqueue(&self, parcel: Envelope) -> Result<(), UndeliveredError> {
        self.deliver_now(parcel, self.outbox.clone()).await
    }

    /// Delivers a parcel now; where that cannot be, it waits in the outbox, or is told.
    pub(crate) async fn deliver_or_report(&self, parcel: Envelope) {
        if let Err(undelivered) = self.deliver_or_enqueue(parcel).await {
            for failure in &undelivered.0 {
                self.report(failure);
            }
        }
    }

    async fn deliver_now(
        &self,
        parcel: Envelope,
        otherwise: Option<Arc<dyn Outbox>>,
    ) -> Result<(), UndeliveredError> {
        let calls = parcel.calls.iter().cloned().collect();
        let (answer, answered) = oneshot::channel();
        let sender = Arc::clone(&self.sender);
        let spawned = self.spawn(async move {
            let (mut failed, untouched) = sender.attempt(&parcel).await;
            if let (Some(messages), Some(outbox)) = (untouched, otherwise) {
                let id = parcel.id;
                sender.cache_messages(id, messages);
                match outbox.append(parcel).await {
                    Ok(()) => failed.clear(),
                    Err(_) => sender.forget_messages(id),
                }
            }
            // Nobody waits for the answer where the request or job was cancelled.
            for failure in answer.send(failed).err().iter().flatten() {
                sender.report(failure);
            }
        });
        let mut answer = ResultGuard {
            failed: answered,
            sender: Arc::clone(&self.sender),
        };
        let failed = match spawned {
            Ok(()) => (&mut answer.failed)
                .await
                .unwrap_or_else(|_| vec![closed(calls)]),
            Err(reason) => vec![Failure::for_calls(reason, calls)],
        };
        if failed.is_empty() {
            Ok(())
        } else {
            Err(UndeliveredError(failed))
        }
    }

    /// Takes a parcel from where nobody can wait: the drop of a request.
    pub(crate) fn enqueue_detached(self: &Arc<Self>, parcel: Envelope) {
        match self.append_now(EnvelopeRef::from(&parcel)) {
            TryAppend::Stored => {}
            TryAppend::Declined(_) => self.deliver_detached(parcel),
            TryAppend::Later => self.append_detached(parcel),
        }
    }

    /// The same of one that is made up only where it has to wait: a call after the flush.
    pub(crate) fn enqueue_ref_detached(self: &Arc<Self>, parcel: EnvelopeRef<'_>) {
        match self.append_now(parcel) {
            TryAppend::Stored => {}
            TryAppend::Declined(_) => self.deliver_detached(parcel.to_envelope()),
            TryAppend::Later => self.append_detached(parcel.to_envelope()),
        }
    }

    fn append_now(&self, parcel: EnvelopeRef<'_>) -> TryAppend {
        match &self.outbox {
            _ if self.is_closed() => TryAppend::Declined("the Mengpaneel was shut down".into()),
            None => TryAppend::Declined(NO_OUTBOX.into()),
            Some(outbox) => outbox.try_append(parcel),
        }
    }

    /// Puts a parcel in the outbox, where nobody waits for that.
    fn append_detached(self: &Arc<Self>, parcel: Envelope) {
        // Where it is not taken at once, the post goes on by itself.
        if let Some(Err(declined)) = PendingAppend::new(self, parcel).now_or_never() {
            self.deliver_detached(*declined.envelope);
        }
    }

    /// Delivers a parcel that nobody waits for; what does not arrive is told.
    fn deliver_detached(&self, parcel: Envelope) {
        let calls: Vec<_> = parcel.calls.iter().cloned().collect();
        let sender = Arc::clone(&self.sender);
        let spawned = self.spawn(async move {
            let mut unfinished = UnfinishedGuard {
                sender: &sender,
                calls: parcel.calls.iter().cloned().collect(),
            };
            sender.send_or_report(&parcel).await;
            unfinished.calls.clear();
        });
        if let Err(reason) = spawned {
            self.report(&Failure::for_calls(reason, calls));
        }
    }

    /// Does something on the post's own thread, whether or not somebody waits for it.
    pub(crate) fn spawn_tracked(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> oneshot::Receiver<()> {
        let in_hand = self.shutdown.track(usize::MAX);
        let (done, is_done) = oneshot::channel::<()>();
        self.runtime.spawn(async move {
            work.await;
            drop((done, in_hand));
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

    /// Whether Mixpanel is away, so that it is of use to let calls wait for it.
    pub(crate) fn is_away(&self) -> bool {
        self.outbox.is_some() && self.sender.circuit_breaker.last_error().is_some()
    }

    /// How it goes.
    pub(crate) async fn health(&self) -> Health {
        let (waiting, unreachable) = match &self.outbox {
            Some(outbox) => match outbox.pending().await {
                Ok(waiting) => (waiting, None),
                Err(error) => (0, Some(error.to_string())),
            },
            None => (0, None),
        };
        Health {
            pending: waiting + self.shutdown.in_flight(),
            delivered: self.shutdown.delivered(),
            oldest_age: self.sender.oldest_age(),
            error: unreachable.or_else(|| self.sender.circuit_breaker.last_error()),
        }
    }

    /// Tells the application of what was lost.
    pub(crate) fn report(&self, failure: &Failure) {
        self.sender.report(failure);
    }

    /// Waits until nothing waits any more that this process is to deliver, `deadline` at most.
    pub(crate) async fn flush(&self, deadline: Duration) -> Result<(), FlushTimeoutError> {
        let flushed = async {
            loop {
                let mut progress = pin!(self.shutdown.progress());
                progress.as_mut().enable();
                if self.shutdown.in_flight() == 0 && self.pending().await == Ok(0) {
                    return;
                }
                drop(timeout(POLL_INTERVAL, progress).await);
            }
        };
        match timeout(deadline, flushed).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.timeout_error(self.pending().await, Fate::Waiting)),
        }
    }

    /// Takes nothing more, and sends what waits, until `deadline` is over.
    pub(crate) async fn shutdown(&self, deadline: Duration) -> Result<(), FlushTimeoutError> {
        self.shutdown.request(deadline);
        // The worker keeps the deadline itself; this guards against one that is stuck.
        let ended = timeout(
            deadline.saturating_add(SHUTDOWN_GRACE + WORKER_GRACE),
            self.shutdown.finished(),
        )
        .await
        .is_ok();
        let is_kept = self.outbox.as_ref().is_some_and(Outbox::is_durable);
        match self.pending().await {
            Ok(0) if ended && self.shutdown.in_flight() == 0 => Ok(()),
            pending => {
                Err(self.timeout_error(pending, if is_kept { Fate::Kept } else { Fate::Lost }))
            }
        }
    }

    fn timeout_error(&self, pending: Result<usize, OutboxError>, fate: Fate) -> FlushTimeoutError {
        let outbox = self
            .outbox
            .as_ref()
            .map_or_else(String::new, Outbox::description);
        let trouble = self.sender.circuit_breaker.last_error();
        let (pending, fate, last_error) = match pending {
            Ok(0) => (self.shutdown.in_flight(), Fate::UnderWay, trouble),
            Ok(pending) => (pending + self.shutdown.in_flight(), fate, trouble),
            Err(error) => (0, Fate::Unknown, Some(error.to_string())),
        };
        FlushTimeoutError {
            pending,
            outbox,
            fate,
            last_error,
        }
    }

    /// Number of records in the outbox that this process is to deliver.
    async fn pending(&self) -> Result<usize, OutboxError> {
        match &self.outbox {
            Some(outbox) if self.is_consumer => outbox.pending().await,
            _ => Ok(0),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.shutdown.is_requested()
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Result<(), Reason> {
        let in_hand = self.track()?;
        self.runtime.spawn(async move {
            work.await;
            drop(in_hand);
        });
        Ok(())
    }

    fn track(&self) -> Result<InFlightGuard, Reason> {
        if self.is_closed() {
            return Err(Reason::Abandoned("the Mengpaneel was shut down".into()));
        }
        let in_hand = self.shutdown.track(MAX_IN_FLIGHT);
        in_hand.ok_or_else(|| {
            Reason::Abandoned(format!(
                "{MAX_IN_FLIGHT} deliveries are on their way already"
            ))
        })
    }
}

/// A parcel on its way into the outbox. Dropped half-way, it goes on without its caller: whether it
/// was taken is not known before the outbox has answered.
struct PendingAppend {
    dispatcher: Arc<Dispatcher>,
    append: Option<BoxFuture<'static, Result<(), AppendError>>>,
}

impl PendingAppend {
    fn new(post: &Arc<Dispatcher>, parcel: Envelope) -> Self {
        let outbox = post.outbox.clone();
        let append = async move {
            match outbox {
                Some(outbox) => outbox.append(parcel).await,
                None => Err(AppendError {
                    envelope: Box::new(parcel),
                    reason: NO_OUTBOX.into(),
                }),
            }
        };
        Self {
            dispatcher: Arc::clone(post),
            append: Some(append.boxed()),
        }
    }
}

impl Future for PendingAppend {
    type Output = Result<(), AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(append) = &mut self.append else {
            return Poll::Pending;
        };
        let answer = ready!(append.poll_unpin(context));
        self.append = None;
        Poll::Ready(answer)
    }
}

impl Drop for PendingAppend {
    fn drop(&mut self) {
        let Some(append) = self.append.take() else {
            return;
        };
        let post = Arc::clone(&self.dispatcher);
        let Some(in_hand) = post.shutdown.track(usize::MAX) else {
            return;
        };
        let runtime = post.runtime.clone();
        runtime.spawn(async move {
            if let Err(declined) = append.await {
                post.deliver_detached(*declined.envelope);
            }
            drop(in_hand);
        });
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        self.shutdown.request(self.shutdown_timeout);
    }
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Post")
            .field("has_outbox", &self.outbox.is_some())
            .finish_non_exhaustive()
    }
}

fn closed(calls: Vec<Call>) -> Failure {
    Failure::for_calls(
        Reason::Abandoned("the Mengpaneel was shut down".into()),
        calls,
    )
}
