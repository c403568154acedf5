//! Properties of all translations, for random calls and visitors. `translate_calls` also checks the
//! encoding of each message.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::record::visitor::Visitor;
use crate::translate::tests::{CHROME, DEVICE, ENVELOPE_TIME, translate_calls, visitor};

/// Generates property names with a meaning, and others.
fn key() -> impl Strategy<Value = String> {
    let known = vec![
        "distinct_id",
        "$user_id",
        "$device_id",
        "token",
        "time",
        "$insert_id",
        "mp_lib",
        "$lib_version",
        "ip",
        "$referrer",
        "$referring_domain",
        "$current_url",
        "$browser",
        "$browser_version",
        "$os",
        "$device",
        "utm_source",
        "gclid",
        "Plan",
        "$duration",
    ];
    prop_oneof![3 => select(known).prop_map(str::to_owned), 3 => "[A-Z][a-z]{0,4}", 1 => ".{0,8}", 1 => Just("k".repeat(260))]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i16>().prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
        ".{0,12}".prop_map(Value::from),
        select(vec![
            "7",
            "8",
            "$device:x",
            "undefined",
            "0",
            "",
            "1700000000",
            DEVICE
        ])
        .prop_map(Value::from),
        (250..260_usize).prop_map(|len| Value::from("ä".repeat(len))),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((key(), inner), 0..4)
                .prop_map(|entries| Value::from(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn properties() -> impl Strategy<Value = Value> {
    vec((key(), value()), 0..6)
        .prop_map(|entries| Value::from(entries.into_iter().collect::<Map<_, _>>()))
}

fn call() -> impl Strategy<Value = Value> {
    let event = || select(vec!["Buy", "Sell", "", "$mp_web_page_view"]);
    let id = || select(vec!["7", "8", "$device:x"]);
    prop_oneof![
        8 => (event(), properties()).prop_map(|(event, recorded)| json!([["track"], [event, recorded]])),
        1 => event().prop_map(|event| json!([["track"], [event]])),
        1 => id().prop_map(|id| json!([["identify"], [id]])),
        1 => id().prop_map(|id| json!([["alias"], [id]])),
        1 => properties().prop_map(|recorded| json!([["register"], [recorded]])),
        1 => event().prop_map(|event| json!([["time_event"], [event]])),
        1 => event().prop_map(|event| json!([["disable"], [[event]]])),
        1 => Just(json!([["reset"], []])),
        1 => (key(), value()).prop_map(|(key, value)| json!([["set_group"], [key, value]])),
        1 => Just(json!([["opt_out_tracking"], []])),
    ]
}

fn any_visitor() -> impl Strategy<Value = Visitor> {
    let text =
        |texts: Vec<Option<&'static str>>| select(texts).prop_map(|text| text.map(str::to_owned));
    let urls = vec![
        None,
        Some("https://a.b/c?d=e"),
        Some("https://a.b/?utm_source=x&utm_source=y"),
        Some("no url"),
    ];
    let referrers = vec![None, Some(""), Some("https://c.d/e"), Some("no url")];
    let agents = vec![None, Some(CHROME), Some("Googlebot/2.1"), Some("")];
    let ids = select(vec![
        json!("7"),
        json!(format!("$device:{DEVICE}")),
        json!("undefined"),
        Value::Null,
    ]);
    (
        ids,
        properties(),
        any::<bool>(),
        text(urls),
        text(referrers),
        text(agents),
        text(vec![None, Some("192.0.2.7")]),
    )
        .prop_map(|(id, mut stored, is_user, url, referrer, user_agent, ip)| {
            stored["distinct_id"] = id.clone();
            stored["$device_id"] = DEVICE.into();
            if is_user {
                stored["$user_id"] = id;
            }
            let cookie = visitor(&stored)
                .cookie
                .filter(|_| !stored["distinct_id"].is_null());
            Visitor {
                cookie,
                ip,
                user_agent,
                url,
                referrer,
                ..Visitor::default()
            }
        })
}

/// Generates properties that are sent as recorded.
fn plain_properties() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        vec(".{0,12}", 0..3).prop_map(Value::from),
    ];
    let name = key().prop_filter("no ID", |name| !name.contains("_id") && name.len() < 200);
    vec((name, value), 0..8).prop_map(|entries| {
        let mut properties: Map<String, Value> = entries.into_iter().collect();
        if let Some(time) = properties.get_mut("time") {
            *time = json!(1_710_000_000_000_u64);
        }
        properties.into()
    })
}

/// Returns the user 7 with super properties.
fn user_with(stored: &Value) -> Visitor {
    let mut stored = stored.clone();
    stored["distinct_id"] = "7".into();
    stored["$user_id"] = "7".into();
    stored["$device_id"] = DEVICE.into();
    visitor(&stored)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn messages_are_within_the_limits(visitor in any_visitor(), calls in vec(call(), 1..5)) {
        let translation = translate_calls(visitor, Value::from(calls));
        for message in &translation.messages {
            let properties = message.body.get("properties").unwrap_or(&message.body);
            for (name, value) in properties.as_object().unwrap() {
                prop_assert!(name.encode_utf16().count() <= 255);
                prop_assert!(value.as_str().is_none_or(|text| text.encode_utf16().count() <= 255));
            }
        }
    }

    #[test]
    fn first_source_of_a_name_wins(
        recorded in plain_properties(), registered in plain_properties(), stored in plain_properties(),
        page in any::<bool>(),
    ) {
        let (url, referrer) = ("https://a.b/?utm_source=x&gclid=y", "https://c.d/e");
        let mut visitor = user_with(&stored);
        visitor.url = Some(url.to_owned());
        visitor.referrer = Some(referrer.to_owned());
        visitor.ip = Some("192.0.2.7".to_owned());
        let mut track = json!([["track"], ["Buy", recorded]]);
        let mut expected = json!({
            "$current_url": url, "$referrer": referrer, "$referring_domain": "c.d", "ip": "192.0.2.7",
            "utm_source": "x", "gclid": "y", "mp_lib": "mengpaneel", "$duration": 0.0,
            "$lib_version": env!("CARGO_PKG_VERSION"), "time": ENVELOPE_TIME,
            "$insert_id": "018e23fe7a7b700080000000000000010000",
        });
        let ids = json!({"distinct_id": "7", "$user_id": "7", "$device_id": DEVICE});
        let mut sources = vec![stored, registered.clone(), ids];
        if page {
            track = json!([["track_pageview"], [recorded, {"event_name": "Buy"}]]);
            sources.push(json!({"current_domain": "a.b", "current_url_path": "/", "current_url_protocol": "https:",
                                "current_url_search": "?utm_source=x&gclid=y"}));
        }
        for source in sources.into_iter().chain([recorded, json!({"token": "t"})]) {
            expected.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
        }
        let calls = json!([[["register"], [registered]], [["time_event"], ["Buy", expected["time"]]], track]);
        let translation = translate_calls(visitor, calls);
        if expected["$duration"].is_f64() && expected["time"] != json!(ENVELOPE_TIME) {
            // The time of a super property is not that of the event.
            expected["$duration"] = translation.messages[0].body["properties"]["$duration"].clone();
        }
        prop_assert_eq!(&translation.messages[0].body["properties"], &expected);
    }
}
