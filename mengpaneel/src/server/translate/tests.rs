use serde_json::{Value, json};
use uuid::Uuid;

use super::translate;
use crate::call::Calls;
use crate::parcel::Parcel;
use crate::server::{Endpoint, Translation};
use crate::visitor::Visitor;

/// 2024-03-09T16:00:00.123Z as a UUID v7.
const PARCEL: &str = "018e23fe-7a7b-7000-8000-000000000001";
const PARCEL_TIME: u64 = 0x018e_23fe_7a7b;
const DEVICE: &str = "6a4e5f12-9f0e-4f7e-8a31-0d8a5c1b2e3f";
const CHROME: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36";

fn cookie(stored: &Value) -> Option<String> {
    let text = stored.to_string();
    Some(percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string())
}

fn anonymous() -> Visitor {
    visitor(&json!({"distinct_id": format!("$device:{DEVICE}"), "$device_id": DEVICE}))
}

fn user(id: &str) -> Visitor {
    visitor(&json!({"distinct_id": id, "$user_id": id, "$device_id": DEVICE}))
}

fn visitor(stored: &Value) -> Visitor {
    Visitor { cookie: cookie(stored), ..Visitor::default() }
}

fn parcel(visitor: Visitor, tracking: Value) -> Parcel {
    let mut parcel =
        Parcel::new(visitor, Calls { tracking: serde_json::from_value(tracking).unwrap(), ..Calls::default() });
    parcel.id = Uuid::parse_str(PARCEL).unwrap();
    parcel
}

fn said(visitor: Visitor, tracking: Value) -> Translation {
    translate("t", &parcel(visitor, tracking))
}

/// What each message adds to what every message has.
fn bodies(translation: &Translation) -> Vec<Value> {
    let usual = ["token", "$token", "mp_lib", "$lib_version", "$insert_id", "time", "$time", "$device_id", "$ip"];
    let mut bodies = Vec::new();
    for message in &translation.messages {
        let mut body = message.body.clone();
        let properties = match message.endpoint {
            Endpoint::Events => body["properties"].as_object_mut().unwrap(),
            _ => body.as_object_mut().unwrap(),
        };
        properties.retain(|key, _| !usual.contains(&key.as_str()));
        bodies.push(body);
    }
    bodies
}

fn event(name: &str, properties: Value) -> Value {
    json!({"event": name, "properties": properties})
}

