//! What was recorded, as words.
#![allow(dead_code, reason = "each test program uses its part")]

use mengpaneel::{Calls, Properties};
use serde_json::Value;

/// The calls as words: `identify 1`, `track Sign In`.
pub(crate) fn said(calls: &Calls) -> Vec<String> {
    calls
        .iter()
        .map(|call| format!("{} {}", call.method(), call.str_arg(0).unwrap_or("-")))
        .collect()
}

/// What `body` recorded, as words.
pub(crate) fn said_by<R>(body: impl FnOnce() -> R) -> Vec<String> {
    said(&mengpaneel::testing::record(body).1)
}

/// The properties of each event, less what every event has.
pub(crate) fn properties(calls: &Calls) -> Vec<Value> {
    let own = |properties: &Properties| {
        let mut properties = properties.clone();
        properties.retain(|name, _| name != "$insert_id" && name != "time");
        Value::from(properties)
    };
    calls
        .tracking
        .iter()
        .filter_map(|call| call.properties())
        .map(own)
        .collect()
}

/// The properties of the events that `body` recorded.
pub(crate) fn properties_by<R>(body: impl FnOnce() -> R) -> Vec<Value> {
    properties(&mengpaneel::testing::record(body).1)
}
