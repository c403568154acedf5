//! Jobs and handles of users: output, delivery, and users of the calls.
#![allow(missing_docs, reason = "tests")]

mod batches;
mod identities;
mod scope;
mod user_handles;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mengpaneel::{Builder, Mengpaneel, Reason};
use serde_json::json;
use stand_in::StandIn;

const TIMEOUT: Duration = Duration::from_secs(30);

type Failures = Arc<Mutex<Vec<(Reason, Vec<String>)>>>;

/// Returns a Mengpaneel that delivers to a mock of Mixpanel, and the failures that its `on_error`
/// receives.
fn build(stand_in: &StandIn, configure: impl FnOnce(Builder) -> Builder) -> (Mengpaneel, Failures) {
    let failures = Failures::default();
    let hook = Arc::clone(&failures);
    let builder =
        configure(Mengpaneel::builder("demo").api_host(stand_in.url())).on_error(move |failure| {
            let arguments = failure
                .calls
                .iter()
                .map(|call| call.str_arg(0).unwrap_or_default().to_owned())
                .collect();
            hook.lock()
                .unwrap()
                .push((failure.reason.clone(), arguments));
        });
    (builder.build().unwrap(), failures)
}

/// Returns the reason of each failure, with the first argument of each of its calls.
fn failures_of(failures: &Failures) -> Vec<(Reason, Vec<String>)> {
    failures.lock().unwrap().clone()
}

/// Returns the user and the name of each event that Mixpanel counts.
fn received(stand_in: &StandIn) -> Vec<(String, String)> {
    let events = stand_in.counted();
    events
        .iter()
        .map(|event| {
            (
                event.distinct_id().unwrap_or_default().to_owned(),
                event.event().to_owned(),
            )
        })
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(user, event)| ((*user).to_owned(), (*event).to_owned()))
        .collect()
}

async fn renew(number: usize) -> usize {
    mengpaneel::setup(|mixpanel| mixpanel.identify(number + 1));
    mengpaneel::track("Renew", json!({"Number": number}));
    number
}
