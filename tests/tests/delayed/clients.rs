//! Who comes back with the cookie, and whose answers a browser runs.

use mengpaneel_tests::{DEADLINE, Visitor, Workshop, names, settle};
use reqwest::Method;

use crate::{routes, workshop};

#[tokio::test]
async fn a_client_that_shows_no_sign_of_keeping_cookies_is_answered_for() {
    let workshop = workshop();
    let mut machine = Visitor::machine(&workshop.url);
    let answer = machine
        .ask(Method::POST, "/?track=Buy&then=/")
        .header("accept", "application/json")
        .await_page()
        .await;
    assert_eq!((answer.status, answer.header("set-cookie")), (303, None));
    assert_eq!(
        names(&settle(&workshop.mengpaneel, &workshop.stand_in).await),
        ["Buy"]
    );
}

#[tokio::test]
async fn images_polls_heads_and_prefetches_leave_what_waits_where_it_is() {
    let workshop = workshop();
    let mut ada = Visitor::browser(&workshop.url);
    ada.get("/?who=42&track=Buy&then=/").await_page().await;
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
            .fold(ada.ask(method, "/"), |ask, (name, value)| {
                ask.header(name, value)
            });
        let answer = ask.await_page().await;
        assert_eq!(answer.header("set-cookie"), None, "{headers:?}");
        assert_eq!(answer.said(), Vec::<String>::new(), "{headers:?}");
    }
    assert_eq!(
        ada.get("/").await_page().await.said(),
        ["identify 42", "track Buy"]
    );
}

#[tokio::test]
async fn a_prerendered_page_and_a_capable_script_are_told_what_waited() {
    let workshop = workshop();
    let mut ada = Visitor::browser(&workshop.url);
    ada.get("/?who=42&track=Buy&then=/").await_page().await;
    let prerendered = ada
        .get("/")
        .header("sec-purpose", "prefetch;prerender")
        .await_page()
        .await;
    assert_eq!(prerendered.said(), ["identify 42", "track Buy"]);
    ada.get("/?track=Sell&then=/").await_page().await;
    let answer = ada
        .ask(Method::GET, "/?track=Poll&then=json")
        .capable()
        .await_page()
        .await;
    assert_eq!(answer.said(), ["track Sell", "track Poll"]);
    assert_eq!(ada.get("/").await_page().await.said(), Vec::<String>::new());
}

#[tokio::test]
async fn a_script_of_another_origin_is_not_told_what_waited() {
    let workshop = workshop();
    let mut ada = Visitor::browser(&workshop.url);
    ada.get("/?who=42&track=Buy&then=/").await_page().await;
    let answer = ada
        .ask(Method::GET, "/?then=json")
        .capable()
        .header("origin", "http://evil.example")
        .await_page()
        .await;
    assert_eq!(answer.said(), Vec::<String>::new());
    assert_eq!(
        ada.get("/").await_page().await.said(),
        ["identify 42", "track Buy"]
    );
}

#[tokio::test]
async fn visitor_who_opts_out_meanwhile_is_not_tracked_at_all() {
    let build = |builder: mengpaneel::Builder| {
        builder.unclaimed_after(std::time::Duration::from_millis(300))
    };
    let workshop = Workshop::build(routes::routes, build);
    let mut ada = Visitor::browser(&workshop.url);
    ada.get("/?who=42&track=Buy&then=/").await_page().await;
    let page = ada
        .get("/?track=View")
        .header("dnt", "1")
        .await_page()
        .await;
    assert_eq!(page.said(), Vec::<String>::new());
    assert!(ada.cookies.is_empty(), "{:?}", ada.cookies);
    // A copy that is due later than the discarded one.
    Visitor::browser(&workshop.url)
        .get("/?who=43&track=Later&then=/")
        .await_page()
        .await;
    workshop
        .stand_in
        .wait_for_event(DEADLINE, "Later")
        .await
        .unwrap();
    assert_eq!(names(&workshop.stand_in.events()), ["Later"]);
}
