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
use crate::deliver::flush_timeout::{Fate, NotSent};
use crate::deliver::http::Delivery;
use crate::deliver::sender::{BeforeSend, Sender, UndeliveredError};
use crate::deliver::shutdown::{Closing, GRACE, InHand};
use crate::deliver::worker::Worker;
use crate::error::{Failure, Failures, Reason};
use crate::outbox::{Appended, Declined, Outbox, OutboxError};
use crate::record::envelope::{Parcel, View};

use crate::deliver::dispatcher::guards::{Answer, Unfinished};

mod guards;

/// Time that the worker itself may need after its deadline and [`GRACE`].
const END: Duration = Duration::from_secs(1);

/// Interval at which a flush looks whether others drained what waited: their progress wakes nobody
/// here.
const LOOK: Duration = Duration::from_millis(500);

/// Why nothing waits.
const NO_OUTBOX: &str = "none is configured";

/// As many parcels may be on their way past the outbox at once.
const MAX_IN_HAND: usize = 10_000;

/// Where parcels are handed in: for the outbox, or for delivery right now.
pub(crate) struct Post {
    outbox: Option<Arc<dyn Outbox>>,
    /// True if this process delivers what waits in the outbox.
    drains: bool,
    sender: Arc<Sender>,
    runtime: Handle,
    closing: Arc<Closing>,
    shutdown_timeout: Duration,
}

/// What a [`Post`] needs to know.
pub(crate) struct PostConfig {
    pub(crate) token: String,
    pub(crate) delivery: Delivery,
    pub(crate) outbox: Option<Arc<dyn Outbox>>,
    pub(crate) failures: Failures,
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
    pub waiting: usize,
    /// How many records this process took out of the outbox and brought to their end: delivered,
    /// or refused and told of.
    pub done: usize,
    /// How long the oldest of those that were tried last has waited; `None` where nothing is late.
    pub oldest: Option<Duration>,
    /// What is wrong: Mixpanel is away or refuses the credentials, or the outbox cannot be
    /// reached.
    pub trouble: Option<String>,
}

impl Health {
    /// Whether what is recorded gets through. Where it does not it waits, and the app works all the
    /// same: a probe that takes instances out of service should not hang on this alone.
    pub fn is_well(&self) -> bool {
        self.trouble.is_none()
    }
}

