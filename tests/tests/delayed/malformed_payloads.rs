//! Malformed and outdated payloads of delayed calls.

use std::time::{SystemTime, UNIX_EPOCH};

use actix_session::SessionMiddleware;
use actix_session::storage::CookieSessionStore;
use actix_web::cookie::Key;
use actix_web::{App, HttpResponse, test, web};
use mengpaneel::Mengpaneel;
use mengpaneel_tests::{Log, TestApp, TestClient};
use serde_json::{Value, json};

use crate::scenario::{Scenario, navigate, session_value};
use crate::scenario_app::start_app;

/// Returns a client whose session has this value under the key of delayed calls.
async fn client_with_payload(app: &TestApp, payload: &str) -> TestClient {
    let mut ada = TestClient::browser(&app.url);
    let scenario = Scenario::page().insert_session("value");
    navigate(&mut ada, scenario.raw_session_value(payload)).await;
    ada
}

#[tokio::test]
async fn malformed_payload_is_ignored_and_session_kept() {
    let app = start_app();
    let deep = format!(
        "{{\"tracking\":[[[\"track\"],[{}{}]]]}}",
        "[".repeat(200),
        "]".repeat(200)
    );
    let malformed = [
        r#"{"tracking":[[["track"],["Sign In"]]"#,
        r#"{"tracking":[[["constructor"],["alert(1)"]]]}"#,
        r#"{"tracking":[[["people","__proto__"],[]]]}"#,
        r#"{"tracking":[["track","Sign In"]]}"#,
        r#"{"version":2,"calls":[]}"#,
        "[]",
        "null",
        "7",
        &deep,
    ];
    for payload in malformed {
        let mut ada = client_with_payload(&app, payload).await;
        let page = navigate(&mut ada, Scenario::page().track("View")).await;
        assert_eq!(
            (page.status, page.call_summary()),
            (200, vec!["track View".to_owned()]),
            "{payload}"
        );
        assert_eq!(session_value(&mut ada).await, "value", "{payload}");
    }
}

#[tokio::test]
async fn session_payload_of_the_gem_is_replayed() {
    let app = start_app();
    let payload =
        r#"{"before_setup":[[["alias"],["42"]]],"tracking":[[["track"],["Sign Up",{"ID":42}]]]}"#;
    let mut ada = client_with_payload(&app, payload).await;
    let page = navigate(&mut ada, Scenario::page().identify("42")).await;
    assert_eq!(
        page.call_summary(),
        ["alias 42", "identify 42", "track Sign Up"]
    );
}

#[tokio::test]
async fn altered_cookies_are_ignored_and_removed() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    navigate(&mut ada, Scenario::buy().insert_session("value")).await;
    for value in ada.cookies.values_mut() {
        value.replace_range(..1, if value.starts_with('A') { "B" } else { "A" });
    }
    let page = navigate(&mut ada, Scenario::page().track("View")).await;
    assert_eq!(
        (page.status, page.call_summary()),
        (200, vec!["track View".to_owned()])
    );
    assert!(
        !ada.cookies
            .keys()
            .any(|name| name.starts_with("mengpaneel_delayed_calls"))
    );
}

#[tokio::test]
async fn server_delivers_calls_older_than_four_days() {
    let app = start_app();
    let days_ago = |days: u64| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        u64::try_from(now.as_millis()).unwrap() - days * 24 * 3_600_000
    };
    for (days, is_in_page) in [(3, true), (5, false), (30, false)] {
        app.stand_in.clear();
        let payload = json!({"setup": [[["identify"], ["42"]]], "tracking": [[["track"], ["Old", {
            "time": days_ago(days), "$insert_id": format!("id-{days}"), "$user_id": "42", "distinct_id": "42"
        }]]]});
        let mut ada = client_with_payload(&app, &payload.to_string()).await;
        let page = navigate(&mut ada, Scenario::page().identify("42")).await;
        assert_eq!(
            page.call_summary().contains(&"track Old".to_owned()),
            is_in_page,
            "{days}"
        );
        let arrived = app.flush_and_collect().await;
        assert_eq!(arrived.len(), usize::from(!is_in_page), "{days}");
    }
}

#[actix_web::test]
async fn ignored_session_payload_is_logged_once() {
    let log = Log::default();
    let _captured = log.capture();
    let mengpaneel = Mengpaneel::builder("demo").build().unwrap();
    let store = |session: actix_session::Session| async move {
        session
            .insert("mengpaneel_delayed_calls", Value::from(7))
            .unwrap();
        HttpResponse::Ok().finish()
    };
    let app = App::new()
        .route("/store", web::get().to(store))
        .default_service(web::to(|| async {
            HttpResponse::Ok()
                .content_type("text/html")
                .body("<!doctype html><head>")
        }))
        .wrap(mengpaneel)
        .wrap(SessionMiddleware::new(
            CookieSessionStore::default(),
            Key::from(&[7; 64]),
        ));
    let app = test::init_service(app).await;
    let response =
        test::call_service(&app, test::TestRequest::get().uri("/store").to_request()).await;
    let cookie = response.response().cookies().next().unwrap().into_owned();
    let page = test::TestRequest::get()
        .cookie(cookie)
        .insert_header(("accept", "text/html"));
    test::call_service(&app, page.insert_header(("host", "a.example")).to_request()).await;
    let lines = log.entries("DEBUG");
    let lines: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("ignored delayed calls"))
        .collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
}
