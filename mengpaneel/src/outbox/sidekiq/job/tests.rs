use std::collections::HashSet;

use super::*;
use crate::record::visitor::Visitor;

const DEVICE: &str =
    "%7B%22distinct_id%22%3A%22%24device%3Ad1%22%2C%22%24device_id%22%3A%22d1%22%7D";
const USER: &str = "%7B%22distinct_id%22%3A%22%24device%3Ad1%22%2C%22%24device_id%22%3A%22d1%22%2C%22%24user_id%22%3A%2242%22%7D";

fn envelope(calls: Value) -> Envelope {
    let visitor = Visitor {
        ip: Some("203.0.113.7".into()),
        ..Visitor::default()
    };
    Envelope::new(visitor, serde_json::from_value(calls).unwrap())
}

fn with_cookie(cookie: &str, calls: Value) -> Envelope {
    let mut envelope = envelope(calls);
    envelope.visitor.cookie = Some(cookie.into());
    envelope
}

fn encode_job(envelope: &Envelope) -> Result<Value, String> {
    let job = encode(
        envelope,
        "default",
        1_400_000_000_500,
        &Translator::new(String::new()),
    )?;
    Ok(serde_json::from_str(&job).unwrap())
}

/// Messages that mixpanel-ruby would send: events by name with their properties, and profiles by
/// ID.
fn sent(job: &Value) -> Vec<(String, Value)> {
    let (mut identity, mut registered, mut sent) = (Value::Null, Map::new(), Vec::new());
    for mode in ["before_setup", "setup", "tracking"] {
        for call in job["args"][0][mode].as_array().into_iter().flatten() {
            let args = call[1].as_array().unwrap();
            match serde_json::to_string(&call[0]).unwrap().as_str() {
                r#"["identify"]"# => identity = args[0].clone(),
                r#"["register"]"# => registered.extend(args[0].as_object().unwrap().clone()),
                r#"["track"]"# => {
                    let mut properties =
                        Map::from_iter([("distinct_id".to_owned(), identity.clone())]);
                    properties.extend(registered.clone());
                    properties.extend(
                        args.get(1)
                            .and_then(Value::as_object)
                            .cloned()
                            .unwrap_or_default(),
                    );
                    sent.push((args[0].as_str().unwrap().to_owned(), properties.into()));
                }
                other => sent.push((format!("{other} of {identity}"), args[0].clone())),
            }
        }
    }
    sent
}

/// Returns the IDs of each event that would be sent.
fn identities(job: &Value) -> Vec<(String, [Value; 3])> {
    let ids = |properties: &Value| {
        ["distinct_id", "$device_id", "$user_id"].map(|key| properties[key].clone())
    };
    sent(job)
        .into_iter()
        .map(|(name, properties)| (name, ids(&properties)))
        .collect()
}

#[test]
fn job_equals_that_of_the_gem() {
    let calls =
        json!({"setup": [[["identify"], ["42"]]], "tracking": [[["track"], ["Basic", {"a": 1}]]]});
    let mut job = encode_job(&envelope(calls.clone())).unwrap();
    let jid = job["jid"].take();
    assert_eq!(jid.as_str().map(str::len), Some(24));
    assert!(jid.as_str().unwrap().chars().all(|c| c.is_ascii_hexdigit()));
    let expected = json!({
        "class": "Mengpaneel::Strategy::AsyncServerSide::Worker",
        "queue": "default",
        "retry": true,
        "args": [calls, "203.0.113.7"],
        "jid": null,
        "created_at": 1_400_000_000.5,
        "enqueued_at": 1_400_000_000.5,
    });
    assert_eq!(job, expected);
}

