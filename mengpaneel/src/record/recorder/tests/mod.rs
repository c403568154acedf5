mod ids;

use std::sync::Mutex;

use serde_json::{Value, json};

use super::*;
use crate::record::consent::{ConsentStatus, Decision};

const ANSWERED: RequestOutcome = RequestOutcome {
    succeeded: true,
    routed: true,
    not_found: false,
};

fn recorder() -> Recorder {
    Recorder::new(Visitor::default, Arc::default())
}

fn recorder_of_request() -> Recorder {
    let granted = ConsentStatus::chosen(true);
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

/// The calls as words: `identify 1`, `track Sign In`.
fn said(calls: &Calls) -> Vec<String> {
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
fn identity_that_is_taken_back_holds_for_no_later_call() {
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
fn event_for_the_server_keeps_the_user_it_was_recorded_under() {
    let recorder = recorder_of_request();
    recorder.record(entry(Mode::Tracking, Method::Identify, vec![json!("7")]));
    recorder.record(Entry {
        via_server: true,
        ..event("Sign In")
    });
    recorder.record(event("View"));
    let settled = recorder.finalize(ANSWERED, Include::All).unwrap();
    assert_eq!(
        property(&settled.via_server, "Sign In", "$user_id"),
        Some(json!("7"))
    );
    assert_eq!(
        property(&settled.calls, "View", "$user_id"),
        None,
        "its own set identifies it"
    );
}

#[test]
fn calls_run_by_mode_then_as_recorded() {
    let recorder = recorder();
    recorder.record(event("first"));
    recorder.record(identify("7"));
    recorder.record(entry(Mode::BeforeSetup, Method::Alias, vec![json!("7")]));
    recorder.record(event("second"));
    let settled = recorder.finalize(ANSWERED, Include::All).unwrap();
    assert_eq!(
        said(&settled.calls),
        ["alias 7", "identify 7", "track first", "track second"]
    );
}

#[test]
fn a_call_with_a_ticket_takes_the_place_that_it_reserved() {
    let recorder = recorder();
    recorder.record(event("first"));
    let ticket = recorder.reserve_seq();
    recorder.record(event("third"));
    recorder.record(Entry {
        seq: Some(ticket),
        ..event("second")
    });
    let settled = recorder.finalize(ANSWERED, Include::All).unwrap();
    assert_eq!(
        said(&settled.calls),
        ["track first", "track second", "track third"]
    );
}

#[test]
fn a_setup_replaces_the_setup_before_it() {
    let recorder = recorder();
    recorder.begin_setup(Condition::Always);
    recorder.record(identify("old"));
    recorder.begin_setup(Condition::Always);
    recorder.record(identify("new"));
    assert_eq!(
        said(&recorder.finalize(ANSWERED, Include::All).unwrap().calls),
        ["identify new"]
    );
}

#[test]
fn a_setup_whose_condition_fails_leaves_the_one_before_it() {
    let failed = RequestOutcome {
        succeeded: false,
        routed: true,
        not_found: false,
    };
    let recorder = recorder();
    recorder.record(identify("old"));
    recorder.begin_setup(Condition::Response);
    recorder.record(Entry {
        condition: Condition::Response,
        ..identify("new")
    });
    assert_eq!(
        said(&recorder.finalize(failed, Include::All).unwrap().calls),
        ["identify old"]
    );
}

#[test]
fn replayed_setup_runs_only_where_nobody_else_speaks() {
    let replayed = || Calls {
        setup: vec![identify("1").call],
        ..Calls::default()
    };
    let silent = recorder();
    silent.replay(replayed());
    assert_eq!(
        said(&silent.finalize(ANSWERED, Include::All).unwrap().calls),
        ["identify 1"]
    );

    let spoken = recorder();
    spoken.replay(replayed());
    spoken.mark_setup_decided();
    assert!(
        spoken
            .finalize(ANSWERED, Include::All)
            .unwrap()
            .calls
            .is_empty()
    );
}

#[test]
fn where_the_response_fails_what_was_replayed_stays_behind() {
    let recorder = recorder();
    recorder.replay(Calls {
        tracking: vec![event("replayed").call],
        ..Calls::default()
    });
    recorder.record(event("here"));
    assert_eq!(
        said(
            &recorder
                .finalize(ANSWERED, Include::RecordedOnly)
                .unwrap()
                .calls
        ),
        ["track here"]
    );
}

#[test]
fn replayed_calls_come_before_those_of_this_request() {
    let recorder = recorder();
    recorder.replay(Calls {
        tracking: vec![event("replayed").call],
        ..Calls::default()
    });
    recorder.record(event("here"));
    assert_eq!(
        said(&recorder.finalize(ANSWERED, Include::All).unwrap().calls),
        ["track replayed", "track here"]
    );
}

#[test]
fn every_event_gets_what_copies_are_told_by_unless_the_caller_gave_it() {
    let recorder = recorder();
    recorder.record(event("ours"));
    let own = json!({"$insert_id": "theirs", "time": 5});
    recorder.record(entry(
        Mode::Tracking,
        Method::Track,
        vec![json!("theirs"), own],
    ));
    let calls = recorder
        .finalize(ANSWERED, Include::All)
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
fn an_event_belongs_to_who_was_identified_when_it_was_recorded() {
    let recorder = recorder();
    recorder.record(identify("1"));
    recorder.record(event("Sign Out"));
    recorder.begin_setup(Condition::Always);
    recorder.record(identify("2"));
    recorder.record(event("Sign In"));
    let calls = recorder
        .finalize(ANSWERED, Include::All)
        .unwrap()
        .calls
        .clone();
    assert_eq!(property(&calls, "Sign Out", "$user_id"), Some(json!("1")));
    assert_eq!(
        property(&calls, "Sign In", "$user_id"),
        None,
        "the page's own identify says it"
    );
}

#[test]
fn an_event_of_nobody_yet_goes_to_whom_the_same_request_identifies() {
    let recorder = recorder();
    recorder.record(event("Sign Up"));
    recorder.record(identify("1"));
    let calls = recorder
        .finalize(ANSWERED, Include::All)
        .unwrap()
        .calls
        .clone();
    assert_eq!(property(&calls, "Sign Up", "$user_id"), None);
}

#[test]
fn calls_for_the_server_are_a_set_of_their_own() {
    let recorder = recorder_of_request();
    recorder.record(identify("1"));
    recorder.record(Entry {
        via_server: true,
        ..event("Complete Payment")
    });
    recorder.record(event("View"));
    let settled = recorder.finalize(ANSWERED, Include::All).unwrap();
    assert_eq!(said(&settled.calls), ["identify 1", "track View"]);
    assert_eq!(said(&settled.via_server), ["track Complete Payment"]);
}

#[test]
fn what_is_recorded_after_the_flush_goes_to_the_server_under_its_setup() {
    let late: Arc<Mutex<Vec<Envelope>>> = Arc::default();
    let sink = Arc::clone(&late);
    let late_sink: LateSink =
        Arc::new(move |parcel| sink.lock().unwrap().push(parcel.to_envelope()));
    let recorder = Recorder::new(
        Visitor::default,
        Arc::new(RecorderContext {
            late_sink,
            ..RecorderContext::default()
        }),
    );
    recorder.record(identify("1"));
    recorder.finalize(ANSWERED, Include::All).unwrap();
    recorder.record(event("Mail Sent"));
    let parcels = late.lock().unwrap();
    assert_eq!(said(&parcels[0].calls), ["track Mail Sent"]);
    assert_eq!(parcels[0].context, [identify("1").call]);
}

mod consent {
    use super::*;
    use crate::record::consent::{ConsentChangeKind, ConsentStatus, Decision};

    fn status(is_granted: bool) -> ConsentStatus {
        ConsentStatus {
            is_granted,
            is_explicit: false,
            overrules_cookie: false,
        }
    }

    fn asked(is_granted: bool) -> Recorder {
        recorder().with_consent(Decision {
            now: status(is_granted),
            without_cookie: status(true),
        })
    }

    fn opt(method: Method) -> Entry {
        entry(Mode::Tracking, method, vec![])
    }

    /// Settles, and gives the calls as words and the status at the end.
    fn settled(recorder: &Recorder) -> (Vec<String>, bool, Option<ConsentChangeKind>) {
        let settled = recorder.finalize(ANSWERED, Include::All).unwrap();
        let change = settled.consent_change.as_ref().map(|change| change.kind);
        (
            said(&settled.calls),
            settled.consent.unwrap().is_granted,
            change,
        )
    }

    #[test]
    fn denied_visitor_leaves_no_calls() {
        let recorder = asked(false);
        recorder.record(identify("7"));
        recorder.record(event("Before"));
        recorder.record(Entry {
            via_server: true,
            ..event("Via Server")
        });
        assert!(!recorder.is_recording());
        let settled = recorder.finalize(ANSWERED, Include::All).unwrap();
        assert!(settled.calls.is_empty() && settled.via_server.is_empty());
    }

    #[test]
    fn opt_in_counts_for_what_is_recorded_after_it() {
        let recorder = asked(false);
        recorder.record(identify("7"));
        recorder.record(event("Before"));
        recorder.record(opt(Method::OptInTracking));
        recorder.record(event("After"));
        assert!(recorder.is_recording());
        let expected = ["identify 7", "track $opt_in", "track After"]
            .map(String::from)
            .to_vec();
        assert_eq!(
            settled(&recorder),
            (expected, true, Some(ConsentChangeKind::OptIn))
        );
    }

    #[test]
    fn opt_out_drops_what_is_recorded_after_it() {
        let recorder = asked(true);
        recorder.record(identify("7"));
        recorder.record(event("Before"));
        recorder.record(opt(Method::OptOutTracking));
        recorder.record(event("After"));
        recorder.record(entry(
            Mode::Setup,
            Method::Register,
            vec![json!({"late": true})],
        ));
        let expected = ["identify 7", "track Before"].map(String::from).to_vec();
        assert_eq!(
            settled(&recorder),
            (expected, false, Some(ConsentChangeKind::OptOut))
        );
    }

    #[test]
    fn opt_in_that_does_not_count_changes_nothing() {
        let recorder = asked(false);
        recorder.record(Entry {
            condition: Condition::FailedResponse,
            ..opt(Method::OptInTracking)
        });
        recorder.record(event("After"));
        assert_eq!(settled(&recorder), (vec![], false, None));
    }

    #[test]
    fn ticket_of_an_opt_in_decides_what_comes_after_it() {
        let recorder = asked(false);
        let before = recorder.reserve_seq();
        let opted_in = recorder.reserve_seq();
        recorder.record(event("After"));
        recorder.record(Entry {
            seq: Some(before),
            ..event("Before")
        });
        recorder.record(Entry {
            seq: Some(opted_in),
            ..opt(Method::OptInTracking)
        });
        let expected = ["track $opt_in", "track After"].map(String::from).to_vec();
        assert_eq!(
            settled(&recorder),
            (expected, true, Some(ConsentChangeKind::OptIn))
        );
    }

    #[test]
    fn the_last_change_wins_and_clear_returns_to_the_other_rules() {
        let recorder = asked(true);
        recorder.record(opt(Method::OptOutTracking));
        recorder.record(event("Between"));
        recorder.record(opt(Method::ClearOptInOutTracking));
        recorder.record(event("After"));
        assert_eq!(
            settled(&recorder),
            (
                vec!["track After".to_owned()],
                true,
                Some(ConsentChangeKind::Clear)
            )
        );
    }

    #[test]
    fn opt_in_takes_the_options_of_mixpanel_js() {
        let recorder = asked(false);
        let options = json!({"track_event_name": "Agreed", "track_properties": {"a": 1}, "cookie_expiration": 7});
        recorder.record(entry(Mode::Tracking, Method::OptInTracking, vec![options]));
        let settled = recorder.finalize(ANSWERED, Include::All).unwrap();
        assert_eq!(property(&settled.calls, "Agreed", "a"), Some(json!(1)));
        assert!(property(&settled.calls, "Agreed", "$insert_id").is_some());
        assert_eq!(
            settled.consent_change.as_ref().unwrap().options["cookie_expiration"],
            7
        );
    }

    #[test]
    fn opt_out_deletes_the_profile_only_where_asked_to() {
        for (options, expected) in [
            (
                json!({"delete_user": true}),
                vec!["people.delete_user -".to_owned()],
            ),
            (json!({"delete_user": false}), vec![]),
            (json!({}), vec![]),
        ] {
            let recorder = asked(true);
            recorder.record(entry(Mode::Tracking, Method::OptOutTracking, vec![options]));
            assert_eq!(settled(&recorder).0, expected);
        }
    }

    #[test]
    fn consent_also_holds_for_late_calls() {
        for is_granted in [true, false] {
            let late = Arc::new(Mutex::new(Vec::new()));
            let heard = Arc::clone(&late);
            let sink: LateSink = Arc::new(move |view| {
                heard
                    .lock()
                    .unwrap()
                    .push(said(&view.to_envelope().calls).concat())
            });
            let recorder = Recorder::new(
                Visitor::default,
                Arc::new(RecorderContext {
                    late_sink: sink,
                    ..RecorderContext::default()
                }),
            );
            let recorder = recorder.with_consent(Decision {
                now: status(is_granted),
                without_cookie: status(true),
            });
            recorder.finalize(ANSWERED, Include::All);
            recorder.record(event("Late"));
            recorder.record(opt(Method::OptOutTracking));
            recorder.record(event("Later"));
            let expected: &[&str] = if is_granted {
                &["track Late", "opt_out_tracking -"]
            } else {
                &["opt_out_tracking -"]
            };
            assert_eq!(*late.lock().unwrap(), expected);
        }
    }

    #[test]
    fn job_keeps_consent_calls_as_they_are() {
        let recorder = recorder();
        recorder.record(opt(Method::OptInTracking));
        let settled = recorder.finalize(ANSWERED, Include::All).unwrap();
        assert_eq!(said(&settled.calls), ["opt_in_tracking -"]);
        assert_eq!(
            (settled.consent, settled.consent_change.clone()),
            (None, None)
        );
    }
}
