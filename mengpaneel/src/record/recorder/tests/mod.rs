//! Tests of the recorder.

mod consent;
mod ids;

use std::sync::Mutex;

use serde_json::{Value, json};

use super::*;
use crate::record::consent::{ConsentStatus, Decision};
use crate::record::envelope::{Envelope, EnvelopeRef, codec};

const SUCCEEDED: RequestOutcome = RequestOutcome {
    is_success: true,
    is_routed: true,
    is_not_found: false,
};

/// Copies an envelope.
fn owned(envelope: EnvelopeRef<'_>) -> Envelope {
    let mut encoded = Vec::new();
    codec::write(envelope, &mut encoded);
    codec::decode(envelope.id, &encoded).unwrap()
}

fn recorder() -> Recorder {
    Recorder::new(Visitor::default, Arc::default())
}

fn recorder_of_request() -> Recorder {
    let granted = ConsentStatus::explicit(true);
    recorder().with_consent(Decision {
        now: granted,
        without_cookie: granted,
    })
}

fn entry(mode: Mode, method: Method, args: Vec<Value>) -> Entry {
    Entry {
        call: Call::new(method, args),
        mode,
        via_server: false,
        condition: Condition::Always,
        seq: None,
    }
}

fn event(name: &str) -> Entry {
    entry(Mode::Tracking, Method::Track, vec![json!(name)])
}

fn identify(id: &str) -> Entry {
    entry(Mode::Setup, Method::Identify, vec![json!(id)])
}

/// Returns the calls as text: `identify 1`, `track Sign In`.
fn summaries(calls: &Calls) -> Vec<String> {
    calls
        .iter()
        .map(|call| format!("{} {}", call.method(), call.str_arg(0).unwrap_or("-")))
        .collect()
}

fn property(calls: &Calls, event: &str, name: &str) -> Option<Value> {
    let call = calls
        .tracking
        .iter()
        .find(|call| call.str_arg(0) == Some(event))?;
    call.properties()?.get(name).cloned()
}

#[test]
fn rolled_back_identity_does_not_apply_later() {
    let tracked = |method: Method, id: &str| entry(Mode::Tracking, method, vec![json!(id)]);
    let recorder = recorder();
    recorder.record(tracked(Method::Identify, "1"));
    let before = recorder.checkpoint();
    recorder.record(tracked(Method::Identify, "2"));
    let after = recorder.checkpoint();
    recorder.record(tracked(Method::Identify, "3"));
    recorder.rollback(before, after);
    assert_eq!(recorder.distinct_id().as_deref(), Some("3"));
    recorder.rollback(before, recorder.checkpoint());
    assert_eq!(recorder.distinct_id().as_deref(), Some("1"));
}

#[test]
fn via_server_event_keeps_user_at_recording() {
    let recorder = recorder_of_request();
    recorder.record(entry(Mode::Tracking, Method::Identify, vec![json!("7")]));
    recorder.record(Entry {
        via_server: true,
        ..event("Sign In")
    });
    recorder.record(event("View"));
    let final_calls = recorder.finalize(SUCCEEDED, Include::All).unwrap();
    assert_eq!(
        property(&final_calls.via_server, "Sign In", "$user_id"),
        Some(json!("7"))
    );
    assert_eq!(
        property(&final_calls.calls, "View", "$user_id"),
        None,
        "the `identify` of the same set applies"
    );
}

#[test]
fn calls_run_by_mode_then_as_recorded() {
    let recorder = recorder();
    recorder.record(event("first"));
    recorder.record(identify("7"));
    recorder.record(entry(Mode::BeforeSetup, Method::Alias, vec![json!("7")]));
    recorder.record(event("second"));
    let final_calls = recorder.finalize(SUCCEEDED, Include::All).unwrap();
    assert_eq!(
        summaries(&final_calls.calls),
        ["alias 7", "identify 7", "track first", "track second"]
    );
}

#[test]
fn call_with_reserved_seq_is_ordered_by_it() {
    let recorder = recorder();
    recorder.record(event("first"));
    let seq = recorder.reserve_seq();
    recorder.record(event("third"));
    recorder.record(Entry {
        seq: Some(seq),
        ..event("second")
    });
    let final_calls = recorder.finalize(SUCCEEDED, Include::All).unwrap();
    assert_eq!(
        summaries(&final_calls.calls),
        ["track first", "track second", "track third"]
    );
}

#[test]
fn setup_replaces_earlier_setup() {
    let recorder = recorder();
    recorder.begin_setup(Condition::Always);
    recorder.record(identify("old"));
    recorder.begin_setup(Condition::Always);
    recorder.record(identify("new"));
    assert_eq!(
        summaries(&recorder.finalize(SUCCEEDED, Include::All).unwrap().calls),
        ["identify new"]
    );
}

