//! Functions without a return type.

use std::future::ready;

use mengpaneel::track;
use serde_json::json;

use crate::said_by_future;
use crate::support::said_by;

// A function without a return type runs to its end, or does not.
#[track("Ran")]
fn runs(stops: bool) {
    if stops {
        return;
    }
    drop(json!(1));
}

#[track("Ran")]
async fn runs_later(stops: bool) {
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
        assert_eq!(said_by(|| runs(stops)), ["track Ran"]);
        assert_eq!(said_by_future(|| runs_later(stops)), ["track Ran"]);
    }
    assert_eq!(
        said_by(|| returns_unit_expression(&mut vec![])),
        ["track Ran"]
    );
}
