//! Grammar of the attributes: calls, properties, options.
#![deny(warnings, unused, clippy::pedantic)]
#![allow(missing_docs, reason = "tests")]

mod support;

use mengpaneel::{before_setup, setup, track, tracking};
use serde::Serialize;
use serde_json::{Value, json};
use support::{calls_of, describe, properties_of};

const EVENT: &str = "Constant Event";

mod keys {
    pub(crate) const TITLE: &str = "Constant Key";
}

#[derive(Clone, Serialize)]
struct Order {
    id: u32,
    amount: f64,
}

const ORDER: Order = Order {
    id: 3,
    amount: 12.5,
};

/// Returns the calls that `body` recorded, as they are serialised.
fn wire(body: impl FnOnce()) -> Value {
    json!(mengpaneel::testing::record(body).1)
}

#[track(EVENT, keys::TITLE = 1, { keys::TITLE.to_lowercase() } = 2, type = "x", when = 3, on = 4, via = 5, "a b" = 6)]
fn keys() {}

#[track(format!("Event {}", order.id), ..order, extra = true)]
fn computed(order: &Order) {}

#[test]
fn keys_may_be_identifiers_strings_and_constants() {
    let expected = json!({"Constant Key": 1, "constant key": 2, "type": "x", "when": 3, "on": 4, "via": 5, "a b": 6});
    assert_eq!(properties_of(keys), [expected]);
    assert_eq!(calls_of(keys), ["track Constant Event"]);
}

#[test]
fn event_may_be_an_expression_and_properties_spread() {
    assert_eq!(calls_of(|| computed(&ORDER)), ["track Event 3"]);
    assert_eq!(
        properties_of(|| computed(&ORDER)),
        [json!({"id": 3, "amount": 12.5, "extra": true})]
    );
}

#[tracking(
    time_event("Upload"),
    track_pageview(),
    track_with_groups("Grouped", json!({"company": "acme"}), n = 1),
    register("Plan" = "pro"),
    register_once(..ORDER),
    unregister("Plan"),
    reset(),
    set_group("company", [1, 2]),
    add_group("company", 3),
    remove_group("company", "4"),
    disable("a", "b"),
    disable(),
    opt_in_tracking(),
    opt_out_tracking(),
    clear_opt_in_out_tracking(),
)]
fn calls() {}

#[tracking(
    people.set("Plan" = "pro", n = 1),
    people.set("Plan", "pro"),
    people.set_once(..ORDER),
    people.unset("a", "b"),
    people.increment("Posts", 2),
    people.increment("Posts"),
    people.increment(posts = 3),
    people.append("Tags", "x"),
    people.remove("Tags", "x"),
    people.union("Tags", ["x", "y"]),
    people.track_charge(12.5),
    people.clear_charges(),
    people.delete_user(),
    get_group("company", 7).set("Plan" = "pro"),
    get_group("company", 7).set_once("Plan", "pro"),
    get_group("company", 7).unset("Plan"),
    get_group("company", 7).union("Tags", ["x"]),
    get_group("company", 7).remove("Tags", "x"),
    get_group("company", 7).delete(),
)]
fn profiles() {}

#[test]
fn calls_serialise_as_in_mixpanel_js() {
    let calls = wire(calls);
    let calls = calls["tracking"].as_array().cloned().unwrap_or_default();
    let grouped = &calls[2][1];
    assert_eq!(
        (&grouped[0], &grouped[1]["n"], &grouped[2]),
        (&json!("Grouped"), &json!(1), &json!({"company": "acme"}))
    );
    assert_eq!(
        (&calls[0][0], &calls[0][1][0]),
        (&json!(["time_event"]), &json!("Upload"))
    );
    let expected = json!([
        [["register"], [{"Plan": "pro"}]],
        [["register_once"], [{"id": 3, "amount": 12.5}]],
        [["unregister"], ["Plan"]],
        [["reset"], []],
        [["set_group"], ["company", ["1", "2"]]],
        [["add_group"], ["company", "3"]],
        [["remove_group"], ["company", "4"]],
        [["disable"], [["a", "b"]]],
        [["disable"], []],
        [["opt_in_tracking"], []],
        [["opt_out_tracking"], [{"delete_user": false}]],
        [["clear_opt_in_out_tracking"], []],
    ]);
    assert_eq!(Value::from(calls[3..].to_vec()), expected);
}

#[test]
fn profile_calls_serialise_as_in_mixpanel_js() {
    let expected = json!([
        [["people", "set"], [{"Plan": "pro", "n": 1}]],
        [["people", "set"], [{"Plan": "pro"}]],
        [["people", "set_once"], [{"id": 3, "amount": 12.5}]],
        [["people", "unset"], [["a", "b"]]],
        [["people", "increment"], [{"Posts": 2}]],
        [["people", "increment"], [{"Posts": 1}]],
        [["people", "increment"], [{"posts": 3}]],
        [["people", "append"], [{"Tags": "x"}]],
        [["people", "remove"], [{"Tags": "x"}]],
        [["people", "union"], [{"Tags": ["x", "y"]}]],
        [["people", "track_charge"], [12.5, {}]],
        [["people", "clear_charges"], []],
        [["people", "delete_user"], []],
        [["get_group", "set"], ["company", "7", {"Plan": "pro"}]],
        [["get_group", "set_once"], ["company", "7", {"Plan": "pro"}]],
        [["get_group", "unset"], ["company", "7", "Plan"]],
        [["get_group", "union"], ["company", "7", "Tags", ["x"]]],
        [["get_group", "remove"], ["company", "7", "Tags", "x"]],
        [["get_group", "delete"], ["company", "7"]],
    ]);
    assert_eq!(wire(profiles)["tracking"], expected);
}

