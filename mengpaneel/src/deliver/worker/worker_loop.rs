//! Loop of a worker: leases one batch after the other, and waits between them.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::deliver::http::retry::Backoff;
use crate::deliver::partitions::Partitions;
use crate::deliver::retry_wait::RetryWait;
use crate::deliver::worker::{BATCH_SIZE, Worker, sleep_until_deadline};
use crate::outbox::Outbox;
use crate::outbox::leased::LeasedRecord;

/// Below this many records, the loop waits for [`COALESCE_WINDOW`] before it leases the next ones.
///
/// Otherwise each record would cost an HTTP request, and each append would wake the worker.
pub(crate) const COALESCE_BELOW: usize = 2_000;
const COALESCE_WINDOW: Duration = Duration::from_millis(20);

/// Most records per lease while Mixpanel is unavailable: one small request probes it.
const PROBE_SIZE: usize = 20;

/// One loop of a worker, with one batch in flight.
pub(crate) struct WorkerLoop<'a> {
    pub(crate) outbox: &'a dyn Outbox,
    pub(crate) worker: &'a Worker,
    /// Delay after the outbox failed.
    pub(crate) backoff: Backoff,
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
    Unavailable(RetryWait),
}

impl WorkerLoop<'_> {
    /// Delivers records until a shutdown is requested, and then until none is pending or the
    /// deadline has passed.
    pub(crate) async fn run(mut self) {
        let mut limit = BATCH_SIZE;
        while let Some(records) = self.lease_batch(limit).await {
            // A delivery that bypassed the outbox may have opened the circuit. During a shutdown
            // there is one more attempt anyway.
            if !self.worker.shutdown.is_requested()
                && let Some(delay) = self.worker.sender.circuit_breaker.remaining()
                && !self.wait(delay).await
            {
                self.return_leases(LeasedRecord::into_leases(records)).await;
                break;
            }
            let is_full = records.len() >= COALESCE_BELOW;
            match self.deliver(records).await {
                BatchResult::Answered => {
                    limit = BATCH_SIZE;
                    // The deadline is checked before the next lease.
                    let _ = is_full
                        || self.worker.shutdown.is_requested()
                        || self.wait(COALESCE_WINDOW).await;
                }
                BatchResult::Unavailable(delay) => {
                    limit = PROBE_SIZE;
                    if !self.wait(delay).await {
                        break;
                    }
                }
            }
        }
        self.worker.shutdown.notify();
    }

    /// Leases the next due records. `None` if a shutdown was requested and no record is pending, or
    /// if the deadline has passed.
    async fn lease_batch(&mut self, limit: usize) -> Option<Vec<LeasedRecord>> {
        let shutdown = &self.worker.shutdown;
        loop {
            let mut notified = pin!(shutdown.notified());
            notified.as_mut().enable();
            let deadline = shutdown.deadline();
            // Checked here, because `select!` prefers a ready lease to the deadline.
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return None;
            }
            if deadline.is_some()
                && shutdown.in_flight() == 0
                && self.outbox.pending().await.is_ok_and(|count| count == 0)
            {
                return None;
            }
            let leased = tokio::select! {
                biased;
                leased = self.outbox.lease_records(limit) => leased,
                () = notified => continue,
                () = sleep_until_deadline(deadline) => return None,
            };
            match leased {
                Ok(records) => {
                    if std::mem::take(&mut self.is_outbox_unavailable) {
                        tracing::info!(target: "mengpaneel", "{} is reachable again", self.outbox.description());
                    }
                    self.backoff.reset();
                    return Some(records);
                }
                Err(error) => {
                    if !std::mem::replace(&mut self.is_outbox_unavailable, true) {
                        tracing::error!(target: "mengpaneel", "could not lease records: {error}; the worker will retry");
                    }
                    let delay = self.backoff.next_delay(None);
                    if !self.wait(delay).await {
                        return None;
                    }
                }
            }
        }
    }

    /// Waits, and returns whether there is time for another attempt.
    ///
    /// A shutdown ends the wait. From then on, the remaining time is divided among further
    /// attempts.
    pub(crate) async fn wait(&self, wait: impl Into<RetryWait>) -> bool {
        let (shutdown, wait) = (&self.worker.shutdown, wait.into());
        let until = Instant::now() + wait.delay;
        loop {
            let mut notified = pin!(shutdown.notified());
            notified.as_mut().enable();
            match shutdown.deadline() {
                Some(deadline) => {
                    let remaining = deadline.duration_since(Instant::now());
                    let Some(delay) = wait.before_deadline(remaining) else {
                        return false;
                    };
                    sleep(delay).await;
                    return true;
                }
                None if timeout_at(until, notified).await.is_err() => return true,
                // A shutdown was requested: the next attempt follows at once.
                None if shutdown.is_requested() => return true,
                None => {}
            }
        }
    }
}
