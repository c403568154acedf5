//! Who comes back with the cookie, and whose answers a browser runs.

use mengpaneel_tests::{TIMEOUT, TestApp, TestClient, event_names};
use reqwest::Method;

use crate::{routes, start_app};

#[tokio::test]
async fn a_client_that_shows_no_sign_of_keeping_cookies_is_answered_for() {
    let app = start_app();
    let mut machine = TestClient::machine(&app.url);
    let answer = machine
        .request(Method::POST, "/?track=Buy&then=/")
        .header("accept", "application/json")
        .send()
        .await;
    assert_eq!((answer.status, answer.header("set-cookie")), (303, None));
    assert_eq!(event_names(&app.flush_and_collect().await), ["Buy"]);
}

#[tokio::test]
async fn images_polls_heads_and_prefetches_leave_what_waits_where_it_is() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    ada.get("/?who=42&track=Buy&then=/").send().await;
    let unseen: [(Method, &[(&str, &str)]); 7] = [
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
    for (method, headers) in unseen {
        let ask = headers
            .iter()
            .fold(ada.request(method, "/"), |ask, (name, value)| {
                ask.header(name, value)
            });
        let answer = ask.send().await;
        assert_eq!(answer.header("set-cookie"), None, "{headers:?}");
        assert_eq!(answer.call_summary(), Vec::<String>::new(), "{headers:?}");
    }
    assert_eq!(
        ada.get("/").send().await.call_summary(),
        ["identify 42", "track Buy"]
    );
}

#[tokio::test]
async fn a_prerendered_page_and_a_capable_script_are_told_what_waited() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    ada.get("/?who=42&track=Buy&then=/").send().await;
    let prerendered = ada
        .get("/")
        .header("sec-purpose", "prefetch;prerender")
        .send()
        .await;
    assert_eq!(prerendered.call_summary(), ["identify 42", "track Buy"]);
    ada.get("/?track=Sell&then=/").send().await;
    let answer = ada
        .request(Method::GET, "/?track=Poll&then=json")
        .capable()
        .send()
        .await;
    assert_eq!(answer.call_summary(), ["track Sell", "track Poll"]);
    assert_eq!(
        ada.get("/").send().await.call_summary(),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn a_script_of_another_origin_is_not_told_what_waited() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    ada.get("/?who=42&track=Buy&then=/").send().await;
    let answer = ada
        .request(Method::GET, "/?then=json")
        .capable()
        .header("origin", "http://evil.example")
        .send()
        .await;
    assert_eq!(answer.call_summary(), Vec::<String>::new());
    assert_eq!(
        ada.get("/").send().await.call_summary(),
        ["identify 42", "track Buy"]
    );
}

#[tokio::test]
async fn visitor_who_opts_out_meanwhile_is_not_tracked_at_all() {
    let build = |builder: mengpaneel::Builder| {
        builder.unclaimed_after(std::time::Duration::from_millis(300))
    };
    let app = TestApp::build(routes::routes, build);
    let mut ada = TestClient::browser(&app.url);
    ada.get("/?who=42&track=Buy&then=/").send().await;
    let page = ada.get("/?track=View").header("dnt", "1").send().await;
    assert_eq!(page.call_summary(), Vec::<String>::new());
    assert!(ada.cookies.is_empty(), "{:?}", ada.cookies);
    // A copy that is due later than the discarded one.
    TestClient::browser(&app.url)
        .get("/?who=43&track=Later&then=/")
        .send()
        .await;
    app.stand_in.wait_for_event(TIMEOUT, "Later").await.unwrap();
    assert_eq!(event_names(&app.stand_in.events()), ["Later"]);
}
