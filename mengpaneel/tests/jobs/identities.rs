//! Users of the events that jobs and handles of users record.

use actix_web::HttpResponse;
use stand_in::StandIn;

use super::{SOON, arrived, build, pairs};

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
    mengpaneel.flush(SOON).await.unwrap();
    let mut seen = arrived(&stand_in);
    seen.retain(|(_, event)| !event.starts_with('$'));
    assert_eq!(
        seen,
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
async fn conditions_hold_for_calls_of_a_users_handle() {
    let stand_in = StandIn::start();
    let (mengpaneel, _) = build(&stand_in, |builder| builder);
    mengpaneel
        .as_user(7)
        .scope(async {
            assert_eq!((find(Some("a")), find(None)), (Ok("a".to_owned()), Err(())));
            assert!(page().status().is_success());
        })
        .await;
    mengpaneel.flush(SOON).await.unwrap();
    assert_eq!(
        arrived(&stand_in),
        pairs(&[("7", "Found"), ("7", "Missing"), ("7", "Found Page")])
    );
}
