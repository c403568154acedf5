use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::{pending, ready, select};
use tokio::time::{sleep, timeout};

use super::*;
use crate::outbox::conformance;
use crate::outbox::conformance::fixtures::{events, record};
use crate::outbox::{Lease, Memory};

/// Outbox in memory that can be away.
#[derive(Clone, Default)]
struct Primary(Arc<PrimaryState>);

#[derive(Default)]
struct PrimaryState {
    memory: Memory,
    /// True if appends and the ends of leases fail.
    is_away: AtomicBool,
    /// True if appends never end. Their records are stored.
    hangs: AtomicBool,
    /// Number of appends.
    appends: AtomicUsize,
}

impl Primary {
    fn set_away(&self, is_away: bool) {
        self.0.is_away.store(is_away, Ordering::Relaxed);
    }

    fn memory(&self) -> &Memory {
        &self.0.memory
    }

    fn error(&self) -> Option<OutboxError> {
        let is_away = self.0.is_away.load(Ordering::Relaxed);
        is_away.then(|| OutboxError("it is away".into()))
    }
}

impl Outbox for Primary {
    fn append(&self, record: Record) -> BoxFuture<'_, Result<(), AppendError>> {
        self.0.appends.fetch_add(1, Ordering::Relaxed);
        match self.error() {
            Some(error) => ready(Err(AppendError::new(record, error.0))).boxed(),
            None if self.0.hangs.load(Ordering::Relaxed) => {
                let append = self.memory().append(record);
                append.then(|_| pending()).boxed()
            }
            None => self.memory().append(record),
        }
    }

    fn pending(&self) -> BoxFuture<'_, Result<usize, OutboxError>> {
        self.memory().pending()
    }

    fn consumer(&self) -> Option<&dyn Consumer> {
        Some(self)
    }
}

impl Consumer for Primary {
    fn lease(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>> {
        match self.error() {
            Some(_) => pending().boxed(),
            None => self.memory().lease(limit),
        }
    }

    fn mark_sending<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        self.memory().mark_sending(leases)
    }

    fn acknowledge<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        match self.error() {
            Some(error) => ready(Err(error)).boxed(),
            None => self.memory().acknowledge(leases),
        }
    }

    fn retry_later<'a>(
        &'a self,
        leases: &'a [Lease],
        delay: Duration,
    ) -> BoxFuture<'a, Result<(), OutboxError>> {
        self.memory().retry_later(leases, delay)
    }

    fn dead_letter<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        self.memory().dead_letter(leases)
    }
}

/// Creates a record that counts twice if it is delivered twice.
#[cfg(feature = "file")]
fn increment() -> Record {
    use crate::call::{Call, Calls, Method};
    use crate::record::{envelope::Envelope, visitor::Visitor};

    let calls = Calls {
        tracking: vec![Call::new(Method::PeopleIncrement, vec!["Posts".into()])],
        ..Calls::default()
    };
    Record::new(&Envelope::new(Visitor::default(), calls))
}

/// Waits until the number of pending records in the primary is as expected, while the outbox works
/// in the background.
async fn wait_for_primary(
    outbox: &impl Outbox,
    primary: &Primary,
    is_expected: impl Fn(usize) -> bool,
) {
    let reached = async {
        while !primary.pending().await.is_ok_and(&is_expected) {
            sleep(Duration::from_millis(1)).await;
        }
    };
    let reached = pin!(reached);
    let is_reached = timeout(PAUSE * 20, select(outbox.run_in_background(), reached));
    is_reached.await.expect("the primary has the records");
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
    wait_for_primary(&outbox, &primary, |count| count == 2).await;
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

#[tokio::test(start_paused = true)]
async fn one_append_at_a_time_tries_a_failed_primary() {
    let primary = Primary::default();
    let outbox = Failover::new(primary.clone(), Memory::default());
    primary.set_away(true);
    outbox.append(record("a")).await.unwrap();
    primary.set_away(false);
    primary.0.hangs.store(true, Ordering::Relaxed);
    tokio::time::advance(PAUSE).await;
    let mut first = outbox.append(record("b"));
    assert!((&mut first).now_or_never().is_none(), "it waits");
    for _ in 0..3 {
        tokio::time::advance(PAUSE).await;
        let appended = outbox.append(record("c")).now_or_never();
        appended.expect("it waits for the primary").unwrap();
    }
    drop(first);
    assert!(outbox.append(record("d")).now_or_never().is_none());
    assert_eq!(primary.0.appends.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn lost_acknowledgement_does_not_block_the_worker() {
    let primary = Primary::default();
    let outbox = Failover::new(primary.clone(), Memory::default());
    outbox.append(record("a")).await.unwrap();
    let leases = outbox.lease(1).await.unwrap();
    primary.set_away(true);
    outbox.acknowledge(&leases).await.unwrap();
    outbox.append(record("b")).await.unwrap();
    let leases = outbox.lease(1).await.unwrap();
    assert_eq!(events(&leases), ["b"]);
    outbox.acknowledge(&leases).await.unwrap();
    assert_eq!(primary.pending().await, Ok(1));
    primary.set_away(false);
    wait_for_primary(&outbox, &primary, |count| count == 0).await;
}

#[cfg(feature = "file")]
#[tokio::test]
async fn crash_during_a_move_leaves_increments_in_doubt() {
    let folder = tempfile::TempDir::new().unwrap();
    let open = || {
        let outbox = crate::outbox::File::new(folder.path().join("outbox"));
        outbox.open().unwrap();
        outbox
    };
    let primary = Primary::default();
    let outbox = Failover::new(primary.clone(), open());
    primary.set_away(true);
    for record in [increment(), record("event")] {
        outbox.append(record).await.unwrap();
    }
    primary.set_away(false);
    primary.0.hangs.store(true, Ordering::Relaxed);
    // The process ends after the primary has stored the record.
    wait_for_primary(&outbox, &primary, |count| count > 0).await;
    drop(outbox);
    let secondary = open();
    let mut in_doubt = Vec::new();
    while in_doubt.len() < 2 {
        let leases = secondary.lease(2).await.unwrap();
        in_doubt.extend(leases.iter().map(|lease| lease.record.is_in_doubt()));
    }
    assert_eq!(in_doubt, [true, false]);
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
fn outbox_without_consumer_is_refused() {
    let sidekiq = || crate::outbox::Sidekiq::new("redis://127.0.0.1/");
    let opened = [
        Failover::new(Memory::default(), sidekiq()).open(),
        Failover::new(sidekiq(), Memory::default()).open(),
    ];
    for error in opened.map(Result::unwrap_err) {
        let text = error.to_string();
        assert!(
            text.contains("Sidekiq") && text.contains("has no consumer"),
            "{text}"
        );
    }
}
