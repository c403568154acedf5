//! Checks of fallback copies. An engine that stores none passes.

use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::outbox::conformance::fixtures::{
    CLOCK_TOLERANCE, acknowledge, assert_nothing_due, events, expect_ok, lease, lease_all, opened,
    pending, record,
};
use crate::outbox::{ClaimResult, Outbox};

/// Schedules a copy; `None` if the engine does not store it.
async fn schedule(outbox: &impl Outbox, event: &str, after: Duration) -> Option<Uuid> {
    let copy = record(event);
    let id = copy.id();
    outbox
        .schedule_fallback(copy, after)
        .await
        .is_ok()
        .then_some(id)
}

async fn claim(outbox: &impl Outbox, id: Uuid) -> ClaimResult {
    let claimed = outbox.claim_fallback(id).await;
    expect_ok(claimed, "a fallback copy cannot be claimed")
}

async fn finish(outbox: &impl Outbox, id: Uuid, is_sent: bool) {
    let finished = outbox.finish_fallback(id, is_sent).await;
    expect_ok(finished, "a claim cannot be finished");
}

pub(crate) async fn unclaimed_copy_becomes_due(outbox: &impl Outbox) {
    let after = Duration::from_millis(400);
    let before = Instant::now();
    let Some(id) = schedule(outbox, "a", after).await else {
        return;
    };
    assert_eq!(pending(outbox).await, 0, "a fallback copy is not pending");
    assert_nothing_due(outbox, "the only record is a fallback copy").await;
    let leases = lease(outbox, 1).await;
    assert_eq!(events(&leases), ["a"]);
    assert!(
        before.elapsed() + CLOCK_TOLERANCE >= after,
        "a copy is not due before its time"
    );
    assert_eq!(
        claim(outbox, id).await,
        ClaimResult::Delivered,
        "the server is about to send the calls"
    );
    acknowledge(outbox, &leases).await;
    assert_eq!(
        claim(outbox, id).await,
        ClaimResult::Delivered,
        "the server sent the calls"
    );
}

pub(crate) async fn copy_has_one_claim_at_a_time(outbox: &impl Outbox) {
    let Some(id) = schedule(outbox, "a", Duration::from_millis(1)).await else {
        return;
    };
    let result = claim(outbox, id).await;
    if result == ClaimResult::Delivered {
        // The copy was due before the claim.
        return;
    }
    assert_eq!(result, ClaimResult::Acquired);
    assert_eq!(claim(outbox, id).await, ClaimResult::Held);
    assert_nothing_due(outbox, "a claimed copy is not due").await;
    finish(outbox, id, false).await;
    assert_eq!(pending(outbox).await, 0, "no lease waits for the copy");
    assert_eq!(
        claim(outbox, id).await,
        ClaimResult::Acquired,
        "a released copy can be claimed again"
    );
    finish(outbox, id, true).await;
    assert_eq!(claim(outbox, id).await, ClaimResult::Delivered);
    assert_nothing_due(outbox, "a copy whose calls were sent is not due").await;
    assert_eq!(claim(outbox, Uuid::now_v7()).await, ClaimResult::NotFound);
}

pub(crate) async fn copies_survive_a_restart<O: Outbox>(make: impl Fn() -> O) {
    let long = Duration::from_secs(600);
    let (sent, first, second) = {
        let outbox = opened(&make);
        let Some(sent) = schedule(&outbox, "sent", long).await else {
            return;
        };
        finish(&outbox, sent, true).await;
        let first = schedule(&outbox, "first", Duration::from_millis(1)).await;
        let second = schedule(&outbox, "second", Duration::from_millis(1)).await;
        (sent, first, second)
    };
    let outbox = opened(&make);
    assert_eq!(
        claim(&outbox, sent).await,
        ClaimResult::Delivered,
        "the delivery of a copy is known after a restart"
    );
    assert!(
        first.is_some() && second.is_some(),
        "the outbox has room for three copies"
    );
    let leases = lease_all(&outbox, 2).await;
    assert_eq!(
        events(&leases),
        ["first", "second"],
        "copies become due after a restart"
    );
    acknowledge(&outbox, &leases).await;
}
