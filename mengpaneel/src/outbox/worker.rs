//! The worker: takes what waits in the outbox, translates it and delivers it, on a thread of its
//! own. What is spawned on an Actix worker would die with that, and scripts have no Actix.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::sender::{Sender, failure, reason};
use super::{Lease, Outbox, OutboxError};
use crate::failure::{Failure, Reason};
use crate::parcel::Parcel;
use crate::recorder::now_ms;
use crate::server::{Backoff, Message, Outcome};
use crate::stats;

/// As many records are leased at once as fill the requests that are under way together.
const BATCH: usize = 4 * 2_000;
/// As many while Mixpanel is away: one small request tells whether it is back.
const PROBE: usize = 20;

/// When it is to end, and whether it has.
#[derive(Default)]
pub(super) struct Closing {
    deadline: Mutex<Option<Instant>>,
    /// Woken when closing is asked for, and when a delivery past the outbox is done.
    wake: Notify,
    /// Woken when something was delivered.
    progress: Notify,
    ended: AtomicBool,
    end: Notify,
    in_hand: AtomicUsize,
}

impl Closing {
    /// Asks the worker to end by then; the first deadline counts.
    pub(super) fn ask(&self, deadline: Duration) {
        self.lock().get_or_insert_with(|| Instant::now() + deadline);
        self.wake.notify_one();
    }

    pub(super) fn is_asked(&self) -> bool {
        self.deadline().is_some()
    }

    /// Resolves once the worker has ended.
    pub(super) async fn ended(&self) {
        loop {
            let end = self.end.notified();
            if self.ended.load(Ordering::Acquire) {
                return;
            }
            end.await;
        }
    }

    /// Resolves at the next delivery. To be made before what it is waited for is looked at.
    pub(super) fn progress(&self) -> Notified<'_> {
        self.progress.notified()
    }

    /// Deliveries past the outbox that are under way.
    pub(super) fn in_hand(&self) -> usize {
        self.in_hand.load(Ordering::Acquire)
    }

    /// Counts one more of them; `None` where there are `bound` already.
    pub(super) fn take_in_hand(self: &Arc<Self>, bound: usize) -> Option<InHand> {
        let taken = self.in_hand.fetch_add(1, Ordering::AcqRel);
        let in_hand = InHand(Arc::clone(self));
        (taken < bound).then_some(in_hand)
    }

    fn deadline(&self) -> Option<Instant> {
        *self.lock()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One delivery past the outbox.
pub(super) struct InHand(Arc<Closing>);

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.in_hand.fetch_sub(1, Ordering::AcqRel);
        self.0.wake.notify_one();
        self.0.progress.notify_waiters();
    }
}

/// The loop on the thread.
pub(super) struct Worker {
    pub(super) outbox: Option<Arc<dyn Outbox>>,
    pub(super) sender: Arc<Sender>,
    pub(super) closing: Arc<Closing>,
    pub(super) backoff: Backoff,
    /// The credentials were refused, and that was told.
    pub(super) is_locked_out: bool,
}

/// How a round went.
enum Round {
    /// Mixpanel took it, or refused it: it is there.
    Answered,
    /// Not now: again after this time.
    Away(Duration),
}

impl Worker {
    pub(super) async fn run(mut self) {
        if let Some(outbox) = self.outbox.clone() {
            self.drain(&*outbox).await;
            self.give_up(&*outbox).await;
        }
        self.wait_for_hands().await;
        self.closing.ended.store(true, Ordering::Release);
        self.closing.end.notify_waiters();
    }

    /// Delivers what waits until closing is asked for, and then until nothing waits.
    async fn drain(&mut self, outbox: &dyn Outbox) {
        let mut batch = BATCH;
        while let Some(leases) = self.next(outbox, batch).await {
            // A delivery past the outbox may have found out that Mixpanel is away. At the end there is
            // one more attempt all the same.
            if !self.closing.is_asked()
                && let Some(wait) = self.sender.circuit.wait()
                && !self.pause(wait).await
            {
                return Self::log(outbox.retry_later(leases, Duration::ZERO).await);
            }
            match self.deliver(outbox, leases).await {
                Round::Answered => batch = BATCH,
                Round::Away(delay) => {
                    batch = PROBE;
                    if !self.pause(delay).await {
                        return;
                    }
                }
            }
        }
    }

    /// What is due next; `None` once closing was asked for and nothing is left, or time is over.
    async fn next(&mut self, outbox: &dyn Outbox, limit: usize) -> Option<Vec<Lease>> {
        loop {
            let deadline = self.closing.deadline();
            if deadline.is_some() && self.closing.in_hand() == 0 && outbox.waiting().await.is_ok_and(|left| left == 0) {
                return None;
            }
            let closing = Arc::clone(&self.closing);
            let leased = tokio::select! {
                biased;
                leased = outbox.lease(limit) => leased,
                () = closing.wake.notified() => continue,
                () = at(deadline) => return None,
            };
            match leased {
                Ok(due) => return Some(due),
                Err(error) => {
                    tracing::error!(target: "mengpaneel", "{error}; trying again");
                    let delay = self.backoff.after(None);
                    if !self.pause(delay).await {
                        return None;
                    }
                }
            }
        }
    }

    /// Waits, unless time is over before: `false` then. Closing cuts the wait short, for one last
    /// attempt.
    async fn pause(&mut self, delay: Duration) -> bool {
        match self.closing.deadline() {
            Some(deadline) if Instant::now() + delay >= deadline => false,
            Some(_) => {
                sleep(delay).await;
                true
            }
            None => {
                let until = Instant::now() + delay;
                while self.closing.deadline().is_none() && timeout_at(until, self.closing.wake.notified()).await.is_ok()
                {
                }
                true
            }
        }
    }

