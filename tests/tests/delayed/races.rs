//! Races between tabs, slow requests, old cookies and the fallback timer.

use std::time::Duration;

use mengpaneel_tests::{SessionConfig, TIMEOUT, TestApp, TestClient, TestRedis, event_names};
use reqwest::Method;

use crate::fake_mixpanel_js::{FakeMixpanelJs, all_sent, sent_names};
use crate::scenario::{HeldRequest, Scenario, navigate, next_page};
use crate::scenario_app::{routes, start_app, start_with_sessions};

const SOON: Duration = Duration::from_millis(50);

/// Starts a server that delivers the fallback after this time.
fn start_with_fallback(sessions: &SessionConfig, fallback_after: Duration) -> TestApp {
    TestApp::with_sessions(sessions, routes, |builder| {
        builder.fallback_after(fallback_after)
    })
}

/// Sends a request that changes the session and then waits at its gate.
async fn slow_session_write(app: &TestApp, client: &TestClient) -> HeldRequest {
    let scenario = Scenario::json().insert_session("second");
    HeldRequest::send(app, client, scenario, |client| {
        client.request(Method::GET, "/")
    })
    .await
}

#[tokio::test]
async fn two_tabs_with_one_session_replay_once() {
    let redis = TestRedis::start();
    for sessions in [
        SessionConfig::EncryptedCookie,
        SessionConfig::Redis(redis.url()),
    ] {
        let app = start_with_sessions(&sessions);
        let mut first = TestClient::browser(&app.url);
        navigate(&mut first, Scenario::buy().increment("Posts")).await;
        let mut second = first.clone();
        let (left, right) = tokio::join!(next_page(&mut first), next_page(&mut second));
        let mut calls = [left, right].concat();
        calls.sort_unstable();
        assert_eq!(calls, ["identify 42", "track Buy"], "{sessions:?}");
        assert_eq!(next_page(&mut first).await, Vec::<String>::new());
        assert_eq!(next_page(&mut second).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn request_claims_only_when_its_response_is_ready() {
    for sessions in [SessionConfig::SignedCookie, SessionConfig::EncryptedCookie] {
        let app = start_with_sessions(&sessions);
        let mut first = TestClient::browser(&app.url);
        navigate(&mut first, Scenario::buy()).await;
        let mut second = first.clone();
        let slow = HeldRequest::navigate(&app, &first).await;
        assert_eq!(next_page(&mut second).await, ["identify 42", "track Buy"]);
        assert_eq!(
            slow.response().await.call_summary(),
            Vec::<String>::new(),
            "the other tab has replayed them"
        );
    }
}

#[tokio::test]
async fn old_cookie_sent_again_replays_nothing() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    let scenario = Scenario::redirect().track("Buy").increment("Posts");
    navigate(&mut ada, scenario).await;
    let mut old = ada.clone();
    assert_eq!(next_page(&mut ada).await, ["track Buy", "people.increment"]);
    for _ in 0..2 {
        assert_eq!(next_page(&mut old).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn back_button_repeats_only_deduplicable_events() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    let mut js = FakeMixpanelJs::new("d1");
    navigate(&mut ada, Scenario::buy().track("Sell")).await;
    let page = navigate(&mut ada, Scenario::page().identify("42")).await;
    js.run(&page);
    js.run(&page);
    assert_eq!(sent_names(&all_sent([&js], &[])), ["Buy", "Sell"]);
}

#[tokio::test]
async fn processes_without_shared_claims_send_equal_copies() {
    let redis = TestRedis::start();
    let sessions = SessionConfig::Redis(redis.url());
    let process = || {
        TestApp::with_key(&sessions, &[7; 64], routes, |builder| {
            builder.fallback_after(SOON)
        })
    };
    let (one, two) = (process(), process());
    let mut ada = TestClient::browser(&one.url);
    let mut js = FakeMixpanelJs::new("d1");
    ada.cookies.insert("mp_demo_mixpanel".into(), js.cookie());
    navigate(&mut ada, Scenario::buy()).await;
    let page = Scenario::page().identify("42");
    js.run(&navigate(&mut ada.with_base_url(&two.url), page).await);
    assert_eq!(js.sent.len(), 1);
    let late = one.stand_in.wait_for_event(TIMEOUT, "Buy").await.unwrap();
    assert_eq!(sent_names(&all_sent([&js], &[late])), ["Buy"]);
}

#[tokio::test]
async fn server_delivers_calls_of_visitor_who_never_returns() {
    let redis = TestRedis::start();
    for sessions in [
        SessionConfig::EncryptedCookie,
        SessionConfig::Redis(redis.url()),
    ] {
        let app = start_with_fallback(&sessions, SOON);
        let mut ada = TestClient::browser(&app.url);
        let sign_up = Scenario::redirect().alias("42").identify("42");
        navigate(&mut ada, sign_up.track("Sign Up")).await;
        let event = app.stand_in.wait_for_event(TIMEOUT, "Sign Up").await;
        let event = event.unwrap();
        assert_eq!(
            (event.distinct_id(), event.property("$user_id")),
            (Some("42"), &"42".into())
        );
        assert_eq!(
            next_page(&mut ada).await,
            Vec::<String>::new(),
            "the server has delivered it"
        );
        assert_eq!(
            ada.get("/").send().await.header("set-cookie"),
            None,
            "the carrier cookie was removed"
        );
        assert_eq!(event_names(&app.flush_and_collect().await), ["Sign Up"]);
    }
}

#[tokio::test]
async fn replay_cancels_the_fallback() {
    let app = start_with_fallback(&SessionConfig::EncryptedCookie, Duration::from_secs(2));
    let mut ada = TestClient::browser(&app.url);
    let redirect = |event| Scenario::redirect().identify("42").track(event);
    navigate(&mut ada, redirect("Replayed")).await;
    assert_eq!(next_page(&mut ada).await, ["identify 42", "track Replayed"]);
    navigate(&mut ada, redirect("Unclaimed")).await;
    let unclaimed = app.stand_in.wait_for_event(TIMEOUT, "Unclaimed").await;
    unclaimed.unwrap();
    assert_eq!(event_names(&app.stand_in.events()), ["Unclaimed"]);
}

#[tokio::test]
async fn overwritten_redirect_cookie_loses_no_calls() {
    let redis = TestRedis::start();
    for sessions in [
        SessionConfig::SignedCookie,
        SessionConfig::EncryptedCookie,
        SessionConfig::Redis(redis.url()),
    ] {
        let app = start_with_fallback(&sessions, SOON);
        let mut ada = TestClient::browser(&app.url);
        navigate(&mut ada, Scenario::page().insert_session("first")).await;
        let slow = slow_session_write(&app, &ada).await;
        navigate(&mut ada, Scenario::buy()).await;
        let (slow_client, response) = slow.finish().await;
        response.unwrap();
        ada.cookies = slow_client.cookies;
        app.stand_in.wait_for_event(TIMEOUT, "Buy").await.unwrap();
        assert_eq!(next_page(&mut ada).await, Vec::<String>::new());
        assert_eq!(event_names(&app.stand_in.events()), ["Buy"], "{sessions:?}");
    }
}

#[tokio::test]
async fn restored_redirect_cookie_replays_nothing() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    let scenario = Scenario::redirect().insert_session("first").track("Buy");
    navigate(&mut ada, scenario.increment("Posts")).await;
    let slow = slow_session_write(&app, &ada).await;
    assert_eq!(next_page(&mut ada).await, ["track Buy", "people.increment"]);
    let (slow_client, response) = slow.finish().await;
    response.unwrap();
    ada.cookies = slow_client.cookies;
    assert_eq!(next_page(&mut ada).await, Vec::<String>::new());
}

#[tokio::test]
async fn shutdown_delivers_only_deduplicable_delayed_calls() {
    let app = start_app();
    let known = Scenario::redirect().identify("42").track("Known");
    navigate(&mut TestClient::browser(&app.url), known).await;
    let unknown = Scenario::redirect().track("Unknown");
    navigate(&mut TestClient::browser(&app.url), unknown).await;
    app.mengpaneel.shutdown(TIMEOUT).await.unwrap();
    assert_eq!(event_names(&app.stand_in.events()), ["Known"]);
}
