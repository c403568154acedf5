#![doc = include_str!("your_own.md")]

mod dead_letters;

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::future::{FutureExt as _, join, join_all};
use serde_json::json;
use tokio::time::timeout;
use uuid::Uuid;

use crate::call::{Call, Calls, Method};
use crate::outbox::conformance::dead_letters::{
    what_is_buried_does_not_come_again, what_was_buried_in_doubt_is_put_back_in_doubt,
    what_was_buried_is_put_back_in_its_order,
};
use crate::outbox::{ClaimResult, Lease, LeaseId, Outbox};
use crate::record::envelope::Envelope;
use crate::record::visitor::Visitor;
use crate::translate::message::{Endpoint, Message};

/// How long what must happen may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long what must not happen is waited for.
const QUIET_PERIOD: Duration = Duration::from_millis(100);

/// Holds an outbox against what [`Outbox`] promises; each one that is made must be new and empty.
///
/// # Panics
/// Where the outbox does not hold what [`Outbox`] promises.
pub async fn check<O: Outbox>(make: impl Fn() -> O) {
    what_was_appended_first_is_leased_first(&opened(&make)).await;
    a_lease_waits_for_what_comes_later(&opened(&make)).await;
    a_lease_that_nobody_waits_for_takes_nothing_away(&opened(&make)).await;
    what_is_leased_is_nobody_elses(&opened(&make)).await;
    what_is_acknowledged_is_gone(&opened(&make)).await;
    what_is_retried_comes_again_as_it_was_left(&opened(&make)).await;
    what_is_retried_is_not_due_before_its_time(&opened(&make)).await;
    what_is_buried_does_not_come_again(&opened(&make)).await;
    what_was_buried_is_put_back_in_its_order(&opened(&make)).await;
    an_append_that_nobody_waits_for_is_kept_once_or_not_at_all(&opened(&make)).await;
    a_copy_that_nobody_claims_is_due_in_its_time(&opened(&make)).await;
    a_copy_is_claimed_by_one_until_that_is_settled(&opened(&make)).await;
}

/// As [`check`], for an outbox that outlives its process: `make` is called again after the one
/// before was dropped, and finds what that one kept. An engine that waits before it takes records
/// from a process that died is to wait for two seconds at most here.
///
/// # Panics
/// Where the outbox does not hold what [`Outbox`] promises.
pub async fn check_durable<O: Outbox>(make: impl Fn() -> O) {
    what_waited_waits_after_the_end(&make).await;
    what_was_in_hand_is_handed_out_again(&make).await;
    what_was_being_sent_is_in_doubt(&make).await;
    what_was_abandoned_twice_comes_alone(&make).await;
    what_was_left_of_a_record_is_left_after_the_end(&make).await;
    what_was_buried_in_doubt_is_put_back_in_doubt(&make).await;
    a_copy_is_kept_and_known_after_the_end(&make).await;
}

fn opened<O: Outbox>(make: impl Fn() -> O) -> O {
    let outbox = make();
    if let Err(error) = outbox.open() {
        panic!("it cannot be opened: {error}");
    }
    outbox
}

/// A parcel of one event of that name.
fn parcel(event: &str) -> Envelope {
    let call = Call::new(
        Method::Track,
        vec![json!(event), json!({"$insert_id": event})],
    );
    Envelope::new(
        Visitor::default(),
        Calls {
            tracking: vec![call],
            ..Calls::default()
        },
    )
}

async fn fill(outbox: &impl Outbox, events: &[&str]) {
    for event in events {
        if let Err(declined) = outbox.append(parcel(event)).await {
            panic!("an outbox with room declined a parcel: {}", declined.reason);
        }
    }
}

async fn lease(outbox: &impl Outbox, limit: usize) -> Vec<Lease> {
    match timeout(TIMEOUT, outbox.lease(limit)).await {
        Ok(Ok(leases)) => {
            assert!(
                !leases.is_empty(),
                "a lease gave nothing: it must wait until there is a record"
            );
            assert!(
                leases.len() <= limit,
                "{} records were leased where {limit} were asked for",
                leases.len()
            );
            leases
        }
        Ok(Err(error)) => panic!("a record waits but cannot be leased: {error}"),
        Err(late) => panic!("a record waits but was not leased within {TIMEOUT:?}: {late}"),
    }
}

/// Leases until as many came.
async fn lease_all(outbox: &impl Outbox, count: usize) -> Vec<Lease> {
    let mut leases = Vec::new();
    while leases.len() < count {
        leases.extend(lease(outbox, count - leases.len()).await);
    }
    leases
}

