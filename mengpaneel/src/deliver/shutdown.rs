//! Shutdown signal of the worker, and the number of deliveries in flight.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

/// Time after the deadline in which requests to Mixpanel that were already sent may still end.
pub(crate) const SHUTDOWN_GRACE: Duration = Duration::from_secs(15);

/// Replaces a time-out whose end the clock cannot represent.
const MAX_TIMEOUT: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// Shutdown signal and delivery progress, shared by the dispatcher and the worker.
#[derive(Default)]
pub(crate) struct Shutdown {
    deadline: Mutex<Option<Instant>>,
    /// True if there is a deadline: appends read this flag without locking.
    is_requested: AtomicBool,
    /// Notified when a shutdown is requested and when a delivery that bypasses the outbox ends.
    state_change: Notify,
    /// Notified when something was delivered.
    progress: Notify,
    has_worker_ended: AtomicBool,
    /// Notified when the worker has ended.
    worker_end: Notify,
    /// Number of deliveries in flight that bypass the outbox.
    in_flight: AtomicUsize,
    /// Number of records that were delivered, or rejected and reported.
    delivered: AtomicUsize,
}

impl Shutdown {
    /// Requests the worker to end within `timeout`. The first request counts.
    pub(crate) fn request(&self, timeout: Duration) {
        let deadline = Instant::now()
            .checked_add(timeout)
            .unwrap_or_else(|| Instant::now() + MAX_TIMEOUT);
        self.lock_deadline().get_or_insert(deadline);
        self.is_requested.store(true, Ordering::Release);
        self.state_change.notify_waiters();
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.is_requested.load(Ordering::Acquire)
    }

    /// Resolves once the worker has ended.
    pub(crate) async fn worker_ended(&self) {
        loop {
            let mut ended = pin!(self.worker_end.notified());
            ended.as_mut().enable();
            if self.has_worker_ended.load(Ordering::Acquire) {
                return;
            }
            ended.await;
        }
    }

    /// Marks the worker as ended.
    pub(crate) fn mark_worker_ended(&self) {
        self.has_worker_ended.store(true, Ordering::Release);
        self.worker_end.notify_waiters();
    }

    /// Resolves when a shutdown is requested or a delivery has ended.
    ///
    /// Enable the future before the state is read, otherwise a notification can be missed.
    pub(crate) fn state_changed(&self) -> Notified<'_> {
        self.state_change.notified()
    }

    /// Makes all worker loops read the state again.
    pub(crate) fn notify_state_change(&self) {
        self.state_change.notify_waiters();
    }

    /// Number of records that were delivered, or rejected and reported.
    pub(crate) fn delivered(&self) -> usize {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Adds to the number of delivered records.
    pub(crate) fn record_progress(&self, records: usize) {
        self.delivered.fetch_add(records, Ordering::Relaxed);
        self.progress.notify_waiters();
    }

    /// Resolves at the next delivery. Enable the future before the progress is read.
    pub(crate) fn progressed(&self) -> Notified<'_> {
        self.progress.notified()
    }

    /// Number of deliveries in flight that bypass the outbox.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Counts one more delivery in flight. `None` if there are `max` already.
    pub(crate) fn track(self: &Arc<Self>, max: usize) -> Option<InFlightGuard> {
        let count = self.in_flight.fetch_add(1, Ordering::AcqRel);
        let guard = InFlightGuard(Arc::clone(self));
        (count < max).then_some(guard)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        *self.lock_deadline()
    }

    fn lock_deadline(&self) -> MutexGuard<'_, Option<Instant>> {
        self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts one delivery that bypasses the outbox as in flight until it is dropped.
pub(crate) struct InFlightGuard(Arc<Shutdown>);

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
        self.0.state_change.notify_waiters();
        self.0.progress.notify_waiters();
    }
}
