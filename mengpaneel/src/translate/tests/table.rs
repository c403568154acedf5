//! The table of methods in the guide, made from what is said here.

use std::collections::HashSet;
use std::path::Path;

use serde_json::json;

use super::*;
use crate::call::{Call, Method};

/// What the browser sends, where that is what the server sends; the recordings of the real
/// mixpanel-js hold it.
const SAME: &str = "the same";

/// The calls of the user 42, what the browser sends for them, and why the server differs.
fn rows_of_events() -> Vec<(Method, Value, &'static str, &'static str)> {
    vec![
        (
            Method::Track,
            json!([[["track"], ["E", {"a": 1}]]]),
            SAME,
            "",
        ),
        (
            Method::TrackPageview,
            json!([[["track_pageview"], []]]),
            "the same, and `current_page_title`",
            "a server does not know the title",
        ),
        (
            Method::TrackWithGroups,
            json!([[["track_with_groups"], ["E", {"a": 1}, {"company": "acme"}]]]),
            SAME,
            "",
        ),
        (
            Method::TimeEvent,
            json!([[["time_event"], ["E", 1_000]], [["track"], ["E", {"time": 2_500}]]]),
            "`$duration` since the page ran the call",
            "the clock starts when the call is recorded; a timer in the visitor's cookie counts too",
        ),
        (
            Method::Register,
            json!([[["register"], [{"a": 1}]], [["track"], ["E"]]]),
            SAME,
            "for this request: a server writes no cookie",
        ),
        (
            Method::RegisterOnce,
            json!([[["register_once"], [{"a": 1}]], [["track"], ["E"]]]),
            SAME,
            "as `register`",
        ),
        (
            Method::Unregister,
            json!([[["register"], [{"a": 1}]], [["unregister"], ["a"]], [["track"], ["E"]]]),
            SAME,
            "as `register`",
        ),
        (
            Method::Identify,
            json!([[["identify"], ["43"]]]),
            SAME,
            "where the ID before is a UUID, the form of the API for servers stands beside it",
        ),
        (
            Method::Alias,
            json!([[["alias"], ["43"]]]),
            SAME,
            "where nobody is known there is nothing to give a name to: it is `identify`",
        ),
        (
            Method::Reset,
            json!([[["reset"], []], [["track"], ["E"]]]),
            "the event, of a new device",
            "a server cannot know the device that the browser makes up: the event is nobody's",
        ),
        (
            Method::SetGroup,
            json!([[["set_group"], ["company", "acme"]], [["track"], ["E"]]]),
            SAME,
            "",
        ),
        (
            Method::AddGroup,
            json!([[["add_group"], ["company", "acme"]], [["track"], ["E"]]]),
            SAME,
            "a group kept as a text, which mixpanel-js throws at, becomes a list",
        ),
        (
            Method::RemoveGroup,
            json!([[["register"], [{"company": ["acme", "b"]}]], [["remove_group"], ["company", "acme"]], [["track"], ["E"]]]),
            "the same for the profile; events keep the group",
            "mixpanel-js registers a property `group_key` by mistake",
        ),
        (
            Method::Disable,
            json!([
                [["disable"], [["E"]]],
                [["track"], ["E"]],
                [["track"], ["F"]]
            ]),
            SAME,
            "",
        ),
        (
            Method::OptOutTracking,
            json!([[["opt_out_tracking"], []], [["track"], ["E"]]]),
            "an operation that deletes the profile, then nothing",
            "in a job, which has no cookie to set: the rest of it is silent, and no profile is deleted; a request sets the cookie (see [privacy](crate::guide::privacy))",
        ),
        (
            Method::OptInTracking,
            json!([[["opt_in_tracking"], []]]),
            "an event `$opt_in`",
            "in a job, which has no cookie to set; a request sets the cookie (see [privacy](crate::guide::privacy))",
        ),
        (
            Method::ClearOptInOutTracking,
            json!([[["clear_opt_in_out_tracking"], []]]),
            "nothing",
            "in a job, which has no cookie to set; a request sets the cookie (see [privacy](crate::guide::privacy))",
        ),
    ]
}

