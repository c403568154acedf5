//! Consumer side: leases of both outboxes.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, FutureExt as _, pending, select};
use tokio::time::{sleep, timeout};

use crate::outbox::failover::{Failover, PAUSE};
use crate::outbox::{Consumer, Lease, LeaseId, Outbox, OutboxError, Record};

impl<P: Outbox, S: Outbox> Failover<P, S> {
    /// Returns both consumers. Those of the primary have the index 0 in [`LeaseId::Nested`].
    pub(crate) fn consumers(&self) -> [Option<&dyn Consumer>; 2] {
        [self.primary.consumer(), self.secondary.consumer()]
    }

    /// Runs an operation on the leases of each outbox.
    async fn on_each<'a>(
        &'a self,
        leases: &'a [Lease],
        operation: impl for<'c> Fn(
            &'c dyn Consumer,
            &'c [Lease],
        ) -> BoxFuture<'c, Result<(), OutboxError>>
        + Send
        + Sync,
    ) -> Result<(), OutboxError> {
        for (index, consumer) in self.consumers().into_iter().enumerate() {
            let own = unnest(leases, index);
            if let Some(consumer) = consumer.filter(|_| !own.is_empty()) {
                operation(consumer, &own).await?;
            }
        }
        Ok(())
    }
}

/// Marks leases as those of the outbox with this index.
fn nest(leases: Vec<Lease>, index: usize) -> Vec<Lease> {
    let nest = |lease: Lease| Lease {
        id: LeaseId::Nested(index, Box::new(lease.id)),
        ..lease
    };
    leases.into_iter().map(nest).collect()
}

/// Returns the leases of the outbox with this index, as that outbox knows them.
fn unnest(leases: &[Lease], index: usize) -> Vec<Lease> {
    let unnest = |lease: &Lease| match &lease.id {
        LeaseId::Nested(of, id) if *of == index => Some(Lease {
            id: (**id).clone(),
            ..lease.clone()
        }),
        _ => None,
    };
    leases.iter().filter_map(unnest).collect()
}

impl<P: Outbox, S: Outbox> Consumer for Failover<P, S> {
    /// Leases from the primary; from the secondary while the primary declines records or fails.
    fn lease(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>> {
        async move {
            let [Some(primary), Some(secondary)] = self.consumers() else {
                return pending().await;
            };
            let mut leasing = primary.lease(limit);
            loop {
                let from_secondary = async {
                    if self.is_available() {
                        sleep(PAUSE).await;
                        return None;
                    }
                    timeout(PAUSE, secondary.lease(limit)).await.ok()
                };
                match select(&mut leasing, pin!(from_secondary)).await {
                    Either::Left((Ok(leases), _)) => return Ok(nest(leases, 0)),
                    Either::Left((Err(error), _)) => {
                        return match timeout(PAUSE, secondary.lease(limit)).await {
                            Ok(leased) => Ok(nest(leased?, 1)),
                            Err(_) => Err(error),
                        };
                    }
                    Either::Right((Some(leased), _)) => return Ok(nest(leased?, 1)),
                    Either::Right((None, _)) => {}
                }
            }
        }
        .boxed()
    }

    fn mark_sending<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        self.on_each(leases, |consumer, leases| consumer.mark_sending(leases))
            .boxed()
    }

    /// Acknowledges leases; those of a primary that fails later, in the background. Meanwhile the
    /// worker delivers from the secondary.
    fn acknowledge<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        async move {
            let [primary, secondary] = [0, 1].map(|index| unnest(leases, index));
            if let Some(consumer) = self.secondary.consumer().filter(|_| !secondary.is_empty()) {
                consumer.acknowledge(&secondary).await?;
            }
            if let Some(consumer) = self.primary.consumer().filter(|_| !primary.is_empty())
                && consumer.acknowledge(&primary).await.is_err()
            {
                self.unacknowledged().extend(primary);
            }
            Ok(())
        }
        .boxed()
    }

    fn retry_later<'a>(
        &'a self,
        leases: &'a [Lease],
        delay: Duration,
    ) -> BoxFuture<'a, Result<(), OutboxError>> {
        self.on_each(leases, move |consumer, leases| {
            consumer.retry_later(leases, delay)
        })
        .boxed()
    }

    fn dead_letter<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        self.on_each(leases, |consumer, leases| consumer.dead_letter(leases))
            .boxed()
    }

    /// Returns the dead letters of the primary, then those of the secondary.
    fn dead_letters(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Record>, OutboxError>> {
        async move {
            let mut records = Vec::new();
            for consumer in self.consumers().into_iter().flatten() {
                records.extend(consumer.dead_letters(limit - records.len()).await?);
            }
            Ok(records)
        }
        .boxed()
    }

    fn requeue(&self, limit: usize) -> BoxFuture<'_, Result<usize, OutboxError>> {
        async move {
            let mut count = 0;
            for consumer in self.consumers().into_iter().flatten() {
                count += consumer.requeue(limit - count).await?;
            }
            Ok(count)
        }
        .boxed()
    }
}
