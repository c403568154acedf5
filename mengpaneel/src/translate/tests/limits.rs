//! Limits of Mixpanel.

use serde_json::Map;

use super::*;
use crate::call::Properties;

/// Sends an event of the user 42. Returns the properties, the reports, and whether the event was
/// refused.
fn send_event(properties: impl Into<Value>) -> (Properties, Vec<String>, bool) {
    let properties: Value = properties.into();
    let translation = translate_calls(user("42"), json!([[["track"], ["E", properties]]]));
    let sent = translation
        .messages
        .first()
        .and_then(|message| message.body["properties"].as_object().cloned());
    let reports = translation
        .truncated
        .into_iter()
        .chain(translation.refused)
        .map(|(_, report)| report)
        .collect();
    (sent.clone().unwrap_or_default(), reports, sent.is_none())
}

fn numbered(count: usize) -> Value {
    (0..count)
        .map(|number| (format!("p{number}"), json!(number)))
        .collect::<Map<_, _>>()
        .into()
}

#[test]
fn long_texts_are_truncated_between_characters() {
    let long = format!("{}😀", "a".repeat(254));
    let (sent, reports, _) =
        send_event(json!({"a": [long], "b": "é".repeat(255), "c": "é".repeat(256)}));
    assert_eq!(sent["a"][0], "a".repeat(254));
    assert_eq!(
        (&sent["b"], &sent["c"]),
        (&json!("é".repeat(255)), &json!("é".repeat(255)))
    );
    assert_eq!(
        reports,
        [
            r#""a": a text was truncated to 255 characters; "c": a text was truncated to 255 characters"#
        ]
    );
}

#[test]
fn truncated_name_never_replaces_another_property() {
    let name = "n".repeat(255);
    let (sent, reports, _) =
        send_event(json!({format!("{name}1"): 1, format!("{name}2"): 2, &name: 3}));
    assert_eq!(sent[&name], 3);
    assert_eq!(reports.len(), 1, "one failure for one message: {reports:?}");
    let translation = translate_calls(user("42"), json!([[["track"], [format!("{name}1")]]]));
    assert_eq!(translation.messages[0].body["event"], name);
    assert_eq!(translation.truncated.len(), 1);
}

#[test]
fn long_url_is_truncated_without_a_report() {
    let mut visitor = user("42");
    visitor.url = Some(format!("https://example.com/{}", "a".repeat(300)));
    let translation = translate_calls(visitor, json!([[["track"], ["E"]]]));
    assert_eq!(
        translation.messages[0].body["properties"]["$current_url"]
            .as_str()
            .map(str::len),
        Some(255)
    );
    assert_eq!(translation.truncated, []);
}

#[test]
fn application_properties_replace_request_properties() {
    let mut visitor = user("42");
    visitor.url = Some(format!(
        "https://example.com/{}?utm_source=a",
        "a".repeat(300)
    ));
    visitor.user_agent = Some(CHROME.into());
    // The event also has token, time, $insert_id, mp_lib, $lib_version and three IDs.
    let translation = translate_calls(visitor.clone(), json!([[["track"], ["E", numbered(247)]]]));
    let properties = translation.messages[0].body["properties"]
        .as_object()
        .unwrap();
    assert_eq!(properties.len(), 255);
    assert_eq!(properties["p246"], 246);
    assert!(!properties.contains_key("utm_source") && !translation.truncated.is_empty());

    let translation = translate_calls(visitor, json!([[["track"], ["E", numbered(248)]]]));
    assert_eq!(
        (translation.messages.len(), translation.refused.len()),
        (0, 1)
    );
}

#[test]
fn too_deep_or_large_values_are_left_out_and_reported() {
    for (value, is_sent) in [
        (json!({"a": {"b": {"c": 1}}}), true),
        (json!({"a": {"b": {"c": {}}}}), false),
        (json!([{"a": {"b": {"c": 1}}}]), true),
        (json!([{"a": {"b": {"c": {}}}}]), false),
        (numbered(254), true),
        (numbered(255), false),
        (json!([vec![0; 254]]), true),
        (json!({"a": vec!["x".repeat(200); 45]}), false),
    ] {
        let (sent, reports, _) = send_event(json!({"p": value}));
        assert_eq!(
            (sent.contains_key("p"), reports.is_empty()),
            (is_sent, is_sent),
            "{value}"
        );
    }
}

#[test]
fn long_list_is_truncated_to_the_first_items() {
    let (sent, reports, _) =
        send_event(json!({"many": vec![1; 300], "heavy": vec!["x".repeat(200); 100]}));
    assert_eq!(sent["many"].as_array().map(Vec::len), Some(254));
    assert_eq!(sent["heavy"].as_array().map(Vec::len), Some(40));
    assert_eq!(
        reports,
        [
            r#""heavy": a list of 100 was truncated to 40; "many": a list of 300 was truncated to 254"#
        ]
    );
    let translation = translate_calls(
        user("42"),
        json!([[["people", "set"], ["many", vec![1; 300]]]]),
    );
    assert_eq!(
        translation.messages[0].body["$set"]["many"]
            .as_array()
            .map(Vec::len),
        Some(300)
    );
}

#[test]
fn too_large_records_and_profiles_are_refused() {
    let large: Map<String, Value> = (0..200)
        .map(|number| (number.to_string(), json!(vec!["x".repeat(200); 39])))
        .collect();
    assert!(send_event(large).2);
    for (count, refused) in [(2_000, 0), (2_001, 1)] {
        let translation = translate_calls(
            user("42"),
            json!([[["people", "set_once"], [numbered(count)]]]),
        );
        assert_eq!(translation.refused.len(), refused);
    }
}

