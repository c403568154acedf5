//! The worker: takes what waits in the outbox, translates it and delivers it, on a thread of its
//! own. What is spawned on an Actix worker would die with that, and scripts have no Actix.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use crate::deliver::batch::OutgoingBatch;
use crate::deliver::batch::{remaining_calls, requeue};
use crate::deliver::http::retry::Backoff;
use crate::deliver::http::send_error::SendError;
use crate::deliver::partitions::Partitions;
use crate::deliver::retry_wait::RetryWait;
use crate::deliver::sender::{Retranslator, Sender, Unavailable, failure, reason, select_failed};
use crate::deliver::shutdown::{SHUTDOWN_GRACE, Shutdown};
use crate::error::{Failure, Reason};
use crate::id::{now_ms, timestamp_ms};
use crate::metrics;
use crate::outbox::leased::LeasedRecord;
use crate::outbox::{Lease, Outbox};
use crate::record::envelope::Envelope;
use crate::translate::outgoing::Outgoing;

/// As many records are leased at once as fill the requests that are under way together.
const BATCH_SIZE: usize = 4 * 2_000;
/// With fewer, the next ones are given a moment to gather: a request for each of them would cost
/// more than they do, and whoever appends would wake the worker each time.
const COALESCE_BELOW: usize = 2_000;
const COALESCE_WINDOW: Duration = Duration::from_millis(20);
/// As many while Mixpanel is away: one small request tells whether it is back.
const PROBE_SIZE: usize = 20;

/// How long an outbox is left alone that could not be asked. It is nearer than Mixpanel.
const MIN_BACKOFF: Duration = Duration::from_millis(200);
const MAX_BACKOFF: Duration = Duration::from_secs(10);
/// A few minutes of them.
const QUIET_ATTEMPTS: u32 = 30;

/// A record that is older than `retry_for` is tried for this long all the same once Mixpanel is
/// away: a worker that stood still for a month does not give up all that it finds at the first
/// error.
const MIN_OUTAGE_TO_EXPIRE: Duration = Duration::from_secs(60 * 60);

/// What drains an outbox, and what waits for deliveries past it.
pub(crate) struct Worker {
    /// What to drain, if anything.
    pub(crate) outbox: Option<Arc<dyn Outbox>>,
    pub(crate) sender: Arc<Sender>,
    pub(crate) shutdown: Arc<Shutdown>,
    /// As many batches are on their way at once.
    pub(crate) concurrency: usize,
    /// A record that was abandoned as often is buried.
    pub(crate) max_deliveries: u32,
}

impl Worker {
    pub(crate) async fn run(self) {
        if let Some(outbox) = &self.outbox {
            let hands = (0..self.concurrency.max(1)).map(|number| WorkerLoop {
                outbox: &**outbox,
                worker: &self,
                backoff: Backoff::between(
                    MIN_BACKOFF,
                    MAX_BACKOFF,
                    now_ms().wrapping_add(number as u64),
                ),
                is_outbox_away: false,
                partitions: Partitions::default(),
            });
            join_all(hands.map(WorkerLoop::drain)).await;
            if !outbox.is_durable() {
                self.give_up(&**outbox).await;
            }
        }
        self.wait_for_in_flight().await;
        self.shutdown.finish();
    }

    /// What is left when time is over is told of; a durable outbox keeps it.
    async fn give_up(&self, outbox: &dyn Outbox) {
        loop {
            let Ok(leases) = timeout(Duration::ZERO, outbox.lease(BATCH_SIZE)).await else {
                return;
            };
            let Ok(leases) = leases else { return };
            for lease in &leases {
                let reason = match self.sender.circuit_breaker.last_error() {
                    Some(why) => format!("the time to shut down was over; last: {why}"),
                    None => "the time to shut down was over".into(),
                };
                let reason = Reason::Abandoned(reason);
                self.sender
                    .report(&Failure::for_calls(reason, remaining_calls(lease)));
            }
        }
    }

