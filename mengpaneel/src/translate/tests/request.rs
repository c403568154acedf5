//! Properties that the request adds.

use serde_json::json;

use super::*;

#[test]
fn event_has_the_properties_that_a_browser_would_add() {
    let mut visitor = user("42");
    visitor.ip = Some("203.0.113.7".into());
    visitor.user_agent = Some(CHROME.into());
    visitor.url = Some("https://example.com/posts?utm_source=news+letter&gclid=x&a=b".into());
    visitor.referrer = Some("https://search.example:8080/?q=1".into());
    let translation = translate_calls(
        visitor,
        json!([[["track"], ["Play", {"Song": "Blue", "$os": "mine"}]]]),
    );
    assert_eq!(
        translation.messages[0].body,
        event(
            "Play",
            json!({
                "token": "t",
                "mp_lib": "mengpaneel",
                "$lib_version": env!("CARGO_PKG_VERSION"),
                "$insert_id": "018e23fe7a7b700080000000000000010000",
                "time": ENVELOPE_TIME,
                "distinct_id": "42",
                "$user_id": "42",
                "$device_id": DEVICE,
                "ip": "203.0.113.7",
                "$browser": "Chrome",
                "$browser_version": 120,
                "$os": "mine",
                "$current_url": "https://example.com/posts?utm_source=news+letter&gclid=x&a=b",
                "$referrer": "https://search.example:8080/?q=1",
                "$referring_domain": "search.example:8080",
                "utm_source": "news letter",
                "gclid": "x",
                "Song": "Blue",
            })
        )
    );
}

#[test]
fn robot_events_are_dropped_unless_via_server() {
    let mut visitor = user("42");
    visitor.user_agent = Some("Googlebot/2.1".into());
    let calls = json!([[["track"], ["E"]], [["people", "set"], ["a", 1]]]);
    let mut envelope = envelope(visitor, calls);
    let endpoints = |envelope: &Envelope| -> Vec<Endpoint> {
        let messages = translate("t", envelope).messages;
        messages.iter().map(|message| message.endpoint).collect()
    };
    assert_eq!(endpoints(&envelope), [Endpoint::People]);
    envelope.via_server = true;
    assert_eq!(endpoints(&envelope), [Endpoint::Events, Endpoint::People]);
}

#[test]
fn machine_adds_no_address_browser_or_url() {
    let visitor = Visitor {
        ip: Some("203.0.113.7".into()),
        user_agent: Some(CHROME.into()),
        url: Some("https://example.com/notify".into()),
        referrer: Some("https://example.com/".into()),
        ..Visitor::default()
    };
    let calls = json!([
        [["identify"], ["42"]],
        [["track"], ["E"]],
        [["people", "set"], ["a", 1]]
    ]);
    let mut envelope = envelope(visitor, calls);
    envelope.via_server = true;
    let translation = translate("t", &envelope);
    let ids = json!({"distinct_id": "42", "$user_id": "42"});
    assert_eq!(bodies(&translation)[0], event("E", ids));
    assert_eq!(translation.messages[1].body["$ip"], "0");
    assert_eq!(translation.messages[1].body["$set"], json!({"a": 1}));

    envelope.visitor.has_session = true;
    let translation = translate("t", &envelope);
    assert_eq!(
        translation.messages[0].body["properties"]["ip"],
        "203.0.113.7"
    );
    assert_eq!(translation.messages[1].body["$ip"], "203.0.113.7");
    assert_eq!(translation.messages[1].body["$set"]["$browser"], "Chrome");
}

#[test]
fn nothing_is_sent_after_an_opt_out() {
    let calls = json!([
        [["track"], ["E"]],
        [["opt_out_tracking"], []],
        [["track"], ["F"]],
        [["people", "set"], ["a", 1]]
    ]);
    let translation = translate_calls(user("42"), calls);
    assert_eq!(translation.messages.len(), 1);
    assert_eq!(translation.refused.len(), 1);
}

#[test]
fn translation_is_deterministic() {
    let envelope = envelope(
        anonymous(),
        json!([
            [["identify"], ["42"]],
            [["track"], ["E"]],
            [["track"], ["E"]]
        ]),
    );
    let translation = translate("t", &envelope);
    assert_eq!(translation, translate("t", &envelope));
    let ids: std::collections::HashSet<String> = translation
        .messages
        .iter()
        .map(|message| message.body["properties"]["$insert_id"].to_string())
        .collect();
    assert_eq!(ids.len(), 3);
}
