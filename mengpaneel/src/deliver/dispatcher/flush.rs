//! Flush and shutdown: waiting until the pending records are delivered.

use std::time::Duration;

use tokio::time;

use crate::deliver::dispatcher::Dispatcher;
use crate::deliver::flush_timeout::{Fate, FlushTimeoutError};
use crate::deliver::shutdown::SHUTDOWN_GRACE;
use crate::outbox::{Outbox, OutboxError};

/// Time that the worker may need after its deadline and [`SHUTDOWN_GRACE`].
const WORKER_GRACE: Duration = Duration::from_secs(1);

/// Interval at which a flush polls the outbox: deliveries by other processes send no notification.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

impl Dispatcher {
    /// Waits until this process has no pending records to deliver, for at most `timeout`.
    ///
    /// # Errors
    /// [`FlushTimeoutError`] if records are pending after `timeout`.
    pub(crate) async fn flush(&self, timeout: Duration) -> Result<(), FlushTimeoutError> {
        let flushed = async {
            let mut changes = self.shutdown.subscribe();
            while changes.borrow_and_update().in_flight > 0 || self.pending().await != Ok(0) {
                drop(time::timeout(POLL_INTERVAL, changes.changed()).await);
            }
        };
        match time::timeout(timeout, flushed).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.timeout_error(self.pending().await, Fate::Pending)),
        }
    }

    /// Declines further envelopes and delivers the pending records, for at most `timeout`.
    ///
    /// # Errors
    /// [`FlushTimeoutError`] if records were not delivered within `timeout`.
    pub(crate) async fn shutdown(&self, timeout: Duration) -> Result<(), FlushTimeoutError> {
        self.shutdown.request(timeout);
        // The worker respects the deadline; this time limit guards against a worker that hangs.
        let mut changes = self.shutdown.subscribe();
        let has_worker_ended = time::timeout(
            timeout.saturating_add(SHUTDOWN_GRACE + WORKER_GRACE),
            changes.wait_for(|progress| progress.has_worker_ended),
        )
        .await
        .is_ok();
        let fate = match self.durable_outbox() {
            Some(_) => Fate::Durable,
            None => Fate::Lost,
        };
        match self.pending().await {
            Ok(0) if has_worker_ended && self.shutdown.progress().in_flight == 0 => Ok(()),
            pending => Err(self.timeout_error(pending, fate)),
        }
    }

    fn timeout_error(&self, pending: Result<usize, OutboxError>, fate: Fate) -> FlushTimeoutError {
        let outbox = self
            .outbox
            .as_ref()
            .map_or_else(String::new, Outbox::description);
        let in_flight = self.shutdown.progress().in_flight;
        let (pending, fate, error) = match pending {
            Ok(0) => (in_flight, Fate::InFlight, None),
            Ok(pending) => (pending + in_flight, fate, None),
            Err(error) => (0, Fate::Unknown, Some(error.to_string())),
        };
        FlushTimeoutError {
            pending,
            outbox,
            fate,
            last_error: error.or_else(|| self.sender.circuit_breaker.last_error()),
        }
    }

    /// Number of records in the outbox that this process delivers; 0 if other processes do.
    async fn pending(&self) -> Result<usize, OutboxError> {
        match &self.outbox {
            Some(outbox) if self.is_consumer => outbox.pending().await,
            _ => Ok(0),
        }
    }
}