#[test]
fn job_times_are_floats_at_full_seconds() {
    let envelope = envelope(json!({"tracking": [[["track"], ["A"]]]}));
    let job = encode(
        &envelope,
        "default",
        1_400_000_000_000,
        &Translator::new(String::new()),
    )
    .unwrap();
    assert!(
        job.contains(r#""enqueued_at":1400000000.0"#),
        "Sidekiq 8 reads an integer as milliseconds: {job}"
    );
}

#[test]
fn job_ids_are_random_in_every_digit() {
    let ids: HashSet<String> = (0..20_000).map(|_| job_id()).collect();
    assert_eq!(ids.len(), 20_000);
    for digit in 0..24 {
        let seen: HashSet<u8> = ids.iter().map(|id| id.as_bytes()[digit]).collect();
        assert_eq!(seen.len(), 16, "digit {digit}");
    }
}

#[test]
fn calls_unsupported_by_worker_are_declined() {
    for call in [
        json!([["name_tag"], ["Jane"]]),
        json!([["reset"], []]),
        json!([["time_event"], ["After"]]),
        json!([["track_pageview"], ["/x"]]),
        json!([["track_pageview"], [{"a": 1}]]),
        json!([["track_with_groups"], ["A", {}, {"company": "x"}]]),
        json!([["set_group"], ["company", "x"]]),
        json!([["add_group"], ["company", "x"]]),
        json!([["remove_group"], ["company", "x"]]),
        json!([["register_once"], [{"plan": "pro"}]]),
        json!([["get_group", "set"], ["company", "x", {"a": 1}]]),
        json!([["get_group", "union"], ["company", "x", {"a": [1]}]]),
        json!([["people", "set"], ["Plan", "Pro"]]),
        json!([["people", "unset"], ["Plan"]]),
        json!([["people", "union"], [{"list": ["a"]}]]),
        json!([["people", "increment"], [{"Posts": 1}]]),
        json!([["people", "append"], [{"list": "a"}]]),
        json!([["people", "remove"], [{"list": "a"}]]),
        json!([["people", "track_charge"], [5]]),
        json!([["people", "clear_charges"], []]),
        json!([["people", "delete_user"], []]),
        json!([["opt_out_tracking"], []]),
        json!([["opt_in_tracking"], []]),
        json!([["disable"], ["Off"]]),
        json!([["register"], [{"plan": "pro"}, 30]]),
        json!([["register"], [{"distinct_id": "9"}]]),
        json!([["alias"], ["42"]]),
        json!([["track"], ["A", {"token": "another project's"}]]),
    ] {
        let calls =
            json!({"setup": [[["identify"], ["42"]]], "tracking": [[["track"], ["After"]], call]});
        assert!(encode_job(&envelope(calls)).is_err(), "{call}");
    }
}

#[test]
fn calls_dropped_or_reported_elsewhere_are_declined() {
    let (long, many) = (
        "x".repeat(256),
        (0..300)
            .map(|n| (format!("p{n}"), n.into()))
            .collect::<Map<_, _>>(),
    );
    let lists = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    for (calls, description) in [
        (
            json!({"before_setup": [[["identify"], ["42"]]]}),
            "before_setup only",
        ),
        (
            json!({"before_setup": [[["track"], ["A"]]], "setup": [[["identify"], ["42"]]]}),
            "no tracking calls",
        ),
        (json!({"setup": [[["identify"], ["42"]]]}), "setup only"),
        (json!({}), "no calls"),
        (
            json!({"tracking": [[["people", "set"], [{"a": 1}]]]}),
            "a profile without a user",
        ),
        (
            json!({"tracking": [[["identify"], ["undefined"]], [["track"], ["A"]]]}),
            "a placeholder",
        ),
        (
            json!({"tracking": [[["track"], ["A", {"distinct_id": "null"}]]]}),
            "a placeholder in an event",
        ),
        (
            json!({"tracking": [[["identify"], ["$device:x"]], [["track"], ["A"]]]}),
            "an anonymous ID",
        ),
        (json!({"tracking": [[["track"], [""]]]}), "no name"),
        (json!({"tracking": [[["track"], []]]}), "no arguments"),
        (
            json!({"tracking": [[["track"], ["A", many]]]}),
            "300 properties",
        ),
        (
            json!({"tracking": [[["track"], ["A", {"a": long}]]]}),
            "a long text",
        ),
        (
            json!({"tracking": [[["track"], ["A", {&long: 1}]]]}),
            "a long property name",
        ),
        (
            json!({"tracking": [[["track"], [long]]]}),
            "a long event name",
        ),
        (
            json!({"setup": [[["identify"], ["42"]], [["people", "set"], [{"a": long}]]], "tracking": [[["track"], ["A"]]]}),
            "a long text in a profile",
        ),
        (
            json!({"tracking": [[["track"], ["A", {"time": "yesterday"}]]]}),
            "an invalid time",
        ),
        (
            json!({"tracking": [[["track"], ["A", {"a": lists(94)}]]]}),
            "94 lists",
        ),
        (
            json!({"tracking": [[["track"], ["A", {"a": {"b": {"c": {"d": {"e": 1}}}}}]]]}),
            "5 objects",
        ),
    ] {
        assert!(encode_job(&envelope(calls)).is_err(), "{description}");
    }
    assert!(
        encode_job(&envelope(
            json!({"tracking": [[["track"], ["A", {"a": lists(93)}]]]})
        ))
        .is_ok()
    );
}

#[test]
fn bot_events_are_declined_unless_via_server() {
    let mut envelope = envelope(json!({"tracking": [[["track"], ["A"]]]}));
    envelope.visitor.user_agent =
        Some("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)".into());
    assert!(encode_job(&envelope).unwrap_err().contains("bot"));
    envelope.via_server = true;
    assert!(encode_job(&envelope).is_ok());
}

#[test]
fn events_too_old_for_track_are_declined() {
    let now_ms = 1_400_000_000_500_u64;
    let day_ms = 24 * 60 * 60 * 1_000;
    for (time, is_accepted) in [
        (json!(now_ms), true),
        (json!(now_ms - 3 * day_ms), true),
        (json!(now_ms + day_ms), true),
        (json!(now_ms - 5 * day_ms), false),
        (json!((now_ms - 5 * day_ms) / 1_000), false),
        (json!((now_ms - day_ms) / 1_000), true),
    ] {
        let calls = json!({"tracking": [[["track"], ["A", {"time": time}]]]});
        assert_eq!(encode_job(&envelope(calls)).is_ok(), is_accepted, "{time}");
    }
}

#[test]
fn event_before_identify_belongs_to_device() {
    let calls =
        json!({"tracking": [[["track"], ["A"]], [["identify"], ["42"]], [["track"], ["B"]]]});
    let job = encode_job(&with_cookie(DEVICE, calls)).unwrap();
    let device = || json!("$device:d1");
    assert_eq!(
        identities(&job),
        [
            ("A".into(), [device(), json!("d1"), Value::Null]),
            ("$identify".into(), [json!("42"), json!("d1"), json!("42")]),
            ("B".into(), [json!("42"), json!("d1"), json!("42")]),
        ]
    );
    assert_eq!(sent(&job)[1].1["$anon_distinct_id"], device());
}

#[test]
fn sign_in_joins_device_of_cookie_once() {
    let calls =
        || json!({"setup": [[["identify"], ["42"]]], "tracking": [[["track"], ["Sign In"]]]});
    let job = encode_job(&with_cookie(DEVICE, calls())).unwrap();
    let names: Vec<String> = sent(&job).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["$identify", "Sign In"]);
    let job = encode_job(&with_cookie(USER, calls())).unwrap();
    assert_eq!(
        identities(&job),
        [("Sign In".into(), [json!("42"), json!("d1"), json!("42")])]
    );
}

