//! Carrier cookies, which hold delayed calls until the next page.

use std::collections::BTreeMap;

use actix_web::cookie::Key;
use actix_web::{App, HttpResponse, test, web};
use mengpaneel::Mengpaneel;
use mengpaneel_tests::{Log, SessionConfig, TestApp, TestClient, TestRedis, event_names};
use reqwest::Method;

use crate::scenario::{Scenario, WithScenario as _, navigate, next_page, session_value};
use crate::scenario_app::{routes, start_app, start_with_options, start_with_sessions};

/// Number of carrier cookies that the client has.
pub(crate) fn carrier_count(client: &TestClient) -> usize {
    let names = client.cookies.keys();
    names
        .filter(|name| name.starts_with("mengpaneel_delayed_calls."))
        .count()
}

#[tokio::test]
async fn delayed_calls_reach_next_page_with_any_session() {
    let redis = TestRedis::start();
    let all = [
        SessionConfig::SignedCookie,
        SessionConfig::EncryptedCookie,
        SessionConfig::Redis(redis.url()),
        SessionConfig::WrappedInside,
    ];
    for sessions in all {
        let app = start_with_sessions(&sessions);
        let mut ada = TestClient::browser(&app.url);
        let scenario = Scenario::redirect().identify("42").insert_session("value");
        let response = navigate(&mut ada, scenario.track("Sign In").track("Buy")).await;
        assert_eq!(response.status, 303);
        let expected = ["identify 42", "track Sign In", "track Buy", "track View"];
        let view = || Scenario::page().track("View");
        let page = navigate(&mut ada, view()).await;
        assert_eq!(page.call_summary(), expected, "{sessions:?}");
        assert_eq!(carrier_count(&ada), 0, "{sessions:?}");
        let page = navigate(&mut ada, view()).await;
        assert_eq!(page.call_summary(), ["track View"], "{sessions:?}");
        assert_eq!(session_value(&mut ada).await, "value", "{sessions:?}");
        let arrived = app.flush_and_collect().await;
        assert_eq!(event_names(&arrived), Vec::<&str>::new(), "{sessions:?}");
    }
}

#[tokio::test]
async fn delayed_calls_need_no_session_middleware() {
    let app = start_with_sessions(&SessionConfig::None);
    let mut ada = TestClient::browser(&app.url);
    navigate(&mut ada, Scenario::buy()).await;
    assert_eq!(next_page(&mut ada).await, ["identify 42", "track Buy"]);
    assert!(ada.cookies.is_empty());
}

#[tokio::test]
async fn server_delivers_calls_without_cookie_key() {
    for sessions in [SessionConfig::EncryptedCookie, SessionConfig::None] {
        let app = TestApp::without_cookie_key(&sessions, routes);
        let mut ada = TestClient::browser(&app.url);
        let response = navigate(&mut ada, Scenario::buy()).await;
        assert_eq!(response.header("set-cookie"), None);
        assert_eq!(next_page(&mut ada).await, Vec::<String>::new());
        let arrived = app.flush_and_collect().await;
        assert_eq!(
            (event_names(&arrived), arrived[0].distinct_id()),
            (vec!["Buy"], Some("42"))
        );
    }
}

#[tokio::test]
async fn publicly_cacheable_redirect_sets_no_cookie() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    let old = |status| Scenario::redirect().track("Old").status(status);
    for cache in ["public,max-age=60", "max-age=60", "s-maxage=5"] {
        let response = navigate(&mut ada, old(301).cache_control(cache)).await;
        assert_eq!(
            (response.status, response.header("set-cookie")),
            (301, None),
            "{cache}"
        );
        assert_eq!(response.header("cache-control"), Some(cache));
    }
    assert_eq!(
        event_names(&app.flush_and_collect().await),
        ["Old", "Old", "Old"]
    );
    for status in [301, 302, 303, 307, 308] {
        let response = navigate(&mut ada, old(status)).await;
        assert!(response.header("set-cookie").is_some(), "{status}");
        assert_eq!(
            response.header("cache-control"),
            Some("private"),
            "{status}"
        );
        next_page(&mut ada).await;
    }
}

#[tokio::test]
async fn simultaneous_redirects_of_two_tabs_keep_all_calls() {
    let app = start_app();
    let ada = TestClient::browser(&app.url);
    let (mut left, mut right) = (ada.clone(), ada);
    let redirect = |event| Scenario::redirect().identify("42").track(event);
    let (first, second) = tokio::join!(
        navigate(&mut left, redirect("Left")),
        navigate(&mut right, redirect("Right")),
    );
    let mut browser = TestClient::browser(&app.url);
    browser.store_cookies(&first);
    browser.store_cookies(&second);
    let mut calls = next_page(&mut browser).await;
    calls.sort_unstable();
    assert_eq!(calls, ["identify 42", "track Left", "track Right"]);
    assert_eq!(carrier_count(&browser), 0);
}

