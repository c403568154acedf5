//! Attributes of other crates on the same function, and of this crate by other paths.

use std::future::ready;

use mengpaneel::track;
use serde_json::json;

use crate::support::{calls_of, properties_of};
use crate::{calls_of_future, properties_of_future};

#[async_trait::async_trait]
trait Lookup {
    async fn find(&self, id: u32) -> Result<u32, String>;
    async fn remember(&mut self, id: u32);
}

struct Index {
    last: u32,
}

#[async_trait::async_trait]
impl Lookup for Index {
    #[track("Found", id = found, last = self.last, requested = id)]
    #[track("Missing", requested = id, on(failure))]
    async fn find(&self, id: u32) -> Result<u32, String> {
        let found = ready(Some(id).filter(|id| *id < 5))
            .await
            .ok_or("missing")?;
        Ok(found)
    }

    #[track("Remembered", doubled = doubled)]
    async fn remember(&mut self, id: u32) {
        let doubled = ready(id).await * 2;
        self.last = doubled;
    }
}

#[track("Counted", rest = rest)]
#[async_recursion::async_recursion]
async fn counts_above(n: u32) -> u32 {
    let rest = n.saturating_sub(1);
    if n == 0 {
        0
    } else {
        counts_above(rest).await + 1
    }
}

#[async_recursion::async_recursion]
#[track("Counted", rest = rest)]
async fn counts_below(n: u32) -> u32 {
    let rest = n.saturating_sub(1);
    if n == 0 {
        0
    } else {
        counts_below(rest).await + 1
    }
}

#[actix_web::main]
#[track("Main", n = n)]
async fn below_main() -> u32 {
    let n = ready(4).await;
    n
}

#[test]
fn bindings_in_async_traits_are_captured() {
    let index = Index { last: 3 };
    let properties = properties_of_future(|| index.find(4));
    assert_eq!(properties, [json!({"id": 4, "last": 3, "requested": 4})]);
    assert_eq!(
        properties_of_future(|| index.find(9)),
        [json!({"requested": 9})]
    );
    assert_eq!(
        properties_of_future(|| async { Index { last: 0 }.remember(2).await }),
        [json!({"doubled": 4})]
    );
}

#[test]
fn bindings_in_recursive_async_functions_are_captured() {
    let expected = [json!({"rest": 0}), json!({"rest": 0})];
    assert_eq!(properties_of_future(|| counts_above(1)), expected);
    assert_eq!(properties_of_future(|| counts_below(1)), expected);
}

#[test]
fn bindings_below_a_main_attribute_are_captured() {
    assert_eq!(properties_of(below_main), [json!({"n": 4})]);
}

mod other {
    pub(crate) use tracing_attributes::instrument as setup;
    pub(crate) use tracing_attributes::instrument as trace;
}

use other::{setup, trace};

#[tracing_attributes::instrument(err, skip_all)]
#[track("Instrumented", n = n)]
fn below_instrument(text: &str) -> Result<u32, std::num::ParseIntError> {
    let n = text.parse()?;
    Ok(n)
}

#[track("Instrumented", n = n)]
#[tracing_attributes::instrument(err, skip_all)]
fn above_instrument(text: &str) -> Result<u32, std::num::ParseIntError> {
    let n = text.parse()?;
    Ok(n)
}

#[tracing_attributes::instrument(skip_all)]
#[track("Instrumented", n = n)]
async fn async_below_instrument(text: &str) -> Result<u32, std::num::ParseIntError> {
    let n = ready(text.parse()).await?;
    Ok(n)
}

#[track("Charged")]
#[trace]
pub(crate) fn charge() -> Option<u8> {
    None
}

#[track("Set Up", n = n)]
#[setup(skip_all)]
fn with_another_crates_setup(given: u32) -> u32 {
    let n = given + 1;
    n
}

#[mengpaneel::before_setup(alias(n))]
#[setup(level = "debug", skip_all)]
#[track("Set Up", n = n)]
fn between_other_attributes(given: u32) -> u32 {
    let n = given + 1;
    n
}

#[test]
fn attributes_of_other_crates_still_work() {
    assert_eq!(properties_of(|| below_instrument("1")), [json!({"n": 1})]);
    assert!(properties_of(|| below_instrument("x")).is_empty());
    assert_eq!(properties_of(|| above_instrument("1")), [json!({"n": 1})]);
    assert_eq!(
        properties_of_future(|| async_below_instrument("1")),
        [json!({"n": 1})]
    );
    assert_eq!(calls_of(|| with_another_crates_setup(1)), ["track Set Up"]);
    assert_eq!(
        calls_of(|| between_other_attributes(1)),
        ["alias 2", "track Set Up"]
    );
}

mod analytics {
    pub(crate) use mengpaneel::{before_setup, setup, track as event};
}

#[analytics::event("Path", n = n)]
#[analytics::setup(identify(n))]
#[analytics::before_setup(alias(n))]
fn under_other_paths(given: u32) -> u32 {
    let n = given + 1;
    n
}

#[track("First", n = n)]
#[analytics::setup(identify(n))]
#[mengpaneel::setup(people.set(n = n))]
#[track("Second", n = n)]
fn under_mixed_paths(given: u32) -> u32 {
    let n = given + 1;
    n
}

#[test]
fn attributes_are_combined_whatever_their_paths() {
    assert_eq!(
        calls_of(|| under_other_paths(1)),
        ["alias 2", "identify 2", "track Path"]
    );
    assert_eq!(
        calls_of(|| under_mixed_paths(1)),
        ["identify 2", "people.set -", "track First", "track Second"]
    );
}

#[track("Traced", n = n)]
#[trace(skip_all)]
pub(crate) fn traced(given: u32) -> Option<u32> {
    let n = given;
    Some(n).filter(|n| *n > 0)
}

#[track("E", n = n)]
#[track("Again", n = n, m = m)]
#[cfg_attr(
    all(),
    mengpaneel::setup(identify(m)),
    mengpaneel::before_setup(alias(m))
)]
fn attribute_under_cfg(n: u32) -> u32 {
    let m = n + 1;
    m
}

#[track("E", n = n)]
#[cfg_attr(all(), mengpaneel::setup(identify(m)))]
fn attribute_under_cfg_of_unit(n: u32) {
    let m = n + 1;
    drop(json!(m));
}

#[track("E", n = n)]
#[cfg_attr(all(), mengpaneel::setup(identify(m)))]
async fn attribute_under_cfg_of_async(n: u32) -> Option<u32> {
    let m = ready(n).await.checked_add(1)?;
    Some(m)
}

#[test]
fn attribute_in_cfg_attr_captures_bindings() {
    let calls = calls_of(|| attribute_under_cfg(1));
    assert_eq!(calls, ["alias 2", "identify 2", "track E", "track Again"]);
    assert_eq!(
        calls_of(|| attribute_under_cfg_of_unit(1)),
        ["identify 2", "track E"]
    );
    let calls = calls_of_future(|| attribute_under_cfg_of_async(1));
    assert_eq!(calls, ["identify 2", "track E"]);
}
