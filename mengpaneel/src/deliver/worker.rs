//! The worker: takes what waits in the outbox, translates it and delivers it, on a thread of its
//! own. What is spawned on an Actix worker would die with that, and scripts have no Actix.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use crate::deliver::batch::Batch;
use crate::deliver::batch::{calls_of, keep};
use crate::deliver::http::retry::Backoff;
use crate::deliver::http::send_error::NotTaken;
use crate::deliver::partitions::Lanes;
use crate::deliver::retry_wait::Wait;
use crate::deliver::sender::{Again, Away, Sender, failure, reason, those};
use crate::deliver::shutdown::{Closing, GRACE};
use crate::error::{Failure, Reason};
use crate::id::{ms_of, now_ms};
use crate::metrics;
use crate::outbox::leased::Taken;
use crate::outbox::{Lease, Outbox};
use crate::record::envelope::Parcel;
use crate::translate::outgoing::Said;

/// As many records are leased at once as fill the requests that are under way together.
const BATCH: usize = 4 * 2_000;
/// With fewer, the next ones are given a moment to gather: a request for each of them would cost
/// more than they do, and whoever appends would wake the worker each time.
const FILLING: usize = 2_000;
const MOMENT: Duration = Duration::from_millis(20);
/// As many while Mixpanel is away: one small request tells whether it is back.
const PROBE: usize = 20;

/// How long an outbox is left alone that could not be asked. It is nearer than Mixpanel.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// A few minutes of them.
const QUIET_ATTEMPTS: u32 = 30;

/// A record that is older than `retry_for` is tried for this long all the same once Mixpanel is
/// away: a worker that stood still for a month does not give up all that it finds at the first
/// error.
const LAST_CHANCE: Duration = Duration::from_secs(60 * 60);

/// What drains an outbox, and what waits for deliveries past it.
pub(crate) struct Worker {
    /// What to drain, if anything.
    pub(crate) outbox: Option<Arc<dyn Outbox>>,
    pub(crate) sender: Arc<Sender>,
    pub(crate) closing: Arc<Closing>,
    /// As many batches are on their way at once.
    pub(crate) concurrency: usize,
    /// A record that was abandoned as often is buried.
    pub(crate) max_deliveries: u32,
}

impl Worker {
    pub(crate) async fn run(self) {
        if let Some(outbox) = &self.outbox {
            let hands = (0..self.concurrency.max(1)).map(|number| Hand {
                outbox: &**outbox,
                worker: &self,
                backoff: Backoff::between(
                    FIRST_WAIT,
                    LONGEST_WAIT,
                    now_ms().wrapping_add(number as u64),
                ),
                is_outbox_away: false,
                lanes: Lanes::default(),
            });
            join_all(hands.map(Hand::drain)).await;
            if !outbox.is_durable() {
                self.give_up(&**outbox).await;
            }
        }
        self.wait_for_hands().await;
        self.closing.end();
    }

    /// What is left when time is over is told of; a durable outbox keeps it.
    async fn give_up(&self, outbox: &dyn Outbox) {
        loop {
            let Ok(leases) = timeout(Duration::ZERO, outbox.lease(BATCH)).await else {
                return;
            };
            let Ok(leases) = leases else { return };
            for lease in &leases {
                let reason = match self.sender.circuit.trouble() {
                    Some(why) => format!("the time to shut down was over; last: {why}"),
                    None => "the time to shut down was over".into(),
                };
                let reason = Reason::GivenUp(reason);
                self.sender
                    .tell(&Failure::of_calls(reason, calls_of(lease)));
            }
        }
    }

    /// Waits for the deliveries past the outbox, past the deadline too: a request to Mixpanel is
    /// not cut off.
    async fn wait_for_hands(&self) {
        loop {
            let mut wake = pin!(self.closing.woken());
            wake.as_mut().enable();
            let deadline = self.closing.deadline().map(|deadline| deadline + GRACE);
            if deadline.is_some() && self.closing.in_hand() == 0 {
                return;
            }
            tokio::select! {
                () = wake => {}
                () = at(deadline) => return,
            }
        }
    }
}