#[test]
fn invalid_insert_id_gets_a_stable_replacement() {
    let long = "a".repeat(37);
    for (id, is_valid) in [
        (json!("order-123"), true),
        (json!("order:123"), false),
        (json!(123), false),
        (json!(""), false),
        (json!("none"), false),
        (json!(long), false),
    ] {
        let (sent, reports, _) = send_event(json!({"$insert_id": id}));
        let sent_id = sent["$insert_id"].as_str().unwrap();
        assert_eq!(
            (id == sent_id, reports.is_empty()),
            (is_valid, is_valid),
            "{id}"
        );
        assert!(
            sent_id.len() <= 36
                && sent_id
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-'),
            "{sent_id}"
        );
        assert_eq!(
            send_event(json!({"$insert_id": id})).0["$insert_id"],
            sent_id
        );
    }
}

#[test]
fn invalid_time_becomes_that_of_recording() {
    let (sent, reports, _) = send_event(json!({"time": "2024-01-01"}));
    assert_eq!((&sent["time"], reports.len()), (&json!(ENVELOPE_TIME), 1));
}

#[test]
fn placeholder_ids_are_refused() {
    for id in [
        "undefined",
        "NULL",
        "0",
        "[]",
        "00000000-0000-0000-0000-000000000000",
    ] {
        for call in [
            json!([["identify"], [id]]),
            json!([["alias"], [id]]),
            json!([["track"], ["E", {"$user_id": id}]]),
        ] {
            let translation = translate_calls(user("42"), json!([call]));
            assert_eq!(
                (translation.messages.len(), translation.refused.len()),
                (0, 1),
                "{call}"
            );
        }
        let translation = translate_calls(user(id), json!([[["people", "set"], ["a", 1]]]));
        assert_eq!(
            (translation.messages.len(), translation.refused.len()),
            (0, 1),
            "{id}"
        );
    }
}

/// Returns a visitor whose cookie holds the user 42 and `stored`.
fn with_cookie(stored: &Value) -> Visitor {
    let mut cookie = json!({"distinct_id": "42", "$user_id": "42", "$device_id": "d".repeat(300)});
    cookie
        .as_object_mut()
        .unwrap()
        .extend(stored.as_object().unwrap().clone());
    visitor(&cookie)
}

#[test]
fn cookie_properties_are_truncated_without_a_report() {
    let (long, name) = ("x".repeat(300), "n".repeat(300));
    let stored = json!({
        "$initial_referrer": format!("https://example.com/{long}"),
        "list": vec![long.clone(); 300],
        "deep": {"a": {"b": {"c": {"d": {}}}}},
        "heavy": vec!["x".repeat(200); 100],
        "time": "yesterday\nERROR forged",
        "$insert_id": "no:id",
        &name: 1,
    });
    let calls = json!([[["track"], ["E", {"a": 1}]], [["people", "set"], [{"a": 1}]], [["identify"], ["43"]]]);
    let translation = translate_calls(with_cookie(&stored), calls);
    assert_eq!(
        (&translation.truncated[..], &translation.refused[..]),
        (&[][..], &[][..])
    );
    let sent = &translation.messages[0].body["properties"];
    assert_eq!(sent["$initial_referrer"].as_str().map(str::len), Some(255));
    assert_eq!(sent["time"], ENVELOPE_TIME);
    assert_eq!(sent["$device_id"].as_str().map(str::len), Some(255));
    assert_eq!(
        (sent.get("deep"), sent["heavy"].as_array().map(Vec::len)),
        (None, Some(40))
    );

    let translation = translate_calls(
        with_cookie(&stored),
        json!([[["track"], ["E", {"$initial_referrer": "y".repeat(300)}]]]),
    );
    assert_eq!(
        translation.truncated.len(),
        1,
        "properties of the application are reported"
    );
}

#[test]
fn report_of_a_message_is_one_short_line() {
    let name = |number: usize| format!("{number}\r\nERROR forged {}\u{2028}", "n".repeat(200));
    let properties: Map<String, Value> = (0..200)
        .map(|n| (name(n), json!("x".repeat(300))))
        .collect();
    let translation = translate_calls(user("42"), json!([[["track"], ["E", properties]]]));
    let [(_, report)] = &translation.truncated[..] else {
        panic!("{:?}", translation.truncated)
    };
    assert!(
        !report.contains(['\r', '\n', '\u{2028}']) && report.len() < 600,
        "{report}"
    );
    assert!(report.ends_with("; and 197 more"), "{report}");
}

#[test]
fn super_properties_of_the_cookie_are_removed_first() {
    let mut stored = numbered(300);
    for (key, value) in [
        ("distinct_id", json!("42")),
        ("$user_id", json!("42")),
        ("long", json!("x".repeat(400))),
    ] {
        stored[key] = value;
    }
    let mut recorded: Map<String, Value> = (0..240)
        .map(|number| (format!("own{number}"), json!(number)))
        .collect();
    // The cookie holds the same property.
    recorded.insert("p7".to_owned(), json!(7));
    let calls = json!([[["register"], [{"Plan": "Pro"}]], [["track"], ["E", recorded]]]);
    let translation = translate_calls(visitor(&stored), calls);
    assert_eq!(
        (translation.truncated, translation.refused),
        (vec![], vec![])
    );
    let properties = translation.messages[0].body["properties"]
        .as_object()
        .unwrap();
    assert_eq!(properties.len(), 255);
    assert!(
        recorded
            .iter()
            .all(|(key, value)| properties.get(key) == Some(value))
    );
    assert_eq!(properties["Plan"], "Pro");
}