async fn nothing_is_due(outbox: &impl Outbox, why: &str) {
    if let Ok(Ok(leases)) = timeout(QUIET_PERIOD, outbox.lease(10)).await {
        panic!("{why}, but {:?} was leased", events(&leases));
    }
}

fn events(leases: &[Lease]) -> Vec<&str> {
    leases
        .iter()
        .flat_map(|lease| lease.envelope.calls.iter())
        .filter_map(|call| call.str_arg(0))
        .collect()
}

fn ids(leases: &[Lease]) -> Vec<LeaseId> {
    leases.iter().map(|lease| lease.id.clone()).collect()
}

async fn acknowledge(outbox: &impl Outbox, leases: &[Lease]) {
    expect_ok(outbox.acknowledge(ids(leases)).await, "acknowledged");
}

fn expect_ok<E: std::fmt::Display>(result: Result<(), E>, what: &str) {
    if let Err(error) = result {
        panic!("a leased record cannot be {what}: {error}");
    }
}

async fn waiting(outbox: &impl Outbox) -> usize {
    match outbox.pending().await {
        Ok(waiting) => waiting,
        Err(error) => panic!("it cannot be said how many wait: {error}"),
    }
}

async fn what_was_appended_first_is_leased_first(outbox: &impl Outbox) {
    fill(outbox, &["a", "b", "c"]).await;
    assert_eq!(waiting(outbox).await, 3, "three wait");
    assert_eq!(
        events(&lease_all(outbox, 2).await),
        ["a", "b"],
        "what was appended first is leased first"
    );
    assert_eq!(
        events(&lease(outbox, 2).await),
        ["c"],
        "what was appended last is leased last"
    );
    assert_eq!(waiting(outbox).await, 3, "what is leased is waiting still");
}

async fn a_lease_waits_for_what_comes_later(outbox: &impl Outbox) {
    let (leases, ()) = join(lease(outbox, 1), fill(outbox, &["a"])).await;
    assert_eq!(events(&leases), ["a"]);
}

async fn a_lease_that_nobody_waits_for_takes_nothing_away(outbox: &impl Outbox) {
    assert!(
        outbox.lease(1).now_or_never().is_none(),
        "nothing waits: a lease is to wait too"
    );
    fill(outbox, &["a"]).await;
    // Given up at the moment when it may be about to answer.
    if let Some(leased) = outbox.lease(1).now_or_never() {
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
        "a lease was dropped, and its record with it"
    );
}

async fn what_is_leased_is_nobody_elses(outbox: &impl Outbox) {
    let names: Vec<String> = (0..100).map(|number| format!("e{number}")).collect();
    join_all(
        names
            .iter()
            .map(|name| async move { fill(outbox, &[name]).await }),
    )
    .await;
    let mut leased = BTreeSet::new();
    let mut count = 0;
    while count < names.len() {
        let (one, other) = (
            timeout(QUIET_PERIOD, outbox.lease(7)),
            timeout(QUIET_PERIOD, outbox.lease(5)),
        );
        let (one, other) = join(one, other).await;
        let came: Vec<_> = [one, other]
            .into_iter()
            .filter_map(|leased| leased.ok()?.ok())
            .collect();
        assert!(
            !came.is_empty(),
            "only {count} of {} records were leased, and nobody has the others",
            names.len()
        );
        for leases in came {
            count += leases.len();
            leased.extend(events(&leases).into_iter().map(str::to_owned));
        }
    }
    assert_eq!(leased.len(), count, "no record is leased twice at once");
    assert_eq!(leased.len(), names.len(), "every record is leased");
}

async fn what_is_acknowledged_is_gone(outbox: &impl Outbox) {
    fill(outbox, &["a"]).await;
    let leases = lease(outbox, 1).await;
    acknowledge(outbox, &leases).await;
    assert_eq!(
        waiting(outbox).await,
        0,
        "what is acknowledged does not wait"
    );
    nothing_is_due(outbox, "all was acknowledged").await;
    acknowledge(outbox, &leases).await;
}

fn message(event: &str) -> Message {
    let call = Call::new(Method::PeopleIncrement, vec![json!({event: 1})]);
    Message {
        endpoint: Endpoint::People,
        body: json!({"$add": {event: 1}}),
        call,
    }
}

