//! Users of the events that jobs and handles of users record.

use actix_web::HttpResponse;
use serde_json::json;
use stand_in::StandIn;

use super::{TIMEOUT, build, failures_of, pairs, received};

#[mengpaneel::track("Renewed", via(server))]
fn renewed() {}

#[tokio::test]
async fn job_keeps_the_order_of_identities_and_events() {
    let stand_in = StandIn::start();
    let (mengpaneel, _) = build(&stand_in, |builder| builder);
    mengpaneel
        .scope(async {
            for user in [1, 2] {
                mengpaneel::identify(user);
                renewed();
                mengpaneel::track("Seen", ());
            }
        })
        .await;
    mengpaneel.flush(TIMEOUT).await.unwrap();
    let mut events = received(&stand_in);
    events.retain(|(_, event)| !event.starts_with('$'));
    assert_eq!(
        events,
        pairs(&[
            ("1", "Renewed"),
            ("1", "Seen"),
            ("2", "Renewed"),
            ("2", "Seen")
        ])
    );
}

#[mengpaneel::track("Found", "Name" = name)]
#[mengpaneel::track("Missing", on(failure))]
fn find(name: Option<&str>) -> Result<String, ()> {
    name.map(str::to_owned).ok_or(())
}

#[mengpaneel::track("Found Page")]
#[mengpaneel::track("Missing Page", on(failure))]
fn page() -> HttpResponse {
    HttpResponse::Ok().finish()
}

#[tokio::test]
async fn outcomes_decide_calls_of_a_user_handle() {
    let stand_in = StandIn::start();
    let (mengpaneel, _) = build(&stand_in, |builder| builder);
    mengpaneel
        .as_user(7)
        .scope(async {
            assert_eq!((find(Some("a")), find(None)), (Ok("a".to_owned()), Err(())));
            assert!(page().status().is_success());
        })
        .await;
    mengpaneel.flush(TIMEOUT).await.unwrap();
    assert_eq!(
        received(&stand_in),
        pairs(&[("7", "Found"), ("7", "Missing"), ("7", "Found Page")])
    );
}

#[tokio::test]
async fn inner_job_and_user_are_independent_of_the_outer_job() {
    let stand_in = StandIn::start();
    let (mengpaneel, failures) = build(&stand_in, |builder| builder);
    let inner = mengpaneel.clone();
    mengpaneel
        .scope(async move {
            mengpaneel::setup(|mixpanel| mixpanel.identify(1));
            inner.scope(async { mengpaneel::track("Inner", ()) }).await;
            inner.as_user(2).track("User", ());
            inner
                .as_user(3)
                .scope(async { mengpaneel::track("Scope Of User", ()) })
                .await;
            mengpaneel::track("Outer", ());
        })
        .await;
    mengpaneel.flush(TIMEOUT).await.unwrap();
    let expected = [
        ("", "Inner"),
        ("2", "User"),
        ("3", "Scope Of User"),
        ("1", "Outer"),
    ];
    let mut events = received(&stand_in);
    events.sort();
    let mut expected = pairs(&expected);
    expected.sort();
    assert_eq!(events, expected);
    assert_eq!(failures_of(&failures), []);
}

#[tokio::test]
async fn late_calls_of_a_job_belong_to_its_last_user() {
    let stand_in = StandIn::start();
    let (mengpaneel, failures) = build(&stand_in, |builder| builder);
    let job = async {
        mengpaneel::setup(|mixpanel| mixpanel.identify(1));
        mengpaneel::track("First", ());
        mengpaneel::identify(2);
        mengpaneel::register(json!({"Source": "job"}));
        mengpaneel::current()
    };
    let mixpanel = mengpaneel.scope(job).await;
    mixpanel.track("Late", ());
    mengpaneel.flush(TIMEOUT).await.unwrap();
    let late = &stand_in.counted_as("Late")[0];
    assert_eq!(
        (late.distinct_id(), late.property("Source")),
        (Some("2"), &json!("job"))
    );
    assert_eq!(failures_of(&failures), []);
}
