//! Shutdown signal of the worker, and the number of deliveries in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Time after the deadline in which requests to Mixpanel that were already sent may still end.
pub(crate) const SHUTDOWN_GRACE: Duration = Duration::from_secs(15);

/// Replaces a time-out whose end the clock cannot represent.
const MAX_TIMEOUT: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// Shutdown signal and delivery progress, shared by the dispatcher and the worker.
#[derive(Default)]
pub(crate) struct Shutdown {
    progress: watch::Sender<Progress>,
    /// True if there is a deadline: appends read this flag without locking.
    is_requested: AtomicBool,
}

/// Progress of the deliveries of one `Mengpaneel`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// Time at which the worker must end. `None` until a shutdown is requested.
    pub(crate) deadline: Option<Instant>,
    /// True once the worker has ended.
    pub(crate) has_worker_ended: bool,
    /// Number of deliveries in flight that bypass the outbox.
    pub(crate) in_flight: usize,
    /// Number of records that were delivered, or rejected and reported.
    pub(crate) delivered: usize,
}

impl Shutdown {
    /// Requests the worker to end within `timeout`. The first request counts.
    pub(crate) fn request(&self, timeout: Duration) {
        let deadline = Instant::now()
            .checked_add(timeout)
            .unwrap_or_else(|| Instant::now() + MAX_TIMEOUT);
        self.update(|progress| {
            progress.deadline.get_or_insert(deadline);
        });
        self.is_requested.store(true, Ordering::Release);
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.is_requested.load(Ordering::Acquire)
    }

    /// Returns the current progress.
    pub(crate) fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// Returns a receiver of the changes from now on.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Changes the progress and notifies all receivers.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(change);
    }

    /// Counts one more delivery in flight. `None` if there are `max` already.
    pub(crate) fn track(self: &Arc<Self>, max: usize) -> Option<InFlightGuard> {
        let has_room = self.progress.send_if_modified(|progress| {
            let has_room = progress.in_flight < max;
            progress.in_flight += usize::from(has_room);
            has_room
        });
        has_room.then(|| InFlightGuard(Arc::clone(self)))
    }
}

/// Counts one delivery that bypasses the outbox as in flight until it is dropped.
pub(crate) struct InFlightGuard(Arc<Shutdown>);

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.update(|progress| progress.in_flight -= 1);
    }
}
