//! Worker: leases records from the outbox, translates them and sends their messages.
//!
//! The worker has a thread of its own: tasks that are spawned on an Actix worker end with that
//! worker, and scripts have no Actix.

mod batch_delivery;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{FutureExt as _, join_all, pending, select};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::deliver::http::retry::Backoff;
use crate::deliver::partitions::Partitions;
use crate::deliver::retry_delay::RetryDelay;
use crate::deliver::sender::Sender;
use crate::deliver::sender::undelivered::record_failures;
use crate::deliver::shutdown::{SHUTDOWN_GRACE, Shutdown};
use crate::error::Reason;
use crate::id::now_ms;
use crate::outbox::{Consumer, Lease, Outbox, OutboxError};

/// Most records per lease: they fill the requests that are in flight together.
const BATCH_SIZE: usize = 4 * 2_000;

/// Below this many records, the loop waits for [`COALESCE_WINDOW`] before it leases the next ones.
///
/// Otherwise each record would cost an HTTP request, and each append would wake the worker.
pub(crate) const COALESCE_BELOW: usize = 2_000;
const COALESCE_WINDOW: Duration = Duration::from_millis(20);

/// Most records per lease while Mixpanel is unavailable: one small request probes it.
const PROBE_SIZE: usize = 20;

/// Bounds of the delay after the outbox failed. They are shorter than Mixpanel's, because an outbox
/// is nearer.
const MIN_OUTBOX_BACKOFF: Duration = Duration::from_millis(200);
const MAX_OUTBOX_BACKOFF: Duration = Duration::from_secs(10);

/// Consumer of an outbox; at shutdown it also waits for deliveries that bypass the outbox.
pub(crate) struct Worker {
    pub(crate) outbox: Option<Arc<dyn Outbox>>,
    pub(crate) sender: Arc<Sender>,
    pub(crate) shutdown: Arc<Shutdown>,
    /// Number of batches in flight at once; 0 if other processes drain the outbox.
    pub(crate) concurrency: usize,
    /// Number of redeliveries after which a record becomes a dead letter.
    pub(crate) max_redeliveries: u32,
}

impl Worker {
    /// Delivers records until a shutdown has ended.
    pub(crate) async fn run(self) {
        let outbox = self.outbox.as_deref();
        let background = match outbox {
            Some(outbox) => outbox.run_in_background(),
            None => pending().boxed(),
        };
        let drained = async {
            if let Some((outbox, consumer)) =
                outbox.and_then(|outbox| Some((outbox, outbox.consumer()?)))
            {
                self.drain(outbox, consumer).await;
            }
            self.wait_for_in_flight().await;
        };
        select(pin!(drained), background).await;
        self.shutdown
            .update(|progress| progress.has_worker_ended = true);
    }

    /// Delivers records, and reports those that end with this process.
    async fn drain(&self, outbox: &dyn Outbox, consumer: &dyn Consumer) {
        let loops =
            (0..self.concurrency).map(|number| self.new_loop(outbox, consumer, number).run());
        join_all(loops).await;
        if self.concurrency > 0 && !outbox.is_durable() {
            self.report_remaining(consumer).await;
        }
    }

    fn new_loop<'a>(
        &'a self,
        outbox: &'a dyn Outbox,
        consumer: &'a dyn Consumer,
        number: usize,
    ) -> WorkerLoop<'a> {
        // Different seeds spread the attempts of the loops.
        let seed = now_ms().wrapping_add(number as u64);
        WorkerLoop {
            outbox,
            consumer,
            worker: self,
            outbox_backoff: Backoff::between(MIN_OUTBOX_BACKOFF, MAX_OUTBOX_BACKOFF, seed),
            is_outbox_unavailable: false,
            partitions: Partitions::default(),
        }
    }

    /// Reports the records that are pending after the deadline and end with this process.
    async fn report_remaining(&self, consumer: &dyn Consumer) {
        let reason = match self.sender.circuit_breaker.last_error() {
            Some(error) => format!("the shutdown deadline passed; last error: {error}"),
            None => "the shutdown deadline passed".into(),
        };
        let reason = Reason::Abandoned(reason);
        while let Ok(Ok(leases)) = timeout(Duration::ZERO, consumer.lease(BATCH_SIZE)).await {
            for lease in &leases {
                for failure in record_failures(&lease.record, &reason) {
                    self.sender.report(&failure);
                }
            }
        }
    }

    /// Waits for the deliveries that bypass the outbox. [`SHUTDOWN_GRACE`] extends the deadline: a
    /// request to Mixpanel is not cut off.
    async fn wait_for_in_flight(&self) {
        let mut changes = self.shutdown.subscribe();
        loop {
            let progress = *changes.borrow_and_update();
            let deadline = progress.deadline.map(|deadline| deadline + SHUTDOWN_GRACE);
            if deadline.is_some() && progress.in_flight == 0 {
                return;
            }
            tokio::select! {
                _ = changes.changed() => {}
                () = sleep_until_deadline(deadline) => return,
            }
        }
    }
}

