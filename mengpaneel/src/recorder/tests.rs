mod ids;

use std::sync::Mutex;

use serde_json::{Value, json};

use super::*;

const ANSWERED: Ending = Ending { succeeded: true, routed: true };

fn recorder() -> Recorder {
    Recorder::new(Visitor::default, Arc::default())
}

fn entry(mode: Mode, method: Method, args: Vec<Value>) -> Entry {
    Entry { call: Call::new(method, args), mode, via_server: false, condition: Condition::Always, ticket: None }
}

fn event(name: &str) -> Entry {
    entry(Mode::Tracking, Method::Track, vec![json!(name)])
}

fn identify(id: &str) -> Entry {
    entry(Mode::Setup, Method::Identify, vec![json!(id)])
}

/// The calls as words: `identify 1`, `track Sign In`.
fn said(calls: &Calls) -> Vec<String> {
    calls.iter().map(|call| format!("{} {}", call.method(), call.str_arg(0).unwrap_or("-"))).collect()
}

fn property(calls: &Calls, event: &str, name: &str) -> Option<Value> {
    let call = calls.tracking.iter().find(|call| call.str_arg(0) == Some(event))?;
    call.properties()?.get(name).cloned()
}

#[test]
fn calls_run_by_mode_then_as_recorded() {
    let recorder = recorder();
    recorder.record(event("first"));
    recorder.record(identify("7"));
    recorder.record(entry(Mode::BeforeSetup, Method::Alias, vec![json!("7")]));
    recorder.record(event("second"));
    let settled = recorder.settle(ANSWERED, Extent::Everything).unwrap();
    assert_eq!(said(&settled.calls), ["alias 7", "identify 7", "track first", "track second"]);
}

#[test]
fn a_call_with_a_ticket_takes_the_place_that_it_reserved() {
    let recorder = recorder();
    recorder.record(event("first"));
    let ticket = recorder.ticket();
    recorder.record(event("third"));
    recorder.record(Entry { ticket: Some(ticket), ..event("second") });
    let settled = recorder.settle(ANSWERED, Extent::Everything).unwrap();
    assert_eq!(said(&settled.calls), ["track first", "track second", "track third"]);
}

#[test]
fn a_setup_replaces_the_setup_before_it() {
    let recorder = recorder();
    recorder.begin_setup(Condition::Always);
    recorder.record(identify("old"));
    recorder.begin_setup(Condition::Always);
    recorder.record(identify("new"));
    assert_eq!(said(&recorder.settle(ANSWERED, Extent::Everything).unwrap().calls), ["identify new"]);
}

#[test]
fn a_setup_whose_condition_fails_leaves_the_one_before_it() {
    let failed = Ending { succeeded: false, routed: true };
    let recorder = recorder();
    recorder.record(identify("old"));
    recorder.begin_setup(Condition::Response);
    recorder.record(Entry { condition: Condition::Response, ..identify("new") });
    assert_eq!(said(&recorder.settle(failed, Extent::Everything).unwrap().calls), ["identify old"]);
}

#[test]
fn replayed_setup_runs_only_where_nobody_else_speaks() {
    let replayed = || Calls { setup: vec![identify("1").call], ..Calls::default() };
    let silent = recorder();
    silent.replay(replayed());
    assert_eq!(said(&silent.settle(ANSWERED, Extent::Everything).unwrap().calls), ["identify 1"]);

    let spoken = recorder();
    spoken.replay(replayed());
    spoken.speak();
    assert!(spoken.settle(ANSWERED, Extent::Everything).unwrap().calls.is_empty());
}

#[test]
fn where_the_response_fails_what_was_replayed_stays_behind() {
    let recorder = recorder();
    recorder.replay(Calls { tracking: vec![event("replayed").call], ..Calls::default() });
    recorder.record(event("here"));
    assert_eq!(said(&recorder.settle(ANSWERED, Extent::RecordedHere).unwrap().calls), ["track here"]);
}

#[test]
fn replayed_calls_come_before_those_of_this_request() {
    let recorder = recorder();
    recorder.replay(Calls { tracking: vec![event("replayed").call], ..Calls::default() });
    recorder.record(event("here"));
    assert_eq!(said(&recorder.settle(ANSWERED, Extent::Everything).unwrap().calls), ["track replayed", "track here"]);
}

#[test]
fn every_event_gets_what_copies_are_told_by_unless_the_caller_gave_it() {
    let recorder = recorder();
    recorder.record(event("ours"));
    let own = json!({"$insert_id": "theirs", "time": 5});
    recorder.record(entry(Mode::Tracking, Method::Track, vec![json!("theirs"), own]));
    let calls = recorder.settle(ANSWERED, Extent::Everything).unwrap().calls.clone();
    assert!(property(&calls, "ours", "$insert_id").is_some_and(|id| id.as_str().is_some_and(|id| id.len() == 36)));
    assert!(property(&calls, "ours", "time").is_some_and(|time| time.is_u64()));
    assert_eq!(property(&calls, "theirs", "$insert_id"), Some(json!("theirs")));
    assert_eq!(property(&calls, "theirs", "time"), Some(json!(5)));
}

#[test]
fn an_event_belongs_to_who_was_identified_when_it_was_recorded() {
    let recorder = recorder();
    recorder.record(identify("1"));
    recorder.record(event("Sign Out"));
    recorder.begin_setup(Condition::Always);
    recorder.record(identify("2"));
    recorder.record(event("Sign In"));
    let calls = recorder.settle(ANSWERED, Extent::Everything).unwrap().calls.clone();
    assert_eq!(property(&calls, "Sign Out", "$user_id"), Some(json!("1")));
    assert_eq!(property(&calls, "Sign In", "$user_id"), None, "the page's own identify says it");
}

#[test]
fn an_event_of_nobody_yet_goes_to_whom_the_same_request_identifies() {
    let recorder = recorder();
    recorder.record(event("Sign Up"));
    recorder.record(identify("1"));
    let calls = recorder.settle(ANSWERED, Extent::Everything).unwrap().calls.clone();
    assert_eq!(property(&calls, "Sign Up", "$user_id"), None);
}

#[test]
fn calls_for_the_server_are_a_set_of_their_own() {
    let recorder = recorder();
    recorder.record(identify("1"));
    recorder.record(Entry { via_server: true, ..event("Complete Payment") });
    recorder.record(event("View"));
    let settled = recorder.settle(ANSWERED, Extent::Everything).unwrap();
    assert_eq!(said(&settled.calls), ["identify 1", "track View"]);
    assert_eq!(said(&settled.via_server), ["track Complete Payment"]);
}

#[test]
fn what_is_recorded_after_the_flush_goes_to_the_server_under_its_setup() {
    let late: Arc<Mutex<Vec<Parcel>>> = Arc::default();
    let sink = Arc::clone(&late);
    let late_sink: Late = Arc::new(move |parcel| sink.lock().unwrap().push(parcel.to_parcel()));
    let recorder = Recorder::new(Visitor::default, Arc::new(Shared { late: late_sink, ..Shared::default() }));
    recorder.record(identify("1"));
    recorder.settle(ANSWERED, Extent::Everything).unwrap();
    recorder.record(event("Mail Sent"));
    let parcels = late.lock().unwrap();
    assert_eq!(said(&parcels[0].calls), ["track Mail Sent"]);
    assert_eq!(parcels[0].context, [identify("1").call]);
}
