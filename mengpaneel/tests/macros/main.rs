//! Unusual but valid uses of the attributes.
//!
//! Warnings are errors here, as they may be in annotated code.
#![deny(warnings, unused)]
#![allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    reason = "unusual code; `tests/lints` compares the lints of Clippy"
)]

#[path = "../support/mod.rs"]
mod support;

/// Defines a test for each call and the properties of its event.
macro_rules! records {
    ($($test:ident: $call:expr => $properties:tt;)*) => {$(
        #[test]
        fn $test() {
            assert_eq!(crate::support::properties_of(|| $call), [serde_json::json!($properties)]);
        }
    )*};
}

/// Defines a test for each future and the properties of its event.
macro_rules! future_records {
    ($($test:ident: $future:expr => $properties:tt;)*) => {$(
        #[test]
        fn $test() {
            assert_eq!(crate::properties_of_future(|| $future), [serde_json::json!($properties)]);
        }
    )*};
}

mod async_bodies;
mod bare_setup;
mod bindings;
mod bodies;
mod borrows;
mod drops;
mod free_names;
mod futures;
mod generated;
mod no_prelude;
mod other_attributes;
mod receivers;
mod responses;
mod returns;
mod signatures;
mod values;

/// Runs a future to its end, and returns the calls that it recorded, as [`support::describe`] does.
fn calls_of_future<F: Future>(future: impl FnOnce() -> F) -> Vec<String> {
    support::describe(&record_future(future))
}

/// Runs a future to its end, and returns the properties of its events.
fn properties_of_future<F: Future>(future: impl FnOnce() -> F) -> Vec<serde_json::Value> {
    support::properties(&record_future(future))
}

/// Runs a future to its end, and returns the calls that it recorded.
fn record_future<F: Future>(future: impl FnOnce() -> F) -> mengpaneel::Calls {
    let runtime = actix_web::rt::Runtime::new().unwrap();
    runtime
        .block_on(mengpaneel::testing::record_async(async { future().await }))
        .1
}