/// One loop of a worker, with one batch in flight.
pub(crate) struct WorkerLoop<'a> {
    pub(crate) outbox: &'a dyn Outbox,
    pub(crate) consumer: &'a dyn Consumer,
    pub(crate) worker: &'a Worker,
    /// Delay after the outbox failed.
    pub(crate) outbox_backoff: Backoff,
    /// True if the outbox cannot be reached and that was logged.
    pub(crate) is_outbox_unavailable: bool,
    /// Buffers of the last large batch, for reuse.
    pub(crate) partitions: Partitions,
}

/// Result of an attempt to deliver a batch.
pub(crate) enum BatchResult {
    /// Mixpanel answered: it accepted or rejected the messages.
    Answered,
    /// Mixpanel or the outbox is unavailable: the next attempt follows after this delay.
    Unavailable(RetryDelay),
}

impl WorkerLoop<'_> {
    /// Delivers records until a shutdown is requested, and then until none is pending or the
    /// deadline has passed.
    pub(crate) async fn run(mut self) {
        let mut limit = BATCH_SIZE;
        while let Some(leases) = self.lease_batch(limit).await {
            if let Some(delay) = self.time_until_probe() {
                // The outbox would redeliver records that are leased for that long.
                self.return_leases(&leases).await;
                if !self.wait(delay).await {
                    break;
                }
                continue;
            }
            let is_large = leases.len() >= COALESCE_BELOW;
            match self.deliver_batch(leases).await {
                BatchResult::Answered => {
                    limit = BATCH_SIZE;
                    // The next lease checks the deadline.
                    if !is_large && !self.worker.shutdown.is_requested() {
                        let _ = self.wait(COALESCE_WINDOW).await;
                    }
                }
                BatchResult::Unavailable(delay) => {
                    limit = PROBE_SIZE;
                    if !self.wait(delay).await {
                        break;
                    }
                }
            }
        }
    }

    /// Leases the next due records. `None` if a shutdown was requested and no record is pending, or
    /// if the deadline has passed.
    async fn lease_batch(&mut self, limit: usize) -> Option<Vec<Lease>> {
        loop {
            match self.try_lease(limit).await? {
                Ok(leases) => {
                    self.record_outbox_success();
                    return Some(leases);
                }
                Err(error) => {
                    let delay = self.record_outbox_failure(&error);
                    if !self.wait(delay).await {
                        return None;
                    }
                }
            }
        }
    }

    /// Waits for due records and leases them. `None` in the cases of
    /// [`lease_batch`](Self::lease_batch).
    async fn try_lease(&self, limit: usize) -> Option<Result<Vec<Lease>, OutboxError>> {
        let mut changes = self.worker.shutdown.subscribe();
        loop {
            let progress = *changes.borrow_and_update();
            let deadline = progress.deadline;
            // Checked here, because `select!` prefers a ready lease to the deadline.
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return None;
            }
            if deadline.is_some() && progress.in_flight == 0 && self.outbox.pending().await == Ok(0)
            {
                return None;
            }
            tokio::select! {
                biased;
                leased = self.consumer.lease(limit) => return Some(leased),
                _ = changes.changed() => {}
                () = sleep_until_deadline(deadline) => return None,
            }
        }
    }

    fn record_outbox_success(&mut self) {
        if std::mem::take(&mut self.is_outbox_unavailable) {
            let outbox = self.outbox.description();
            tracing::info!(target: "mengpaneel", outbox, "the outbox is reachable again");
        }
        self.outbox_backoff.reset();
    }

    /// Logs the first of several failures. Returns the delay before the next attempt.
    fn record_outbox_failure(&mut self, error: &OutboxError) -> Duration {
        if !std::mem::replace(&mut self.is_outbox_unavailable, true) {
            tracing::error!(target: "mengpaneel", %error, "could not lease records; the worker will retry");
        }
        self.outbox_backoff.next_delay(None)
    }

    /// Returns the time until the next attempt if the circuit is open: another loop, or a delivery
    /// that bypassed the outbox, may have opened it. `None` during a shutdown, when one attempt is
    /// made anyway.
    fn time_until_probe(&self) -> Option<Duration> {
        let circuit_breaker = &self.worker.sender.circuit_breaker;
        (!self.worker.shutdown.is_requested())
            .then(|| circuit_breaker.time_until_probe())
            .flatten()
    }

    /// Waits, and returns whether there is time for another attempt.
    ///
    /// A shutdown ends the wait. From then on, the remaining time is divided among further
    /// attempts.
    pub(crate) async fn wait(&self, delay: impl Into<RetryDelay>) -> bool {
        let (shutdown, retry_delay) = (&self.worker.shutdown, delay.into());
        if let Some(deadline) = shutdown.progress().deadline {
            let remaining = deadline.duration_since(Instant::now());
            let Some(delay) = retry_delay.before_deadline(remaining) else {
                return false;
            };
            sleep(delay).await;
            return true;
        }
        // When a shutdown is requested, the next attempt follows at once.
        let mut changes = shutdown.subscribe();
        let requested = changes.wait_for(|progress| progress.deadline.is_some());
        drop(timeout(retry_delay.delay, requested).await);
        true
    }
}

/// Sleeps until the deadline; forever if there is none.
async fn sleep_until_deadline(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}
