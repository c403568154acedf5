//! Consent, and opt-in and opt-out calls.

use super::*;
use crate::record::consent::{ConsentChangeKind, ConsentStatus, Decision};

fn status(is_granted: bool) -> ConsentStatus {
    ConsentStatus {
        is_granted,
        is_explicit: false,
        overrules_cookie: false,
    }
}

fn recorder_with_consent(is_granted: bool) -> Recorder {
    recorder().with_consent(Decision {
        now: status(is_granted),
        without_cookie: status(true),
    })
}

fn opt(method: Method) -> Entry {
    entry(Mode::Tracking, method, vec![])
}

/// Finalizes, and returns the calls as text, the final consent and the last change.
fn finalized(recorder: &Recorder) -> (Vec<String>, bool, Option<ConsentChangeKind>) {
    let final_calls = recorder.finalize(SUCCEEDED, Include::All).unwrap();
    let change = final_calls
        .consent_change
        .as_ref()
        .map(|change| change.kind);
    (
        summaries(&final_calls.calls),
        final_calls.consent.unwrap().is_granted,
        change,
    )
}

#[test]
fn denied_visitor_leaves_no_calls() {
    let recorder = recorder_with_consent(false);
    recorder.record(identify("7"));
    recorder.record(event("Before"));
    recorder.record(Entry {
        via_server: true,
        ..event("Via Server")
    });
    assert!(!recorder.is_recording());
    let final_calls = recorder.finalize(SUCCEEDED, Include::All).unwrap();
    assert!(final_calls.calls.is_empty() && final_calls.via_server.is_empty());
}

#[test]
fn opt_in_applies_to_later_calls() {
    let recorder = recorder_with_consent(false);
    recorder.record(identify("7"));
    recorder.record(event("Before"));
    recorder.record(opt(Method::OptInTracking));
    recorder.record(event("After"));
    assert!(recorder.is_recording());
    let expected = ["identify 7", "track $opt_in", "track After"]
        .map(String::from)
        .to_vec();
    assert_eq!(
        finalized(&recorder),
        (expected, true, Some(ConsentChangeKind::OptIn))
    );
}

#[test]
fn opt_out_drops_later_calls() {
    let recorder = recorder_with_consent(true);
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
        finalized(&recorder),
        (expected, false, Some(ConsentChangeKind::OptOut))
    );
}

#[test]
fn opt_in_with_failed_condition_changes_nothing() {
    let recorder = recorder_with_consent(false);
    recorder.record(Entry {
        condition: Condition::FailedResponse,
        ..opt(Method::OptInTracking)
    });
    recorder.record(event("After"));
    assert_eq!(finalized(&recorder), (vec![], false, None));
}

#[test]
fn reserved_seq_of_opt_in_orders_other_calls() {
    let recorder = recorder_with_consent(false);
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
        finalized(&recorder),
        (expected, true, Some(ConsentChangeKind::OptIn))
    );
}

#[test]
fn clear_after_opt_out_restores_other_rules() {
    let recorder = recorder_with_consent(true);
    recorder.record(opt(Method::OptOutTracking));
    recorder.record(event("Between"));
    recorder.record(opt(Method::ClearOptInOutTracking));
    recorder.record(event("After"));
    assert_eq!(
        finalized(&recorder),
        (
            vec!["track After".to_owned()],
            true,
            Some(ConsentChangeKind::Clear)
        )
    );
}

#[test]
fn opt_in_applies_options_of_mixpanel_js() {
    let recorder = recorder_with_consent(false);
    let options =
        json!({"track_event_name": "Agreed", "track_properties": {"a": 1}, "cookie_expiration": 7});
    recorder.record(entry(Mode::Tracking, Method::OptInTracking, vec![options]));
    let final_calls = recorder.finalize(SUCCEEDED, Include::All).unwrap();
    assert_eq!(property(&final_calls.calls, "Agreed", "a"), Some(json!(1)));
    assert!(property(&final_calls.calls, "Agreed", "$insert_id").is_some());
    assert_eq!(
        final_calls.consent_change.as_ref().unwrap().options["cookie_expiration"],
        7
    );
}

#[test]
fn opt_out_deletes_profile_only_if_requested() {
    for (options, expected) in [
        (
            json!({"delete_user": true}),
            vec!["people.delete_user -".to_owned()],
        ),
        (json!({"delete_user": false}), vec![]),
        (json!({}), vec![]),
    ] {
        let recorder = recorder_with_consent(true);
        recorder.record(entry(Mode::Tracking, Method::OptOutTracking, vec![options]));
        assert_eq!(finalized(&recorder).0, expected);
    }
}

#[test]
fn consent_applies_to_late_calls() {
    for is_granted in [true, false] {
        let late = Arc::new(Mutex::new(Vec::new()));
        let received = Arc::clone(&late);
        let sink: LateSink = Arc::new(move |envelope| {
            received
                .lock()
                .unwrap()
                .push(summaries(&owned(envelope).calls).concat());
        });
        let recorder = Recorder::new(
            Visitor::default,
            Arc::new(RecorderServices {
                late_sink: sink,
                ..RecorderServices::default()
            }),
        );
        let recorder = recorder.with_consent(Decision {
            now: status(is_granted),
            without_cookie: status(true),
        });
        recorder.finalize(SUCCEEDED, Include::All);
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
fn job_records_consent_calls_unchanged() {
    let recorder = recorder();
    recorder.record(opt(Method::OptInTracking));
    let final_calls = recorder.finalize(SUCCEEDED, Include::All).unwrap();
    assert_eq!(summaries(&final_calls.calls), ["opt_in_tracking -"]);
    assert_eq!(
        (final_calls.consent, final_calls.consent_change.clone()),
        (None, None)
    );
}
