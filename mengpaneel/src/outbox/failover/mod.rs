//! Outbox that uses a second one while the first is unavailable.

mod background;
mod consumer;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use uuid::Uuid;

use crate::outbox::{
    AppendError, ClaimResult, Consumer, Lease, Outbox, OutboxError, Record, RecordRef,
    TryAppendError,
};

/// Time for which appends go to the secondary at once after the primary failed. The next append
/// tries the primary again.
const PAUSE: Duration = Duration::from_millis(500);

/// Outbox that appends to a secondary while the primary is full or unavailable.
///
/// Pages then wait neither for the primary nor for Mixpanel. When the primary accepts records again,
/// those in the secondary move there. Until then a process that drains the outbox delivers them from
/// the secondary. With [`concurrency(0)`](crate::Builder::concurrency) they wait for the primary.
///
/// A secondary in memory loses its records if the process ends before they have moved, and an error
/// with their number is logged; one in a file keeps them.
///
/// ```
/// # #[cfg(feature = "redis")] {
/// use mengpaneel::outbox::{Failover, Memory, Redis};
///
/// let outbox = Failover::new(Redis::new("redis://127.0.0.1/"), Memory::default());
/// # let _ = outbox;
/// # }
/// ```
pub struct Failover<P: Outbox, S: Outbox> {
    primary: P,
    secondary: S,
    /// Time until which the primary is not tried. `None` while it is available.
    paused_until: Mutex<Option<Instant>>,
    /// Permit of the append that tries a primary that failed.
    probe: Semaphore,
    /// Ended leases of the primary that it could not acknowledge.
    unacknowledged: Mutex<Vec<Lease>>,
}

impl<P: Outbox, S: Outbox> Failover<P, S> {
    /// Creates an outbox of two others. Both must have a consumer, so neither can be `Sidekiq`: it
    /// refuses some calls, which would stay in the secondary for ever.
    pub fn new(primary: P, secondary: S) -> Self {
        Self {
            primary,
            secondary,
            paused_until: Mutex::default(),
            probe: Semaphore::new(1),
            unacknowledged: Mutex::default(),
        }
    }

    /// Returns until when the primary is not tried. `None` if it is tried at the next append.
    fn paused_until(&self) -> Option<Instant> {
        let until = *self.lock();
        until.filter(|until| *until > Instant::now())
    }

    /// Returns whether the primary accepted the last record, as far as is known.
    fn is_available(&self) -> bool {
        self.lock().is_none()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.paused_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn record_failure(&self, reason: &str) {
        let previous = self.lock().replace(Instant::now() + PAUSE);
        if previous.is_none() {
            tracing::warn!(target: "mengpaneel", reason, primary = self.primary.description(), secondary = self.secondary.description(), "the primary outbox declines records; they go to the secondary until it accepts them again");
        }
    }

    fn record_success(&self) {
        if self.lock().take().is_some() {
            tracing::info!(target: "mengpaneel", primary = self.primary.description(), "the primary outbox accepts records again");
        }
    }

    /// Stores a record in the primary, unless it is paused. After a failure, one call at a time tries
    /// it: a server that does not answer delays no other page.
    async fn store_in_primary<'p>(
        &'p self,
        record: Record,
        store: impl FnOnce(&'p P, Record) -> BoxFuture<'p, Result<(), AppendError>>,
    ) -> Result<(), AppendError> {
        let probe = (!self.is_available()).then(|| self.probe.try_acquire());
        if self.paused_until().is_some() || matches!(probe, Some(Err(_))) {
            return Err(AppendError::new(
                record,
                "the primary outbox is unavailable",
            ));
        }
        let stored = store(&self.primary, record).await;
        match &stored {
            Ok(()) => self.record_success(),
            Err(error) => self.record_failure(&error.reason),
        }
        stored
    }
}

impl<P: Outbox, S: Outbox> Drop for Failover<P, S> {
    fn drop(&mut self) {
        if let Some(Ok(records @ 1..)) = self.secondary.pending().now_or_never()
            && !self.secondary.is_durable()
        {
            tracing::error!(target: "mengpaneel", records, secondary = self.secondary.description(), "records in the secondary outbox are lost: neither the primary outbox nor Mixpanel accepted them in time");
        }
    }
}

impl<P: Outbox, S: Outbox> fmt::Debug for Failover<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Failover")
            .field(&self.primary.description())
            .field(&self.secondary.description())
            .finish()
    }
}