impl Post {
    /// Starts the thread. Fails where the system gives none.
    pub(crate) fn start(config: PostConfig) -> std::io::Result<Self> {
        let PostConfig {
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
        let closing = Arc::<Closing>::default();
        let drains = config.concurrency > 0;
        let worker = Worker {
            outbox: outbox.clone().filter(|_| drains),
            sender: Arc::clone(&sender),
            closing: Arc::clone(&closing),
            concurrency: config.concurrency,
            max_deliveries: config.max_deliveries,
        };
        thread::Builder::new()
            .name("mengpaneel".into())
            .spawn(move || runtime.block_on(worker.run()))?;
        Ok(Self {
            outbox,
            drains,
            sender,
            runtime: handle,
            closing,
            shutdown_timeout,
        })
    }

    /// Puts a parcel in the outbox, or says why not. Where the caller stops waiting, the post goes
    /// on by itself.
    pub(crate) async fn enqueue(self: &Arc<Self>, parcel: Parcel) -> Result<(), Declined> {
        match self.append_now(View::from(&parcel)) {
            Appended::Kept => Ok(()),
            Appended::Declined(reason) => Err(Declined {
                parcel: Box::new(parcel),
                reason,
            }),
            Appended::Later => Appending::new(self, parcel).await,
        }
    }

    /// Delivers a parcel now, in one attempt. Goes on where the caller stops waiting.
    pub(crate) async fn deliver(&self, parcel: Parcel) -> Result<(), UndeliveredError> {
        self.try_now(parcel, None).await
    }

    /// Delivers a parcel now; where that cannot be, it waits in the outbox.
    async fn deliver_or_keep(&self, parcel: Parcel) -> Result<(), UndeliveredError> {
        self.try_now(parcel, self.outbox.clone()).await
    }

    /// Delivers a parcel now; where that cannot be, it waits in the outbox, or is told.
    pub(crate) async fn deliver_or_tell(&self, parcel: Parcel) {
        if let Err(undelivered) = self.deliver_or_keep(parcel).await {
            for failure in &undelivered.0 {
                self.tell(failure);
            }
        }
    }

    async fn try_now(
        &self,
        parcel: Parcel,
        otherwise: Option<Arc<dyn Outbox>>,
    ) -> Result<(), UndeliveredError> {
        let calls = parcel.calls.iter().cloned().collect();
        let (answer, answered) = oneshot::channel();
        let sender = Arc::clone(&self.sender);
        let spawned = self.spawn(async move {
            let (mut failed, untouched) = sender.attempt(&parcel).await;
            if let (Some(messages), Some(outbox)) = (untouched, otherwise) {
                let id = parcel.id;
                sender.keep_tried(id, messages);
                match outbox.append(parcel).await {
                    Ok(()) => failed.clear(),
                    Err(_) => sender.forget_tried(id),
                }
            }
            // Nobody waits for the answer where the request or job was cancelled.
            for failure in answer.send(failed).err().iter().flatten() {
                sender.tell(failure);
            }
        });
        let mut answer = Answer {
            failed: answered,
            sender: Arc::clone(&self.sender),
        };
        let failed = match spawned {
            Ok(()) => (&mut answer.failed)
                .await
                .unwrap_or_else(|_| vec![closed(calls)]),
            Err(reason) => vec![Failure::of_calls(reason, calls)],
        };
        if failed.is_empty() {
            Ok(())
        } else {
            Err(UndeliveredError(failed))
        }
    }

    /// Takes a parcel from where nobody can wait: the drop of a request.
    pub(crate) fn hand_over(self: &Arc<Self>, parcel: Parcel) {
        match self.append_now(View::from(&parcel)) {
            Appended::Kept => {}
            Appended::Declined(_) => self.send_on(parcel),
            Appended::Later => self.append_later(parcel),
        }
    }

    /// The same of one that is made up only where it has to wait: a call after the flush.
    pub(crate) fn hand_over_seen(self: &Arc<Self>, parcel: View<'_>) {
        match self.append_now(parcel) {
            Appended::Kept => {}
            Appended::Declined(_) => self.send_on(parcel.to_parcel()),
            Appended::Later => self.append_later(parcel.to_parcel()),
        }
    }

    fn append_now(&self, parcel: View<'_>) -> Appended {
        match &self.outbox {
            _ if self.is_closed() => Appended::Declined("the Mengpaneel was shut down".into()),
            None => Appended::Declined(NO_OUTBOX.into()),
            Some(outbox) => outbox.append_now(parcel),
        }
    }

    /// Puts a parcel in the outbox, where nobody waits for that.
    fn append_later(self: &Arc<Self>, parcel: Parcel) {
        // Where it is not taken at once, the post goes on by itself.
        if let Some(Err(declined)) = Appending::new(self, parcel).now_or_never() {
            self.send_on(*declined.parcel);
        }
    }

    /// Delivers a parcel that nobody waits for; what does not arrive is told.
    fn send_on(&self, parcel: Parcel) {
        let calls: Vec<_> = parcel.calls.iter().cloned().collect();
        let sender = Arc::clone(&self.sender);
        let spawned = self.spawn(async move {
            let mut unfinished = Unfinished {
                sender: &sender,
                calls: parcel.calls.iter().cloned().collect(),
            };
            sender.send_or_tell(&parcel).await;
            unfinished.calls.clear();
        });
        if let Err(reason) = spawned {
            self.tell(&Failure::of_calls(reason, calls));
        }
    }

    /// Does something on the post's own thread, whether or not somebody waits for it.
    pub(crate) fn go_on(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> oneshot::Receiver<()> {
        let in_hand = self.closing.take_in_hand(usize::MAX);
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
        self.outbox.is_some() && self.sender.circuit.trouble().is_some()
    }

    /// How it goes.
    pub(crate) async fn health(&self) -> Health {
        let (waiting, unreachable) = match &self.outbox {
            Some(outbox) => match outbox.waiting().await {
                Ok(waiting) => (waiting, None),
                Err(error) => (0, Some(error.to_string())),
            },
            None => (0, None),
        };
        Health {
            waiting: waiting + self.closing.in_hand(),
            done: self.closing.delivered(),
            oldest: self.sender.oldest_age(),
            trouble: unreachable.or_else(|| self.sender.circuit.trouble()),
        }
    }

    /// Tells the application of what was lost.
    pub(crate) fn tell(&self, failure: &Failure) {
        self.sender.tell(failure);
    }

    /// Waits until nothing waits any more that this process is to deliver, `deadline` at most.
    pub(crate) async fn flush(&self, deadline: Duration) -> Result<(), NotSent> {
        let flushed = async {
            loop {
                let mut progress = pin!(self.closing.progress());
                progress.as_mut().enable();
                if self.closing.in_hand() == 0 && self.pending().await == Ok(0) {
                    return;
                }
                drop(timeout(LOOK, progress).await);
            }
        };
        match timeout(deadline, flushed).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.not_sent(self.pending().await, Fate::Waiting)),
        }
    }

