//! Size limits of carrier cookies and of the response head.

use std::time::Duration;

use mengpaneel_tests::{SessionConfig, TIMEOUT, TestApp, TestClient, TestResponse, event_names};
use reqwest::Method;

use crate::carriers::carrier_count;
use crate::fake_mixpanel_js::{FakeMixpanelJs, Sent, all_sent};
use crate::scenario::{Scenario, WithScenario as _, navigate};
use crate::scenario_app::{routes, start_app};

/// Largest response head in bytes, by default.
const MAX_HEAD_BYTES: usize = 4_096;

/// Runs the calls of the next page, and returns the events of page and server without duplicates.
pub(crate) async fn counted_events(app: &TestApp, client: &mut TestClient) -> Vec<Sent> {
    let mut js = FakeMixpanelJs::new("d1");
    js.run(&client.get("/").send().await);
    all_sent([&js], &app.flush_and_collect().await)
}

/// Size of all headers in bytes, each with a colon, a space and a line end.
fn head_bytes(response: &TestResponse) -> usize {
    let headers = response.headers.iter();
    headers
        .map(|(name, value)| name.len() + value.len() + 4)
        .sum()
}

/// Size of all cookies in bytes, each with this many bytes of separators.
fn cookie_bytes(client: &TestClient, separators: usize) -> usize {
    let cookies = client.cookies.iter();
    cookies
        .map(|(name, value)| name.len() + value.len() + separators)
        .sum()
}

#[tokio::test]
async fn fifty_parallel_redirects_set_few_cookies_and_lose_none() {
    let options = |builder: mengpaneel::Builder| builder.fallback_after(Duration::from_millis(300));
    let app = TestApp::with_sessions(&SessionConfig::EncryptedCookie, routes, options);
    let mut ada = TestClient::browser(&app.url);
    let tabs = (0..50).map(|tab| {
        let mut ada = ada.clone();
        tokio::spawn(async move {
            let redirect = Scenario::redirect().identify("42");
            navigate(&mut ada, redirect.track(format!("Tab {tab}"))).await
        })
    });
    for tab in tabs.collect::<Vec<_>>() {
        ada.store_cookies(&tab.await.unwrap());
    }
    assert!(carrier_count(&ada) <= 4, "{:?}", ada.cookies.keys());
    let bytes = cookie_bytes(&ada, 2);
    assert!(bytes <= 8_192, "{bytes}");
    let mut js = FakeMixpanelJs::new("d1");
    js.run(&ada.get("/").send().await);
    let store = &app.stand_in;
    let all = store
        .wait_for(TIMEOUT, |store| {
            (all_sent([&js], &store.events()).len() == 50).then_some(())
        })
        .await;
    assert!(
        all.is_ok(),
        "{} of 50",
        all_sent([&js], &store.events()).len()
    );
}

#[tokio::test]
async fn redirect_chain_bounds_cookies_and_loses_none() {
    for value in ["value".to_owned(), "x".repeat(2_400)] {
        let app = start_app();
        let mut ada = TestClient::browser(&app.url);
        navigate(&mut ada, Scenario::page().insert_session(value)).await;
        for hop in 0..50 {
            let redirect = Scenario::redirect().identify("42");
            let redirect = redirect.track_times(format!("Hop {hop:02}"), 3);
            let response = navigate(&mut ada, redirect).await;
            assert_eq!(response.status, 303, "hop {hop}");
            let bytes = cookie_bytes(&ada, 3);
            assert!(bytes <= 6_200, "hop {hop}: {bytes} bytes of cookies");
        }
        assert_eq!(counted_events(&app, &mut ada).await.len(), 150);
    }
}

#[tokio::test]
async fn redirect_head_stays_below_limit() {
    let app = start_app();
    let buy = || Scenario::redirect().identify("42").track_times("Buy", 3);
    for (cookie, is_delayed) in [(10, true), (3_300, false)] {
        let mut ada = TestClient::browser(&app.url);
        let response = navigate(&mut ada, buy().cookie_bytes(cookie)).await;
        let head = head_bytes(&response);
        assert!(head <= MAX_HEAD_BYTES, "{head}");
        assert_eq!(carrier_count(&ada), usize::from(is_delayed), "{cookie}");
    }
    // actix-session adds its cookie after Mengpaneel has added its cookies.
    let mut ada = TestClient::browser(&app.url);
    let value = "x".repeat(2_200);
    let response = navigate(&mut ada, buy().insert_session(value)).await;
    let head = head_bytes(&response);
    assert!(head <= MAX_HEAD_BYTES, "{head}");
    assert_eq!(event_names(&app.flush_and_collect().await).len(), 6);
}

#[tokio::test]
async fn capable_response_head_stays_below_limit() {
    let app = start_app();
    for (cookie, events, fits) in [
        (0, 20, true),
        (2_500, 20, false),
        (2_500, 3, true),
        (0, 40, false),
    ] {
        app.stand_in.clear();
        let mut ada = TestClient::browser(&app.url);
        let scenario = Scenario::json().track_times("Buy", events);
        let request = ada.request(Method::GET, "/").capable();
        let request = request.scenario(&scenario.cookie_bytes(cookie));
        let response = request.send().await;
        let head = head_bytes(&response);
        assert!(head <= MAX_HEAD_BYTES, "{head}");
        assert_eq!(
            response.header("x-mengpaneel-calls").is_some(),
            fits,
            "{cookie} {events}"
        );
        let arrived = app.flush_and_collect().await;
        assert_eq!(arrived.len(), if fits { 0 } else { events });
    }
}

#[tokio::test]
async fn capable_response_head_counts_later_session_cookie() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    let scenario = Scenario::json().insert_session("x".repeat(2_000));
    let request = ada.request(Method::GET, "/").capable();
    let request = request.scenario(&scenario.track_times("Buy", 20));
    let response = request.send().await;
    assert_eq!(
        (response.status, response.header("x-mengpaneel-calls")),
        (200, None)
    );
    assert_eq!(app.flush_and_collect().await.len(), 20);
}