/// One loop of a worker's: a batch at a time.
struct Hand<'a> {
    outbox: &'a dyn Outbox,
    worker: &'a Worker,
    /// How long to leave the outbox alone after it failed.
    backoff: Backoff,
    /// The outbox could not be asked, and that was told.
    is_outbox_away: bool,
    /// Where what is sent was written last: kept while there is much.
    lanes: Lanes,
}

/// How a round went.
enum Round {
    /// Mixpanel took it, or refused it: it is there.
    Answered,
    /// Not now: again after this time.
    Away(Wait),
}

impl Hand<'_> {
    /// Delivers what waits until closing is asked for, and then until nothing waits.
    async fn drain(mut self) {
        let mut batch = BATCH;
        while let Some(leases) = self.next(batch).await {
            // A delivery past the outbox may have found out that Mixpanel is away. At the end there
            // is one more attempt all the same.
            if !self.worker.closing.is_asked()
                && let Some(wait) = self.worker.sender.circuit.wait()
                && !self.pause(wait).await
            {
                self.retry(Taken::into_leases(leases)).await;
                break;
            }
            let is_filling = leases.len() >= FILLING;
            match self.deliver(leases).await {
                Round::Answered => {
                    batch = BATCH;
                    // Where time is over, what waits is taken up no more than it would be anyway.
                    let _ =
                        is_filling || self.worker.closing.is_asked() || self.pause(MOMENT).await;
                }
                Round::Away(delay) => {
                    batch = PROBE;
                    if !self.pause(delay).await {
                        break;
                    }
                }
            }
        }
        self.worker.closing.wake();
    }

    /// What is due next; `None` once closing was asked for and nothing is left, or time is over.
    async fn next(&mut self, limit: usize) -> Option<Vec<Taken>> {
        let closing = &self.worker.closing;
        loop {
            let mut wake = pin!(closing.woken());
            wake.as_mut().enable();
            let deadline = closing.deadline();
            // While records wait, a lease is always ready before the deadline is looked at.
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return None;
            }
            if deadline.is_some()
                && closing.in_hand() == 0
                && self.outbox.waiting().await.is_ok_and(|left| left == 0)
            {
                return None;
            }
            let leased = tokio::select! {
                biased;
                leased = self.outbox.lease_sealed(limit) => leased,
                () = wake => continue,
                () = at(deadline) => return None,
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
                    let delay = self.backoff.after(None);
                    if !self.pause(delay).await {
                        return None;
                    }
                }
            }
        }
    }

    /// Waits, unless time is over before: `false` then. Closing cuts the wait short; from then on
    /// the time that is left is shared out among further attempts.
    async fn pause(&self, wait: impl Into<Wait>) -> bool {
        let (closing, wait) = (&self.worker.closing, wait.into());
        let until = Instant::now() + wait.delay;
        loop {
            let mut wake = pin!(closing.woken());
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
                None if closing.is_asked() => return true,
                None => {}
            }
        }
    }

    /// One attempt at everything that was leased.
    async fn deliver(&mut self, mut records: Vec<Taken>) -> Round {
        let (worker, max) = (self.worker, self.worker.max_deliveries);
        let poison = records
            .extract_if(.., |record| record.abandoned() >= max)
            .filter_map(Taken::into_lease)
            .collect();
        self.bury(poison, |lease| {
            format!(
                "taken up {} times, and whoever did never came back",
                lease.abandoned
            )
        })
        .await;
        let mut batch = Batch::new(
            &worker.sender,
            records.len(),
            std::mem::take(&mut self.lanes),
        );
        for (owner, record) in records.iter_mut().enumerate() {
            batch.add(owner, record);
        }
        let Batch {
            said: mut batch,
            mut lanes,
            oldest,
            ..
        } = batch;
        worker.sender.oldest.store(
            oldest.and_then(ms_of).unwrap_or_default(),
            Ordering::Relaxed,
        );
        let unmarked = self.mark(&mut records, &mut batch).await;
        let sent = std::time::Instant::now();
        let not_taken = worker
            .sender
            .delivery
            .deliver(batch.iter().map(|(_, said)| said), &mut lanes)
            .await;
        if records.len() >= FILLING {
            self.lanes = lanes;
        }
        let away = worker.sender.note(batch.len(), &not_taken).or(unmarked);
        let mut again = Again::new(&worker.sender);
        for ((owner, said), why) in those(batch, not_taken) {
            worker.sender.forget(&said);
            match why {
                NotTaken::Retry { .. } => keep(&mut records, owner, said, &mut again),
                why @ (NotTaken::Unauthorized(_) | NotTaken::NotServed { .. }) => {
                    worker.sender.tell_standstill(&why, sent);
                    keep(&mut records, owner, said, &mut again);
                }
                why => {
                    if let Some(lease) = records.get_mut(owner).and_then(Taken::open) {
                        worker
                            .sender
                            .tell(&again.failure(&lease.parcel, said, reason(why)));
                    }
                }
            }
        }
        let unfinished = records
            .extract_if(.., |record| record.is_unfinished())
            .filter_map(Taken::into_lease)
            .collect();
        let count = records.len();
        #[cfg(feature = "metrics")]
        for record in &records {
            metrics::answered(record.parcel_id().and_then(ms_of));
        }
        self.acknowledge(&records).await;
        self.outbox.take_back(records);
        if away.is_none() {
            worker.sender.oldest.store(0, Ordering::Relaxed);
        }
        let round = self.put_back(unfinished, away).await;
        worker.closing.progressed(count);
        #[cfg(feature = "metrics")]
        if let Ok(waiting) = self.outbox.waiting().await {
            metrics::queue(waiting, worker.sender.oldest_age().unwrap_or_default());
        }
        round
    }

    /// Marks the records that hold what would count twice. Where they cannot be marked, that part
    /// of them is not sent.
    async fn mark(
        &mut self,
        records: &mut [Taken],
        batch: &mut Vec<(usize, Said)>,
    ) -> Option<Away> {
        let mut delicate: Vec<usize> = batch
            .iter()
            .filter(|(_, said)| !said.is_repeatable())
            .map(|(owner, _)| *owner)
            .collect();
        delicate.dedup();
        if delicate.is_empty() {
            return None;
        }
        let marked: Vec<Lease> = delicate
            .iter()
            .filter_map(|owner| records.get_mut(*owner)?.open().cloned())
            .collect();
        let error = self.outbox.mark_sending(&marked).await.err()?;
        tracing::error!(target: "mengpaneel", "{error}; what would count twice is not sent for now");
        let mut again = Again::new(&self.worker.sender);
        for (owner, said) in batch.extract_if(.., |(_, said)| !said.is_repeatable()) {
            keep(records, owner, said, &mut again);
        }
        Some(Away {
            delay: self.backoff.after(None),
            is_asked_for: false,
            why: error.to_string(),
            lasts: None,
        })
    }

    /// These are done with. What cannot be acknowledged would be sent again, and so is tried
    /// again for as long as there is time.
    async fn acknowledge(&mut self, records: &[Taken]) {
        let mut attempts = 0;
        while let Err(error) = self.outbox.acknowledge_taken(records).await {
            attempts += 1;
            let delay = self.backoff.after(None);
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
    async fn put_back(&mut self, unfinished: Vec<Lease>, away: Option<Away>) -> Round {
        let Some(Away {
            delay,
            is_asked_for,
            why,
            lasts,
        }) = away
        else {
            return Round::Answered;
        };
        let is_over =
            lasts.is_some_and(|lasts| lasts >= LAST_CHANCE.min(self.worker.sender.retry_for));
        let (old, young): (Vec<_>, Vec<_>) = unfinished
            .into_iter()
            .partition(|lease| is_over && self.is_too_old(&lease.parcel));
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
        Round::Away(Wait {
            delay,
            is_asked_for,
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
            let reason = Reason::GivenUp(why(lease));
            let told = match &lease.remaining {
                Some(left) => left
                    .iter()
                    .map(|message| failure(message.clone(), reason.clone()))
                    .collect(),
                None => vec![Failure::of_calls(reason, calls_of(lease))],
            };
            for failure in &told {
                self.worker.sender.tell(failure);
            }
        }
        if let Err(error) = self.outbox.bury(leases).await {
            tracing::error!(target: "mengpaneel", "{error}; what was given up could not be buried");
        }
    }

    fn is_too_old(&self, parcel: &Parcel) -> bool {
        let born = ms_of(parcel.id).unwrap_or_default();
        let retry_for = u64::try_from(self.worker.sender.retry_for.as_millis()).unwrap_or(u64::MAX);
        now_ms().saturating_sub(born) > retry_for
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
