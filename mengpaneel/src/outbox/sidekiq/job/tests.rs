use std::collections::HashSet;

use super::*;
use crate::record::visitor::Visitor;

const DEVICE: &str =
    "%7B%22distinct_id%22%3A%22%24device%3Ad1%22%2C%22%24device_id%22%3A%22d1%22%7D";
const USER: &str = "%7B%22distinct_id%22%3A%22%24device%3Ad1%22%2C%22%24device_id%22%3A%22d1%22%2C%22%24user_id%22%3A%2242%22%7D";

fn parcel(calls: Value) -> Envelope {
    let visitor = Visitor {
        ip: Some("203.0.113.7".into()),
        ..Visitor::default()
    };
    Envelope::new(visitor, serde_json::from_value(calls).unwrap())
}

fn with_cookie(cookie: &str, calls: Value) -> Envelope {
    let mut parcel = parcel(calls);
    parcel.visitor.cookie = Some(cookie.into());
    parcel
}

fn job_of(parcel: &Envelope) -> Result<Value, String> {
    let job = job(
        parcel,
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

/// The IDs of each event that would be sent.
fn identities(job: &Value) -> Vec<(String, [Value; 3])> {
    let ids = |own: &Value| ["distinct_id", "$device_id", "$user_id"].map(|key| own[key].clone());
    sent(job)
        .into_iter()
        .map(|(name, own)| (name, ids(&own)))
        .collect()
}

#[test]
fn a_job_is_what_the_gem_itself_would_enqueue() {
    let calls =
        json!({"setup": [[["identify"], ["42"]]], "tracking": [[["track"], ["Basic", {"a": 1}]]]});
    let mut job = job_of(&parcel(calls.clone())).unwrap();
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
fn job_times_are_floats_also_at_a_full_second() {
    let parcel = parcel(json!({"tracking": [[["track"], ["A"]]]}));
    let job = job(
        &parcel,
        "default",
        1_400_000_000_000,
        &Translator::new(String::new()),
    )
    .unwrap();
    assert!(
        job.contains(r#""enqueued_at":1400000000.0"#),
        "Sidekiq 8 takes an integer for milliseconds: {job}"
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
fn calls_that_the_worker_cannot_do_are_declined() {
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
        assert!(job_of(&parcel(calls)).is_err(), "{call}");
    }
}

#[test]
fn calls_that_memory_drops_or_reports_are_declined() {
    let (long, many) = (
        "x".repeat(256),
        (0..300)
            .map(|n| (format!("p{n}"), n.into()))
            .collect::<Map<_, _>>(),
    );
    let lists = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    for (calls, what) in [
        (
            json!({"before_setup": [[["identify"], ["42"]]]}),
            "before_setup only",
        ),
        (
            json!({"before_setup": [[["track"], ["A"]]], "setup": [[["identify"], ["42"]]]}),
            "nothing in tracking",
        ),
        (json!({"setup": [[["identify"], ["42"]]]}), "setup only"),
        (json!({}), "nothing"),
        (
            json!({"tracking": [[["people", "set"], [{"a": 1}]]]}),
            "a profile of nobody",
        ),
        (
            json!({"tracking": [[["identify"], ["undefined"]], [["track"], ["A"]]]}),
            "a placeholder",
        ),
        (
            json!({"tracking": [[["track"], ["A", {"distinct_id": "null"}]]]}),
            "a placeholder of an event's own",
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
            "a time that is none",
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
        assert!(job_of(&parcel(calls)).is_err(), "{what}");
    }
    assert!(
        job_of(&parcel(
            json!({"tracking": [[["track"], ["A", {"a": lists(93)}]]]})
        ))
        .is_ok()
    );
}

#[test]
fn events_of_bots_are_declined_unless_the_server_was_asked_for() {
    let mut parcel = parcel(json!({"tracking": [[["track"], ["A"]]]}));
    parcel.visitor.user_agent =
        Some("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)".into());
    assert!(job_of(&parcel).unwrap_err().contains("bot"));
    parcel.via_server = true;
    assert!(job_of(&parcel).is_ok());
}

#[test]
fn events_that_track_drops_for_their_age_are_declined() {
    let now_ms = 1_400_000_000_500_u64;
    let day_ms = 24 * 60 * 60 * 1_000;
    for (time, is_taken) in [
        (json!(now_ms), true),
        (json!(now_ms - 3 * day_ms), true),
        (json!(now_ms + day_ms), true),
        (json!(now_ms - 5 * day_ms), false),
        (json!((now_ms - 5 * day_ms) / 1_000), false),
        (json!((now_ms - day_ms) / 1_000), true),
    ] {
        let calls = json!({"tracking": [[["track"], ["A", {"time": time}]]]});
        assert_eq!(job_of(&parcel(calls)).is_ok(), is_taken, "{time}");
    }
}

#[test]
fn an_event_before_identify_belongs_to_the_device() {
    let calls =
        json!({"tracking": [[["track"], ["A"]], [["identify"], ["42"]], [["track"], ["B"]]]});
    let job = job_of(&with_cookie(DEVICE, calls)).unwrap();
    let d1 = || json!("$device:d1");
    assert_eq!(
        identities(&job),
        [
            ("A".into(), [d1(), json!("d1"), Value::Null]),
            ("$identify".into(), [json!("42"), json!("d1"), json!("42")]),
            ("B".into(), [json!("42"), json!("d1"), json!("42")]),
        ]
    );
    assert_eq!(sent(&job)[1].1["$anon_distinct_id"], d1());
}

#[test]
fn a_sign_in_joins_the_device_of_the_cookie_once() {
    let calls =
        || json!({"setup": [[["identify"], ["42"]]], "tracking": [[["track"], ["Sign In"]]]});
    let job = job_of(&with_cookie(DEVICE, calls())).unwrap();
    let names: Vec<String> = sent(&job).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["$identify", "Sign In"]);
    let job = job_of(&with_cookie(USER, calls())).unwrap();
    assert_eq!(
        identities(&job),
        [("Sign In".into(), [json!("42"), json!("d1"), json!("42")])]
    );
}

#[test]
fn a_profile_is_that_of_the_cookies_user_or_of_who_is_identified_later() {
    let calls = json!({"tracking": [[["people", "set"], [{"Plan": "Pro"}]], [["track"], ["A"]]]});
    let job = job_of(&with_cookie(USER, calls)).unwrap();
    assert_eq!(
        sent(&job)[0],
        (r#"["people","set"] of "42""#.into(), json!({"Plan": "Pro"}))
    );
    let calls = json!({"tracking": [[["people", "set"], [{"Plan": "Pro"}]], [["identify"], ["7"]], [["track"], ["A"]]]});
    let job = job_of(&parcel(calls)).unwrap();
    assert_eq!(
        sent(&job)[0],
        (r#"["people","set"] of "7""#.into(), json!({"Plan": "Pro"}))
    );
}

#[test]
fn calls_in_force_from_elsewhere_decide_whose_events_they_are() {
    let mut parcel = with_cookie(DEVICE, json!({"tracking": [[["track"], ["A"]]]}));
    let job = job_of(&parcel).unwrap();
    assert_eq!(
        identities(&job),
        [("A".into(), [json!("$device:d1"), json!("d1"), Value::Null])]
    );

    parcel.context = serde_json::from_value(json!([
        [["identify"], ["42"]], [["register"], [{"plan": "pro"}]],
        [["people", "increment"], [{"Posts": 1}]], [["track"], ["Elsewhere"]]
    ]))
    .unwrap();
    let job = job_of(&parcel).unwrap();
    assert_eq!(
        identities(&job),
        [("A".into(), [json!("42"), json!("d1"), json!("42")])]
    );
    assert_eq!(sent(&job)[0].1["plan"], "pro");

    parcel.context = serde_json::from_value(json!([[["reset"], []]])).unwrap();
    assert!(job_of(&parcel).is_err());
}