#[tokio::test]
async fn cookie_sent_twice_replays_once() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    navigate(&mut ada, Scenario::buy()).await;
    let cookies = ada.cookie_header();
    let twice = format!("{cookies}; {cookies}");
    ada.cookies = BTreeMap::new();
    let page = ada.get("/").header("cookie", &twice).send().await;
    assert_eq!(page.call_summary(), ["identify 42", "track Buy"]);
    let again = ada.get("/").header("cookie", &twice).send().await;
    assert_eq!(again.call_summary(), Vec::<String>::new());
}

#[tokio::test]
async fn machines_with_shared_key_replay_each_others_cookies() {
    let redis = TestRedis::start();
    let shared = || {
        let outbox = mengpaneel::outbox::Redis::new(redis.url());
        TestApp::with_key(&SessionConfig::None, &[7; 64], routes, |builder| {
            builder.outbox(outbox)
        })
    };
    let (one, two) = (shared(), shared());
    let mut ada = TestClient::browser(&one.url);
    navigate(&mut ada, Scenario::buy()).await;
    let mut calls = next_page(&mut ada.with_base_url(&two.url)).await;
    calls.extend(next_page(&mut ada.with_base_url(&one.url)).await);
    assert_eq!(
        calls,
        ["identify 42", "track Buy"],
        "the first machine knows that the second one replayed them"
    );
}

#[tokio::test]
async fn forged_carrier_cookies_are_ignored() {
    let app = start_app();
    let other = start_with_options(|builder| builder.cookie_key(Key::from(&[9; 64])));
    let mut mallory = TestClient::browser(&other.url);
    let planted = Scenario::redirect().identify("666").track("Planted");
    navigate(&mut mallory, planted).await;
    let mut ada = TestClient::browser(&app.url);
    ada.cookies = mallory.cookies.clone();
    for slot in 0..4 {
        ada.cookies
            .entry(format!("mengpaneel_delayed_calls.{slot}"))
            .or_insert_with(|| "planted".to_owned());
    }
    assert_eq!(navigate(&mut ada, Scenario::buy()).await.status, 303);
    assert_eq!(next_page(&mut ada).await, ["identify 42", "track Buy"]);
    assert_eq!(carrier_count(&ada), 0);
}

#[tokio::test]
async fn carrier_cookie_has_protective_attributes() {
    let app = start_with_options(|builder| builder.trusted_proxies(["127.0.0.1"]));
    let mut ada = TestClient::browser(&app.url);
    let scenario = Scenario::redirect().track("Buy");
    let plain = ada.get("/").scenario(&scenario).send().await;
    let secure = ada.get("/").scenario(&scenario);
    let secure = secure.header("x-forwarded-proto", "https").send().await;
    for (response, is_secure) in [(plain, false), (secure, true)] {
        let cookie = response.header("set-cookie").unwrap().to_owned();
        for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age="] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        assert_eq!(cookie.contains("Secure"), is_secure, "{cookie}");
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
}

#[tokio::test]
async fn redirected_fetch_adds_calls_to_next_page() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    let first = Scenario::redirect().identify("42").track("First");
    navigate(&mut ada, first).await;
    let second = Scenario::redirect().track("Second");
    let fetch = ada.request(Method::GET, "/").scenario(&second);
    let response = fetch.header("sec-fetch-mode", "cors").send().await;
    assert_eq!(response.status, 303);
    assert_eq!(
        next_page(&mut ada).await,
        ["identify 42", "track First", "track Second"]
    );
    assert_eq!(
        event_names(&app.flush_and_collect().await),
        Vec::<&str>::new()
    );
}

#[actix_web::test]
async fn missing_cookie_key_is_logged_once() {
    for (has_key, expected) in [(false, 1), (true, 0)] {
        let log = Log::default();
        let _captured = log.capture();
        let builder = Mengpaneel::builder("demo");
        let builder = if has_key {
            builder.cookie_key(Key::from(&[7; 64]))
        } else {
            builder
        };
        let mengpaneel = builder.build().unwrap();
        let redirect = || async {
            mengpaneel::track("Buy", ());
            HttpResponse::SeeOther()
                .insert_header(("location", "/"))
                .finish()
        };
        for _worker in 0..2 {
            let app = App::new()
                .default_service(web::to(redirect))
                .wrap(mengpaneel.clone());
            let app = test::init_service(app).await;
            for _ in 0..2 {
                let request = test::TestRequest::get().insert_header(("host", "a.example"));
                test::call_service(
                    &app,
                    request.insert_header(("accept", "text/html")).to_request(),
                )
                .await;
            }
        }
        let warnings = log.entries("WARN");
        let warnings: Vec<_> = warnings
            .iter()
            .filter(|line| line.contains(".cookie_key(key)"))
            .collect();
        assert_eq!(warnings.len(), expected, "{warnings:?}");
    }
}
