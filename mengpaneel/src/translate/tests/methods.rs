//! Translation of each method, as tables of calls and messages.

use proptest::collection::{hash_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::*;
use crate::call::{Call, Method};

/// Returns the IDs of the user 42, and more properties.
fn with_ids(more: Value) -> Value {
    let mut all = json!({"distinct_id": "42", "$user_id": "42"});
    if let Value::Object(more) = more {
        all.as_object_mut().unwrap().extend(more);
    }
    all
}

/// Returns an event `E` of the user 42.
fn event_e(more: Value) -> Value {
    event("E", with_ids(more))
}

/// Returns an operation on the profile of the user 42.
fn profile(operation: &str, value: impl Into<Value>) -> Value {
    json!({"$distinct_id": "42", "$user_id": "42", operation: value.into()})
}

/// Returns an operation on the profile of a group.
fn group(operation: &str, value: impl Into<Value>) -> Value {
    json!({"$group_key": "company", "$group_id": "acme", operation: value.into()})
}

/// Checks the messages of the user 42's calls.
fn check<const N: usize>(table: [(Value, Value); N]) {
    for (calls, expected) in table {
        let translation = translate_calls(user("42"), calls.clone());
        assert_eq!(Value::from(bodies(&translation)), expected, "{calls}");
        assert!(translation.refused.is_empty(), "{calls}");
    }
}

#[test]
fn track_makes_an_event() {
    check([
        (json!([[["track"], ["E"]]]), json!([event_e(json!({}))])),
        (
            json!([[["track"], ["E", null]]]),
            json!([event_e(json!({}))]),
        ),
        (
            json!([[["track"], ["E", {"token": "x"}]]]),
            json!([event_e(json!({}))]),
        ),
        (
            json!([[["track_with_groups"], ["E", {"a": 1}, {"company": ["acme"], "x": null}]]]),
            json!([event_e(json!({"a": 1, "company": ["acme"]}))]),
        ),
        (
            json!([[["track_pageview"], []]]),
            json!([event("$mp_web_page_view", with_ids(json!({})))]),
        ),
        (
            json!([[["track_pageview"], [{"a": 1}, {"event_name": "E"}]]]),
            json!([event_e(json!({"a": 1}))]),
        ),
        (
            json!([[["time_event"], ["E", 1000]], [["track"], ["E", {"time": 2500}]], [["track"], ["E"]]]),
            json!([event_e(json!({"$duration": 1500.0})), event_e(json!({}))]),
        ),
    ]);
}

#[test]
fn super_properties_are_added_to_each_enabled_event() {
    check([
        (
            json!([[["register"], [{"Plan": "Pro"}]], [["track"], ["E"]], [["track"], ["E", {"Plan": "Free"}]]]),
            json!([
                event_e(json!({"Plan": "Pro"})),
                event_e(json!({"Plan": "Free"}))
            ]),
        ),
        (
            json!([[["register"], [{"a": 1, "b": "None", "c": 0}]], [["register_once"], [{"a": 2, "b": 2, "d": 2}]],
                   [["register_once"], [{"c": 3}, 0]], [["track"], ["E"]]]),
            json!([event_e(json!({"a": 1, "b": 2, "c": 3, "d": 2}))]),
        ),
        (
            json!([[["register"], [{"a": 1}]], [["unregister"], ["a"]], [["track"], ["E"]]]),
            json!([event_e(json!({}))]),
        ),
        (json!([[["disable"], []], [["track"], ["E"]]]), json!([])),
        (
            json!([
                [["disable"], [["E"]]],
                [["track"], ["E"]],
                [["track"], ["F"]]
            ]),
            json!([event("F", with_ids(json!({})))]),
        ),
    ]);
}

#[test]
fn events_belong_to_the_identified_user() {
    check([
        (
            json!([[["identify"], ["42"]], [["track"], ["E"]]]),
            json!([event_e(json!({}))]),
        ),
        (
            json!([[["identify"], ["43"]]]),
            json!([event(
                "$identify",
                json!({"distinct_id": "43", "$user_id": "43", "$anon_distinct_id": "42"})
            )]),
        ),
        (
            json!([[["reset"], []], [["track"], ["E"]]]),
            json!([event("E", json!({"distinct_id": ""}))]),
        ),
        (
            json!([[["reset"], []], [["identify"], ["43"]], [["track"], ["E"]]]),
            json!([event("E", json!({"distinct_id": "43", "$user_id": "43"}))]),
        ),
    ]);
}

#[test]
fn groups_are_added_to_events_and_the_profile() {
    check([
        (
            json!([[["set_group"], ["company", "acme"]], [["track"], ["E"]]]),
            json!([
                profile("$set", json!({"company": ["acme"]})),
                event_e(json!({"company": ["acme"]}))
            ]),
        ),
        (
            json!([
                [["set_group"], ["company", ["a", "b"]]],
                [["add_group"], ["company", "c"]],
                [["remove_group"], ["company", "a"]],
                [["track"], ["E"]]
            ]),
            json!([
                profile("$set", json!({"company": ["a", "b"]})),
                profile("$union", json!({"company": ["c"]})),
                profile("$remove", json!({"company": "a"})),
                event_e(json!({"company": ["b", "c"]})),
            ]),
        ),
    ]);
}

#[test]
fn each_people_call_makes_one_operation() {
    check([
        (
            json!([[["people", "set"], [{"a": 1, "$token": "x"}]]]),
            json!([profile("$set", json!({"a": 1}))]),
        ),
        (
            json!([[["people", "set"], ["a", 1]]]),
            json!([profile("$set", json!({"a": 1}))]),
        ),
        (
            json!([[["people", "set_once"], ["a", 1]]]),
            json!([profile("$set_once", json!({"a": 1}))]),
        ),
        (
            json!([[["people", "unset"], ["a"]]]),
            json!([profile("$unset", json!(["a"]))]),
        ),
        (
            json!([[["people", "unset"], [["a", "b"]]]]),
            json!([profile("$unset", json!(["a", "b"]))]),
        ),
        (
            json!([[["people", "increment"], ["a"]]]),
            json!([profile("$add", json!({"a": 1}))]),
        ),
        (
            json!([[["people", "increment"], ["a", -2.5]]]),
            json!([profile("$add", json!({"a": -2.5}))]),
        ),
        (
            json!([[["people", "increment"], [{"a": 1, "b": "2", "c": "x"}]]]),
            json!([profile("$add", json!({"a": 1, "b": 2}))]),
        ),
        (
            json!([[["people", "append"], ["a", 1]]]),
            json!([profile("$append", json!({"a": 1}))]),
        ),
        (
            json!([[["people", "remove"], [{"a": 1}]]]),
            json!([profile("$remove", json!({"a": 1}))]),
        ),
        (
            json!([[["people", "union"], [{"a": 1, "b": [1, 2]}]]]),
            json!([profile("$union", json!({"a": [1], "b": [1, 2]}))]),
        ),
        (
            json!([[["people", "clear_charges"], []]]),
            json!([profile("$set", json!({"$transactions": []}))]),
        ),
        (
            json!([[["people", "delete_user"], []]]),
            json!([profile("$delete", json!(""))]),
        ),
    ]);
}

#[test]
fn charge_has_the_time_of_recording() {
    let charge = |charge: Value| profile("$append", json!({"$transactions": charge}));
    check([
        (
            json!([[["people", "track_charge"], [12.5]]]),
            json!([charge(
                json!({"$amount": 12.5, "$time": "2024-03-09T16:14:23"})
            )]),
        ),
        (
            json!([[["people", "track_charge"], ["5", {"$time": "2020-02-29T00:00:00", "SKU": "a"}]]]),
            json!([charge(
                json!({"$amount": 5, "$time": "2020-02-29T00:00:00", "SKU": "a"})
            )]),
        ),
    ]);
}

#[test]
fn each_group_call_makes_one_operation() {
    check([
        (
            json!([[["get_group", "set"], ["company", "acme", {"a": 1}]]]),
            json!([group("$set", json!({"a": 1}))]),
        ),
        (
            json!([[["get_group", "set"], ["company", "acme", "a", 1]]]),
            json!([group("$set", json!({"a": 1}))]),
        ),
        (
            json!([[["get_group", "set_once"], ["company", "acme", {"a": 1}]]]),
            json!([group("$set_once", json!({"a": 1}))]),
        ),
        (
            json!([[["get_group", "unset"], ["company", "acme", "a"]]]),
            json!([group("$unset", json!(["a"]))]),
        ),
        (
            json!([[["get_group", "union"], ["company", "acme", "a", 1]]]),
            json!([group("$union", json!({"a": [1]}))]),
        ),
        (
            json!([[["get_group", "remove"], ["company", "acme", "a", 1]]]),
            json!([group("$remove", json!({"a": 1}))]),
        ),
        (
            json!([[["get_group", "delete"], ["company", "acme"]]]),
            json!([group("$delete", json!(""))]),
        ),
    ]);
}

#[test]
fn invalid_and_browser_calls_are_refused_with_a_reason() {
    for call in [
        json!([["track"], []]),
        json!([["track"], [""]]),
        json!([["track"], ["E", "no object"]]),
        json!([["identify"], ["$device:x"]]),
        json!([["identify"], [{}]]),
        json!([["alias"], []]),
        json!([["register"], ["a", 1]]),
        json!([["set_group"], ["company"]]),
        json!([["people", "track_charge"], ["x"]]),
        json!([["people", "track_charge"], [5, "no object"]]),
        json!([["people", "increment"], ["a", "x"]]),
        json!([["people", "set"], []]),
        json!([["people", "unset"], [7]]),
        json!([["get_group", "set"], ["company"]]),
        json!([["opt_in_tracking"], []]),
        json!([["track_links"], ["a", "E"]]),
        json!([["people", "toString2"], []]),
    ] {
        let Ok(calls) = serde_json::from_value::<Calls>(json!({"tracking": [call]})) else {
            continue;
        };
        let translation = translate_calls(user("42"), json!(calls.tracking));
        assert_eq!(translation.messages, [], "{call}");
        assert_eq!(translation.refused.len(), 1, "{call}");
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        "(\\$device:|\\$user_id|distinct_id|E|\\PC{0,300})".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            hash_map("(\\$user_id|time|event_name|a)", inner, 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn any_call() -> impl Strategy<Value = Call> {
    (select(Method::ALL), vec(any_value(), 0..5)).prop_map(|(method, args)| Call::new(method, args))
}

proptest! {
    #[test]
    fn translating_any_calls_never_panics(
        calls in vec(any_call(), 0..8), stored in any_value(), via_server: bool,
    ) {
        let mut envelope = envelope(visitor(&stored), json!(calls));
        envelope.visitor.url = stored.as_str().map(str::to_owned);
        envelope.visitor.referrer = stored.as_str().map(str::to_owned);
        envelope.via_server = via_server;
        let translation = translate("t", &envelope);
        for message in &translation.messages {
            let body = &message.body;
            let token = body.get("$token").unwrap_or(&body["properties"]["token"]);
            prop_assert_eq!(token, "t");
            prop_assert!(calls.contains(&message.call));
        }
    }
}
