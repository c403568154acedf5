//! Handles of users, which record outside of requests and jobs.

use mengpaneel::Reason;
use serde_json::{Value, json};
use stand_in::{Endpoint, StandIn};

use super::{TIMEOUT, build, failures_of, pairs, received};

#[tokio::test]
async fn user_handle_records_events_profiles_and_groups() {
    let stand_in = StandIn::start();
    let (mengpaneel, failures) = build(&stand_in, |builder| builder);
    let user = mengpaneel.as_user(42);
    assert!(user.is_recording());
    user.track("First", json!({"time": 1_767_225_600_000_u64}));
    user.people().set(json!({"Plan": "Pro"}));
    user.people().increment("Renewals", 2);
    user.get_group("company", "acme")
        .set(json!({"Plan": "Team"}));
    user.track("Second", ());
    mengpaneel.flush(TIMEOUT).await.unwrap();
    assert_eq!(
        received(&stand_in),
        pairs(&[("42", "First"), ("42", "Second")])
    );
    let first = &stand_in.counted()[0];
    assert_eq!(first.property("time"), &json!(1_767_225_600_000_u64));
    assert_eq!(
        (first.property("$user_id"), first.property("ip")),
        (&json!("42"), &Value::Null)
    );
    let profile = stand_in.profile("42").unwrap();
    assert_eq!(
        (&profile["Plan"], &profile["Renewals"]),
        (&json!("Pro"), &json!(2))
    );
    assert_eq!(
        stand_in
            .requests()
            .iter()
            .filter(|request| request.endpoint == Endpoint::Groups)
            .count(),
        1
    );
    assert_eq!(failures_of(&failures), []);
}

#[tokio::test]
async fn user_handle_keeps_state_between_calls() {
    let stand_in = StandIn::start();
    let (mengpaneel, failures) = build(&stand_in, |builder| builder);
    let user = mengpaneel.as_user(42);
    user.register(json!({"Source": "CLI"}));
    user.set_group("company", "acme");
    user.time_event("Import");
    user.track("Import", ());
    user.track("Import", ());
    for number in 0..1_000 {
        user.register(json!({"Row": number}));
    }
    user.track("Row", ());
    user.identify(43);
    user.track("Other", ());
    user.reset();
    user.track("Anonymous", ());
    mengpaneel.flush(TIMEOUT).await.unwrap();
    let counted = |event: &str| stand_in.counted_as(event);
    let imports = counted("Import");
    assert_eq!(
        (
            imports[0].property("Source"),
            imports[0].property("company")
        ),
        (&json!("CLI"), &json!(["acme"]))
    );
    assert!(
        imports[0].property("$duration").is_number() && imports[1].property("$duration").is_null()
    );
    assert_eq!(counted("Row")[0].property("Row"), &json!(999));
    assert_eq!(
        (
            counted("Other")[0].distinct_id(),
            counted("Other")[0].property("Source")
        ),
        (Some("43"), &json!("CLI"))
    );
    assert_eq!(
        (
            counted("Anonymous")[0].distinct_id(),
            counted("Anonymous")[0].property("Source")
        ),
        (Some(""), &Value::Null)
    );
    assert_eq!(stand_in.profile("42").unwrap()["company"], json!(["acme"]));
    assert_eq!(failures_of(&failures), []);
}

#[tokio::test]
async fn placeholder_id_is_reported_and_changes_no_profile() {
    let stand_in = StandIn::start();
    let (mengpaneel, failures) = build(&stand_in, |builder| builder);
    let user = mengpaneel.as_user("undefined");
    user.people().set(json!({"Plan": "Pro"}));
    user.track("Renew", ());
    mengpaneel.flush(TIMEOUT).await.unwrap();
    let failures = failures_of(&failures);
    assert!(
        matches!(&failures[..], [(Reason::PlaceholderId { subject, .. }, _), (Reason::UnknownUser(_), _)]
            if subject.contains("tests/jobs/user_handles.rs:")),
        "{failures:?}"
    );
    assert_eq!(received(&stand_in), pairs(&[("", "Renew")]));
    assert!(stand_in.profiles().is_empty());
}
