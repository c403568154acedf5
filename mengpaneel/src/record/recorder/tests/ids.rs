//! Invalid and placeholder IDs.

use std::sync::Mutex;

use serde_json::{Value, json};

use super::super::*;
use crate::call::Properties;
use crate::error::ErrorReporter;
use crate::record::mixpanel::Mixpanel;
use crate::record::recorder::tests::{SUCCEEDED, entry};

const PLACEHOLDERS: [&str; 24] = [
    "00000000-0000-0000-0000-000000000000",
    "anon",
    "anonymous",
    "nil",
    "none",
    "null",
    "n/a",
    "na",
    "undefined",
    "unknown",
    "<nil>",
    "0",
    "-1",
    "true",
    "false",
    "[]",
    "{}",
    "Undefined",
    "NULL",
    " undefined ",
    "\tnull\r\n",
    "\u{a0}none\u{2003}",
    "$device:undefined",
    "$device:",
];

type Reasons = Arc<Mutex<Vec<Reason>>>;

fn recorder() -> (Arc<Recorder>, Reasons) {
    let reasons = Reasons::default();
    let hook = Arc::clone(&reasons);
    let reporter =
        ErrorReporter::new(move |failure| hook.lock().unwrap().push(failure.reason.clone()));
    let context = RecorderServices {
        reporter: Arc::new(reporter),
        ..RecorderServices::default()
    };
    (
        Arc::new(Recorder::new(Visitor::default, Arc::new(context))),
        reasons,
    )
}

/// Returns the calls that `record` records, and the reported problems.
fn recorded(record: impl FnOnce(&Mixpanel)) -> (Calls, Vec<Reason>) {
    let (recorder, reasons) = recorder();
    record(&Mixpanel::new(Arc::clone(&recorder)));
    let final_calls = recorder.finalize(SUCCEEDED, Include::All).unwrap();
    let reasons = reasons.lock().unwrap().clone();
    (final_calls.calls.clone(), reasons)
}

fn given_properties(calls: &Calls) -> Properties {
    let mut properties = calls.tracking[0].properties().unwrap().clone();
    properties.retain(|key, _| key != "$insert_id" && key != "time");
    properties
}

#[test]
fn placeholder_ids_are_reported_and_dropped() {
    type Record = fn(&Mixpanel, &str);
    let methods: [(&str, Record); 8] = [
        ("identify", |mixpanel, id| mixpanel.identify(id)),
        ("alias", |mixpanel, id| mixpanel.alias(id)),
        ("set_group", |mixpanel, id| {
            mixpanel.set_group("company", id);
        }),
        ("add_group", |mixpanel, id| {
            mixpanel.add_group("company", id);
        }),
        ("remove_group", |mixpanel, id| {
            mixpanel.remove_group("company", id);
        }),
        ("get_group", |mixpanel, id| {
            mixpanel.get_group("company", id).set(json!({"a": 1}));
        }),
        ("setup", |mixpanel, id| {
            mixpanel.setup(|mixpanel| mixpanel.identify(id));
        }),
        ("call", |mixpanel, id| {
            mixpanel.call_method(&["identify"], [id]);
        }),
    ];
    for id in PLACEHOLDERS {
        for (name, method) in methods {
            let (calls, reasons) = recorded(|mixpanel| method(mixpanel, id));
            assert!(calls.is_empty(), "{name} {id:?}: {calls:?}");
            assert!(
                matches!(&reasons[..], [Reason::PlaceholderId { .. }]),
                "{name} {id:?}: {reasons:?}"
            );
        }
    }
}

#[test]
fn values_other_than_ids_are_dropped() {
    for id in [
        json!(0),
        json!(-1),
        json!(true),
        json!([]),
        json!({}),
        json!(""),
        json!(" \n"),
        json!([1]),
    ] {
        let (calls, reasons) =
            recorded(|mixpanel| mixpanel.call(Method::Identify, vec![id.clone()]));
        assert!(
            calls.is_empty() && reasons.len() == 1,
            "{id}: {calls:?} {reasons:?}"
        );
    }
}

#[test]
fn valid_ids_are_recorded_unchanged() {
    for id in [
        "42",
        " 42 ",
        "nobody",
        "0x0",
        "undefined@example.com",
        "00",
        "ü",
        "\u{2028}1",
    ] {
        let (calls, reasons) = recorded(|mixpanel| mixpanel.identify(id));
        assert_eq!((calls.identity(), &reasons[..]), (Some(id), &[][..]));
    }
}