/// The same, for what changes profiles.
fn rows_of_profiles() -> Vec<(Method, Value, &'static str, &'static str)> {
    let group = |method: &str, rest: Value| {
        let Value::Array(rest) = rest else {
            panic!("arguments are a list")
        };
        let args = [vec![json!("company"), json!("acme")], rest].concat();
        json!([[["get_group", method], args]])
    };
    let people = |method: &str, args: Value| json!([[["people", method], args]]);
    vec![
        (
            Method::PeopleSet,
            people("set", json!([{"a": 1}])),
            SAME,
            "said again with nothing in between it is not sent again for 15 minutes",
        ),
        (
            Method::PeopleSetOnce,
            people("set_once", json!([{"a": 1}])),
            SAME,
            "",
        ),
        (Method::PeopleUnset, people("unset", json!(["a"])), SAME, ""),
        (
            Method::PeopleIncrement,
            people("increment", json!([{"a": 1}])),
            SAME,
            "a number written as text is sent as a number",
        ),
        (
            Method::PeopleAppend,
            people("append", json!(["a", 1])),
            SAME,
            "",
        ),
        (
            Method::PeopleRemove,
            people("remove", json!(["a", 1])),
            SAME,
            "",
        ),
        (
            Method::PeopleUnion,
            people("union", json!(["a", 1])),
            SAME,
            "",
        ),
        (
            Method::PeopleTrackCharge,
            people("track_charge", json!([12.5])),
            "nothing",
            "mixpanel-js ignores it since 2.65; Mixpanel's libraries for servers do not. A page's charges go by the server",
        ),
        (
            Method::PeopleClearCharges,
            people("clear_charges", json!([])),
            SAME,
            "",
        ),
        (
            Method::PeopleDeleteUser,
            people("delete_user", json!([])),
            "`$delete` with the ID",
            "Mixpanel does not look at the value",
        ),
        (Method::GroupSet, group("set", json!([{"a": 1}])), SAME, ""),
        (
            Method::GroupSetOnce,
            group("set_once", json!([{"a": 1}])),
            SAME,
            "",
        ),
        (Method::GroupUnset, group("unset", json!(["a"])), SAME, ""),
        (
            Method::GroupUnion,
            group("union", json!(["a", 1])),
            SAME,
            "",
        ),
        (
            Method::GroupRemove,
            group("remove", json!(["a", 1])),
            SAME,
            "",
        ),
        (Method::GroupDelete, group("delete", json!([])), SAME, ""),
    ]
}

fn rows() -> Vec<(Method, Value, &'static str, &'static str)> {
    [rows_of_events(), rows_of_profiles()].concat()
}

/// Calls as they stand in JavaScript.
fn written(calls: &Value) -> String {
    let calls: Vec<Call> = serde_json::from_value(calls.clone()).unwrap();
    let written = calls.iter().map(|call| {
        let args: Vec<String> = call.args().iter().map(Value::to_string).collect();
        match call.method().path().as_slice() {
            ["get_group", method] => format!(
                "`get_group({}).{method}({})`",
                args[..2].join(","),
                args[2..].join(",")
            ),
            path => format!("`{}({})`", path.join("."), args.join(",")),
        }
    });
    written.collect::<Vec<_>>().join(" ")
}

/// What the server sends, without what every message says of the user 42.
fn sent(calls: &Value) -> String {
    let translation = said(user("42"), calls.clone());
    let mut bodies = bodies(&translation);
    for body in &mut bodies {
        let ids = if body.get("event").is_some() {
            &mut body["properties"]
        } else {
            &mut *body
        };
        ids.as_object_mut().unwrap().retain(|key, value| {
            !matches!(
                (key.as_str(), value.as_str()),
                ("$user_id" | "distinct_id" | "$distinct_id", Some("42"))
            )
        });
    }
    let messages: Vec<String> = bodies.iter().map(|body| format!("`{body}`")).collect();
    match (messages.is_empty(), translation.refused.is_empty()) {
        (true, true) => "nothing".to_owned(),
        (true, false) => "nothing; `on_error` is told".to_owned(),
        (false, _) => messages.join(" "),
    }
}

fn table() -> String {
    let head = "| calls | what the browser sends | what the server sends | why it differs |\n| --- | --- | --- | --- |\n";
    let rows = rows().into_iter().map(|(_, calls, browser, why)| {
        format!(
            "| {} | {browser} | {} | {why} |\n",
            written(&calls),
            sent(&calls)
        )
    });
    std::iter::once(head.to_owned()).chain(rows).collect()
}

#[test]
fn each_method_has_its_row_and_the_guide_has_the_table() {
    let shown: Vec<Method> = rows().into_iter().map(|(method, ..)| method).collect();
    for method in Method::ALL {
        assert_eq!(
            shown.iter().filter(|shown| *shown == method).count(),
            1,
            "{method}"
        );
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide/translation.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once("| calls |").unwrap();
    let after = rest.split_once("\n\n").map_or("", |(_, after)| after);
    let made = format!("{before}{}\n{after}", table());
    if std::env::var_os("MAKE_GUIDE").is_some() {
        std::fs::write(&page, &made).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&page).unwrap(),
        made,
        "MAKE_GUIDE=1 makes it anew"
    );
}

#[test]
fn where_the_guide_says_that_both_send_the_same_the_real_mixpanel_js_was_heard() {
    let recorded: Value = serde_json::from_str(include_str!("../parity.json")).unwrap();
    let mut heard = HashSet::new();
    for scenario in recorded.as_array().unwrap() {
        let calls: Vec<Call> = serde_json::from_value(scenario["calls"].clone()).unwrap();
        heard.extend(calls.iter().map(|call| call.method().clone()));
    }
    for (method, _, browser, _) in rows() {
        assert!(browser != SAME || heard.contains(&method), "{method}");
    }
}
