//! Checks of dead letters. An engine that stores none passes.

use crate::outbox::Outbox;
use crate::outbox::conformance::fixtures::{
    acknowledge, append, assert_attempted, assert_nothing_due, attempt, consumer, dead_letter,
    dead_letters, event, events, expect_ok, lease, lease_all, mark_sending, opened, pending,
};

pub(crate) async fn dead_letter_is_not_leased(outbox: &impl Outbox) {
    append(outbox, &["a"]).await;
    dead_letter(outbox, &lease(outbox, 1).await).await;
    assert_eq!(pending(outbox).await, 0, "a dead letter is not pending");
    assert_nothing_due(outbox, "the only record is a dead letter").await;
    if let Ok(names) = dead_letters(outbox).await
        && !names.is_empty()
    {
        assert_eq!(names, ["a"], "dead letters are readable");
    }
}

async fn requeue(outbox: &impl Outbox, limit: usize) -> usize {
    let count = consumer(outbox).requeue(limit).await;
    expect_ok(count, "dead letters cannot be requeued")
}

pub(crate) async fn dead_letters_are_requeued_in_order(outbox: &impl Outbox) {
    assert_eq!(requeue(outbox, 10).await, 0, "there is no dead letter yet");
    append(outbox, &["a", "b"]).await;
    let mut leases = lease_all(outbox, 2).await;
    attempt(&mut leases);
    dead_letter(outbox, &leases).await;
    let stored = dead_letters(outbox).await;
    if !stored.is_ok_and(|names| !names.is_empty()) {
        return assert_eq!(
            requeue(outbox, 10).await,
            0,
            "an outbox without dead letters requeues none"
        );
    }
    for event in ["a", "b"] {
        assert_eq!(requeue(outbox, 1).await, 1, "the limit is one record");
        assert_eq!(pending(outbox).await, 1, "a requeued record is pending");
        let leases = lease(outbox, 10).await;
        assert_eq!(
            events(&leases),
            [event],
            "the oldest dead letter is requeued first"
        );
        let Some(lease) = leases.first() else {
            return;
        };
        assert_attempted(&lease.record);
        assert_eq!(
            (lease.redeliveries, lease.record.is_in_doubt()),
            (0, false),
            "a requeued record counts as never leased"
        );
        acknowledge(outbox, &leases).await;
    }
    assert_eq!(
        requeue(outbox, 10).await,
        0,
        "a requeued record is no longer a dead letter"
    );
    assert_eq!(dead_letters(outbox).await, Ok(Vec::new()));
}

pub(crate) async fn dead_letter_in_doubt_is_requeued_in_doubt<O: Outbox>(make: impl Fn() -> O) {
    {
        let outbox = opened(&make);
        append(&outbox, &["a"]).await;
        mark_sending(&outbox, &lease(&outbox, 1).await).await;
    }
    {
        let outbox = opened(&make);
        let leases = lease(&outbox, 1).await;
        dead_letter(&outbox, &leases).await;
    }
    let outbox = opened(&make);
    let stored = dead_letters(&outbox).await;
    if !stored.is_ok_and(|names| names.contains(&"a".to_owned())) {
        return;
    }
    while requeue(&outbox, 10).await > 0 {}
    let leases = lease_all(&outbox, pending(&outbox).await).await;
    let requeued = leases
        .iter()
        .find(|lease| event(&lease.record).as_deref() == Some("a"));
    let state = requeued.map(|lease| (lease.redeliveries, lease.record.is_in_doubt()));
    assert_eq!(
        state,
        Some((0, true)),
        "a dead letter that may have been sent is in doubt after it was requeued"
    );
    acknowledge(&outbox, &leases).await;
}
