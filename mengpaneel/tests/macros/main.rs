//! Odd but legitimate uses of the attributes: what a name means, what ends a function, what a value
//! may do, and what a bare `#[setup]` covers. Warnings are errors here, as in the annotated code.
#![deny(warnings, unused)]
#![allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    reason = "uses are odd here; `lints.rs` compares what Clippy says"
)]

#[path = "../support/mod.rs"]
mod support;

/// One test for each call and the properties of its event.
macro_rules! records {
    ($($test:ident: $call:expr => $properties:tt;)*) => {$(
        #[test]
        fn $test() {
            assert_eq!(crate::support::properties_by(|| $call), [serde_json::json!($properties)]);
        }
    )*};
}

/// One test for each future and the properties of its event.
macro_rules! records_later {
    ($($test:ident: $future:expr => $properties:tt;)*) => {$(
        #[test]
        fn $test() {
            assert_eq!(crate::properties_of_future(|| $future), [serde_json::json!($properties)]);
        }
    )*};
}

mod bindings;
mod bodies;
mod bodies_later;
mod drops;
mod generated;
mod modes;
mod names;
mod preludeless;
mod receivers;
mod responses;
mod results;
mod returns;
mod signatures;
mod values;

/// Runs a future to its end, and returns the calls that it recorded, as words.
fn said_by_future<F: Future>(future: impl FnOnce() -> F) -> Vec<String> {
    support::said(&recorded(future))
}

/// Runs a future to its end, and returns the properties of its events.
fn properties_of_future<F: Future>(future: impl FnOnce() -> F) -> Vec<serde_json::Value> {
    support::properties(&recorded(future))
}

fn recorded<F: Future>(future: impl FnOnce() -> F) -> mengpaneel::Calls {
    let runtime = actix_web::rt::Runtime::new().unwrap();
    runtime
        .block_on(mengpaneel::testing::record_async(async { future().await }))
        .1
}
