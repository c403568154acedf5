//! IDs that belong to nobody.

use std::sync::Mutex;

use serde_json::{Value, json};

use super::super::*;
use crate::call::Properties;
use crate::record::mixpanel::Mixpanel;
use crate::record::recorder::tests::{ANSWERED, entry};

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

type Told = Arc<Mutex<Vec<Reason>>>;

fn recorder() -> (Arc<Recorder>, Told) {
    let told = Told::default();
    let hook = Arc::clone(&told);
    let failures =
        ErrorReporter::new(move |failure| hook.lock().unwrap().push(failure.reason.clone()));
    let shared = RecorderContext {
        reporter: Arc::new(failures),
        ..RecorderContext::default()
    };
    (
        Arc::new(Recorder::new(Visitor::default, Arc::new(shared))),
        told,
    )
}

/// Calls that `record` records, and the problems that were reported.
fn recorded(record: impl FnOnce(&Mixpanel)) -> (Calls, Vec<Reason>) {
    let (recorder, told) = recorder();
    record(&Mixpanel::new(Arc::clone(&recorder)));
    let settled = recorder.finalize(ANSWERED, Include::All).unwrap();
    let told = told.lock().unwrap().clone();
    (settled.calls.clone(), told)
}

fn own_properties(calls: &Calls) -> Properties {
    let mut properties = calls.tracking[0].properties().unwrap().clone();
    properties.retain(|key, _| key != "$insert_id" && key != "time");
    properties
}

#[test]
fn placeholder_ids_are_reported_and_not_recorded() {
    type Record = fn(&Mixpanel, &str);
    let methods: [(&str, Record); 8] = [
        ("identify", |mixpanel, id| mixpanel.identify(id)),
        ("alias", |mixpanel, id| mixpanel.alias(id)),
        ("set_group", |mixpanel, id| {
            mixpanel.set_group("company", id)
        }),
        ("add_group", |mixpanel, id| {
            mixpanel.add_group("company", id)
        }),
        ("remove_group", |mixpanel, id| {
            mixpanel.remove_group("company", id)
        }),
        ("get_group", |mixpanel, id| {
            mixpanel.get_group("company", id).set(json!({"a": 1}))
        }),
        ("setup", |mixpanel, id| {
            mixpanel.setup(|mixpanel| mixpanel.identify(id))
        }),
        ("call", |mixpanel, id| {
            mixpanel.call_method(&["identify"], [id])
        }),
    ];
    for id in PLACEHOLDERS {
        for (name, method) in methods {
            let (calls, told) = recorded(|mixpanel| method(mixpanel, id));
            assert!(calls.is_empty(), "{name} {id:?}: {calls:?}");
            assert!(
                matches!(&told[..], [Reason::PlaceholderId { .. }]),
                "{name} {id:?}: {told:?}"
            );
        }
    }
}

#[test]
fn values_that_are_no_ids_are_not_recorded() {
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
        let (calls, told) = recorded(|mixpanel| mixpanel.call(Method::Identify, vec![id.clone()]));
        assert!(
            calls.is_empty() && told.len() == 1,
            "{id}: {calls:?} {told:?}"
        );
    }
}

#[test]
fn other_ids_are_recorded_as_given() {
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
        let (calls, told) = recorded(|mixpanel| mixpanel.identify(id));
        assert_eq!((calls.identity(), &told[..]), (Some(id), &[][..]));
    }
}

#[test]
fn id_properties_of_events_are_removed_where_they_are_placeholders() {
    for key in ["$user_id", "distinct_id", "$device_id"] {
        for id in
            PLACEHOLDERS
                .map(Value::from)
                .into_iter()
                .chain([json!(0), json!(false), json!([])])
        {
            let properties = json!({key: id, "Plan": "Pro", "Zoo": null});
            let (calls, told) = recorded(|mixpanel| mixpanel.track("Buy", &properties));
            assert_eq!(
                Value::from(own_properties(&calls)),
                json!({"Plan": "Pro", "Zoo": null}),
                "{properties}"
            );
            assert_eq!(told.len(), 1, "{properties}: {told:?}");
        }
    }
}

#[test]
fn id_properties_are_found_among_many_and_in_every_form() {
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
        let (calls, told) = recorded(|mixpanel| mixpanel.track("Buy", &value));
        assert!(!own_properties(&calls).contains_key("$user_id"));
        assert_eq!(told.len(), 1);
    }
    let (calls, _) = recorded(|mixpanel| mixpanel.track("Buy", Only::User("undefined")));
    assert!(own_properties(&calls).is_empty());
}

#[test]
fn an_empty_distinct_id_stays_and_means_no_user() {
    let (calls, told) =
        recorded(|mixpanel| mixpanel.track("Buy", json!({"distinct_id": "", "$user_id": null})));
    assert_eq!(
        Value::from(own_properties(&calls)),
        json!({"distinct_id": "", "$user_id": null})
    );
    assert!(told.is_empty());
}