    /// One attempt at everything that was leased.
    async fn deliver(&mut self, outbox: &dyn Outbox, mut leases: Vec<Lease>) -> Round {
        self.note_oldest(&leases);
        let mut owners = Vec::new();
        let mut messages = Vec::new();
        for (owner, lease) in leases.iter_mut().enumerate() {
            lease.attempts += 1;
            for message in lease.remaining.take().unwrap_or_else(|| self.sender.messages(&lease.parcel)) {
                owners.push(owner);
                messages.push(message);
            }
            lease.remaining = Some(Vec::new());
        }
        Self::log(outbox.mark_sending(&leases).await);
        let sent = self.sender.delivery.deliver(messages).await;
        let away = self.sender.note(&sent);
        for (owner, (message, outcome)) in owners.into_iter().zip(sent) {
            match outcome {
                Outcome::Retry { .. } => keep(&mut leases, owner, message),
                Outcome::Unauthorized(why) => {
                    self.tell_locked_out(&why);
                    keep(&mut leases, owner, message);
                }
                outcome => {
                    if let Some(reason) = reason(outcome) {
                        self.sender.tell(&failure(message, reason));
                    }
                }
            }
        }
        let (unfinished, finished): (Vec<_>, Vec<_>) =
            leases.into_iter().partition(|lease| lease.remaining.as_ref().is_some_and(|left| !left.is_empty()));
        Self::log(outbox.acknowledge(finished.into_iter().map(|lease| lease.id).collect()).await);
        if away.is_none() {
            self.sender.oldest.store(0, Ordering::Relaxed);
        }
        let round = self.put_back(outbox, unfinished, away).await;
        self.closing.progress.notify_waiters();
        #[cfg(feature = "metrics")]
        if let Ok(waiting) = outbox.waiting().await {
            crate::stats::queue(waiting, self.sender.oldest_age().unwrap_or_default());
        }
        round
    }

    /// What is leased first waited longest.
    fn note_oldest(&self, leases: &[Lease]) {
        let oldest = leases.iter().map(|lease| born_ms(&lease.parcel)).min();
        self.sender.oldest.store(oldest.unwrap_or_default(), Ordering::Relaxed);
    }

    /// What was not delivered waits on, if it is not too old.
    async fn put_back(
        &mut self,
        outbox: &dyn Outbox,
        unfinished: Vec<Lease>,
        away: Option<(Duration, String)>,
    ) -> Round {
        let Some((delay, why)) = away else {
            self.is_locked_out = false;
            return Round::Answered;
        };
        let (old, young): (Vec<_>, Vec<_>) = unfinished.into_iter().partition(|lease| self.is_too_old(&lease.parcel));
        for message in old.iter().flat_map(|lease| lease.remaining.iter().flatten()) {
            let reason = Reason::GivenUp(format!("older than `max_age`; last: {why}"));
            self.sender.tell(&failure(message.clone(), reason));
        }
        Self::log(outbox.bury(old).await);
        stats::retried(young.iter().flat_map(|lease| &lease.remaining).map(Vec::len).sum());
        tracing::warn!(target: "mengpaneel", waiting = young.len(), ?delay, "Mixpanel is away: {why}");
        Self::log(outbox.retry_later(young, Duration::ZERO).await);
        Round::Away(delay)
    }

    /// What is left when time is over is told of; a durable outbox keeps it.
    async fn give_up(&self, outbox: &dyn Outbox) {
        loop {
            let Ok(leases) = timeout(Duration::ZERO, outbox.lease(BATCH)).await else { return };
            let Ok(leases) = leases else { return };
            for lease in &leases {
                let calls = match &lease.remaining {
                    Some(left) => left.iter().map(|message| message.call.clone()).collect(),
                    None => lease.parcel.calls.iter().cloned().collect(),
                };
                let reason = Reason::GivenUp("the time to shut down was over".into());
                self.sender.tell(&Failure::of_calls(reason, calls));
            }
        }
    }

    /// Waits for the deliveries past the outbox.
    async fn wait_for_hands(&self) {
        loop {
            let deadline = self.closing.deadline();
            if deadline.is_some() && self.closing.in_hand() == 0 {
                return;
            }
            let wake = self.closing.wake.notified();
            tokio::select! {
                () = wake => {}
                () = at(deadline) => return,
            }
        }
    }

    fn is_too_old(&self, parcel: &Parcel) -> bool {
        let born = born_ms(parcel);
        let max_age = u64::try_from(self.sender.max_age.as_millis()).unwrap_or(u64::MAX);
        now_ms().saturating_sub(born) > max_age
    }

    fn tell_locked_out(&mut self, why: &str) {
        if !self.is_locked_out {
            self.is_locked_out = true;
            self.sender.failures.tell(&Failure::of_calls(Reason::Unauthorized(why.to_owned()), vec![]));
        }
    }

    fn log(done: Result<(), OutboxError>) {
        if let Err(error) = done {
            tracing::error!(target: "mengpaneel", "{error}");
        }
    }
}

/// When a parcel was closed, in milliseconds since 1970.
fn born_ms(parcel: &Parcel) -> u64 {
    parcel.id.get_timestamp().map_or(0, |at| at.to_unix().0 * 1_000)
}

fn keep(leases: &mut [Lease], owner: usize, message: Message) {
    if let Some(left) = leases.get_mut(owner).and_then(|lease| lease.remaining.as_mut()) {
        left.push(message);
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
