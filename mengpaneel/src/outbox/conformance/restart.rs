//! Checks of a durable outbox after its process ended.

use std::time::Duration;

use crate::outbox::Outbox;
use crate::outbox::conformance::fixtures::{
    acknowledge, append, assert_attempted, attempt, dead_letter, dead_letters, events, expect_ok,
    lease, lease_all, mark_sending, opened, pending, retry_later,
};

pub(crate) async fn pending_records_survive_a_restart<O: Outbox>(make: impl Fn() -> O) {
    append(&opened(&make), &["a", "b"]).await;
    let outbox = opened(&make);
    let leases = lease_all(&outbox, 2).await;
    assert_eq!(
        events(&leases),
        ["a", "b"],
        "pending records survive the end of their process"
    );
    assert!(
        leases.iter().all(|lease| lease.redeliveries == 0),
        "no record was leased before"
    );
    acknowledge(&outbox, &leases).await;
}

pub(crate) async fn leased_records_are_redelivered<O: Outbox>(make: impl Fn() -> O) {
    {
        let outbox = opened(&make);
        append(&outbox, &["a", "b"]).await;
        let leases = lease_all(&outbox, 2).await;
        acknowledge(&outbox, leases.get(..1).unwrap_or_default()).await;
    }
    let outbox = opened(&make);
    let leases = lease(&outbox, 10).await;
    assert_eq!(
        events(&leases),
        ["b"],
        "a leased record is redelivered, an acknowledged one is not"
    );
    assert!(
        leases
            .iter()
            .all(|lease| lease.redeliveries == 1 && !lease.record.is_in_doubt()),
        "the record was orphaned once: {leases:?}"
    );
    acknowledge(&outbox, &leases).await;
}

pub(crate) async fn records_marked_as_sending_are_in_doubt<O: Outbox>(make: impl Fn() -> O) {
    {
        let outbox = opened(&make);
        append(&outbox, &["a", "b"]).await;
        let leases = lease_all(&outbox, 2).await;
        mark_sending(&outbox, leases.get(..1).unwrap_or_default()).await;
    }
    let outbox = opened(&make);
    let leases = lease_all(&outbox, 2).await;
    let in_doubt: Vec<bool> = leases
        .iter()
        .map(|lease| lease.record.is_in_doubt())
        .collect();
    assert_eq!(
        (events(&leases), in_doubt),
        (vec!["a".to_owned(), "b".to_owned()], vec![true, false]),
        "a record marked as sending is in doubt"
    );
    acknowledge(&outbox, &leases).await;
}

pub(crate) async fn record_orphaned_twice_is_leased_alone<O: Outbox>(make: impl Fn() -> O) {
    append(&opened(&make), &["a", "b"]).await;
    for _ in 0..2 {
        lease_all(&opened(&make), 2).await;
    }
    let outbox = opened(&make);
    let first = lease(&outbox, 2).await;
    assert_eq!(
        events(&first),
        ["a"],
        "a record that was orphaned twice is leased alone"
    );
    assert_eq!(
        first.first().map(|lease| lease.redeliveries),
        Some(2),
        "the number of redeliveries is stored"
    );
    let second = lease(&outbox, 2).await;
    assert_eq!(events(&second), ["b"]);
    acknowledge(&outbox, &first).await;
    acknowledge(&outbox, &second).await;
    assert_eq!(pending(&outbox).await, 0);
}

pub(crate) async fn remaining_messages_survive_a_restart<O: Outbox>(make: impl Fn() -> O) {
    {
        let outbox = opened(&make);
        append(&outbox, &["a", "b"]).await;
        let mut leases = lease_all(&outbox, 2).await;
        dead_letter(&outbox, &leases.split_off(1)).await;
        attempt(&mut leases);
        retry_later(&outbox, &leases, Duration::ZERO).await;
    }
    let outbox = opened(&make);
    let leases = lease(&outbox, 10).await;
    assert_eq!(events(&leases), ["a"], "a dead letter is not leased");
    for lease in &leases {
        assert_attempted(&lease.record);
    }
    acknowledge(&outbox, &leases).await;
    let names = expect_ok(dead_letters(&outbox).await, "dead letters cannot be read");
    assert_eq!(names, ["b"], "dead letters are readable");
}
