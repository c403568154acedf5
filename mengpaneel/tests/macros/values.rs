//! Values: precedence, panics, and evaluation.

use std::borrow::Cow;
use std::cell::RefCell;

use mengpaneel::{plan, track};
use serde::{Serialize, Serializer};
use serde_json::json;

use crate::properties_of_future;
use crate::support::{calls_of, properties_of};

/// Defines a test of a macro fragment in an attribute.
macro_rules! precedence {
    ($test:ident, $args:tt, $value:expr, $expected:tt) => {
        #[test]
        fn $test() {
            precedence!(@function $args, $value);
            assert_eq!(properties_of(function), [json!($expected)]);
        }
    };
    (@function double, $value:expr) => {
        #[track("E", v = $value * 2)]
        fn function() {}
    };
    (@function plain, $value:expr) => {
        #[track("E", v = $value)]
        fn function() {}
    };
    (@function method, $value:expr) => {
        #[track("E", v = $value.max(1))]
        fn function() {}
    };
    (@function negated, $value:expr) => {
        #[track("E", v = !$value)]
        fn function() {}
    };
    (@function when, $value:expr) => {
        #[track("E", when(!$value), v = 1)]
        fn function() {}
    };
    (@function format, $value:expr) => {
        #[track("E", v = format!("{}", $value * 2))]
        fn function() {}
    };
    (@function unknown, $value:expr) => {
        #[track("E", v = twice!($value))]
        fn function() {}
    };
    (@function cast, $value:expr) => {
        #[track("E", v = $value as u8)]
        fn function() {}
    };
    (@function json, $value:expr) => {
        #[track("E", v = json!({"n": $value * 2, "m": $value}))]
        fn function() {}
    };
}

macro_rules! twice {
    ($value:expr) => {
        $value * 2
    };
}

precedence!(fragment_keeps_its_parentheses_in_a_product, double, 2 + 2, {"v": 8});
precedence!(fragment_may_be_a_value, plain, 2 + 2, {"v": 4});
precedence!(fragment_is_the_receiver_of_a_method, method, 2 - 4, {"v": 1});
precedence!(fragment_is_negated_as_a_whole, negated, true && false, {"v": true});
precedence!(fragment_is_negated_as_a_whole_in_a_condition, when, false && true, {"v": 1});
precedence!(fragment_keeps_its_parentheses_in_format, format, 2 + 2, {"v": "8"});
precedence!(fragment_keeps_its_parentheses_in_another_macro, unknown, 2 + 2, {"v": 8});
precedence!(fragment_is_cast_as_a_whole, cast, 1 + 2, {"v": 3});
precedence!(fragment_keeps_its_parentheses_in_json, json, 2 + 2, {"v": {"n": 8, "m": 4}});

macro_rules! with_body {
    ($value:expr) => {
        #[track("Body")]
        fn with_body() -> u32 {
            $value * 2
        }
    };
}

with_body!(2 + 2);

macro_rules! events {
    ($literal:literal, $expr:expr, $name:literal, $key:expr) => {
        #[track($literal, $name = 1)]
        fn by_literal() {}

        #[track($expr, $key = 2)]
        fn by_expression() {}
    };
}

events!(
    "Create Literal",
    "Create Expression",
    "Literal Name",
    "Expression Name"
);

#[test]
fn plan_shows_literals_that_a_macro_passes() {
    by_literal();
    by_expression();
    let plan = plan();
    let find = |event: &str| {
        plan.iter()
            .find(|annotation| annotation.event.as_deref() == Some(event))
    };
    assert_eq!(
        find("Create Literal").map(|annotation| annotation.properties.clone()),
        Some(vec!["Literal Name".into()])
    );
    assert_eq!(
        find("Create Expression").map(|annotation| annotation.properties.clone()),
        Some(vec!["Expression Name".into()])
    );
}

trait HasEvent {
    const EVENT: &'static str;
}

struct Order;

impl HasEvent for Order {
    const EVENT: &'static str = "Generic Event";
}

#[track(T::EVENT, { T::EVENT } = 1)]
fn generic_event<T: HasEvent>() {}

#[track(<T as HasEvent>::EVENT)]
fn qualified_event<T: HasEvent>() {}

struct Holder<T>(T);

impl<T: HasEvent> Holder<T> {
    #[track(T::EVENT)]
    fn event_of_the_impl(&self) -> &T {
        &self.0
    }
}

#[test]
fn event_may_be_a_constant_of_a_type_parameter() {
    assert_eq!(calls_of(generic_event::<Order>), ["track Generic Event"]);
    assert_eq!(calls_of(qualified_event::<Order>), ["track Generic Event"]);
    assert_eq!(
        calls_of(|| _ = Holder(Order).event_of_the_impl()),
        ["track Generic Event"]
    );
    assert_eq!(
        properties_of(generic_event::<Order>),
        [json!({"Generic Event": 1})]
    );
}

struct Panics;

impl Serialize for Panics {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("in Serialize");
    }
}

impl mengpaneel::Id for Panics {
    fn to_id(&self) -> Cow<'_, str> {
        panic!("in to_id");
    }
}

#[track("Panics", value = Panics, other = 1)]
fn panicking_value() -> u32 {
    7
}

#[mengpaneel::setup(identify(Panics))]
#[track("Succeeded")]
fn panicking_id() -> u32 {
    8
}

#[track("Panics", ..Panics)]
fn panicking_spread() -> u32 {
    9
}

#[track("Panics", value = Panics)]
async fn panicking_value_of_async(value: u32) -> u32 {
    value
}

#[test]
fn panic_in_serialize_does_not_affect_the_function() {
    let (returned, calls) = mengpaneel::testing::record(panicking_value);
    assert_eq!(
        (returned, crate::support::properties(&calls)),
        (7, vec![json!({"value": null, "other": 1})])
    );
    let (returned, calls) = mengpaneel::testing::record(panicking_id);
    assert_eq!(
        (returned, crate::support::describe(&calls)),
        (8, vec!["track Succeeded".to_owned()])
    );
    let (returned, calls) = mengpaneel::testing::record(panicking_spread);
    assert_eq!(
        (returned, crate::support::properties(&calls)),
        (9, vec![json!({})])
    );
    assert_eq!(
        properties_of_future(|| panicking_value_of_async(1)),
        [json!({"value": null})]
    );
}

thread_local! {
    static EVALUATED: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

fn evaluated(n: u32) -> u32 {
    EVALUATED.with_borrow_mut(|evaluated| evaluated.push(n));
    n
}

#[track("Once", n = evaluated(n))]
fn evaluates(n: u32) -> u32 {
    n
}

#[test]
fn value_is_evaluated_once_and_only_while_recording() {
    evaluates(1);
    assert!(EVALUATED.take().is_empty());
    assert_eq!(properties_of(|| evaluates(2)), [json!({"n": 2})]);
    assert_eq!(EVALUATED.take(), [2]);
}

#[test]
fn body_keeps_the_precedence_of_fragments() {
    assert_eq!(with_body(), 8);
}
