//! Table of methods in the guide, generated from the translation.

use std::collections::HashSet;
use std::path::Path;

use serde_json::json;

use super::*;
use crate::call::{Call, Method};

/// Text for a browser that sends the same as the server. The recordings of mixpanel-js prove that.
const SAME: &str = "the same";

/// Returns rows of methods of events: method, calls, messages of the browser, reason of a
/// difference.
#[expect(clippy::too_many_lines, reason = "one row per method")]
fn event_rows() -> Vec<(Method, Value, &'static str, &'static str)> {
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
            "the server does not know the title",
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
            "the timer starts when the call is recorded; a timer in the visitor's cookie counts too",
        ),
        (
            Method::Register,
            json!([[["register"], [{"a": 1}]], [["track"], ["E"]]]),
            SAME,
            "for this request only: the server writes no cookie",
        ),
        (
            Method::RegisterOnce,
            json!([[["register_once"], [{"a": 1}]], [["track"], ["E"]]]),
            SAME,
            "like `register`",
        ),
        (
            Method::Unregister,
            json!([[["register"], [{"a": 1}]], [["unregister"], ["a"]], [["track"], ["E"]]]),
            SAME,
            "like `register`",
        ),
        (
            Method::Identify,
            json!([[["identify"], ["43"]]]),
            SAME,
            "if the previous ID is a UUID, the server adds the properties of the API for servers",
        ),
        (
            Method::Alias,
            json!([[["alias"], ["43"]]]),
            SAME,
            "if no ID is known, the server does the same as for `identify`",
        ),
        (
            Method::Reset,
            json!([[["reset"], []], [["track"], ["E"]]]),
            "the event, with the ID of a new device",
            "the server does not know the device ID that the browser generates",
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
            "a group that is stored as text becomes a list; mixpanel-js throws an error",
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
            "a job has no cookie: the rest of the job sends nothing, and no profile is deleted; a request sets the cookie (see [privacy](crate::guide::privacy))",
        ),
        (
            Method::OptInTracking,
            json!([[["opt_in_tracking"], []]]),
            "an event `$opt_in`",
            "a job has no cookie; a request sets the cookie (see [privacy](crate::guide::privacy))",
        ),
        (
            Method::ClearOptInOutTracking,
            json!([[["clear_opt_in_out_tracking"], []]]),
            "nothing",
            "a job has no cookie; a request sets the cookie (see [privacy](crate::guide::privacy))",
        ),
    ]
}

/// Returns rows of methods of profiles, like [`event_rows`].
fn profile_rows() -> Vec<(Method, Value, &'static str, &'static str)> {
    let group = |method: &str, rest: Value| {
        let Value::Array(rest) = rest else {
            panic!("arguments must be a list")
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
            "an identical call without another in between is not sent again for 15 minutes",
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
            "mixpanel-js ignores it since 2.65; Mixpanel's libraries for servers do not. The server sends the charges of a page",
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
            "Mixpanel ignores the value",
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
    [event_rows(), profile_rows()].concat()
}

/// Formats calls as JavaScript.
fn as_javascript(calls: &Value) -> String {
    let calls: Vec<Call> = serde_json::from_value(calls.clone()).unwrap();
    let statements = calls.iter().map(|call| {
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
    statements.collect::<Vec<_>>().join(" ")
}

/// Formats the messages of the server, without the IDs of the user 42.
fn server_messages(calls: &Value) -> String {
    let translation = translate_calls(user("42"), calls.clone());
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
        (true, false) => "nothing; `on_error` is called".to_owned(),
        (false, _) => messages.join(" "),
    }
}

fn table() -> String {
    let head = "| calls | what the browser sends | what the server sends | why it differs |\n| --- | --- | --- | --- |\n";
    let rows = rows().into_iter().map(|(_, calls, browser, why)| {
        format!(
            "| {} | {browser} | {} | {why} |\n",
            as_javascript(&calls),
            server_messages(&calls)
        )
    });
    std::iter::once(head.to_owned()).chain(rows).collect()
}

#[test]
fn guide_table_has_a_row_for_each_method() {
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
    let generated = format!("{before}{}\n{after}", table());
    if std::env::var_os("MAKE_GUIDE").is_some() {
        std::fs::write(&page, &generated).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&page).unwrap(),
        generated,
        "MAKE_GUIDE=1 regenerates the table"
    );
}

#[test]
fn rows_with_equal_messages_have_a_recording() {
    let recorded: Value = serde_json::from_str(include_str!("../parity.json")).unwrap();
    let mut methods = HashSet::new();
    for scenario in recorded.as_array().unwrap() {
        let calls: Vec<Call> = serde_json::from_value(scenario["calls"].clone()).unwrap();
        methods.extend(calls.iter().map(|call| call.method().clone()));
    }
    for (method, _, browser, _) in rows() {
        assert!(browser != SAME || methods.contains(&method), "{method}");
    }
}
