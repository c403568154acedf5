//! Timing that is against us: tabs, slow requests, old cookies, and visitors who never return.

use std::time::Duration;

use mengpaneel_tests::{SessionConfig, TIMEOUT, TestApp, TestClient, TestRedis, event_names};

use crate::fake_mixpanel_js::{self, FakeMixpanelJs};
use crate::{routes, start_app, with};

/// A app whose server speaks up soon for who does not return.
fn impatient(sessions: &SessionConfig, after: Duration) -> TestApp {
    TestApp::with_sessions(sessions, routes::routes, |builder| {
        builder.unclaimed_after(after)
    })
}

const SOON: Duration = Duration::from_millis(50);

#[tokio::test]
async fn of_two_tabs_that_bring_one_session_one_is_told() {
    let redis = TestRedis::start();
    for sessions in [
        SessionConfig::EncryptedCookie,
        SessionConfig::Redis(redis.url()),
    ] {
        let app = with(&sessions);
        let mut first = TestClient::browser(&app.url);
        first
            .get("/?who=42&track=Buy&increment=Posts&then=/")
            .send()
            .await;
        let mut second = first.clone();
        let (left, right) = tokio::join!(first.get("/").send(), second.get("/").send());
        let mut said = [left.call_summary(), right.call_summary()].concat();
        said.sort_unstable();
        assert_eq!(said, ["identify 42", "track Buy"], "{sessions:?}");
        assert_eq!(
            first.get("/").send().await.call_summary(),
            Vec::<String>::new()
        );
        assert_eq!(
            second.get("/").send().await.call_summary(),
            Vec::<String>::new()
        );
    }
}

#[tokio::test]
async fn request_claims_only_when_its_answer_is_ready() {
    for sessions in [SessionConfig::SignedCookie, SessionConfig::EncryptedCookie] {
        let app = with(&sessions);
        let mut first = TestClient::browser(&app.url);
        first.get("/?who=42&track=Buy&then=/").send().await;
        let (mut second, mut gate) = (first.clone(), TestClient::machine(&app.url));
        let slow = tokio::spawn(async move { first.get("/?gate=slow").send().await });
        gate.get("/reached/slow").send().await;
        assert_eq!(
            second.get("/").send().await.call_summary(),
            ["identify 42", "track Buy"]
        );
        gate.get("/open/slow").send().await;
        assert_eq!(
            slow.await.unwrap().call_summary(),
            Vec::<String>::new(),
            "the other tab has replayed them"
        );
    }
}

#[tokio::test]
async fn a_browser_that_sends_the_old_cookie_again_is_not_told_twice() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    ada.get("/?track=Buy&increment=Posts&then=/").send().await;
    let mut old = ada.clone();
    assert_eq!(
        ada.get("/").send().await.call_summary(),
        ["track Buy", "people.increment"]
    );
    for _ in 0..2 {
        assert_eq!(
            old.get("/").send().await.call_summary(),
            Vec::<String>::new()
        );
    }
}

#[tokio::test]
async fn the_back_button_runs_copies_that_mixpanel_drops() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    let mut js = FakeMixpanelJs::new("d1");
    ada.get("/?who=42&track=Buy,Sell&then=/").send().await;
    let page = ada.get("/?who=42").send().await;
    js.run(&page);
    js.run(&page);
    assert_eq!(
        fake_mixpanel_js::names(&fake_mixpanel_js::all([&js], &[])),
        ["Buy", "Sell"]
    );
}

#[tokio::test]
async fn every_process_says_the_same_of_one_session_and_mixpanel_drops_all_but_one() {
    let redis = TestRedis::start();
    let sessions = SessionConfig::Redis(redis.url());
    let key = [7; 64];
    let shared = || {
        TestApp::with_key(&sessions, &key, routes::routes, |builder| {
            builder.unclaimed_after(SOON)
        })
    };
    let (one, two) = (shared(), shared());
    let mut ada = TestClient::browser(&one.url);
    let mut js = FakeMixpanelJs::new("d1");
    ada.cookies.insert("mp_demo_mixpanel".into(), js.cookie());
    ada.get("/?who=42&track=Buy&then=/").send().await;
    js.run(&ada.with_base_url(&two.url).get("/?who=42").send().await);
    assert_eq!(js.sent.len(), 1);
    let late = one.stand_in.wait_for_event(TIMEOUT, "Buy").await.unwrap();
    assert_eq!(
        fake_mixpanel_js::names(&fake_mixpanel_js::all([&js], &[late])),
        ["Buy"]
    );
}