impl<P: Outbox, S: Outbox> Outbox for Failover<P, S> {
    fn open(&self) -> Result<(), OutboxError> {
        self.primary.open()?;
        self.secondary.open()?;
        for (outbox, consumer) in [self.primary.description(), self.secondary.description()]
            .into_iter()
            .zip(self.consumers())
        {
            if consumer.is_none() {
                return Err(OutboxError(format!(
                    "{outbox} cannot be part of a failover, because it has no consumer: use memory, a file or Redis"
                )));
            }
        }
        Ok(())
    }

    fn is_durable(&self) -> bool {
        self.primary.is_durable()
    }

    fn description(&self) -> String {
        let (primary, secondary) = (self.primary.description(), self.secondary.description());
        format!("{primary}, with failover to {secondary}")
    }

    fn append(&self, record: Record) -> BoxFuture<'_, Result<(), AppendError>> {
        async move {
            match self.store_in_primary(record, P::append).await {
                Ok(()) => Ok(()),
                Err(error) => self.secondary.append(error.record).await,
            }
        }
        .boxed()
    }

    fn try_append(&self, record: RecordRef<'_>) -> Result<(), TryAppendError> {
        if self.paused_until().is_none() {
            match self.primary.try_append(record) {
                Err(TryAppendError::Declined(reason)) => self.record_failure(&reason),
                Err(TryAppendError::WouldBlock) => return Err(TryAppendError::WouldBlock),
                Ok(()) => {
                    self.record_success();
                    return Ok(());
                }
            }
        }
        self.secondary.try_append(record)
    }

    fn pending(&self) -> BoxFuture<'_, Result<usize, OutboxError>> {
        async move { Ok(self.primary.pending().await? + self.secondary.pending().await?) }.boxed()
    }

    fn consumer(&self) -> Option<&dyn Consumer> {
        self.primary.consumer().map(|_| self as &dyn Consumer)
    }

    fn run_in_background(&self) -> BoxFuture<'_, ()> {
        self.work_in_background().boxed()
    }

    fn schedule_fallback(
        &self,
        record: Record,
        after: Duration,
    ) -> BoxFuture<'_, Result<(), AppendError>> {
        async move {
            let stored = self.store_in_primary(record, |primary, record| {
                primary.schedule_fallback(record, after)
            });
            match stored.await {
                Ok(()) => Ok(()),
                Err(error) => self.secondary.schedule_fallback(error.record, after).await,
            }
        }
        .boxed()
    }

    fn claim_fallback(&self, id: Uuid) -> BoxFuture<'_, Result<ClaimResult, OutboxError>> {
        async move {
            // A primary that failed may not answer in time.
            let outboxes: [&dyn Outbox; 2] = if self.is_available() {
                [&self.primary, &self.secondary]
            } else {
                [&self.secondary, &self.primary]
            };
            let claimed = outboxes[0].claim_fallback(id).await;
            if !matches!(claimed, Ok(ClaimResult::NotFound) | Err(_)) {
                return claimed;
            }
            match outboxes[1].claim_fallback(id).await? {
                ClaimResult::NotFound => claimed,
                result => Ok(result),
            }
        }
        .boxed()
    }

    fn finish_fallback(&self, id: Uuid, is_sent: bool) -> BoxFuture<'_, Result<(), OutboxError>> {
        async move {
            let finished = self.primary.finish_fallback(id, is_sent).await;
            self.secondary.finish_fallback(id, is_sent).await?;
            finished
        }
        .boxed()
    }
}
