//! Each method, as a table of calls and what they say.

use proptest::collection::{hash_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::*;
use crate::call::{Call, Method};

/// Properties of the user 42's, and more.
fn with(more: Value) -> Value {
    let mut all = json!({"distinct_id": "42", "$user_id": "42"});
    if let Value::Object(more) = more {
        all.as_object_mut().unwrap().extend(more);
    }
    all
}

/// An event of the user 42's.
fn e(more: Value) -> Value {
    event("E", with(more))
}

/// An operation on the user 42's profile.
fn profile(operation: &str, value: impl Into<Value>) -> Value {
    json!({"$distinct_id": "42", "$user_id": "42", operation: value.into()})
}

/// An operation on a group's profile.
fn group(operation: &str, value: impl Into<Value>) -> Value {
    json!({"$group_key": "company", "$group_id": "acme", operation: value.into()})
}

/// What the user 42's calls say.
fn check<const N: usize>(table: [(Value, Value); N]) {
    for (calls, expected) in table {
        let translation = said(user("42"), calls.clone());
        assert_eq!(Value::from(bodies(&translation)), expected, "{calls}");
        assert!(translation.refused.is_empty(), "{calls}");
    }
}

#[test]
fn a_track_says_an_event() {
    check([
        (json!([[["track"], ["E"]]]), json!([e(json!({}))])),
        (json!([[["track"], ["E", null]]]), json!([e(json!({}))])),
        (
            json!([[["track"], ["E", {"token": "x"}]]]),
            json!([e(json!({}))]),
        ),
        (
            json!([[["track_with_groups"], ["E", {"a": 1}, {"company": ["acme"], "x": null}]]]),
            json!([e(json!({"a": 1, "company": ["acme"]}))]),
        ),
        (
            json!([[["track_pageview"], []]]),
            json!([event("$mp_web_page_view", with(json!({})))]),
        ),
        (
            json!([[["track_pageview"], [{"a": 1}, {"event_name": "E"}]]]),
            json!([e(json!({"a": 1}))]),
        ),
        (
            json!([[["time_event"], ["E", 1000]], [["track"], ["E", {"time": 2500}]], [["track"], ["E"]]]),
            json!([e(json!({"$duration": 1500.0})), e(json!({}))]),
        ),
    ]);
}

#[test]
fn super_properties_go_with_each_event_unless_it_is_disabled() {
    check([
        (
            json!([[["register"], [{"Plan": "Pro"}]], [["track"], ["E"]], [["track"], ["E", {"Plan": "Free"}]]]),
            json!([e(json!({"Plan": "Pro"})), e(json!({"Plan": "Free"}))]),
        ),
        (
            json!([[["register"], [{"a": 1, "b": "None", "c": 0}]], [["register_once"], [{"a": 2, "b": 2, "d": 2}]],
                   [["register_once"], [{"c": 3}, 0]], [["track"], ["E"]]]),
            json!([e(json!({"a": 1, "b": 2, "c": 3, "d": 2}))]),
        ),
        (
            json!([[["register"], [{"a": 1}]], [["unregister"], ["a"]], [["track"], ["E"]]]),
            json!([e(json!({}))]),
        ),
        (json!([[["disable"], []], [["track"], ["E"]]]), json!([])),
        (
            json!([
                [["disable"], [["E"]]],
                [["track"], ["E"]],
                [["track"], ["F"]]
            ]),
            json!([event("F", with(json!({})))]),
        ),
    ]);
}

#[test]
fn an_event_is_of_who_is_identified() {
    check([
        (
            json!([[["identify"], ["42"]], [["track"], ["E"]]]),
            json!([e(json!({}))]),
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
fn a_users_groups_go_with_each_event_and_into_the_profile() {
    check([
        (
            json!([[["set_group"], ["company", "acme"]], [["track"], ["E"]]]),
            json!([
                profile("$set", json!({"company": ["acme"]})),
                e(json!({"company": ["acme"]}))
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
                e(json!({"company": ["b", "c"]})),
            ]),
        ),
    ]);
}

#[test]
fn a_profile_is_changed_by_one_operation_a_call() {
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
fn a_charge_is_appended_as_of_when_it_was_recorded() {
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
fn a_group_is_changed_by_one_operation_a_call() {
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
fn what_a_server_cannot_say_is_refused_with_a_reason() {
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
        let translation = said(user("42"), json!(calls.tracking));
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
    fn any_calls_are_said_or_refused_and_no_call_panics(
        calls in vec(any_call(), 0..8), stored in any_value(), via_server: bool,
    ) {
        let mut parcel = parcel(visitor(&stored), json!(calls));
        parcel.visitor.url = stored.as_str().map(str::to_owned);
        parcel.visitor.referrer = stored.as_str().map(str::to_owned);
        parcel.via_server = via_server;
        let translation = translate("t", &parcel);
        for message in &translation.messages {
            let body = &message.body;
            let token = body.get("$token").unwrap_or(&body["properties"]["token"]);
            prop_assert_eq!(token, "t");
            prop_assert!(calls.contains(&message.call));
        }
    }
}
