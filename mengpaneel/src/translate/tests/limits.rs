//! What is past a limit of Mixpanel's, and what becomes of it.

use serde_json::Map;

use super::*;
use crate::call::Properties;

/// The properties of the user 42's event, what was told of it, and whether it was refused.
fn event_of(properties: impl Into<Value>) -> (Properties, Vec<String>, bool) {
    let properties: Value = properties.into();
    let translation = said(user("42"), json!([[["track"], ["E", properties]]]));
    let sent = translation
        .messages
        .first()
        .and_then(|message| message.body["properties"].as_object().cloned());
    let told = translation
        .cut
        .into_iter()
        .chain(translation.refused)
        .map(|(_, what)| what)
        .collect();
    (sent.clone().unwrap_or_default(), told, sent.is_none())
}

fn numbered(count: usize) -> Value {
    (0..count)
        .map(|number| (format!("p{number}"), json!(number)))
        .collect::<Map<_, _>>()
        .into()
}

#[test]
fn long_texts_are_cut_between_characters_and_told() {
    let long = format!("{}😀", "a".repeat(254));
    let (sent, told, _) =
        event_of(json!({"a": [long], "b": "é".repeat(255), "c": "é".repeat(256)}));
    assert_eq!(sent["a"][0], "a".repeat(254));
    assert_eq!(
        (&sent["b"], &sent["c"]),
        (&json!("é".repeat(255)), &json!("é".repeat(255)))
    );
    assert_eq!(
        told,
        [r#""a": a text was cut to 255 characters; "c": a text was cut to 255 characters"#]
    );
}

#[test]
fn long_names_are_cut_and_never_take_anothers_place() {
    let name = "n".repeat(255);
    let (sent, told, _) = event_of(json!({format!("{name}1"): 1, format!("{name}2"): 2, &name: 3}));
    assert_eq!(sent[&name], 3);
    assert_eq!(told.len(), 1, "one failure for one message: {told:?}");
    let translation = said(user("42"), json!([[["track"], [format!("{name}1")]]]));
    assert_eq!(translation.messages[0].body["event"], name);
    assert_eq!(translation.cut.len(), 1);
}

#[test]
fn the_browsers_long_url_is_cut_as_mixpanel_js_does_without_a_word() {
    let mut visitor = user("42");
    visitor.url = Some(format!("https://example.com/{}", "a".repeat(300)));
    let translation = said(visitor, json!([[["track"], ["E"]]]));
    assert_eq!(
        translation.messages[0].body["properties"]["$current_url"]
            .as_str()
            .map(str::len),
        Some(255)
    );
    assert_eq!(translation.cut, []);
}

#[test]
fn what_the_request_adds_gives_way_to_the_255_properties_of_the_application() {
    let mut visitor = user("42");
    visitor.url = Some(format!(
        "https://example.com/{}?utm_source=a",
        "a".repeat(300)
    ));
    visitor.user_agent = Some(CHROME.into());
    // Beside these stand token, time, $insert_id, mp_lib, $lib_version and three IDs.
    let translation = said(visitor.clone(), json!([[["track"], ["E", numbered(247)]]]));
    let properties = translation.messages[0].body["properties"]
        .as_object()
        .unwrap();
    assert_eq!(properties.len(), 255);
    assert_eq!(properties["p246"], 246);
    assert!(!properties.contains_key("utm_source") && !translation.cut.is_empty());

    let translation = said(visitor, json!([[["track"], ["E", numbered(248)]]]));
    assert_eq!(
        (translation.messages.len(), translation.refused.len()),
        (0, 1)
    );
}

#[test]
fn what_is_too_deep_too_many_or_too_large_is_left_out_and_told() {
    for (value, is_kept) in [
        (json!({"a": {"b": {"c": 1}}}), true),
        (json!({"a": {"b": {"c": {}}}}), false),
        (json!([{"a": {"b": {"c": 1}}}]), true),
        (json!([{"a": {"b": {"c": {}}}}]), false),
        (numbered(254), true),
        (numbered(255), false),
        (json!([vec![0; 254]]), true),
        (json!({"a": vec!["x".repeat(200); 45]}), false),
    ] {
        let (sent, told, _) = event_of(json!({"p": value}));
        assert_eq!(
            (sent.contains_key("p"), told.is_empty()),
            (is_kept, is_kept),
            "{value}"
        );
    }
}

#[test]
fn of_a_long_list_the_first_are_kept() {
    let (sent, told, _) =
        event_of(json!({"many": vec![1; 300], "heavy": vec!["x".repeat(200); 100]}));
    assert_eq!(sent["many"].as_array().map(Vec::len), Some(254));
    assert_eq!(sent["heavy"].as_array().map(Vec::len), Some(40));
    assert_eq!(
        told,
        [r#""heavy": a list of 100 was cut to 40; "many": a list of 300 was cut to 254"#]
    );
    let translation = said(
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
fn a_record_past_a_megabyte_and_a_profile_of_past_2_000_properties_are_refused() {
    let large: Map<String, Value> = (0..200)
        .map(|number| (number.to_string(), json!(vec!["x".repeat(200); 39])))
        .collect();
    assert!(event_of(large).2);
    for (count, refused) in [(2_000, 0), (2_001, 1)] {
        let translation = said(
            user("42"),
            json!([[["people", "set_once"], [numbered(count)]]]),
        );
        assert_eq!(translation.refused.len(), refused);
    }
}

#[test]
fn an_insert_id_that_mixpanel_refuses_becomes_one_that_it_takes_and_the_same_each_time() {
    let long = "a".repeat(37);
    for (id, is_taken) in [
        (json!("order-123"), true),
        (json!("order:123"), false),
        (json!(123), false),
        (json!(""), false),
        (json!("none"), false),
        (json!(long), false),
    ] {
        let (sent, told, _) = event_of(json!({"$insert_id": id}));
        let became = sent["$insert_id"].as_str().unwrap();
        assert_eq!(
            (id == became, told.is_empty()),
            (is_taken, is_taken),
            "{id}"
        );
        assert!(
            became.len() <= 36
                && became
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-'),
            "{became}"
        );
        assert_eq!(event_of(json!({"$insert_id": id})).0["$insert_id"], became);
    }
}

#[test]
fn a_time_that_is_no_number_is_that_of_recording() {
    let (sent, told, _) = event_of(json!({"time": "2024-01-01"}));
    assert_eq!((&sent["time"], told.len()), (&json!(PARCEL_TIME), 1));
}

#[test]
fn what_programs_write_where_they_know_no_id_is_nobodys() {
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
            let translation = said(user("42"), json!([call]));
            assert_eq!(
                (translation.messages.len(), translation.refused.len()),
                (0, 1),
                "{call}"
            );
        }
        let translation = said(user(id), json!([[["people", "set"], ["a", 1]]]));
        assert_eq!(
            (translation.messages.len(), translation.refused.len()),
            (0, 1),
            "{id}"
        );
    }
}

/// A visitor whose cookie holds this beside the user 42.
fn with_cookie(stored: &Value) -> Visitor {
    let mut cookie = json!({"distinct_id": "42", "$user_id": "42", "$device_id": "d".repeat(300)});
    cookie
        .as_object_mut()
        .unwrap()
        .extend(stored.as_object().unwrap().clone());
    visitor(&cookie)
}

#[test]
fn what_only_the_visitors_cookie_brought_is_cut_without_a_word() {
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
    let translation = said(with_cookie(&stored), calls);
    assert_eq!(
        (&translation.cut[..], &translation.refused[..]),
        (&[][..], &[][..])
    );
    let sent = &translation.messages[0].body["properties"];
    assert_eq!(sent["$initial_referrer"].as_str().map(str::len), Some(255));
    assert_eq!(sent["time"], PARCEL_TIME);
    assert_eq!(sent["$device_id"].as_str().map(str::len), Some(255));
    assert_eq!(
        (sent.get("deep"), sent["heavy"].as_array().map(Vec::len)),
        (None, Some(40))
    );

    let translation = said(
        with_cookie(&stored),
        json!([[["track"], ["E", {"$initial_referrer": "y".repeat(300)}]]]),
    );
    assert_eq!(translation.cut.len(), 1, "the application's own is told");
}

#[test]
fn what_is_told_of_a_message_is_one_short_line() {
    let name = |number: usize| format!("{number}\r\nERROR forged {}\u{2028}", "n".repeat(200));
    let properties: Map<String, Value> = (0..200)
        .map(|n| (name(n), json!("x".repeat(300))))
        .collect();
    let translation = said(user("42"), json!([[["track"], ["E", properties]]]));
    let [(_, what)] = &translation.cut[..] else {
        panic!("{:?}", translation.cut)
    };
    assert!(
        !what.contains(['\r', '\n', '\u{2028}']) && what.len() < 600,
        "{what}"
    );
    assert!(what.ends_with("; and 197 more"), "{what}");
}

#[test]
fn super_properties_of_the_visitors_cookie_give_way_first() {
    let mut stored = numbered(300);
    for (key, value) in [
        ("distinct_id", json!("42")),
        ("$user_id", json!("42")),
        ("long", json!("x".repeat(400))),
    ] {
        stored[key] = value;
    }
    let mut own: Map<String, Value> = (0..240)
        .map(|number| (format!("own{number}"), json!(number)))
        .collect();
    // The same as the cookie's.
    own.insert("p7".to_owned(), json!(7));
    let calls = json!([[["register"], [{"Plan": "Pro"}]], [["track"], ["E", own]]]);
    let translation = said(visitor(&stored), calls);
    assert_eq!((translation.cut, translation.refused), (vec![], vec![]));
    let properties = translation.messages[0].body["properties"]
        .as_object()
        .unwrap();
    assert_eq!(properties.len(), 255);
    assert!(
        own.iter()
            .all(|(key, value)| properties.get(key) == Some(value))
    );
    assert_eq!(properties["Plan"], "Pro");
}