    /// Takes nothing more, and sends what waits, until `deadline` is over.
    pub(crate) async fn shutdown(&self, deadline: Duration) -> Result<(), NotSent> {
        self.closing.ask(deadline);
        // The worker keeps the deadline itself; this guards against one that is stuck.
        let ended = timeout(deadline.saturating_add(GRACE + END), self.closing.ended())
            .await
            .is_ok();
        let is_kept = self.outbox.as_ref().is_some_and(Outbox::is_durable);
        match self.pending().await {
            Ok(0) if ended && self.closing.in_hand() == 0 => Ok(()),
            pending => Err(self.not_sent(pending, if is_kept { Fate::Kept } else { Fate::Lost })),
        }
    }

    fn not_sent(&self, pending: Result<usize, OutboxError>, fate: Fate) -> NotSent {
        let outbox = self
            .outbox
            .as_ref()
            .map_or_else(String::new, Outbox::description);
        let trouble = self.sender.circuit.trouble();
        let (pending, fate, last_error) = match pending {
            Ok(0) => (self.closing.in_hand(), Fate::UnderWay, trouble),
            Ok(pending) => (pending + self.closing.in_hand(), fate, trouble),
            Err(error) => (0, Fate::Unknown, Some(error.to_string())),
        };
        NotSent {
            pending,
            outbox,
            fate,
            last_error,
        }
    }

    /// Number of records in the outbox that this process is to deliver.
    async fn pending(&self) -> Result<usize, OutboxError> {
        match &self.outbox {
            Some(outbox) if self.drains => outbox.waiting().await,
            _ => Ok(0),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closing.is_asked()
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Result<(), Reason> {
        let in_hand = self.take_in_hand()?;
        self.runtime.spawn(async move {
            work.await;
            drop(in_hand);
        });
        Ok(())
    }

    fn take_in_hand(&self) -> Result<InHand, Reason> {
        if self.is_closed() {
            return Err(Reason::GivenUp("the Mengpaneel was shut down".into()));
        }
        let in_hand = self.closing.take_in_hand(MAX_IN_HAND);
        in_hand.ok_or_else(|| {
            Reason::GivenUp(format!("{MAX_IN_HAND} deliveries are on their way already"))
        })
    }
}

/// A parcel on its way into the outbox. Dropped half-way, it goes on without its caller: whether it
/// was taken is not known before the outbox has answered.
struct Appending {
    post: Arc<Post>,
    append: Option<BoxFuture<'static, Result<(), Declined>>>,
}

impl Appending {
    fn new(post: &Arc<Post>, parcel: Parcel) -> Self {
        let outbox = post.outbox.clone();
        let append = async move {
            match outbox {
                Some(outbox) => outbox.append(parcel).await,
                None => Err(Declined {
                    parcel: Box::new(parcel),
                    reason: NO_OUTBOX.into(),
                }),
            }
        };
        Self {
            post: Arc::clone(post),
            append: Some(append.boxed()),
        }
    }
}

impl Future for Appending {
    type Output = Result<(), Declined>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(append) = &mut self.append else {
            return Poll::Pending;
        };
        let answer = ready!(append.poll_unpin(context));
        self.append = None;
        Poll::Ready(answer)
    }
}

impl Drop for Appending {
    fn drop(&mut self) {
        let Some(append) = self.append.take() else {
            return;
        };
        let post = Arc::clone(&self.post);
        let Some(in_hand) = post.closing.take_in_hand(usize::MAX) else {
            return;
        };
        let runtime = post.runtime.clone();
        runtime.spawn(async move {
            if let Err(declined) = append.await {
                post.send_on(*declined.parcel);
            }
            drop(in_hand);
        });
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        self.closing.ask(self.shutdown_timeout);
    }
}

impl std::fmt::Debug for Post {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Post")
            .field("has_outbox", &self.outbox.is_some())
            .finish_non_exhaustive()
    }
}

fn closed(calls: Vec<Call>) -> Failure {
    Failure::of_calls(
        Reason::GivenUp("the Mengpaneel was shut down".into()),
        calls,
    )
}
