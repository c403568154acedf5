//! Events that reached Mixpanel, from the server and from pages.

use std::collections::BTreeSet;

use mengpaneel::Mengpaneel;
use serde_json::Value;
use stand_in::{Received, Store};

use crate::response::TestResponse;
use crate::test_app::TIMEOUT;

/// Delivers everything that is pending, and returns the events that arrived, without duplicates.
///
/// # Panics
///
/// If the delivery takes longer than [`TIMEOUT`].
pub async fn flush_and_collect(mengpaneel: &Mengpaneel, store: &Store) -> Vec<Received> {
    let flushed = mengpaneel.flush(TIMEOUT).await;
    flushed.unwrap_or_else(|error| panic!("{error}"));
    store.counted()
}

/// Returns the names of events, except Mixpanel's own, which begin with `$`.
#[must_use]
pub fn event_names(events: &[Received]) -> Vec<&str> {
    events
        .iter()
        .map(Received::event)
        .filter(|name| !name.starts_with('$'))
        .collect()
}

/// Returns the sorted names of all events from responses and the server, without duplicates.
///
/// As in Mixpanel, two events are duplicates if name, `$insert_id` and `time` are equal.
#[must_use]
pub fn counted_event_names(responses: &[&TestResponse], server: &[Received]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut names = Vec::new();
    let mut count = |name: &str, key: [Value; 2]| {
        if !name.starts_with('$') && seen.insert(format!("{name} {key:?}")) {
            names.push(name.to_owned());
        }
    };
    for call in responses.iter().flat_map(|response| response.calls()) {
        if let (true, Some(name)) = (call.method().is_track(), call.str_arg(0)) {
            let property = |key: &str| {
                call.properties()
                    .and_then(|properties| properties.get(key))
                    .cloned()
                    .unwrap_or_default()
            };
            count(name, [property("$insert_id"), property("time")]);
        }
    }
    for event in server {
        let property = |key: &str| event.property(key).clone();
        count(event.event(), [property("$insert_id"), property("time")]);
    }
    names.sort();
    names
}
