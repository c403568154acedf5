//! What arrived at Mixpanel, by server and by the pages that browsers were shown.

use std::collections::BTreeSet;

use mengpaneel::Mengpaneel;
use serde_json::Value;
use stand_in::{Received, Store};

use crate::page::Page;
use crate::workshop::DEADLINE;

/// What arrived by the server, once everything that was on its way has; copies counted once.
///
/// # Panics
///
/// Where it does not arrive.
pub async fn settle(mengpaneel: &Mengpaneel, store: &Store) -> Vec<Received> {
    let flushed = mengpaneel.flush(DEADLINE).await;
    flushed.unwrap_or_else(|error| panic!("{error}"));
    store.counted()
}

/// The names of events.
#[must_use]
pub fn names(events: &[Received]) -> Vec<&str> {
    events
        .iter()
        .map(Received::event)
        .filter(|name| !name.starts_with('$'))
        .collect()
}

/// Every event that pages run and the server sent, as Mixpanel counts them, by name.
#[must_use]
pub fn counted(pages: &[&Page], server: &[Received]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut counted = Vec::new();
    let mut count = |name: &str, key: [Value; 2]| {
        if !name.starts_with('$') && seen.insert(format!("{name} {key:?}")) {
            counted.push(name.to_owned());
        }
    };
    for call in pages.iter().flat_map(|page| page.calls()) {
        if let (true, Some(name)) = (call.method().is_track(), call.str_arg(0)) {
            let of = |key: &str| {
                call.properties()
                    .and_then(|own| own.get(key))
                    .cloned()
                    .unwrap_or_default()
            };
            count(name, [of("$insert_id"), of("time")]);
        }
    }
    for event in server {
        count(
            event.event(),
            [
                event.property("$insert_id").clone(),
                event.property("time").clone(),
            ],
        );
    }
    counted.sort();
    counted
}
