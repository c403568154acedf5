//! Operations on an outbox that panic with a reason when they fail, and test data.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use crate::call::{Call, Calls, Method};
use crate::outbox::record::Progress;
use crate::outbox::{Consumer, Lease, Outbox, OutboxError, Record};
use crate::record::envelope::Envelope;
use crate::record::visitor::Visitor;
use crate::translate::message::{Endpoint, Message};

/// Time limit for events that must happen.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Time to wait for events that must not happen.
pub(crate) const QUIET_PERIOD: Duration = Duration::from_millis(100);

/// Tolerance for clocks that count in milliseconds.
pub(crate) const CLOCK_TOLERANCE: Duration = Duration::from_millis(5);

pub(crate) fn consumer(outbox: &impl Outbox) -> &dyn Consumer {
    match outbox.consumer() {
        Some(consumer) => consumer,
        None => panic!("the outbox has no consumer, so there is nothing to check"),
    }
}

pub(crate) fn opened<O: Outbox>(make: impl Fn() -> O) -> O {
    let outbox = make();
    expect_ok(outbox.open(), "the outbox cannot be opened");
    outbox
}

/// Creates a record with one event of this name.
pub(crate) fn record(event: &str) -> Record {
    let call = Call::new(
        Method::Track,
        vec![json!(event), json!({"$insert_id": event})],
    );
    let calls = Calls {
        tracking: vec![call],
        ..Calls::default()
    };
    Record::new(&Envelope::new(Visitor::default(), calls))
}

/// Sets the state of leased records after an attempt that left one message.
pub(crate) fn attempt(leases: &mut [Lease]) {
    for lease in leases {
        let attempted = lease.record.with_progress(&progress());
        lease.record = expect_ok(attempted, "a leased record cannot be decoded");
    }
}

/// Asserts that a record is in the state after [`attempt`].
pub(crate) fn assert_attempted(record: &Record) {
    assert_eq!(
        record.progress(),
        Ok(progress()),
        "attempts and remaining messages are stored"
    );
}

fn progress() -> Progress {
    let message = Message {
        endpoint: Endpoint::People,
        body: json!({"$add": {"remaining": 1}}),
        call: Call::new(Method::PeopleIncrement, vec![json!({"remaining": 1})]),
    };
    Progress {
        attempts: 1,
        remaining: Some(vec![message]),
    }
}

/// Appends one record for each event.
pub(crate) async fn append(outbox: &impl Outbox, events: &[&str]) {
    for event in events {
        let appended = outbox.append(record(event)).await;
        let declined = "an outbox with room declined a record";
        expect_ok(appended.map_err(|error| error.reason), declined);
    }
}

/// Leases up to `limit` records, at least one.
pub(crate) async fn lease(outbox: &impl Outbox, limit: usize) -> Vec<Lease> {
    let late = format!("a record is pending but was not leased within {TIMEOUT:?}");
    let result = expect_ok(timeout(TIMEOUT, consumer(outbox).lease(limit)).await, &late);
    let leases = expect_ok(result, "a record is pending but cannot be leased");
    assert!(
        !leases.is_empty(),
        "a lease returned no record: it must wait until there is one"
    );
    assert!(
        leases.len() <= limit,
        "{} records were leased, the limit was {limit}",
        leases.len()
    );
    leases
}

/// Leases `count` records, in as many leases as that needs.
pub(crate) async fn lease_all(outbox: &impl Outbox, count: usize) -> Vec<Lease> {
    let mut leases = Vec::new();
    while leases.len() < count {
        leases.extend(lease(outbox, count - leases.len()).await);
    }
    leases
}

pub(crate) async fn assert_nothing_due(outbox: &impl Outbox, reason: &str) {
    if let Ok(Ok(leases)) = timeout(QUIET_PERIOD, consumer(outbox).lease(10)).await {
        panic!("{reason}, but {:?} was leased", events(&leases));
    }
}

/// Returns the names of the events in the records.
pub(crate) fn events(leases: &[Lease]) -> Vec<String> {
    leases
        .iter()
        .filter_map(|lease| event(&lease.record))
        .collect()
}

/// Returns the name of the event in a record.
pub(crate) fn event(record: &Record) -> Option<String> {
    let envelope = expect_ok(record.envelope(), "a record was changed in the outbox");
    let call = envelope.calls.iter().next()?;
    call.str_arg(0).map(str::to_owned)
}

pub(crate) async fn acknowledge(outbox: &impl Outbox, leases: &[Lease]) {
    let ended = consumer(outbox).acknowledge(leases).await;
    expect_ok(ended, "a record cannot be acknowledged");
}

pub(crate) async fn mark_sending(outbox: &impl Outbox, leases: &[Lease]) {
    let marked = consumer(outbox).mark_sending(leases).await;
    expect_ok(marked, "a record cannot be marked as sending");
}

pub(crate) async fn retry_later(outbox: &impl Outbox, leases: &[Lease], delay: Duration) {
    let ended = consumer(outbox).retry_later(leases, delay).await;
    expect_ok(ended, "a record cannot be retried");
}

pub(crate) async fn dead_letter(outbox: &impl Outbox, leases: &[Lease]) {
    let ended = consumer(outbox).dead_letter(leases).await;
    expect_ok(ended, "a record cannot be moved to the dead letters");
}

/// Returns the names of the events in the dead letters, latest first.
pub(crate) async fn dead_letters(outbox: &impl Outbox) -> Result<Vec<String>, OutboxError> {
    let records = consumer(outbox).dead_letters(10).await?;
    let names = records
        .iter()
        .map(|record| event(record).unwrap_or_default());
    Ok(names.collect())
}

pub(crate) async fn pending(outbox: &impl Outbox) -> usize {
    let count = outbox.pending().await;
    expect_ok(count, "the pending records cannot be counted")
}

/// Returns the result of an operation, or panics with the failure and its reason.
pub(crate) fn expect_ok<T, E: std::fmt::Display>(result: Result<T, E>, failure: &str) -> T {
    result.unwrap_or_else(|error| panic!("{failure}: {error}"))
}
