//! Operations on an outbox that panic with a reason when they fail, and test data.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use crate::call::{Call, Calls, Method};
use crate::outbox::record::Progress;
use crate::outbox::{Consumer, Lease, Outbox, Record};
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
    if let Err(error) = outbox.open() {
        panic!("the outbox cannot be opened: {error}");
    }
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
    let progress = Progress {
        attempts: 1,
        remaining: Some(vec![message("remaining")]),
    };
    for lease in leases {
        match lease.record.with_progress(&progress) {
            Ok(record) => lease.record = record,
            Err(error) => panic!("a leased record cannot be decoded: {error}"),
        }
    }
}

/// Asserts that a record is in the state after [`attempt`].
pub(crate) fn assert_attempted(record: &Record) {
    let expected = Progress {
        attempts: 1,
        remaining: Some(vec![message("remaining")]),
    };
    assert_eq!(
        record.progress(),
        Ok(expected),
        "attempts and remaining messages are stored"
    );
}

fn message(property: &str) -> Message {
    let call = Call::new(Method::PeopleIncrement, vec![json!({property: 1})]);
    Message {
        endpoint: Endpoint::People,
        body: json!({"$add": {property: 1}}),
        call,
    }
}

/// Appends one record for each event.
pub(crate) async fn append(outbox: &impl Outbox, events: &[&str]) {
    for event in events {
        if let Err(error) = outbox.append(record(event)).await {
            panic!("an outbox with room declined a record: {}", error.reason);
        }
    }
}

/// Leases up to `limit` records, at least one.
pub(crate) async fn lease(outbox: &impl Outbox, limit: usize) -> Vec<Lease> {
    match timeout(TIMEOUT, consumer(outbox).lease(limit)).await {
        Ok(Ok(leases)) => {
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
        Ok(Err(error)) => panic!("a record is pending but cannot be leased: {error}"),
        Err(elapsed) => {
            panic!("a record is pending but was not leased within {TIMEOUT:?}: {elapsed}")
        }
    }
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
    let envelope = match record.envelope() {
        Ok(envelope) => envelope,
        Err(error) => panic!("a record was changed in the outbox: {error}"),
    };
    let call = envelope.calls.iter().next()?;
    call.str_arg(0).map(str::to_owned)
}

pub(crate) async fn acknowledge(outbox: &impl Outbox, leases: &[Lease]) {
    expect_ok(consumer(outbox).acknowledge(leases).await, "acknowledged");
}

pub(crate) fn expect_ok<E: std::fmt::Display>(result: Result<(), E>, operation: &str) {
    if let Err(error) = result {
        panic!("a record cannot be {operation}: {error}");
    }
}

pub(crate) async fn pending(outbox: &impl Outbox) -> usize {
    match outbox.pending().await {
        Ok(count) => count,
        Err(error) => panic!("the pending records cannot be counted: {error}"),
    }
}