async fn what_is_retried_comes_again_as_it_was_left(outbox: &impl Outbox) {
    fill(outbox, &["a"]).await;
    let mut leases = lease(outbox, 1).await;
    for lease in &mut leases {
        lease.remaining = Some(vec![message("left")]);
        lease.attempts += 1;
    }
    expect_ok(outbox.mark_sending(&leases).await, "marked");
    expect_ok(outbox.retry_later(leases, Duration::ZERO).await, "put off");
    let again = lease(outbox, 1).await;
    let Some(one) = again.first() else { return };
    assert_eq!(
        one.remaining,
        Some(vec![message("left")]),
        "what is left of a record is kept"
    );
    assert_eq!(one.attempts, 1, "how often it was tried is kept");
    assert!(!one.in_doubt, "what was given back is not in doubt");
    assert_eq!(one.redeliveries, 0, "what was given back was not abandoned");
    assert_eq!(waiting(outbox).await, 1);
}

async fn what_is_retried_is_not_due_before_its_time(outbox: &impl Outbox) {
    fill(outbox, &["a"]).await;
    let delay = Duration::from_millis(400);
    let before = Instant::now();
    expect_ok(
        outbox.retry_later(lease(outbox, 1).await, delay).await,
        "put off",
    );
    nothing_is_due(outbox, "all was put off").await;
    assert_eq!(waiting(outbox).await, 1, "what is put off waits");
    assert_eq!(events(&lease(outbox, 1).await), ["a"]);
    // Clocks count in milliseconds, most of them.
    assert!(
        before.elapsed() + Duration::from_millis(5) >= delay,
        "what is put off is not due before its time"
    );
}

async fn an_append_that_nobody_waits_for_is_kept_once_or_not_at_all(outbox: &impl Outbox) {
    {
        let mut append = pin!(outbox.append(parcel("a")));
        drop(append.as_mut().now_or_never());
    }
    fill(outbox, &["b"]).await;
    let count = waiting(outbox).await;
    let leases = lease_all(outbox, count).await;
    let names = events(&leases);
    assert!(
        names == ["a", "b"] || names == ["b"],
        "an append was dropped, and then {names:?} waited"
    );
}

/// Keeps a copy aside; `None` where this engine keeps none.
async fn aside(outbox: &impl Outbox, event: &str, after: Duration) -> Option<Uuid> {
    let copy = parcel(event);
    let id = copy.id;
    outbox
        .schedule_fallback(copy, after)
        .await
        .is_ok()
        .then_some(id)
}

async fn claim(outbox: &impl Outbox, id: Uuid) -> ClaimResult {
    match outbox.claim_fallback(id).await {
        Ok(claimed) => claimed,
        Err(error) => panic!("a copy cannot be claimed: {error}"),
    }
}

async fn a_copy_that_nobody_claims_is_due_in_its_time(outbox: &impl Outbox) {
    let after = Duration::from_millis(400);
    let before = Instant::now();
    let Some(id) = aside(outbox, "a", after).await else {
        return;
    };
    assert_eq!(waiting(outbox).await, 0, "what is kept aside does not wait");
    nothing_is_due(outbox, "all is kept aside").await;
    let leases = lease(outbox, 1).await;
    assert_eq!(events(&leases), ["a"]);
    assert!(
        before.elapsed() + Duration::from_millis(5) >= after,
        "a copy is not due before its time"
    );
    assert_eq!(
        claim(outbox, id).await,
        ClaimResult::Delivered,
        "the server is about to say it"
    );
    acknowledge(outbox, &leases).await;
    assert_eq!(
        claim(outbox, id).await,
        ClaimResult::Delivered,
        "the server said it"
    );
}

async fn a_copy_is_claimed_by_one_until_that_is_settled(outbox: &impl Outbox) {
    let Some(id) = aside(outbox, "a", Duration::from_millis(1)).await else {
        return;
    };
    let claimed = claim(outbox, id).await;
    if claimed == ClaimResult::Delivered {
        // It was due already.
        return;
    }
    assert_eq!(claimed, ClaimResult::Acquired);
    assert_eq!(claim(outbox, id).await, ClaimResult::Held);
    nothing_is_due(outbox, "a copy that is claimed is not due").await;
    expect_ok(outbox.finish_fallback(id, false).await, "given back");
    assert_eq!(
        claim(outbox, id).await,
        ClaimResult::Acquired,
        "what was given back is claimed again"
    );
    expect_ok(outbox.finish_fallback(id, true).await, "settled");
    assert_eq!(claim(outbox, id).await, ClaimResult::Delivered);
    nothing_is_due(outbox, "what was said is not due").await;
    assert_eq!(claim(outbox, Uuid::now_v7()).await, ClaimResult::NotFound);
}