#[tokio::test]
async fn the_server_speaks_for_a_visitor_who_never_returns() {
    let redis = TestRedis::start();
    for sessions in [
        SessionConfig::EncryptedCookie,
        SessionConfig::Redis(redis.url()),
    ] {
        let app = impatient(&sessions, SOON);
        let mut ada = TestClient::browser(&app.url);
        ada.get("/?alias=42&who=42&track=Sign+Up&then=/")
            .send()
            .await;
        let event = app
            .stand_in
            .wait_for_event(TIMEOUT, "Sign Up")
            .await
            .unwrap();
        assert_eq!(
            (event.distinct_id(), event.property("$user_id")),
            (Some("42"), &"42".into())
        );
        assert_eq!(
            ada.get("/").send().await.call_summary(),
            Vec::<String>::new(),
            "the server has said it"
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
async fn what_a_page_told_the_server_does_not_tell_again() {
    let app = impatient(&SessionConfig::EncryptedCookie, Duration::from_secs(2));
    let mut ada = TestClient::browser(&app.url);
    ada.get("/?who=42&track=Told&then=/").send().await;
    assert_eq!(
        ada.get("/").send().await.call_summary(),
        ["identify 42", "track Told"]
    );
    ada.get("/?who=42&track=Untold&then=/").send().await;
    app.stand_in
        .wait_for_event(TIMEOUT, "Untold")
        .await
        .unwrap();
    assert_eq!(event_names(&app.stand_in.events()), ["Untold"]);
}

#[tokio::test]
async fn a_slow_request_that_overwrites_the_redirects_cookie_loses_nothing() {
    let redis = TestRedis::start();
    for sessions in [
        SessionConfig::SignedCookie,
        SessionConfig::EncryptedCookie,
        SessionConfig::Redis(redis.url()),
    ] {
        let app = impatient(&sessions, SOON);
        let mut ada = TestClient::browser(&app.url);
        ada.get("/?session=first").send().await;
        let (mut slow, mut gate) = (ada.clone(), TestClient::machine(&app.url));
        let request = tokio::spawn(async move {
            slow.request(reqwest::Method::GET, "/?gate=slow&session=second&then=json")
                .send()
                .await;
            slow.cookies
        });
        gate.get("/reached/slow").send().await;
        ada.get("/?who=42&track=Buy&then=/").send().await;
        gate.get("/open/slow").send().await;
        ada.cookies = request.await.unwrap();
        app.stand_in.wait_for_event(TIMEOUT, "Buy").await.unwrap();
        assert_eq!(
            ada.get("/").send().await.call_summary(),
            Vec::<String>::new()
        );
        assert_eq!(event_names(&app.stand_in.events()), ["Buy"], "{sessions:?}");
    }
}

#[tokio::test]
async fn a_slow_request_that_brings_the_cookie_back_does_not_double_it() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    ada.get("/?session=first&track=Buy&increment=Posts&then=/")
        .send()
        .await;
    let (mut slow, mut gate) = (ada.clone(), TestClient::machine(&app.url));
    let request = tokio::spawn(async move {
        slow.request(reqwest::Method::GET, "/?gate=slow&session=second&then=json")
            .send()
            .await;
        slow.cookies
    });
    gate.get("/reached/slow").send().await;
    assert_eq!(
        ada.get("/").send().await.call_summary(),
        ["track Buy", "people.increment"]
    );
    gate.get("/open/slow").send().await;
    ada.cookies = request.await.unwrap();
    assert_eq!(
        ada.get("/").send().await.call_summary(),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn what_still_waits_when_the_server_stops_is_said_where_mixpanel_can_tell_the_copy() {
    let app = start_app();
    TestClient::browser(&app.url)
        .get("/?who=42&track=Known&then=/")
        .send()
        .await;
    TestClient::browser(&app.url)
        .get("/?track=Unknown&then=/")
        .send()
        .await;
    app.mengpaneel.shutdown(TIMEOUT).await.unwrap();
    assert_eq!(event_names(&app.stand_in.events()), ["Known"]);
}
