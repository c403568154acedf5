//! Clients that receive delayed calls, and clients that do not.

use std::time::Duration;

use mengpaneel_tests::{TIMEOUT, TestClient, event_names};
use reqwest::Method;

use crate::scenario::{Scenario, WithScenario as _, navigate, next_page};
use crate::scenario_app::{start_app, start_with_options};

#[tokio::test]
async fn client_without_cookie_support_is_served_by_the_server() {
    let app = start_app();
    let mut machine = TestClient::machine(&app.url);
    let scenario = Scenario::redirect().track("Buy");
    let response = machine
        .request(Method::POST, "/")
        .scenario(&scenario)
        .header("accept", "application/json")
        .send()
        .await;
    assert_eq!(
        (response.status, response.header("set-cookie")),
        (303, None)
    );
    assert_eq!(event_names(&app.flush_and_collect().await), ["Buy"]);
}

#[tokio::test]
async fn request_without_visible_page_leaves_calls_delayed() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    navigate(&mut ada, Scenario::buy()).await;
    let requests: [(Method, &[(&str, &str)]); 7] = [
        (
            Method::GET,
            &[
                ("accept", "image/avif,*/*"),
                ("sec-fetch-mode", "no-cors"),
                ("sec-fetch-dest", "image"),
            ],
        ),
        (
            Method::GET,
            &[
                ("accept", "application/json"),
                ("sec-fetch-mode", "cors"),
                ("sec-fetch-dest", "empty"),
            ],
        ),
        (
            Method::GET,
            &[
                ("accept", "text/html"),
                ("x-requested-with", "XMLHttpRequest"),
            ],
        ),
        (
            Method::HEAD,
            &[("accept", "text/html"), ("sec-fetch-mode", "navigate")],
        ),
        (
            Method::GET,
            &[
                ("accept", "text/html"),
                ("sec-fetch-mode", "navigate"),
                ("sec-purpose", "prefetch"),
            ],
        ),
        (
            Method::GET,
            &[("accept", "text/html"), ("purpose", "prefetch")],
        ),
        (Method::GET, &[("accept", "*/*")]),
    ];
    for (method, headers) in requests {
        let response = ada.request(method, "/").headers(headers).send().await;
        assert_eq!(response.header("set-cookie"), None, "{headers:?}");
        assert_eq!(response.call_summary(), Vec::<String>::new(), "{headers:?}");
    }
    assert_eq!(next_page(&mut ada).await, ["identify 42", "track Buy"]);
}

#[tokio::test]
async fn prerender_and_capable_script_receive_delayed_calls() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    navigate(&mut ada, Scenario::buy()).await;
    let prerender = ada.get("/").header("sec-purpose", "prefetch;prerender");
    assert_eq!(
        prerender.send().await.call_summary(),
        ["identify 42", "track Buy"]
    );
    navigate(&mut ada, Scenario::redirect().track("Sell")).await;
    let poll = Scenario::json().track("Poll");
    let response = ada
        .request(Method::GET, "/")
        .scenario(&poll)
        .capable()
        .send()
        .await;
    assert_eq!(response.call_summary(), ["track Sell", "track Poll"]);
    assert_eq!(next_page(&mut ada).await, Vec::<String>::new());
}

#[tokio::test]
async fn cross_origin_script_receives_no_delayed_calls() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    navigate(&mut ada, Scenario::buy()).await;
    let response = ada
        .request(Method::GET, "/")
        .scenario(&Scenario::json())
        .capable()
        .header("origin", "http://evil.example")
        .send()
        .await;
    assert_eq!(response.call_summary(), Vec::<String>::new());
    assert_eq!(next_page(&mut ada).await, ["identify 42", "track Buy"]);
}

#[tokio::test]
async fn opt_out_discards_delayed_calls() {
    let app = start_with_options(|builder| builder.fallback_after(Duration::from_millis(300)));
    let mut ada = TestClient::browser(&app.url);
    navigate(&mut ada, Scenario::buy()).await;
    let view = Scenario::page().track("View");
    let page = ada.get("/").scenario(&view).header("dnt", "1").send().await;
    assert_eq!(page.call_summary(), Vec::<String>::new());
    assert!(ada.cookies.is_empty(), "{:?}", ada.cookies);
    // Its fallback is due after the one that the opt-out discarded.
    let mut other = TestClient::browser(&app.url);
    let later = Scenario::redirect().identify("43").track("Later");
    navigate(&mut other, later).await;
    let later = app.stand_in.wait_for_event(TIMEOUT, "Later").await;
    later.unwrap();
    assert_eq!(event_names(&app.stand_in.events()), ["Later"]);
}
