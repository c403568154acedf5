//! Recorded calls in a short form.
#![allow(dead_code, reason = "each test program uses a part")]

use mengpaneel::{Calls, Properties};
use serde_json::Value;

/// Returns each call as its method and first argument: `identify 1`, `track Sign In`.
pub(crate) fn describe(calls: &Calls) -> Vec<String> {
    calls
        .iter()
        .map(|call| format!("{} {}", call.method(), call.str_arg(0).unwrap_or("-")))
        .collect()
}

/// Runs `body`, and returns the calls that it recorded, as [`describe`] does.
pub(crate) fn calls_of<R>(body: impl FnOnce() -> R) -> Vec<String> {
    describe(&mengpaneel::testing::record(body).1)
}

/// Returns the properties of each event, except those that every event has.
pub(crate) fn properties(calls: &Calls) -> Vec<Value> {
    let without_defaults = |properties: &Properties| {
        let mut properties = properties.clone();
        properties.retain(|name, _| name != "$insert_id" && name != "time");
        Value::from(properties)
    };
    calls
        .tracking
        .iter()
        .filter_map(|call| call.properties())
        .map(without_defaults)
        .collect()
}

/// Runs `body`, and returns the properties of the events that it recorded.
pub(crate) fn properties_of<R>(body: impl FnOnce() -> R) -> Vec<Value> {
    properties(&mengpaneel::testing::record(body).1)
}
