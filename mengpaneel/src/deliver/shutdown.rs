//! Closing: when the worker is to end, and whether it has.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

/// Time after the deadline in which requests to Mixpanel may end that are under way.
pub(crate) const SHUTDOWN_GRACE: Duration = Duration::from_secs(15);

/// Longest deadline.
const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// When it is to end, and whether it has.
#[derive(Default)]
pub(crate) struct Shutdown {
    deadline: Mutex<Option<Instant>>,
    /// Whether there is a deadline: whoever hands something in asks for no more.
    is_requested: AtomicBool,
    /// Woken when closing is asked for, and when a delivery past the outbox is done.
    notify: Notify,
    /// Woken when something was delivered.
    progress: Notify,
    is_finished: AtomicBool,
    finish: Notify,
    in_flight: AtomicUsize,
    delivered: AtomicUsize,
}

impl Shutdown {
    /// Asks the worker to end by then; the first deadline counts.
    pub(crate) fn request(&self, deadline: Duration) {
        // Past what a clock can say, a deadline is none that anybody lives to see.
        let until = Instant::now()
            .checked_add(deadline)
            .unwrap_or_else(|| Instant::now() + FOREVER);
        self.lock().get_or_insert(until);
        self.is_requested.store(true, Ordering::Release);
        self.notify.notify_waiters();
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.is_requested.load(Ordering::Acquire)
    }

    /// Resolves once the worker has ended.
    pub(crate) async fn finished(&self) {
        loop {
            let mut end = pin!(self.finish.notified());
            end.as_mut().enable();
            if self.is_finished.load(Ordering::Acquire) {
                return;
            }
            end.await;
        }
    }

    /// It has ended.
    pub(crate) fn finish(&self) {
        self.is_finished.store(true, Ordering::Release);
        self.finish.notify_waiters();
    }

    /// Resolves when there is something to look at again: closing is asked for, or somebody is
    /// done. To be enabled before that is looked at.
    pub(crate) fn notified(&self) -> Notified<'_> {
        self.notify.notified()
    }

    /// Has everybody look again.
    pub(crate) fn notify(&self) {
        self.notify.notify_waiters();
    }

    /// How many records were delivered, or refused and reported.
    pub(crate) fn delivered(&self) -> usize {
        self.delivered.load(Ordering::Relaxed)
    }

    /// So many more were.
    pub(crate) fn record_progress(&self, records: usize) {
        self.delivered.fetch_add(records, Ordering::Relaxed);
        self.progress.notify_waiters();
    }

    /// Resolves at the next delivery. To be enabled before what it is waited for is looked at.
    pub(crate) fn progress(&self) -> Notified<'_> {
        self.progress.notified()
    }

    /// Deliveries past the outbox that are under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Counts one more of them; `None` where there are `bound` already.
    pub(crate) fn track(self: &Arc<Self>, bound: usize) -> Option<InFlightGuard> {
        let taken = self.in_flight.fetch_add(1, Ordering::AcqRel);
        let in_hand = InFlightGuard(Arc::clone(self));
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
pub(crate) struct InFlightGuard(Arc<Shutdown>);

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
        self.0.notify.notify_waiters();
        self.0.progress.notify_waiters();
    }
}
