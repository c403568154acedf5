//! Checks of append, lease, acknowledgement and retry.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::future::{FutureExt as _, join, join_all};
use tokio::time::timeout;

use crate::outbox::Outbox;
use crate::outbox::conformance::fixtures::{
    CLOCK_TOLERANCE, QUIET_PERIOD, acknowledge, append, assert_attempted, assert_nothing_due,
    attempt, consumer, events, lease, lease_all, mark_sending, pending, record, retry_later,
};

pub(crate) async fn records_are_leased_in_append_order(outbox: &impl Outbox) {
    append(outbox, &["a", "b", "c"]).await;
    assert_eq!(pending(outbox).await, 3, "appended records are pending");
    assert_eq!(
        events(&lease_all(outbox, 2).await),
        ["a", "b"],
        "the oldest records are leased first"
    );
    assert_eq!(
        events(&lease(outbox, 2).await),
        ["c"],
        "the newest record is leased last"
    );
    assert_eq!(pending(outbox).await, 3, "leased records are still pending");
}

pub(crate) async fn lease_waits_for_a_later_append(outbox: &impl Outbox) {
    let (leases, ()) = join(lease(outbox, 1), append(outbox, &["a"])).await;
    assert_eq!(events(&leases), ["a"]);
}

pub(crate) async fn dropped_lease_loses_no_record(outbox: &impl Outbox) {
    assert!(
        consumer(outbox).lease(1).now_or_never().is_none(),
        "a lease must wait while no record is pending"
    );
    append(outbox, &["a"]).await;
    // Dropped after one poll, when the lease may be about to resolve.
    if let Some(leased) = consumer(outbox).lease(1).now_or_never() {
        return assert_eq!(
            leased
                .map(|leases| events(&leases).join(" "))
                .ok()
                .as_deref(),
            Some("a")
        );
    }
    assert_eq!(
        events(&lease(outbox, 1).await),
        ["a"],
        "a lease was dropped, and its record was lost"
    );
}

pub(crate) async fn concurrent_leases_share_no_record(outbox: &impl Outbox) {
    let appended: Vec<String> = (0..100).map(|number| format!("e{number}")).collect();
    join_all(
        appended
            .iter()
            .map(|event| async move { append(outbox, &[event]).await }),
    )
    .await;
    let mut leased = BTreeSet::new();
    let mut count = 0;
    while count < appended.len() {
        let (first, second) = join(
            timeout(QUIET_PERIOD, consumer(outbox).lease(7)),
            timeout(QUIET_PERIOD, consumer(outbox).lease(5)),
        )
        .await;
        let results: Vec<_> = [first, second]
            .into_iter()
            .filter_map(|leased| leased.ok()?.ok())
            .collect();
        assert!(
            !results.is_empty(),
            "only {count} of {} records were leased, and nobody has the others",
            appended.len()
        );
        for leases in results {
            count += leases.len();
            leased.extend(events(&leases));
        }
    }
    assert_eq!(leased.len(), count, "a record was leased twice at once");
    assert_eq!(leased.len(), appended.len(), "a record was not leased");
}

pub(crate) async fn acknowledged_record_is_removed(outbox: &impl Outbox) {
    append(outbox, &["a"]).await;
    let leases = lease(outbox, 1).await;
    acknowledge(outbox, &leases).await;
    assert_eq!(
        pending(outbox).await,
        0,
        "an acknowledged record is not pending"
    );
    assert_nothing_due(outbox, "all records were acknowledged").await;
    acknowledge(outbox, &leases).await;
}

pub(crate) async fn retried_record_has_its_current_state(outbox: &impl Outbox) {
    append(outbox, &["a"]).await;
    let mut leases = lease(outbox, 1).await;
    attempt(&mut leases);
    mark_sending(outbox, &leases).await;
    retry_later(outbox, &leases, Duration::ZERO).await;
    let retried = lease(outbox, 1).await;
    let Some(lease) = retried.first() else {
        return;
    };
    assert_attempted(&lease.record);
    assert!(
        !lease.record.is_in_doubt(),
        "a retried record is not in doubt"
    );
    assert_eq!(lease.redeliveries, 0, "a retried record was not orphaned");
    assert_eq!(pending(outbox).await, 1);
}

pub(crate) async fn retried_record_is_not_due_early(outbox: &impl Outbox) {
    append(outbox, &["a"]).await;
    let delay = Duration::from_millis(400);
    let before = Instant::now();
    retry_later(outbox, &lease(outbox, 1).await, delay).await;
    assert_nothing_due(outbox, "the only record waits for its retry").await;
    assert_eq!(
        pending(outbox).await,
        1,
        "a record that waits for its retry is pending"
    );
    assert_eq!(events(&lease(outbox, 1).await), ["a"]);
    assert!(
        before.elapsed() + CLOCK_TOLERANCE >= delay,
        "a retry is not due before its delay is over"
    );
}

pub(crate) async fn dropped_append_stores_once_or_never(outbox: &impl Outbox) {
    {
        let mut dropped = pin!(outbox.append(record("a")));
        drop(dropped.as_mut().now_or_never());
    }
    append(outbox, &["b"]).await;
    let count = pending(outbox).await;
    let leases = lease_all(outbox, count).await;
    let events = events(&leases);
    assert!(
        events == ["a", "b"] || events == ["b"],
        "an append was dropped, and then {events:?} was pending"
    );
}