#[track("Big", when(order.amount > limit && order.id > 0), amount = order.amount)]
fn conditional(order: &Order) {
    let limit = 10.0;
    assert!(order.amount > limit - 100.0);
}

#[track("First", when(let Some(first) = orders.first() && let 1.. = first.id), id = first.id)]
fn first(orders: &[Order]) {}

#[track("First Indexed", when(!orders.is_empty()), id = orders[0].id)]
fn first_indexed(orders: &[Order]) {}

#[test]
fn condition_is_checked_before_values_are_evaluated() {
    assert_eq!(
        properties_of(|| conditional(&ORDER)),
        [json!({"amount": 12.5})]
    );
    assert!(
        calls_of(|| conditional(&Order {
            amount: 1.0,
            ..ORDER
        }))
        .is_empty()
    );
    assert_eq!(properties_of(|| first(&[ORDER])), [json!({"id": 3})]);
    assert!(calls_of(|| first(&[Order { id: 0, ..ORDER }])).is_empty());
    assert!(calls_of(|| first_indexed(&[])).is_empty());
}

#[track("Last")]
#[setup(identify(id))]
#[before_setup(alias(id))]
#[setup(people.set("Plan" = "pro"))]
fn several(id: u32) {}

#[test]
fn several_attributes_run_in_the_order_of_their_modes() {
    assert_eq!(
        calls_of(|| several(9)),
        ["alias 9", "identify 9", "people.set -", "track Last"]
    );
    let ((), calls) = mengpaneel::testing::record(|| several(9));
    assert_eq!(
        calls.tracking[0]
            .properties()
            .and_then(|properties| properties.get("$user_id")),
        None
    );
}

#[track("Succeeded")]
#[track("Failed", on(failure))]
#[track("Finished", on(always))]
fn finishes(fail: bool) -> Result<u8, &'static str> {
    if fail { Err("no") } else { Ok(1) }
}

#[test]
fn on_selects_the_outcomes_that_record_a_call() {
    assert_eq!(
        calls_of(|| finishes(false)),
        ["track Succeeded", "track Finished"]
    );
    assert_eq!(
        calls_of(|| finishes(true)),
        ["track Failed", "track Finished"]
    );
}

#[setup]
fn bare(id: u32) -> u32 {
    mengpaneel::identify(id);
    id + 1
}

#[setup]
async fn bare_async(id: u32) -> u32 {
    std::future::ready(()).await;
    mengpaneel::identify(id);
    finishes(false).map_or(0, u32::from)
}

#[test]
fn bare_setup_moves_calls_of_the_body_to_setup() {
    let (returned, calls) = mengpaneel::testing::record(|| bare(4));
    assert_eq!(
        (returned, describe(&calls), calls.tracking.len()),
        (5, vec!["identify 4".to_owned()], 0)
    );
}

#[actix_web::test]
async fn bare_setup_keeps_the_mode_of_other_attributes() {
    let (_, calls) = mengpaneel::testing::record_async(bare_async(4)).await;
    assert_eq!((calls.setup.len(), calls.tracking.len()), (1, 2));
}

#[track("Event", n = count())]
fn counted() {}

fn count() -> u32 {
    mengpaneel::track("Counted", ());
    1
}

#[test]
fn values_are_evaluated_only_while_recording() {
    counted();
    assert_eq!(calls_of(counted), ["track Event", "track Counted"]);
}

#[mengpaneel::setup(identify("42"), people.set("Plan" = "Pro ü", "Seats" = 2_147_483_647, "Paid" = true))]
#[track("Written", "Huge" = 4_294_967_296_u64, "Small" = -1, "Half" = 0.5, "Letter" = 'a', "Byte" = 0x1f, "None" = "")]
fn literals() {}

#[mengpaneel::setup(identify(id), people.set("Plan" = plan, "Seats" = seats, "Paid" = paid))]
#[track("Written", "Huge" = huge, "Small" = small, "Half" = half, "Letter" = letter, "Byte" = byte, "None" = none)]
fn variables() {
    let (id, plan, seats, paid) = ("42", "Pro ü", i32::MAX, true);
    let (huge, small, half, letter, byte, none) = (4_294_967_296_u64, -1, 0.5, 'a', 0x1f, "");
}

#[test]
fn literals_are_recorded_like_equal_variables() {
    let without_defaults = |body: fn()| {
        let mut calls = wire(body);
        for name in ["$insert_id", "time"] {
            let properties = calls
                .pointer_mut("/tracking/0/1/1")
                .and_then(Value::as_object_mut)
                .unwrap();
            assert!(properties.remove(name).is_some());
        }
        calls
    };
    assert_eq!(without_defaults(literals), without_defaults(variables));
}