#[test]
fn an_event_carries_what_a_browser_would_have_added() {
    let mut visitor = user("42");
    visitor.ip = Some("203.0.113.7".into());
    visitor.user_agent = Some(CHROME.into());
    visitor.url = Some("https://example.com/posts?utm_source=news+letter&gclid=x&a=b".into());
    visitor.referrer = Some("https://search.example:8080/?q=1".into());
    let translation = said(visitor, json!([[["track"], ["Play", {"Song": "Blue", "$os": "mine"}]]]));
    assert_eq!(
        translation.messages[0].body,
        event(
            "Play",
            json!({
                "token": "t",
                "mp_lib": "mengpaneel",
                "$lib_version": env!("CARGO_PKG_VERSION"),
                "$insert_id": "018e23fe7a7b700080000000000000010000",
                "time": PARCEL_TIME,
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
fn the_calls_of_a_user_say_what_mixpanel_js_says() {
    let me = json!({"distinct_id": "42", "$user_id": "42"});
    let with = |more: Value| {
        let mut all = me.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let profile = |operation: &str, value: Value| json!({"$distinct_id": "42", "$user_id": "42", operation: value});
    let group = |operation: &str, value: Value| json!({"$group_key": "company", "$group_id": "acme", operation: value});
    let e = |more: Value| event("E", with(more));
    let table = [
        // Events.
        (json!([[["track"], ["E"]]]), json!([e(json!({}))])),
        (json!([[["track"], ["E", null]]]), json!([e(json!({}))])),
        (json!([[["track"], ["E", {"token": "x"}]]]), json!([e(json!({}))])),
        (
            json!([[["track_with_groups"], ["E", {"a": 1}, {"company": ["acme"], "x": null}]]]),
            json!([e(json!({"a": 1, "company": ["acme"]}))]),
        ),
        (json!([[["track_pageview"], []]]), json!([event("$mp_web_page_view", me.clone())])),
        (json!([[["track_pageview"], [{"a": 1}, {"event_name": "E"}]]]), json!([e(json!({"a": 1}))])),
        (
            json!([[["time_event"], ["E", 1000]], [["track"], ["E", {"time": 2500}]], [["track"], ["E"]]]),
            json!([e(json!({"$duration": 1500.0})), e(json!({}))]),
        ),
        // Super properties.
        (
            json!([[["register"], [{"Plan": "Pro"}]], [["track"], ["E"]], [["track"], ["E", {"Plan": "Free"}]]]),
            json!([e(json!({"Plan": "Pro"})), e(json!({"Plan": "Free"}))]),
        ),
        (
            json!([[["register"], [{"a": 1, "b": "None", "c": 0}]], [["register_once"], [{"a": 2, "b": 2, "d": 2}]],
                   [["register_once"], [{"c": 3}, 0]], [["track"], ["E"]]]),
            json!([e(json!({"a": 1, "b": 2, "c": 3, "d": 2}))]),
        ),
        (json!([[["register"], [{"a": 1}]], [["unregister"], ["a"]], [["track"], ["E"]]]), json!([e(json!({}))])),
        (json!([[["disable"], []], [["track"], ["E"]]]), json!([])),
        (json!([[["disable"], [["E"]]], [["track"], ["E"]], [["track"], ["F"]]]), json!([event("F", me.clone())])),
        // Identity.
        (json!([[["identify"], ["42"]], [["track"], ["E"]]]), json!([e(json!({}))])),
        (
            json!([[["identify"], ["43"]]]),
            json!([event("$identify", json!({"distinct_id": "43", "$user_id": "43", "$anon_distinct_id": "42"}))]),
        ),
        (json!([[["reset"], []], [["track"], ["E"]]]), json!([event("E", json!({"distinct_id": ""}))])),
        (
            json!([[["reset"], []], [["identify"], ["43"]], [["track"], ["E"]]]),
            json!([event("E", json!({"distinct_id": "43", "$user_id": "43"}))]),
        ),
        // The visitor's groups.
        (
            json!([[["set_group"], ["company", "acme"]], [["track"], ["E"]]]),
            json!([profile("$set", json!({"company": ["acme"]})), e(json!({"company": ["acme"]}))]),
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
        // Profiles.
        (json!([[["people", "set"], [{"a": 1, "$token": "x"}]]]), json!([profile("$set", json!({"a": 1}))])),
        (json!([[["people", "set"], ["a", 1]]]), json!([profile("$set", json!({"a": 1}))])),
        (json!([[["people", "set_once"], ["a", 1]]]), json!([profile("$set_once", json!({"a": 1}))])),
        (json!([[["people", "unset"], ["a"]]]), json!([profile("$unset", json!(["a"]))])),
        (json!([[["people", "unset"], [["a", "b"]]]]), json!([profile("$unset", json!(["a", "b"]))])),
        (json!([[["people", "increment"], ["a"]]]), json!([profile("$add", json!({"a": 1}))])),
        (json!([[["people", "increment"], ["a", -2.5]]]), json!([profile("$add", json!({"a": -2.5}))])),
        (
            json!([[["people", "increment"], [{"a": 1, "b": "2", "c": "x"}]]]),
            json!([profile("$add", json!({"a": 1, "b": 2}))]),
        ),
        (json!([[["people", "append"], ["a", 1]]]), json!([profile("$append", json!({"a": 1}))])),
        (json!([[["people", "remove"], [{"a": 1}]]]), json!([profile("$remove", json!({"a": 1}))])),
        (
            json!([[["people", "union"], [{"a": 1, "b": [1, 2]}]]]),
            json!([profile("$union", json!({"a": [1], "b": [1, 2]}))]),
        ),
        (json!([[["people", "clear_charges"], []]]), json!([profile("$set", json!({"$transactions": []}))])),
        (json!([[["people", "delete_user"], []]]), json!([profile("$delete", json!(""))])),
        // Groups.
        (json!([[["get_group", "set"], ["company", "acme", {"a": 1}]]]), json!([group("$set", json!({"a": 1}))])),
        (json!([[["get_group", "set"], ["company", "acme", "a", 1]]]), json!([group("$set", json!({"a": 1}))])),
        (
            json!([[["get_group", "set_once"], ["company", "acme", {"a": 1}]]]),
            json!([group("$set_once", json!({"a": 1}))]),
        ),
        (json!([[["get_group", "unset"], ["company", "acme", "a"]]]), json!([group("$unset", json!(["a"]))])),
        (json!([[["get_group", "union"], ["company", "acme", "a", 1]]]), json!([group("$union", json!({"a": [1]}))])),
        (json!([[["get_group", "remove"], ["company", "acme", "a", 1]]]), json!([group("$remove", json!({"a": 1}))])),
        (json!([[["get_group", "delete"], ["company", "acme"]]]), json!([group("$delete", json!(""))])),
    ];
    for (calls, expected) in table {
        let translation = said(user("42"), calls.clone());
        assert_eq!(Value::from(bodies(&translation)), expected, "{calls}");
        assert!(translation.refused.is_empty(), "{calls}");
    }
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
        json!([["people", "track_charge"], [5]]),
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

#[test]
fn identifying_the_anonymous_links_them_and_keeps_the_device() {
    let translation = said(anonymous(), json!([[["identify"], ["42"]], [["track"], ["E"]]]));
    let anonymous = format!("$device:{DEVICE}");
    let me = json!({"distinct_id": "42", "$user_id": "42"});
    let mut identify = me.clone();
    identify["$anon_distinct_id"] = json!(anonymous);
    identify["$identified_id"] = json!("42");
    identify["$anon_id"] = json!(DEVICE);
    assert_eq!(bodies(&translation), [event("$identify", identify), event("E", me)]);
    for message in &translation.messages {
        assert_eq!(message.body["properties"]["$device_id"], DEVICE);
    }
}

#[test]
fn the_profile_of_who_was_given_an_alias_is_the_users() {
    let calls = json!([[["alias"], ["42"]], [["people", "set"], ["a", 1]]]);
    let translation = said(anonymous(), calls);
    assert_eq!(translation.messages[2].body["$distinct_id"], "42");
}

#[test]
fn an_alias_names_the_anonymous_and_later_events_stay_with_them() {
    let calls = json!([[["alias"], ["42"]], [["identify"], ["42"]], [["track"], ["Sign Up"]]]);
    let translation = said(anonymous(), calls);
    let told: Vec<(&str, &str)> = translation
        .messages
        .iter()
        .map(|message| {
            let id = &message.body["properties"]["distinct_id"];
            (message.body["event"].as_str().unwrap(), id.as_str().unwrap())
        })
        .collect();
    let anonymous = format!("$device:{DEVICE}");
    let anonymous = anonymous.as_str();
    assert_eq!(told, [("$create_alias", anonymous), ("$identify", "42"), ("Sign Up", anonymous)]);
    assert_eq!(translation.messages[0].body["properties"]["alias"], "42");
    assert_eq!(translation.messages[2].body["properties"]["$user_id"], "42");
}

#[test]
fn an_alias_where_nobody_is_known_is_who_it_is() {
    let translation = said(Visitor::default(), json!([[["alias"], ["42"]], [["track"], ["E"]]]));
    let me = json!({"distinct_id": "42", "$user_id": "42"});
    assert_eq!(bodies(&translation), [event("E", me)]);
}

#[test]
fn after_an_alias_the_cookie_still_says_who_it_is() {
    let visitor = visitor(&json!({"distinct_id": "$device:x", "$user_id": "42", "$device_id": "x"}));
    let calls = json!([[["identify"], ["42"]], [["track"], ["E"]], [["people", "set"], ["a", 1]]]);
    let translation = said(visitor, calls);
    assert_eq!(translation.messages.len(), 2);
    assert_eq!(translation.messages[0].body["properties"]["distinct_id"], "42");
    assert_eq!(translation.messages[1].body["$distinct_id"], "42");
}

#[test]
fn a_profile_waits_for_who_is_identified_and_the_anonymous_have_none() {
    let calls = json!([[["people", "set"], ["a", 1]], [["identify"], ["42"]]]);
    let translation = said(anonymous(), calls);
    assert_eq!(translation.messages[0].body["$set"], json!({"a": 1}));
    assert_eq!(translation.messages[0].body["$distinct_id"], "42");

    for visitor in [anonymous(), Visitor::default()] {
        let translation = said(visitor, json!([[["people", "set"], ["a", 1]], [["set_group"], ["g", "1"]]]));
        assert_eq!(translation.messages, []);
        assert_eq!(translation.refused.len(), 1);
    }
}

#[test]
fn with_no_identity_at_all_an_event_is_nobodys() {
    let translation = said(Visitor::default(), json!([[["track"], ["E"]]]));
    assert_eq!(bodies(&translation), [event("E", json!({"distinct_id": ""}))]);
}

#[test]
fn the_cookie_lends_super_properties_and_timers() {
    let visitor = visitor(&json!({
        "distinct_id": "42", "$user_id": "42", "Plan": "Pro", "__timers": {"E": PARCEL_TIME - 2000}
    }));
    let translation = said(visitor, json!([[["track"], ["E"]]]));
    let properties = &translation.messages[0].body["properties"];
    assert_eq!(properties["Plan"], "Pro");
    assert_eq!(properties["$duration"], 2.0);
}

#[test]
fn what_an_event_was_stamped_with_stays() {
    let stamps = json!({"distinct_id": "41", "$user_id": "41", "$device_id": "other", "$insert_id": "i", "time": 7});
    let mut visitor = user("42");
    visitor.cookie = cookie(&json!({"distinct_id": "42", "$user_id": "42", "$device_id": DEVICE, "Plan": "Pro"}));
    let translation = said(visitor.clone(), json!([[["track"], ["E", stamps.clone()]]]));
    let properties = &translation.messages[0].body["properties"];
    for (key, value) in stamps.as_object().unwrap() {
        assert_eq!(&properties[key], value);
    }
    assert_eq!(properties.get("Plan"), None);

    let translation = said(visitor, json!([[["track"], ["E", {"$user_id": "41"}]]]));
    let properties = &translation.messages[0].body["properties"];
    assert_eq!(properties["distinct_id"], "41");
    assert_eq!(properties.get("$device_id"), None);
}

#[test]
fn context_decides_who_it_is_and_says_nothing() {
    let mut parcel = parcel(anonymous(), json!([[["track"], ["E"]]]));
    parcel.context = serde_json::from_value(json!([
        [["people", "set"], ["a", 1]],
        [["identify"], ["42"]],
        [["register"], [{"Plan": "Pro"}]],
        [["track_links"], ["a", "E"]],
        [["track"], ["F"]]
    ]))
    .unwrap();
    let translation = translate("t", &parcel);
    let expected = json!({"distinct_id": "42", "$user_id": "42", "Plan": "Pro"});
    assert_eq!(bodies(&translation), [event("E", expected)]);
    assert_eq!(translation.refused, []);
}

#[test]
fn a_robots_events_are_dropped_unless_the_application_asked_for_the_server() {
    let mut visitor = user("42");
    visitor.user_agent = Some("Googlebot/2.1".into());
    let calls = json!([[["track"], ["E"]], [["people", "set"], ["a", 1]]]);
    let mut parcel = parcel(visitor, calls);
    let endpoints = |parcel: &Parcel| -> Vec<Endpoint> {
        let messages = translate("t", parcel).messages;
        messages.iter().map(|message| message.endpoint).collect()
    };
    assert_eq!(endpoints(&parcel), [Endpoint::People]);
    parcel.via_server = true;
    assert_eq!(endpoints(&parcel), [Endpoint::Events, Endpoint::People]);
}

#[test]
fn a_machine_lends_no_address_browser_or_url() {
    let visitor = Visitor {
        ip: Some("203.0.113.7".into()),
        user_agent: Some(CHROME.into()),
        url: Some("https://example.com/notify".into()),
        referrer: Some("https://example.com/".into()),
        ..Visitor::default()
    };
    let calls = json!([[["identify"], ["42"]], [["track"], ["E"]], [["people", "set"], ["a", 1]]]);
    let mut parcel = parcel(visitor, calls);
    parcel.via_server = true;
    let translation = translate("t", &parcel);
    let me = json!({"distinct_id": "42", "$user_id": "42"});
    assert_eq!(bodies(&translation)[0], event("E", me));
    assert_eq!(translation.messages[1].body["$ip"], "0");
    assert_eq!(translation.messages[1].body["$set"], json!({"a": 1}));

    parcel.visitor.has_session = true;
    let translation = translate("t", &parcel);
    assert_eq!(translation.messages[0].body["properties"]["ip"], "203.0.113.7");
    assert_eq!(translation.messages[1].body["$ip"], "203.0.113.7");
    assert_eq!(translation.messages[1].body["$set"]["$browser"], "Chrome");
}

#[test]
fn a_visitor_who_opts_out_is_left_alone_from_then_on() {
    let calls =
        json!([[["track"], ["E"]], [["opt_out_tracking"], []], [["track"], ["F"]], [["people", "set"], ["a", 1]]]);
    let translation = said(user("42"), calls);
    assert_eq!(translation.messages.len(), 1);
    assert_eq!(translation.refused.len(), 1);
}

#[test]
fn long_strings_are_cut_between_characters() {
    let long = format!("{}😀", "a".repeat(254));
    let translation = said(user("42"), json!([[["track"], ["E", {"a": [long]}]]]));
    assert_eq!(translation.messages[0].body["properties"]["a"][0], "a".repeat(254));
}

#[test]
fn translating_twice_says_the_same() {
    let parcel = parcel(anonymous(), json!([[["identify"], ["42"]], [["track"], ["E"]], [["track"], ["E"]]]));
    let translation = translate("t", &parcel);
    assert_eq!(translation, translate("t", &parcel));
    let ids: std::collections::HashSet<String> =
        translation.messages.iter().map(|message| message.body["properties"]["$insert_id"].to_string()).collect();
    assert_eq!(ids.len(), 3);
}
