//! Work beside appends and leases: moves of records to the primary, and late acknowledgements.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{join, join_all, pending};
use tokio::time::{sleep, sleep_until};

use crate::outbox::failover::{Failover, PAUSE};
use crate::outbox::{Consumer, Lease, Outbox, OutboxError};

/// Most records that move to the primary at once.
const MOVE_BATCH: usize = 500;

impl<P: Outbox, S: Outbox> Failover<P, S> {
    /// Moves records and acknowledges leases until the future is dropped.
    pub(crate) async fn work_in_background(&self) {
        let own = join(self.move_records(), self.acknowledge_late());
        let of_others = join(
            self.primary.run_in_background(),
            self.secondary.run_in_background(),
        );
        join(own, of_others).await;
    }

    async fn move_records(&self) {
        let Some(secondary) = self.secondary.consumer() else {
            return pending().await;
        };
        loop {
            if let Some(until) = self.paused_until() {
                sleep_until(until).await;
            }
            // The worker reports an outbox that fails.
            if self.move_batch(secondary).await.unwrap_or_default() == 0 {
                sleep(PAUSE).await;
            }
        }
    }

    /// Moves records from the secondary to the primary, one to a primary that failed. Returns their
    /// number.
    ///
    /// The process may end when a record is in both. One that counts twice is marked as sending
    /// before, so that it is then in doubt in the secondary.
    async fn move_batch(&self, secondary: &dyn Consumer) -> Result<usize, OutboxError> {
        let limit = if self.is_available() { MOVE_BATCH } else { 1 };
        let leases = secondary.lease(limit).await?;
        let counting_twice: Vec<Lease> = leases
            .iter()
            .filter(|lease| !lease.record.is_idempotent())
            .cloned()
            .collect();
        if !counting_twice.is_empty()
            && let Err(error) = secondary.mark_sending(&counting_twice).await
        {
            secondary.retry_later(&leases, Duration::ZERO).await?;
            return Err(error);
        }
        let appends = leases
            .iter()
            .map(|lease| self.store_in_primary(lease.record.clone(), P::append));
        let appended = join_all(appends).await;
        let (mut moved, mut remaining) = (Vec::new(), Vec::new());
        for (lease, appended) in leases.into_iter().zip(appended) {
            if appended.is_ok() {
                moved.push(lease);
            } else {
                remaining.push(lease);
            }
        }
        let returned = secondary.retry_later(&remaining, Duration::ZERO).await;
        while secondary.acknowledge(&moved).await.is_err() {
            sleep(PAUSE).await;
        }
        returned.map(|()| moved.len())
    }

    /// Repeats acknowledgements that the primary missed.
    async fn acknowledge_late(&self) {
        let Some(primary) = self.primary.consumer() else {
            return pending().await;
        };
        loop {
            sleep(PAUSE).await;
            let leases = std::mem::take(&mut *self.unacknowledged());
            if !leases.is_empty() && primary.acknowledge(&leases).await.is_err() {
                self.unacknowledged().extend(leases);
            }
        }
    }

    /// Returns the leases of the primary for a later acknowledgement.
    pub(crate) fn unacknowledged(&self) -> MutexGuard<'_, Vec<Lease>> {
        let leases = self.unacknowledged.lock();
        leases.unwrap_or_else(PoisonError::into_inner)
    }
}
