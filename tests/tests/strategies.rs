//! Delivery strategies: redirect chains, `via(server)`, a preferred strategy and late calls.

use actix_web::{Error, HttpResponse, get, web};
use mengpaneel_tests::{TIMEOUT, TestApp, TestClient, counted_event_names, event_names};
use serde_json::json;

#[mengpaneel::track("By Attribute")]
#[get("/unprocessable")]
async fn unprocessable() -> HttpResponse {
    mengpaneel::track("By Hand", ());
    HttpResponse::UnprocessableEntity().finish()
}

/// Tracks an event, and redirects this many times.
#[get("/chain/{remaining}")]
async fn chain(remaining: web::Path<u32>) -> HttpResponse {
    mengpaneel::setup(|mixpanel| mixpanel.identify(1));
    mengpaneel::track("Hop", json!({"Remaining": *remaining}));
    match *remaining {
        0 => page(),
        remaining => HttpResponse::Found()
            .insert_header(("location", format!("/chain/{}", remaining - 1)))
            .finish(),
    }
}

#[get("/redirect")]
async fn redirect() -> HttpResponse {
    mengpaneel::track("Redirect", ());
    HttpResponse::SeeOther()
        .insert_header(("location", "/page"))
        .finish()
}

#[get("/page")]
async fn show_page() -> HttpResponse {
    page()
}

fn page() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html")
        .body("<!doctype html><html><head></head><body>page</body></html>")
}

#[mengpaneel::setup(identify("payer"))]
#[mengpaneel::track("Paid", via(server))]
#[get("/both")]
async fn both() -> HttpResponse {
    mengpaneel::track("Seen", ());
    mengpaneel::current()
        .via_server()
        .people()
        .increment("Payments", 1);
    page()
}

#[get("/favicon.ico")]
async fn favicon() -> HttpResponse {
    HttpResponse::Ok().content_type("image/x-icon").body("icon")
}

#[get("/poll")]
async fn poll() -> HttpResponse {
    HttpResponse::Ok().json(json!({"news": 0}))
}

#[get("/preferred")]
async fn preferred(mixpanel: mengpaneel::Mixpanel) -> HttpResponse {
    mixpanel.prefer(mengpaneel::Strategy::ServerSide);
    mixpanel.track("Preferred", ());
    page()
}

#[get("/spawned")]
async fn spawned(mixpanel: mengpaneel::Mixpanel) -> HttpResponse {
    mixpanel.setup(|setup| setup.identify(5));
    let (body_dropped, dropped) = tokio::sync::oneshot::channel::<()>();
    actix_web::rt::spawn(mixpanel.scope(async move {
        // The sender is dropped with the response's body.
        drop(dropped.await);
        mengpaneel::track("Afterwards", ());
    }));
    let body = futures_util::stream::once(async move {
        drop(body_dropped);
        Ok::<_, Error>(web::Bytes::from_static(b"done"))
    });
    HttpResponse::Ok()
        .content_type("text/plain")
        .streaming(Box::pin(body))
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .service(unprocessable)
        .service(chain)
        .service(redirect)
        .service(show_page)
        .service(both)
        .service(favicon)
        .service(poll)
        .service(preferred)
        .service(spawned);
}

#[tokio::test]
async fn redirect_chain_delivers_each_event_once_and_one_setup() {
    let app = TestApp::start(routes);
    let mut visitor = TestClient::browser(&app.url);
    let last = visitor.visit("/chain/3").await;
    let setups = last
        .call_summary()
        .iter()
        .filter(|call| *call == "identify 1")
        .count();
    assert_eq!(setups, 1);
    let remaining: Vec<_> = last
        .calls()
        .iter()
        .filter_map(|call| call.properties()?.get("Remaining").cloned())
        .collect();
    assert_eq!(remaining, [json!(3), json!(2), json!(1), json!(0)]);
    assert_eq!(
        event_names(&app.flush_and_collect().await),
        Vec::<&str>::new()
    );
}

#[tokio::test]
async fn server_and_browser_calls_of_one_request_leave_once() {
    let app = TestApp::start(routes);
    let page = TestClient::browser(&app.url).get("/both").send().await;
    assert_eq!(page.call_summary(), ["identify payer", "track Seen"]);
    let arrived = app.flush_and_collect().await;
    assert_eq!(event_names(&arrived), ["Paid"]);
    assert_eq!(arrived[0].distinct_id(), Some("payer"));
    assert_eq!(app.stand_in.profile("payer").unwrap()["Payments"], json!(1));
    assert_eq!(app.stand_in.profiles().len(), 1);
}

/// Request headers.
type Headers = &'static [(&'static str, &'static str)];

#[tokio::test]
async fn request_without_page_leaves_carrier_cookies_unchanged() {
    let app = TestApp::start(routes);
    let mut visitor = TestClient::browser(&app.url);
    visitor.get("/redirect").send().await;
    let before = visitor.cookies.clone();
    let get = reqwest::Method::GET;
    let requests: [(&str, reqwest::Method, Headers); 6] = [
        (
            "/favicon.ico",
            get.clone(),
            &[
                ("accept", "image/avif,image/webp,*/*"),
                ("sec-fetch-mode", "no-cors"),
            ],
        ),
        (
            "/poll",
            get.clone(),
            &[
                ("accept", "application/json"),
                ("sec-fetch-mode", "cors"),
                ("sec-fetch-dest", "empty"),
            ],
        ),
        (
            "/poll",
            get.clone(),
            &[
                ("x-requested-with", "XMLHttpRequest"),
                ("accept", "text/html, */*"),
            ],
        ),
        (
            "/page",
            reqwest::Method::HEAD,
            &[("accept", "text/html"), ("sec-fetch-mode", "navigate")],
        ),
        (
            "/page",
            get.clone(),
            &[
                ("accept", "text/html"),
                ("sec-fetch-mode", "navigate"),
                ("sec-purpose", "prefetch"),
            ],
        ),
        ("/poll", get, &[]),
    ];
    for (path, method, headers) in requests {
        let request = visitor.request(method, path).headers(headers);
        let response = request.send().await;
        assert_eq!(response.header("set-cookie"), None, "{path} {headers:?}");
    }
    assert_eq!(visitor.cookies, before);
    assert_eq!(
        visitor.get("/page").send().await.call_summary(),
        ["track Redirect"]
    );
}

#[tokio::test]
async fn preferred_server_delivers_before_responding() {
    let app = TestApp::start(routes);
    let page = TestClient::browser(&app.url).get("/preferred").send().await;
    assert_eq!(page.call_summary(), Vec::<String>::new());
    assert!(
        page.body.contains("window.mixpanel=[]"),
        "the page still has the loader"
    );
    assert_eq!(event_names(&app.stand_in.counted()), ["Preferred"]);
}

#[tokio::test]
async fn server_without_outbox_delivers_before_responding() {
    let app = TestApp::build(routes, mengpaneel::Builder::no_outbox);
    let response = TestClient::machine(&app.url)
        .get("/unprocessable")
        .send()
        .await;
    assert_eq!(
        counted_event_names(&[&response], &app.stand_in.counted()),
        ["By Hand"]
    );
}

#[tokio::test]
async fn late_call_is_delivered_with_identity_of_its_request() {
    let app = TestApp::start(routes);
    TestClient::browser(&app.url).get("/spawned").send().await;
    let event = app
        .stand_in
        .wait_for_event(TIMEOUT, "Afterwards")
        .await
        .unwrap();
    assert_eq!(event.distinct_id(), Some("5"));
}