async fn a_copy_is_kept_and_known_after_the_end<O: Outbox>(make: impl Fn() -> O) {
    let long = Duration::from_secs(600);
    let (said, claimed, left) = {
        let outbox = opened(&make);
        let Some(said) = aside(&outbox, "said", long).await else {
            return;
        };
        expect_ok(outbox.finish_fallback(said, true).await, "settled");
        let claimed = aside(&outbox, "claimed", Duration::from_millis(1)).await;
        let left = aside(&outbox, "left", Duration::from_millis(1)).await;
        (said, claimed, left)
    };
    let again = opened(&make);
    assert_eq!(
        claim(&again, said).await,
        ClaimResult::Delivered,
        "that a copy was said is known after the end"
    );
    assert!(
        claimed.is_some() && left.is_some(),
        "there is room for three copies"
    );
    let leases = lease_all(&again, 2).await;
    assert_eq!(
        events(&leases),
        ["claimed", "left"],
        "copies are due after the end"
    );
    acknowledge(&again, &leases).await;
}

async fn what_waited_waits_after_the_end<O: Outbox>(make: impl Fn() -> O) {
    fill(&opened(&make), &["a", "b"]).await;
    let again = opened(&make);
    let leases = lease_all(&again, 2).await;
    assert_eq!(
        events(&leases),
        ["a", "b"],
        "what waited waits after the end of its process"
    );
    assert!(
        leases.iter().all(|lease| lease.redeliveries == 0),
        "nobody had it in hand"
    );
    acknowledge(&again, &leases).await;
}

async fn what_was_in_hand_is_handed_out_again<O: Outbox>(make: impl Fn() -> O) {
    {
        let outbox = opened(&make);
        fill(&outbox, &["a", "b"]).await;
        let leases = lease_all(&outbox, 2).await;
        acknowledge(&outbox, leases.get(..1).unwrap_or_default()).await;
    }
    let again = opened(&make);
    let leases = lease(&again, 10).await;
    assert_eq!(
        events(&leases),
        ["b"],
        "what was in hand is handed out again, what was acknowledged is not"
    );
    assert!(
        leases
            .iter()
            .all(|lease| lease.redeliveries == 1 && !lease.in_doubt),
        "it was abandoned once: {leases:?}"
    );
    acknowledge(&again, &leases).await;
}

async fn what_was_being_sent_is_in_doubt<O: Outbox>(make: impl Fn() -> O) {
    {
        let outbox = opened(&make);
        fill(&outbox, &["a", "b"]).await;
        let leases = lease_all(&outbox, 2).await;
        expect_ok(
            outbox
                .mark_sending(leases.get(..1).unwrap_or_default())
                .await,
            "marked",
        );
    }
    let again = opened(&make);
    let leases = lease_all(&again, 2).await;
    let in_doubt: Vec<bool> = leases.iter().map(|lease| lease.in_doubt).collect();
    assert_eq!(
        (events(&leases), in_doubt),
        (vec!["a", "b"], vec![true, false]),
        "what was being sent is in doubt"
    );
    acknowledge(&again, &leases).await;
}

async fn what_was_abandoned_twice_comes_alone<O: Outbox>(make: impl Fn() -> O) {
    fill(&opened(&make), &["a", "b"]).await;
    for _ in 0..2 {
        lease_all(&opened(&make), 2).await;
    }
    let again = opened(&make);
    let first = lease(&again, 2).await;
    assert_eq!(
        events(&first),
        ["a"],
        "what was abandoned twice comes alone"
    );
    assert_eq!(
        first.first().map(|lease| lease.redeliveries),
        Some(2),
        "how often it was abandoned is kept"
    );
    let second = lease(&again, 2).await;
    assert_eq!(events(&second), ["b"]);
    acknowledge(&again, &first).await;
    acknowledge(&again, &second).await;
    assert_eq!(waiting(&again).await, 0);
}

async fn what_was_left_of_a_record_is_left_after_the_end<O: Outbox>(make: impl Fn() -> O) {
    {
        let outbox = opened(&make);
        fill(&outbox, &["a", "b"]).await;
        let mut leases = lease_all(&outbox, 2).await;
        expect_ok(outbox.dead_letter(leases.split_off(1)).await, "buried");
        for lease in &mut leases {
            lease.remaining = Some(vec![message("left")]);
        }
        expect_ok(outbox.retry_later(leases, Duration::ZERO).await, "put off");
    }
    let again = opened(&make);
    let leases = lease(&again, 10).await;
    assert_eq!(events(&leases), ["a"], "what was buried is not handed out");
    let left = leases.first().and_then(|lease| lease.remaining.clone());
    assert_eq!(
        left,
        Some(vec![message("left")]),
        "what was left of a record is kept"
    );
    acknowledge(&again, &leases).await;
    match again.dead_letters(10).await {
        Ok(buried) => assert_eq!(events(&buried), ["b"], "what was buried can be looked at"),
        Err(error) => panic!("what was buried cannot be looked at: {error}"),
    }
}