    /// Waits for the deliveries past the outbox, past the deadline too: a request to Mixpanel is
    /// not cut off.
    async fn wait_for_in_flight(&self) {
        loop {
            let mut wake = pin!(self.shutdown.notified());
            wake.as_mut().enable();
            let deadline = self
                .shutdown
                .deadline()
                .map(|deadline| deadline + SHUTDOWN_GRACE);
            if deadline.is_some() && self.shutdown.in_flight() == 0 {
                return;
            }
            tokio::select! {
                () = wake => {}
                () = sleep_until_deadline(deadline) => return,
            }
        }
    }
}

/// One loop of a worker's: a batch at a time.
struct WorkerLoop<'a> {
    outbox: &'a dyn Outbox,
    worker: &'a Worker,
    /// How long to leave the outbox alone after it failed.
    backoff: Backoff,
    /// The outbox could not be asked, and that was told.
    is_outbox_away: bool,
    /// Where what is sent was written last: kept while there is much.
    partitions: Partitions,
}

/// How a round went.
enum BatchResult {
    /// Mixpanel took it, or refused it: it is there.
    Answered,
    /// Not now: again after this time.
    Away(RetryWait),
}

impl WorkerLoop<'_> {
    /// Delivers what waits until closing is asked for, and then until nothing waits.
    async fn drain(mut self) {
        let mut batch = BATCH_SIZE;
        while let Some(leases) = self.next(batch).await {
            // A delivery past the outbox may have found out that Mixpanel is away. At the end there
            // is one more attempt all the same.
            if !self.worker.shutdown.is_requested()
                && let Some(wait) = self.worker.sender.circuit_breaker.remaining()
                && !self.pause(wait).await
            {
                self.retry(LeasedRecord::into_leases(leases)).await;
                break;
            }
            let is_filling = leases.len() >= COALESCE_BELOW;
            match self.deliver(leases).await {
                BatchResult::Answered => {
                    batch = BATCH_SIZE;
                    // Where time is over, what waits is taken up no more than it would be anyway.
                    let _ = is_filling
                        || self.worker.shutdown.is_requested()
                        || self.pause(COALESCE_WINDOW).await;
                }
                BatchResult::Away(delay) => {
                    batch = PROBE_SIZE;
                    if !self.pause(delay).await {
                        break;
                    }
                }
            }
        }
        self.worker.shutdown.notify();
    }

    /// What is due next; `None` once closing was asked for and nothing is left, or time is over.
    async fn next(&mut self, limit: usize) -> Option<Vec<LeasedRecord>> {
        let closing = &self.worker.shutdown;
        loop {
            let mut wake = pin!(closing.notified());
            wake.as_mut().enable();
            let deadline = closing.deadline();
            // While records wait, a lease is always ready before the deadline is looked at.
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return None;
            }
            if deadline.is_some()
                && closing.in_flight() == 0
                && self.outbox.pending().await.is_ok_and(|left| left == 0)
            {
                return None;
            }
            let leased = tokio::select! {
                biased;
                leased = self.outbox.lease_records(limit) => leased,
                () = wake => continue,
                () = sleep_until_deadline(deadline) => return None,
            };
            match leased {
                Ok(due) => {
                    if std::mem::take(&mut self.is_outbox_away) {
                        tracing::info!(target: "mengpaneel", "{} is back", self.outbox.description());
                    }
                    self.backoff.reset();
                    return Some(due);
                }
                Err(error) => {
                    if !std::mem::replace(&mut self.is_outbox_away, true) {
                        tracing::error!(target: "mengpaneel", "{error}; trying again");
                    }
                    let delay = self.backoff.next_delay(None);
                    if !self.pause(delay).await {
                        return None;
                    }
                }
            }
        }
    }

    /// Waits, unless time is over before: `false` then. Closing cuts the wait short; from then on
    /// the time that is left is shared out among further attempts.
    async fn pause(&self, wait: impl Into<RetryWait>) -> bool {
        let (closing, wait) = (&self.worker.shutdown, wait.into());
        let until = Instant::now() + wait.delay;
        loop {
            let mut wake = pin!(closing.notified());
            wake.as_mut().enable();
            match closing.deadline() {
                Some(deadline) => {
                    let Some(delay) = wait.before_end(deadline.duration_since(Instant::now()))
                    else {
                        return false;
                    };
                    sleep(delay).await;
                    return true;
                }
                None if timeout_at(until, wake).await.is_err() => return true,
                // Closing is asked for: one attempt at once.
                None if closing.is_requested() => return true,
                None => {}
            }
        }
    }

    /// One attempt at everything that was leased.
    async fn deliver(&mut self, mut records: Vec<LeasedRecord>) -> BatchResult {
        let (worker, max) = (self.worker, self.worker.max_deliveries);
        let poison = records
            .extract_if(.., |record| record.redeliveries() >= max)
            .filter_map(LeasedRecord::into_lease)
            .collect();
        self.bury(poison, |lease| {
            format!(
                "taken up {} times, and whoever did never came back",
                lease.redeliveries
            )
        })
        .await;
        let mut batch = OutgoingBatch::new(
            &worker.sender,
            records.len(),
            std::mem::take(&mut self.partitions),
        );
        for (owner, record) in records.iter_mut().enumerate() {
            batch.add(owner, record);
        }
        let OutgoingBatch {
            messages: mut batch,
            partitions: mut lanes,
            oldest,
            ..
        } = batch;
        worker.sender.oldest.store(
            oldest.and_then(timestamp_ms).unwrap_or_default(),
            Ordering::Relaxed,
        );
        let unmarked = self.mark(&mut records, &mut batch).await;
        let sent = std::time::Instant::now();
        let not_taken = worker
            .sender
            .http
            .deliver(batch.iter().map(|(_, said)| said), &mut lanes)
            .await;
        if records.len() >= COALESCE_BELOW {
            self.partitions = lanes;
        }
        let away = worker
            .sender
            .record_result(batch.len(), &not_taken)
            .or(unmarked);
        let mut again = Retranslator::new(&worker.sender);
        for ((owner, said), why) in select_failed(batch, not_taken) {
            worker.sender.forget(&said);
            match why {
                SendError::Retry { .. } => requeue(&mut records, owner, said, &mut again),
                why @ (SendError::Unauthorized(_) | SendError::NotServed { .. }) => {
                    worker.sender.report_standstill(&why, sent);
                    requeue(&mut records, owner, said, &mut again);
                }
                why => {
                    if let Some(lease) = records.get_mut(owner).and_then(LeasedRecord::decode) {
                        worker
                            .sender
                            .report(&again.failure(&lease.envelope, said, reason(why)));
                    }
                }
            }
        }
        let unfinished = records
            .extract_if(.., |record| record.is_unfinished())
            .filter_map(LeasedRecord::into_lease)
            .collect();
        let count = records.len();
        #[cfg(feature = "metrics")]
        for record in &records {
            metrics::delivery_latency(record.envelope_id().and_then(timestamp_ms));
        }
        self.acknowledge(&records).await;
        self.outbox.recycle(records);
        if away.is_none() {
            worker.sender.oldest.store(0, Ordering::Relaxed);
        }
        let round = self.put_back(unfinished, away).await;
        worker.shutdown.record_progress(count);
        #[cfg(feature = "metrics")]
        if let Ok(waiting) = self.outbox.pending().await {
            metrics::queue(waiting, worker.sender.oldest_age().unwrap_or_default());
        }
        round
    }

    /// Marks the records that hold what would count twice. Where they cannot be marked, that part
    /// of them is not sent.
    async fn mark(
        &mut self,
        records: &mut [LeasedRecord],
        batch: &mut Vec<(usize, Outgoing)>,
    ) -> Option<Unavailable> {
        let mut delicate: Vec<usize> = batch
            .iter()
            .filter(|(_, said)| !said.is_idempotent())
            .map(|(owner, _)| *owner)
            .collect();
        delicate.dedup();
        if delicate.is_empty() {
            return None;
        }
        let marked: Vec<Lease> = delicate
            .iter()
            .filter_map(|owner| records.get_mut(*owner)?.decode().cloned())
            .collect();
        let error = self.outbox.mark_sending(&marked).await.err()?;
        tracing::error!(target: "mengpaneel", "{error}; what would count twice is not sent for now");
        let mut again = Retranslator::new(&self.worker.sender);
        for (owner, said) in batch.extract_if(.., |(_, said)| !said.is_idempotent()) {
            requeue(records, owner, said, &mut again);
        }
        Some(Unavailable {
            delay: self.backoff.next_delay(None),
            is_asked_for: false,
            why: error.to_string(),
            lasts: None,
        })
    }

    /// These are done with. What cannot be acknowledged would be sent again, and so is tried
    /// again for as long as there is time.
    async fn acknowledge(&mut self, records: &[LeasedRecord]) {
        let mut attempts = 0;
        while let Err(error) = self.outbox.acknowledge_records(records).await {
            attempts += 1;
            let delay = self.backoff.next_delay(None);
            let is_over = !self.pause(delay).await;
            // That an outbox is away is told already, by it or where records are leased.
            if is_over || attempts == QUIET_ATTEMPTS {
                tracing::error!(target: "mengpaneel", "{error}; what was delivered could not be acknowledged");
            }
            if is_over {
                return;
            }
        }
        self.backoff.reset();
    }

    /// What was not delivered waits on, if it is not too old.
    async fn put_back(&mut self, unfinished: Vec<Lease>, away: Option<Unavailable>) -> BatchResult {
        let Some(Unavailable {
            delay,
            is_asked_for,
            why,
            lasts,
        }) = away
        else {
            return BatchResult::Answered;
        };
        let is_over = lasts
            .is_some_and(|lasts| lasts >= MIN_OUTAGE_TO_EXPIRE.min(self.worker.sender.retry_for));
        let (old, young): (Vec<_>, Vec<_>) = unfinished
            .into_iter()
            .partition(|lease| is_over && self.is_too_old(&lease.envelope));
        self.bury(old, |_| format!("older than `retry_for`; last: {why}"))
            .await;
        metrics::retried(
            young
                .iter()
                .flat_map(|lease| &lease.remaining)
                .map(Vec::len)
                .sum(),
        );
        tracing::warn!(target: "mengpaneel", waiting = young.len(), ?delay, "Mixpanel is away: {why}");
        self.retry(young).await;
        BatchResult::Away(RetryWait {
            delay,
            is_requested: is_asked_for,
        })
    }

    /// These are due again at once: it is the worker that waits.
    async fn retry(&self, leases: Vec<Lease>) {
        if let Err(error) = self.outbox.retry_later(leases, Duration::ZERO).await {
            tracing::error!(target: "mengpaneel", "{error}; what could not be sent is given back later");
        }
    }

    /// Gives records up, and tells of what is left of them.
    async fn bury(&self, leases: Vec<Lease>, why: impl Fn(&Lease) -> String) {
        if leases.is_empty() {
            return;
        }
        for lease in &leases {
            let reason = Reason::Abandoned(why(lease));
            let told = match &lease.remaining {
                Some(left) => left
                    .iter()
                    .map(|message| failure(message.clone(), reason.clone()))
                    .collect(),
                None => vec![Failure::for_calls(reason, remaining_calls(lease))],
            };
            for failure in &told {
                self.worker.sender.report(failure);
            }
        }
        if let Err(error) = self.outbox.dead_letter(leases).await {
            tracing::error!(target: "mengpaneel", "{error}; what was given up could not be buried");
        }
    }

    fn is_too_old(&self, parcel: &Envelope) -> bool {
        let born = timestamp_ms(parcel.id).unwrap_or_default();
        let retry_for = u64::try_from(self.worker.sender.retry_for.as_millis()).unwrap_or(u64::MAX);
        now_ms().saturating_sub(born) > retry_for
    }
}

async fn sleep_until_deadline(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
