//! Dead letters: buried, looked at, and put back.

use crate::outbox::Outbox;
use crate::outbox::conformance::{
    acknowledge, events, expect_ok, fill, lease, lease_all, message, nothing_is_due, opened,
    waiting,
};

pub(crate) async fn what_is_buried_does_not_come_again(outbox: &impl Outbox) {
    fill(outbox, &["a"]).await;
    expect_ok(outbox.dead_letter(lease(outbox, 1).await).await, "buried");
    assert_eq!(waiting(outbox).await, 0, "what is buried does not wait");
    nothing_is_due(outbox, "all was buried").await;
    if let Ok(buried) = outbox.dead_letters(10).await
        && !buried.is_empty()
    {
        assert_eq!(events(&buried), ["a"], "what is buried can be looked at");
    }
}

async fn requeue(outbox: &impl Outbox, limit: usize) -> usize {
    match outbox.requeue(limit).await {
        Ok(count) => count,
        Err(error) => panic!("dead letters cannot be put back: {error}"),
    }
}

pub(crate) async fn what_was_buried_is_put_back_in_its_order(outbox: &impl Outbox) {
    assert_eq!(requeue(outbox, 10).await, 0, "nothing was buried");
    fill(outbox, &["a", "b"]).await;
    let mut leases = lease_all(outbox, 2).await;
    for lease in &mut leases {
        lease.remaining = Some(vec![message("left")]);
    }
    expect_ok(outbox.dead_letter(leases).await, "buried");
    let keeps_dead_letters = outbox
        .dead_letters(10)
        .await
        .is_ok_and(|buried| !buried.is_empty());
    if !keeps_dead_letters {
        return assert_eq!(
            requeue(outbox, 10).await,
            0,
            "an outbox without dead letters puts none back"
        );
    }
    for event in ["a", "b"] {
        assert_eq!(
            requeue(outbox, 1).await,
            1,
            "as many are put back as were asked for"
        );
        assert_eq!(waiting(outbox).await, 1, "what is put back waits");
        let leases = lease(outbox, 10).await;
        assert_eq!(
            events(&leases),
            [event],
            "what was buried first is put back first"
        );
        let Some(one) = leases.first() else { return };
        assert_eq!(
            one.remaining,
            Some(vec![message("left")]),
            "what is left of a record is kept"
        );
        assert_eq!(
            (one.redeliveries, one.in_doubt),
            (0, false),
            "what is put back is as new"
        );
        acknowledge(outbox, &leases).await;
    }
    assert_eq!(
        requeue(outbox, 10).await,
        0,
        "what was put back is no dead letter any more"
    );
    assert_eq!(
        outbox
            .dead_letters(10)
            .await
            .map(|buried| buried.len())
            .ok(),
        Some(0)
    );
}

pub(crate) async fn what_was_buried_in_doubt_is_put_back_in_doubt<O: Outbox>(make: impl Fn() -> O) {
    {
        let outbox = opened(&make);
        fill(&outbox, &["a"]).await;
        expect_ok(
            outbox.mark_sending(&lease(&outbox, 1).await).await,
            "marked",
        );
    }
    {
        let outbox = opened(&make);
        let leases = lease(&outbox, 1).await;
        expect_ok(outbox.dead_letter(leases).await, "buried");
    }
    let again = opened(&make);
    let keeps_dead_letters = again
        .dead_letters(10)
        .await
        .is_ok_and(|buried| events(&buried).contains(&"a"));
    if !keeps_dead_letters {
        return;
    }
    while requeue(&again, 10).await > 0 {}
    let leases = lease_all(&again, waiting(&again).await).await;
    let one = leases
        .iter()
        .find(|lease| events(std::slice::from_ref(lease)) == ["a"]);
    let facts = one.map(|lease| (lease.redeliveries, lease.in_doubt));
    assert_eq!(
        facts,
        Some((0, true)),
        "what may have been sent already is in doubt after it was put back"
    );
    acknowledge(&again, &leases).await;
}