#[test]
fn placeholder_id_properties_of_events_are_removed() {
    for key in ["$user_id", "distinct_id", "$device_id"] {
        for id in
            PLACEHOLDERS
                .map(Value::from)
                .into_iter()
                .chain([json!(0), json!(false), json!([])])
        {
            let properties = json!({key: id, "Plan": "Pro", "Zoo": null});
            let (calls, reasons) = recorded(|mixpanel| mixpanel.track("Buy", &properties));
            assert_eq!(
                Value::from(given_properties(&calls)),
                json!({"Plan": "Pro", "Zoo": null}),
                "{properties}"
            );
            assert_eq!(reasons.len(), 1, "{properties}: {reasons:?}");
        }
    }
}

#[test]
fn id_properties_are_found_in_every_encoding() {
    #[derive(serde::Serialize)]
    enum Only {
        #[serde(rename = "$user_id")]
        User(&'static str),
    }
    let mut many: Properties = (0..40)
        .map(|key| (format!("key {key}"), json!(key)))
        .collect();
    many.insert("$user_id".into(), "undefined".into());
    let large = json!({"a": "x".repeat(70_000), "$user_id": "undefined"});
    let raw = json!({"$user_id": "undefined"});
    for value in [
        serde_json::to_value(Only::User("undefined")).unwrap(),
        many.into(),
        large,
        raw,
    ] {
        let (calls, reasons) = recorded(|mixpanel| mixpanel.track("Buy", &value));
        assert!(!given_properties(&calls).contains_key("$user_id"));
        assert_eq!(reasons.len(), 1);
    }
    let (calls, _) = recorded(|mixpanel| mixpanel.track("Buy", Only::User("undefined")));
    assert!(given_properties(&calls).is_empty());
}

#[test]
fn empty_distinct_id_is_preserved() {
    let (calls, reasons) =
        recorded(|mixpanel| mixpanel.track("Buy", json!({"distinct_id": "", "$user_id": null})));
    assert_eq!(
        Value::from(given_properties(&calls)),
        json!({"distinct_id": "", "$user_id": null})
    );
    assert!(reasons.is_empty());
}

#[test]
fn super_properties_and_groups_lose_placeholder_ids() {
    let (calls, reasons) =
        recorded(|mixpanel| mixpanel.register(json!({"distinct_id": "null", "Plan": "Pro"})));
    assert_eq!(
        (calls.tracking[0].args(), reasons.len()),
        (&[json!({"Plan": "Pro"})][..], 1)
    );
    let (calls, reasons) = recorded(|mixpanel| {
        mixpanel.track_with_groups("Buy", (), json!({"company": "undefined", "team": "a"}));
    });
    assert_eq!(
        (calls.tracking[0].args().get(2), reasons.len()),
        (Some(&json!({"team": "a"})), 1)
    );
    let (calls, reasons) =
        recorded(|mixpanel| mixpanel.set_group("company", ["acme", "null", "b"]));
    assert_eq!(
        (calls.tracking[0].args().get(1), reasons.len()),
        (Some(&json!(["acme", "b"])), 1)
    );
    let (calls, reasons) = recorded(|mixpanel| mixpanel.set_group("company", ["null"]));
    assert!(calls.is_empty() && reasons.len() == 1);
}

#[test]
fn number_passed_to_call_becomes_string() {
    let (calls, reasons) = recorded(|mixpanel| mixpanel.call(Method::Identify, vec![json!(7)]));
    assert_eq!((calls.identity(), &reasons[..]), (Some("7"), &[][..]));
}

#[test]
fn problems_are_reported_once_per_call_site() {
    let (calls, reasons) = recorded(|mixpanel| {
        for _ in 0..100 {
            mixpanel.identify("undefined");
            mixpanel.track("Buy", json!({"$user_id": "undefined"}));
        }
        mixpanel.identify("undefined");
    });
    assert_eq!(
        (calls.tracking.len(), reasons.len()),
        (100, 3),
        "{reasons:?}"
    );
    assert!(
        reasons
            .iter()
            .all(|reason| reason.to_string().contains("recorder/tests/ids.rs:")),
        "{reasons:?}"
    );
}

#[test]
fn reports_of_one_mengpaneel_are_bounded() {
    let (_, reasons) = recorded(|mixpanel| {
        for event in 0..3_000 {
            mixpanel.track(format!("event {event}"), json!({"$user_id": "undefined"}));
        }
    });
    assert_eq!(reasons.len(), 1_000);
}

#[test]
fn profile_calls_after_rejected_identify_are_dropped() {
    for id in ["undefined", ""] {
        let (calls, reasons) = recorded(|mixpanel| {
            mixpanel.setup(|mixpanel| {
                mixpanel.identify(id);
                mixpanel.people().set(json!({"$email": "a@example.com"}));
                mixpanel.register(json!({"Plan": "Pro"}));
            });
            mixpanel.people().increment("Posts", 1);
            mixpanel.identify("42");
            mixpanel.people().increment("Posts", 2);
        });
        assert_eq!(
            super::summaries(&calls),
            ["register -", "identify 42", "people.increment -"]
        );
        assert_eq!(reasons.len(), 3, "{reasons:?}");
    }
}

#[test]
fn replayed_calls_lose_placeholder_ids() {
    let (recorder, reasons) = recorder();
    let identify = entry(Mode::Setup, Method::Identify, vec![json!("undefined")]).call;
    let event = entry(
        Mode::Tracking,
        Method::Track,
        vec![json!("Buy"), json!({"distinct_id": "null"})],
    )
    .call;
    recorder.replay(Calls {
        setup: vec![identify],
        tracking: vec![event],
        ..Calls::default()
    });
    let final_calls = recorder.finalize(SUCCEEDED, Include::All).unwrap();
    assert_eq!(super::summaries(&final_calls.calls), ["track Buy"]);
    assert!(given_properties(&final_calls.calls).is_empty());
    assert_eq!(reasons.lock().unwrap().len(), 2);
}

#[test]
fn unstorable_super_properties_are_dropped() {
    let proto: Value = serde_json::from_str(r#"{"__proto__": 1, "Plan": "Pro"}"#).unwrap();
    let nested: Value =
        serde_json::from_str(r#"{"a": [{"__proto__": 1}], "Plan": "Pro"}"#).unwrap();
    let others = [
        "length",
        "hasOwnProperty",
        "__timers",
        "__alias",
        "__mps",
        "$people_distinct_id",
    ];
    let others = others.map(|name| json!({name: 5, "Plan": "Pro"}));
    for properties in [proto, nested, json!({"a": {"length": 1}, "Plan": "Pro"})]
        .into_iter()
        .chain(others)
    {
        let record: [fn(&Mixpanel, &Value); 2] = [
            |mixpanel, all| mixpanel.register(all),
            |mixpanel, all| mixpanel.register_once(all),
        ];
        for record in record {
            let (calls, reasons) = recorded(|mixpanel| record(mixpanel, &properties));
            assert_eq!(
                calls.tracking[0].args(),
                [json!({"Plan": "Pro"})],
                "{properties}"
            );
            assert!(
                matches!(&reasons[..], [Reason::Unstorable(_)]),
                "{properties}: {reasons:?}"
            );
        }
    }
    for key in ["__proto__", "hasOwnProperty", "__timers"] {
        let (calls, reasons) = recorded(|mixpanel| {
            mixpanel.set_group(key, "acme");
            mixpanel.add_group(key, "acme");
            mixpanel.remove_group(key, "acme");
        });
        assert!(calls.is_empty() && reasons.len() == 3, "{key}: {reasons:?}");
    }
    let (calls, reasons) =
        recorded(|mixpanel| mixpanel.register(json!({"length": "5", "constructor": 1})));
    assert_eq!(
        (calls.tracking[0].args(), reasons.len()),
        (&[json!({"length": "5", "constructor": 1})][..], 0)
    );
}

#[test]
fn values_nested_too_deeply_are_reported_at_recording() {
    let nested = |depth: usize| {
        (1..depth).fold(json!({}), |value, level| {
            if level % 2 == 0 {
                json!({"a": value})
            } else {
                json!([value])
            }
        })
    };
    // The object of the properties is the first level.
    let (calls, reasons) =
        recorded(|mixpanel| mixpanel.track("Deep", json!({"deep": nested(64), "a": 1})));
    assert_eq!((given_properties(&calls).len(), reasons.len()), (2, 0));
    let (calls, reasons) =
        recorded(|mixpanel| mixpanel.track("Deep", json!({"deep": nested(65), "a": 1})));
    assert_eq!((given_properties(&calls).len(), reasons.len()), (0, 1));
    for depth in [66, 120, 127, 500] {
        let (calls, reasons) = recorded(|mixpanel| {
            mixpanel.track("Deep", json!({"deep": nested(depth)}));
            mixpanel.people().append("deep", nested(depth));
            mixpanel.call(Method::Track, vec![json!("Deep"), nested(depth)]);
        });
        assert_eq!(
            (calls.tracking.len(), reasons.len()),
            (2, 3),
            "{depth}: {reasons:?}"
        );
        let wire = serde_json::to_string(&calls).unwrap();
        assert_eq!(serde_json::from_str::<Calls>(&wire).unwrap(), calls);
    }
}