#[test]
fn setup_with_failed_condition_preserves_earlier_setup() {
    let failed = RequestOutcome {
        is_success: false,
        is_routed: true,
        is_not_found: false,
    };
    let recorder = recorder();
    recorder.record(identify("old"));
    recorder.begin_setup(Condition::Response);
    recorder.record(Entry {
        condition: Condition::Response,
        ..identify("new")
    });
    assert_eq!(
        summaries(&recorder.finalize(failed, Include::All).unwrap().calls),
        ["identify old"]
    );
}

#[test]
fn replayed_setup_runs_unless_setup_is_decided() {
    let replayed = || Calls {
        setup: vec![identify("1").call],
        ..Calls::default()
    };
    let undecided = recorder();
    undecided.replay(replayed());
    assert_eq!(
        summaries(&undecided.finalize(SUCCEEDED, Include::All).unwrap().calls),
        ["identify 1"]
    );

    let decided = recorder();
    decided.replay(replayed());
    decided.mark_setup_decided();
    assert!(
        decided
            .finalize(SUCCEEDED, Include::All)
            .unwrap()
            .calls
            .is_empty()
    );
}

#[test]
fn recorded_only_excludes_replayed_calls() {
    let recorder = recorder();
    recorder.replay(Calls {
        tracking: vec![event("replayed").call],
        ..Calls::default()
    });
    recorder.record(event("here"));
    assert_eq!(
        summaries(
            &recorder
                .finalize(SUCCEEDED, Include::RecordedOnly)
                .unwrap()
                .calls
        ),
        ["track here"]
    );
}

#[test]
fn replayed_calls_precede_recorded_calls() {
    let recorder = recorder();
    recorder.replay(Calls {
        tracking: vec![event("replayed").call],
        ..Calls::default()
    });
    recorder.record(event("here"));
    assert_eq!(
        summaries(&recorder.finalize(SUCCEEDED, Include::All).unwrap().calls),
        ["track replayed", "track here"]
    );
}

#[test]
fn events_get_insert_id_and_time_unless_given() {
    let recorder = recorder();
    recorder.record(event("ours"));
    let given = json!({"$insert_id": "theirs", "time": 5});
    recorder.record(entry(
        Mode::Tracking,
        Method::Track,
        vec![json!("theirs"), given],
    ));
    let calls = recorder
        .finalize(SUCCEEDED, Include::All)
        .unwrap()
        .calls
        .clone();
    assert!(
        property(&calls, "ours", "$insert_id")
            .is_some_and(|id| id.as_str().is_some_and(|id| id.len() == 36))
    );
    assert!(property(&calls, "ours", "time").is_some_and(|time| time.is_u64()));
    assert_eq!(
        property(&calls, "theirs", "$insert_id"),
        Some(json!("theirs"))
    );
    assert_eq!(property(&calls, "theirs", "time"), Some(json!(5)));
}

#[test]
fn event_belongs_to_user_identified_at_recording() {
    let recorder = recorder();
    recorder.record(identify("1"));
    recorder.record(event("Sign Out"));
    recorder.begin_setup(Condition::Always);
    recorder.record(identify("2"));
    recorder.record(event("Sign In"));
    let calls = recorder
        .finalize(SUCCEEDED, Include::All)
        .unwrap()
        .calls
        .clone();
    assert_eq!(property(&calls, "Sign Out", "$user_id"), Some(json!("1")));
    assert_eq!(
        property(&calls, "Sign In", "$user_id"),
        None,
        "the page's own `identify` applies"
    );
}

#[test]
fn event_before_identify_has_no_user_id() {
    let recorder = recorder();
    recorder.record(event("Sign Up"));
    recorder.record(identify("1"));
    let calls = recorder
        .finalize(SUCCEEDED, Include::All)
        .unwrap()
        .calls
        .clone();
    assert_eq!(property(&calls, "Sign Up", "$user_id"), None);
}

#[test]
fn via_server_calls_are_a_separate_set() {
    let recorder = recorder_of_request();
    recorder.record(identify("1"));
    recorder.record(Entry {
        via_server: true,
        ..event("Complete Payment")
    });
    recorder.record(event("View"));
    let final_calls = recorder.finalize(SUCCEEDED, Include::All).unwrap();
    assert_eq!(summaries(&final_calls.calls), ["identify 1", "track View"]);
    assert_eq!(
        summaries(&final_calls.via_server),
        ["track Complete Payment"]
    );
}

#[test]
fn late_call_goes_to_server_with_setup_as_context() {
    let late: Arc<Mutex<Vec<Envelope>>> = Arc::default();
    let sink = Arc::clone(&late);
    let late_sink: LateSink = Arc::new(move |envelope| sink.lock().unwrap().push(owned(envelope)));
    let recorder = Recorder::new(
        Visitor::default,
        Arc::new(RecorderServices {
            late_sink,
            ..RecorderServices::default()
        }),
    );
    recorder.record(identify("1"));
    recorder.finalize(SUCCEEDED, Include::All).unwrap();
    recorder.record(event("Mail Sent"));
    let envelopes = late.lock().unwrap();
    assert_eq!(summaries(&envelopes[0].calls), ["track Mail Sent"]);
    assert_eq!(envelopes[0].context, [identify("1").call]);
}
