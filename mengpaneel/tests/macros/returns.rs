//! Functions by their return type: none, closures, and types that a macro passes on.

use std::future::{Future, ready};
use std::pin::Pin;

use mengpaneel::testing::record;
use mengpaneel::track;
use serde_json::json;

use crate::calls_of_future;
use crate::support::calls_of;

#[track("Ran")]
fn runs(stops: bool) {
    if stops {
        return;
    }
    drop(json!(1));
}

#[track("Ran")]
async fn runs_async(stops: bool) {
    if stops {
        return;
    }
    ready(()).await;
}

#[track("Ran")]
fn returns_unit_expression(list: &mut Vec<u32>) {
    list.push(1)
}

#[test]
fn function_without_a_return_type_may_return_early() {
    for stops in [false, true] {
        assert_eq!(calls_of(|| runs(stops)), ["track Ran"]);
        assert_eq!(calls_of_future(|| runs_async(stops)), ["track Ran"]);
    }
    assert_eq!(
        calls_of(|| returns_unit_expression(&mut vec![])),
        ["track Ran"]
    );
}

#[track("Created")]
fn makes_a_closure() -> impl Fn(&str) -> &str {
    |text| text.trim()
}

#[track("Created")]
fn makes_a_closure_early(early: bool) -> impl Fn(&str) -> &str {
    let trims = move |text: &str| text.len() > usize::from(early);
    move |text| if trims(text) { text.trim() } else { text }
}

#[track("Created")]
fn makes_a_boxed_closure() -> Box<dyn Fn(&str) -> &str> {
    Box::new(|text| text.trim())
}

#[test]
fn returned_closures_are_as_general_as_the_signature() {
    assert_eq!(record(|| makes_a_closure()(" a ").len()).0, 1);
    assert_eq!(record(|| makes_a_closure_early(true)(" a ").len()).0, 1);
    assert_eq!(record(|| makes_a_boxed_closure()(" a ").len()).0, 1);
}

macro_rules! returning {
    ($name:ident, $ret:ty, $value:expr) => {
        #[track("Returned")]
        fn $name() -> $ret {
            $value
        }
    };
}

returning!(returns_unit, (), ());
returning!(returns_result, Result<u8, &'static str>, Err("no"));
returning!(
    returns_future,
    Pin<Box<dyn Future<Output = Result<u8, &'static str>>>>,
    Box::pin(async { Err("no") })
);

#[test]
fn return_type_from_a_macro_decides_the_outcome() {
    assert_eq!(calls_of(returns_unit), ["track Returned"]);
    assert!(calls_of(returns_result).is_empty());
    assert!(calls_of_future(returns_future).is_empty());
}