#[test]
fn profile_belongs_to_cookie_user_or_later_identify() {
    let calls = json!({"tracking": [[["people", "set"], [{"Plan": "Pro"}]], [["track"], ["A"]]]});
    let job = encode_job(&with_cookie(USER, calls)).unwrap();
    assert_eq!(
        sent(&job)[0],
        (r#"["people","set"] of "42""#.into(), json!({"Plan": "Pro"}))
    );
    let calls = json!({"tracking": [[["people", "set"], [{"Plan": "Pro"}]], [["identify"], ["7"]], [["track"], ["A"]]]});
    let job = encode_job(&envelope(calls)).unwrap();
    assert_eq!(
        sent(&job)[0],
        (r#"["people","set"] of "7""#.into(), json!({"Plan": "Pro"}))
    );
}

#[test]
fn context_calls_set_identity_of_events() {
    let mut envelope = with_cookie(DEVICE, json!({"tracking": [[["track"], ["A"]]]}));
    let job = encode_job(&envelope).unwrap();
    assert_eq!(
        identities(&job),
        [("A".into(), [json!("$device:d1"), json!("d1"), Value::Null])]
    );

    envelope.context = serde_json::from_value(json!([
        [["identify"], ["42"]], [["register"], [{"plan": "pro"}]],
        [["people", "increment"], [{"Posts": 1}]], [["track"], ["Elsewhere"]]
    ]))
    .unwrap();
    let job = encode_job(&envelope).unwrap();
    assert_eq!(
        identities(&job),
        [("A".into(), [json!("42"), json!("d1"), json!("42")])]
    );
    assert_eq!(sent(&job)[0].1["plan"], "pro");

    envelope.context = serde_json::from_value(json!([[["reset"], []]])).unwrap();
    assert!(encode_job(&envelope).is_err());
}
