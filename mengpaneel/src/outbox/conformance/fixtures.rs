//! Operations on an outbox that panic with a reason when they fail, and test data.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use crate::call::{Call, Calls, Method};
use crate::outbox::{Lease, LeaseId, Outbox};
use crate::record::envelope::Envelope;
use crate::record::visitor::Visitor;
use crate::translate::message::{Endpoint, Message};

/// Time limit for events that must happen.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Time to wait for events that must not happen.
pub(crate) const QUIET_PERIOD: Duration = Duration::from_millis(100);

/// Tolerance for clocks that count in milliseconds.
pub(crate) const CLOCK_TOLERANCE: Duration = Duration::from_millis(5);

pub(crate) fn opened<O: Outbox>(make: impl Fn() -> O) -> O {
    let outbox = make();
    if let Err(error) = outbox.open() {
        panic!("the outbox cannot be opened: {error}");
    }
    outbox
}

/// Creates an envelope with one event of this name.
pub(crate) fn envelope(event: &str) -> Envelope {
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

pub(crate) fn message(property: &str) -> Message {
    let call = Call::new(Method::PeopleIncrement, vec![json!({property: 1})]);
    Message {
        endpoint: Endpoint::People,
        body: json!({"$add": {property: 1}}),
        call,
    }
}

/// Appends one envelope for each event.
pub(crate) async fn append(outbox: &impl Outbox, events: &[&str]) {
    for event in events {
        if let Err(error) = outbox.append(envelope(event)).await {
            panic!("an outbox with room declined an envelope: {}", error.reason);
        }
    }
}

/// Leases up to `limit` records, at least one.
pub(crate) async fn lease(outbox: &impl Outbox, limit: usize) -> Vec<Lease> {
    match timeout(TIMEOUT, outbox.lease(limit)).await {
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
    if let Ok(Ok(leases)) = timeout(QUIET_PERIOD, outbox.lease(10)).await {
        panic!("{reason}, but {:?} was leased", events(&leases));
    }
}

/// Returns the names of the events in the records.
pub(crate) fn events(leases: &[Lease]) -> Vec<&str> {
    leases
        .iter()
        .flat_map(|lease| lease.envelope.calls.iter())
        .filter_map(|call| call.str_arg(0))
        .collect()
}

fn ids(leases: &[Lease]) -> Vec<LeaseId> {
    leases.iter().map(|lease| lease.id.clone()).collect()
}

pub(crate) async fn acknowledge(outbox: &impl Outbox, leases: &[Lease]) {
    expect_ok(outbox.acknowledge(ids(leases)).await, "acknowledged");
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
