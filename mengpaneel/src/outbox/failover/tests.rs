use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::ready;

use super::*;
use crate::outbox::Memory;
use crate::outbox::conformance;
use crate::outbox::conformance::fixtures::{events, record};

/// Outbox in memory that declines records while it is away.
#[derive(Clone, Default)]
struct Primary(Arc<(Memory, AtomicBool)>);

impl Primary {
    fn set_away(&self, is_away: bool) {
        self.0.1.store(is_away, Ordering::Relaxed);
    }

    fn memory(&self) -> &Memory {
        &self.0.0
    }
}

impl Outbox for Primary {
    fn append(&self, record: Record) -> BoxFuture<'_, Result<(), AppendError>> {
        if self.0.1.load(Ordering::Relaxed) {
            return ready(Err(AppendError::new(record, "it is away"))).boxed();
        }
        self.memory().append(record)
    }

    fn pending(&self) -> BoxFuture<'_, Result<usize, OutboxError>> {
        self.memory().pending()
    }

    fn consumer(&self) -> Option<&dyn Consumer> {
        self.memory().consumer()
    }
}

#[tokio::test]
async fn conformance_suite_passes() {
    conformance::check(|| Failover::new(Memory::default(), Memory::default())).await;
    conformance::check(|| {
        let primary = Primary::default();
        primary.set_away(true);
        Failover::new(primary, Memory::default())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn records_move_back_when_the_primary_returns() {
    let primary = Primary::default();
    let outbox = Failover::new(primary.clone(), Memory::default());
    outbox.open().unwrap();
    primary.set_away(true);
    for event in ["a", "b"] {
        outbox.append(record(event)).await.unwrap();
    }
    assert_eq!(primary.pending().await, Ok(0));
    assert_eq!(outbox.pending().await, Ok(2));
    primary.set_away(false);
    let moved = async {
        while primary.pending().await != Ok(2) {
            sleep(PAUSE).await;
        }
    };
    let moving = outbox.run_in_background();
    timeout(PAUSE * 20, select(moving, pin!(moved)))
        .await
        .expect("the records move to the primary");
    assert_eq!(
        events(&primary.memory().lease(10).await.unwrap()),
        ["a", "b"]
    );
    assert_eq!(outbox.pending().await, Ok(2), "none is in both outboxes");
}

#[tokio::test(start_paused = true)]
async fn primary_is_tried_again_after_the_pause() {
    let primary = Primary::default();
    let outbox = Failover::new(primary.clone(), Memory::default());
    primary.set_away(true);
    outbox.append(record("a")).await.unwrap();
    primary.set_away(false);
    outbox.append(record("b")).await.unwrap();
    assert_eq!(primary.pending().await, Ok(0), "the primary is paused");
    tokio::time::advance(PAUSE).await;
    outbox.append(record("c")).await.unwrap();
    assert_eq!(primary.pending().await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn secondary_is_leased_while_the_primary_is_away() {
    let primary = Primary::default();
    let outbox = Failover::new(primary.clone(), Memory::default());
    primary.set_away(true);
    outbox.append(record("a")).await.unwrap();
    let leases = outbox.lease(1).await.unwrap();
    assert_eq!(events(&leases), ["a"]);
    outbox.retry_later(&leases, Duration::ZERO).await.unwrap();
    let leases = outbox.lease(1).await.unwrap();
    outbox.acknowledge(&leases).await.unwrap();
    assert_eq!(outbox.pending().await, Ok(0));
}

#[tokio::test]
async fn full_outboxes_decline_a_record() {
    let full = || Memory::default().max_records(0);
    let outbox = Failover::new(full(), full());
    assert!(outbox.append(record("a")).await.is_err());
    let declined = outbox.try_append(RecordRef::from(&record("a")));
    assert!(matches!(declined, Err(TryAppendError::Declined(_))));
}

#[cfg(feature = "sidekiq")]
#[test]
fn secondary_without_consumer_is_refused() {
    let secondary = crate::outbox::Sidekiq::new("redis://127.0.0.1/");
    let error = Failover::new(Memory::default(), secondary)
        .open()
        .unwrap_err();
    assert!(
        error.to_string().contains("cannot be a secondary"),
        "{error}"
    );
}
