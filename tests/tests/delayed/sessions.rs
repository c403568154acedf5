//! The application's session: delayed calls neither change it nor depend on it.

use mengpaneel_tests::{SessionConfig, TestClient, TestRedis, TestResponse, event_names};

use crate::cookie_limits::counted_events;
use crate::scenario::{
    HeldRequest, Outcome, Scenario, SessionChange, WithScenario as _, fetch, navigate, next_page,
    session_value,
};
use crate::scenario_app::{start_app, start_with_sessions};

fn writes_session(response: &TestResponse) -> bool {
    response
        .headers
        .iter()
        .any(|(name, value)| name == "set-cookie" && value.starts_with("id="))
}

#[tokio::test]
async fn tracking_never_writes_the_session() {
    let redis = TestRedis::start();
    for sessions in [
        SessionConfig::SignedCookie,
        SessionConfig::EncryptedCookie,
        SessionConfig::Redis(redis.url()),
        SessionConfig::Failing,
    ] {
        let app = start_with_sessions(&sessions);
        let mut ada = TestClient::browser(&app.url);
        for scenario in [
            Scenario::page(),
            Scenario::page().track("View"),
            Scenario::redirect().identify("42"),
            Scenario::json().track("View"),
            Scenario::page().track("View").status(304),
            Scenario::redirect().track("Buy"),
            Scenario::buy().increment("Posts"),
            Scenario::page(),
            Scenario::ending(Outcome::Error),
        ] {
            let response = navigate(&mut ada, scenario.clone()).await;
            assert!(!writes_session(&response), "{scenario:?} {sessions:?}");
        }
    }
}

#[tokio::test]
async fn redirect_works_with_failing_session_store() {
    let app = start_with_sessions(&SessionConfig::Failing);
    let mut ada = TestClient::browser(&app.url);
    assert_eq!(navigate(&mut ada, Scenario::buy()).await.status, 303);
    assert_eq!(next_page(&mut ada).await, ["identify 42", "track Buy"]);
}

#[tokio::test]
async fn slow_replay_keeps_concurrent_session_write() {
    let redis = TestRedis::start();
    for sessions in [
        SessionConfig::SignedCookie,
        SessionConfig::EncryptedCookie,
        SessionConfig::Redis(redis.url()),
    ] {
        let app = start_with_sessions(&sessions);
        let mut ada = TestClient::browser(&app.url);
        navigate(&mut ada, Scenario::page().insert_session("first")).await;
        navigate(&mut ada, Scenario::buy()).await;
        let slow = HeldRequest::navigate(&app, &ada).await;
        fetch(&mut ada, Scenario::json().insert_session("cart")).await;
        let page = slow.response().await;
        assert_eq!(
            page.call_summary(),
            ["identify 42", "track Buy"],
            "{sessions:?}"
        );
        ada.store_cookies(&page);
        assert_eq!(session_value(&mut ada).await, "cart", "{sessions:?}");
    }
}

#[tokio::test]
async fn slow_replay_does_not_restore_purged_session() {
    let redis = TestRedis::start();
    for sessions in [
        SessionConfig::EncryptedCookie,
        SessionConfig::Redis(redis.url()),
    ] {
        let app = start_with_sessions(&sessions);
        let mut ada = TestClient::browser(&app.url);
        navigate(&mut ada, Scenario::page().insert_session("signed in")).await;
        navigate(&mut ada, Scenario::buy()).await;
        let slow = HeldRequest::navigate(&app, &ada).await;
        let sign_out = Scenario::redirect().identify("42").track("Sign Out");
        navigate(&mut ada, sign_out.session(SessionChange::Purge)).await;
        assert!(!ada.cookies.contains_key("id"));
        ada.store_cookies(&slow.response().await);
        assert!(!ada.cookies.contains_key("id"), "{sessions:?}");
        assert!(session_value(&mut ada).await.is_null(), "{sessions:?}");
    }
}

#[tokio::test]
async fn delayed_calls_leave_room_for_session_cookie() {
    for sessions in [SessionConfig::SignedCookie, SessionConfig::EncryptedCookie] {
        let app = start_with_sessions(&sessions);
        let mut ada = TestClient::browser(&app.url);
        for hop in 0..10 {
            let redirect = Scenario::redirect().track(format!("Hop {hop}"));
            navigate(&mut ada, redirect).await;
        }
        let value = "x".repeat(2_500);
        let scenario = Scenario::json().insert_session(value.as_str());
        let response = fetch(&mut ada, scenario).await;
        assert_eq!(response.status, 200, "{sessions:?}");
        assert_eq!(session_value(&mut ada).await, value, "{sessions:?}");
        let counted = counted_events(&app, &mut ada).await;
        assert_eq!(counted.len(), 10, "{sessions:?}");
    }
}

#[tokio::test]
async fn cross_site_redirect_sets_no_cookie() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    navigate(&mut ada, Scenario::page().insert_session("signed in")).await;
    // Browsers withhold `SameSite=Lax` cookies from a form of another site.
    let mut from_bank = TestClient::browser(&app.url);
    let paid = Scenario::redirect().track("Paid");
    let response = from_bank.post("/", &[]).scenario(&paid);
    let response = response.header("sec-fetch-site", "cross-site").send().await;
    assert_eq!(
        (response.status, response.header("set-cookie")),
        (303, None)
    );
    // Older browsers send no `Sec-Fetch-Site`.
    let response = from_bank.post("/", &[]).scenario(&paid);
    let response = response
        .header("origin", "https://bank.example")
        .send()
        .await;
    assert_eq!(response.header("set-cookie"), None);
    assert_eq!(
        event_names(&app.flush_and_collect().await),
        ["Paid", "Paid"]
    );
}

#[tokio::test]
async fn delayed_calls_survive_changes_of_the_session() {
    let redis = TestRedis::start();
    for sessions in [
        SessionConfig::EncryptedCookie,
        SessionConfig::Redis(redis.url()),
    ] {
        for (change, keeps_session) in [
            (SessionChange::Renew, true),
            (SessionChange::Clear, true),
            (SessionChange::Purge, false),
        ] {
            let app = start_with_sessions(&sessions);
            let mut ada = TestClient::browser(&app.url);
            let before = Scenario::redirect().insert_session("value").track("Before");
            navigate(&mut ada, before).await;
            let after = Scenario::redirect().identify("42").track("After");
            navigate(&mut ada, after.session(change.clone())).await;
            let page = navigate(&mut ada, Scenario::page().anonymous()).await;
            assert_eq!(
                page.call_summary(),
                ["track Before", "track After"],
                "{change:?} {sessions:?}"
            );
            assert_eq!(
                page.property("After", "$user_id"),
                Some("42".into()),
                "{change:?} {sessions:?}"
            );
            let has_session = ada.cookies.contains_key("id");
            assert_eq!(has_session, keeps_session, "{change:?} {sessions:?}");
        }
    }
}
