//! Closing: when the worker is to end, and whether it has.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

/// Time after the deadline in which requests to Mixpanel may end that are under way.
pub(crate) const GRACE: Duration = Duration::from_secs(15);

/// Longest deadline.
const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// When it is to end, and whether it has.
#[derive(Default)]
pub(crate) struct Closing {
    deadline: Mutex<Option<Instant>>,
    /// Whether there is a deadline: whoever hands something in asks for no more.
    is_asked: AtomicBool,
    /// Woken when closing is asked for, and when a delivery past the outbox is done.
    wake: Notify,
    /// Woken when something was delivered.
    progress: Notify,
    ended: AtomicBool,
    end: Notify,
    in_hand: AtomicUsize,
    delivered: AtomicUsize,
}

impl Closing {
    /// Asks the worker to end by then; the first deadline counts.
    pub(crate) fn ask(&self, deadline: Duration) {
        // Past what a clock can say, a deadline is none that anybody lives to see.
        let until = Instant::now()
            .checked_add(deadline)
            .unwrap_or_else(|| Instant::now() + FOREVER);
        self.lock().get_or_insert(until);
        self.is_asked.store(true, Ordering::Release);
        self.wake.notify_waiters();
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Acquire)
    }

    /// Resolves once the worker has ended.
    pub(crate) async fn ended(&self) {
        loop {
            let mut end = pin!(self.end.notified());
            end.as_mut().enable();
            if self.ended.load(Ordering::Acquire) {
                return;
            }
            end.await;
        }
    }

    /// It has ended.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.end.notify_waiters();
    }

    /// Resolves when there is something to look at again: closing is asked for, or somebody is
    /// done. To be enabled before that is looked at.
    pub(crate) fn woken(&self) -> Notified<'_> {
        self.wake.notified()
    }

    /// Has everybody look again.
    pub(crate) fn wake(&self) {
        self.wake.notify_waiters();
    }

    /// How many records were delivered, or refused and reported.
    pub(crate) fn delivered(&self) -> usize {
        self.delivered.load(Ordering::Relaxed)
    }

    /// So many more were.
    pub(crate) fn progressed(&self, records: usize) {
        self.delivered.fetch_add(records, Ordering::Relaxed);
        self.progress.notify_waiters();
    }

    /// Resolves at the next delivery. To be enabled before what it is waited for is looked at.
    pub(crate) fn progress(&self) -> Notified<'_> {
        self.progress.notified()
    }

    /// Deliveries past the outbox that are under way.
    pub(crate) fn in_hand(&self) -> usize {
        self.in_hand.load(Ordering::Acquire)
    }

    /// Counts one more of them; `None` where there are `bound` already.
    pub(crate) fn take_in_hand(self: &Arc<Self>, bound: usize) -> Option<InHand> {
        let taken = self.in_hand.fetch_add(1, Ordering::AcqRel);
        let in_hand = InHand(Arc::clone(self));
        (taken < bound).then_some(in_hand)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        *self.lock()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One delivery past the outbox.
pub(crate) struct InHand(Arc<Closing>);

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.in_hand.fetch_sub(1, Ordering::AcqRel);
        self.0.wake.notify_waiters();
        self.0.progress.notify_waiters();
    }
}