#[test]
fn super_properties_and_groups_lose_placeholder_ids() {
    let (calls, told) =
        recorded(|mixpanel| mixpanel.register(json!({"distinct_id": "null", "Plan": "Pro"})));
    assert_eq!(
        (calls.tracking[0].args(), told.len()),
        (&[json!({"Plan": "Pro"})][..], 1)
    );
    let (calls, told) = recorded(|mixpanel| {
        mixpanel.track_with_groups("Buy", (), json!({"company": "undefined", "team": "a"}))
    });
    assert_eq!(
        (calls.tracking[0].args().get(2), told.len()),
        (Some(&json!({"team": "a"})), 1)
    );
    let (calls, told) = recorded(|mixpanel| mixpanel.set_group("company", ["acme", "null", "b"]));
    assert_eq!(
        (calls.tracking[0].args().get(1), told.len()),
        (Some(&json!(["acme", "b"])), 1)
    );
    let (calls, told) = recorded(|mixpanel| mixpanel.set_group("company", ["null"]));
    assert!(calls.is_empty() && told.len() == 1);
}

#[test]
fn a_number_given_to_a_method_as_it_stands_becomes_a_text() {
    let (calls, told) = recorded(|mixpanel| mixpanel.call(Method::Identify, vec![json!(7)]));
    assert_eq!((calls.identity(), &told[..]), (Some("7"), &[][..]));
}

#[test]
fn a_problem_is_reported_once_for_each_place() {
    let (calls, told) = recorded(|mixpanel| {
        for _ in 0..100 {
            mixpanel.identify("undefined");
            mixpanel.track("Buy", json!({"$user_id": "undefined"}));
        }
        mixpanel.identify("undefined");
    });
    assert_eq!((calls.tracking.len(), told.len()), (100, 3), "{told:?}");
    assert!(
        told.iter()
            .all(|reason| reason.to_string().contains("recorder/tests/ids.rs:")),
        "{told:?}"
    );
}

#[test]
fn reports_of_one_mengpaneel_are_bounded() {
    let (_, told) = recorded(|mixpanel| {
        for event in 0..3_000 {
            mixpanel.track(format!("event {event}"), json!({"$user_id": "undefined"}));
        }
    });
    assert_eq!(told.len(), 1_000);
}

#[test]
fn profile_calls_behind_a_rejected_identify_are_left_out() {
    for id in ["undefined", ""] {
        let (calls, told) = recorded(|mixpanel| {
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
            super::said(&calls),
            ["register -", "identify 42", "people.increment -"]
        );
        assert_eq!(told.len(), 3, "{told:?}");
    }
}

#[test]
fn replayed_calls_lose_placeholder_ids() {
    let (recorder, told) = recorder();
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
    let settled = recorder.finalize(ANSWERED, Include::All).unwrap();
    assert_eq!(super::said(&settled.calls), ["track Buy"]);
    assert!(own_properties(&settled.calls).is_empty());
    assert_eq!(told.lock().unwrap().len(), 2);
}

#[test]
fn super_properties_that_mixpanel_js_cannot_store_are_left_out() {
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
            let (calls, told) = recorded(|mixpanel| record(mixpanel, &properties));
            assert_eq!(
                calls.tracking[0].args(),
                [json!({"Plan": "Pro"})],
                "{properties}"
            );
            assert!(
                matches!(&told[..], [Reason::Unstorable(_)]),
                "{properties}: {told:?}"
            );
        }
    }
    for key in ["__proto__", "hasOwnProperty", "__timers"] {
        let (calls, told) = recorded(|mixpanel| {
            mixpanel.set_group(key, "acme");
            mixpanel.add_group(key, "acme");
            mixpanel.remove_group(key, "acme");
        });
        assert!(calls.is_empty() && told.len() == 3, "{key}: {told:?}");
    }
    let (calls, told) =
        recorded(|mixpanel| mixpanel.register(json!({"length": "5", "constructor": 1})));
    assert_eq!(
        (calls.tracking[0].args(), told.len()),
        (&[json!({"length": "5", "constructor": 1})][..], 0)
    );
}

#[test]
fn values_nested_too_deep_are_reported_when_they_are_recorded() {
    let nested = |depth: usize| {
        (1..depth).fold(json!({}), |value, at| {
            if at % 2 == 0 {
                json!({"a": value})
            } else {
                json!([value])
            }
        })
    };
    // The object of the properties is the first.
    let (calls, told) =
        recorded(|mixpanel| mixpanel.track("Deep", json!({"deep": nested(64), "a": 1})));
    assert_eq!((own_properties(&calls).len(), told.len()), (2, 0));
    let (calls, told) =
        recorded(|mixpanel| mixpanel.track("Deep", json!({"deep": nested(65), "a": 1})));
    assert_eq!((own_properties(&calls).len(), told.len()), (0, 1));
    for depth in [66, 120, 127, 500] {
        let (calls, told) = recorded(|mixpanel| {
            mixpanel.track("Deep", json!({"deep": nested(depth)}));
            mixpanel.people().append("deep", nested(depth));
            mixpanel.call(Method::Track, vec![json!("Deep"), nested(depth)]);
        });
        assert_eq!(
            (calls.tracking.len(), told.len()),
            (2, 3),
            "{depth}: {told:?}"
        );
        let wire = serde_json::to_string(&calls).unwrap();
        assert_eq!(serde_json::from_str::<Calls>(&wire).unwrap(), calls);
    }
}
