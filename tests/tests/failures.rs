//! Failed requests and failed deliveries: no recorded call is lost.

use std::time::Duration;

use actix_web::dev::{Service as _, ServiceResponse};
use actix_web::{Error, HttpResponse, error, get, web};
use mengpaneel_tests::{TIMEOUT, TestApp, TestClient, event_names};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

#[mengpaneel::track("By Attribute")]
#[get("/unprocessable")]
async fn unprocessable() -> HttpResponse {
    mengpaneel::track("By Hand", ());
    HttpResponse::UnprocessableEntity().finish()
}

#[mengpaneel::track("By Attribute")]
#[get("/err")]
async fn err() -> Result<HttpResponse, Error> {
    mengpaneel::track("By Hand", ());
    Err(error::ErrorInternalServerError("broken"))
}

#[mengpaneel::track("By Attribute")]
#[get("/panic")]
async fn panics() -> HttpResponse {
    mengpaneel::track("By Hand", ());
    panic!("on purpose")
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

/// Never responds, so that the client disconnects.
#[get("/hang")]
async fn hang() -> HttpResponse {
    mengpaneel::track("Before Hanging", ());
    std::future::pending().await
}

#[get("/inner")]
async fn inner() -> HttpResponse {
    mengpaneel::track("Inner", ());
    page()
}

#[get("/favicon.ico")]
async fn favicon() -> HttpResponse {
    HttpResponse::Ok().content_type("image/x-icon").body("icon")
}

fn routes(config: &mut web::ServiceConfig) {
    let failing = web::scope("/failing")
        .service(inner)
        .wrap_fn(|request, service| {
            let response = service.call(request);
            async move {
                let response: Result<ServiceResponse, Error> = response.await;
                response.and_then(|_| {
                    Err::<ServiceResponse, _>(error::ErrorBadGateway("the inner middleware fails"))
                })
            }
        });
    config
        .service(failing)
        .service(unprocessable)
        .service(err)
        .service(panics)
        .service(redirect)
        .service(show_page)
        .service(hang)
        .service(favicon);
}

#[tokio::test]
async fn failed_request_delivers_only_calls_recorded_by_hand() {
    for (path, status) in [
        ("/unprocessable", Some(422)),
        ("/err", Some(500)),
        ("/panic", None),
    ] {
        let app = TestApp::start(routes);
        let response = TestClient::browser(&app.url).get(path).try_send().await;
        assert_eq!(response.ok().map(|page| page.status), status, "{path}");
        app.stand_in
            .wait_for_event(TIMEOUT, "By Hand")
            .await
            .unwrap();
        let arrived = app.flush_and_collect().await;
        assert_eq!(event_names(&arrived), ["By Hand"], "{path}");
    }
}

#[tokio::test]
async fn mixpanel_outage_neither_blocks_pages_nor_loses_events() {
    let app = TestApp::start(routes);
    app.stand_in.stall();
    let mut visitor = TestClient::browser(&app.url);
    for _ in 0..20 {
        let response = tokio::time::timeout(
            Duration::from_secs(5),
            visitor.get("/unprocessable").try_send(),
        )
        .await;
        assert_eq!(
            response
                .expect("a response within five seconds")
                .unwrap()
                .status,
            422
        );
    }
    app.stand_in.close_connections();
    visitor.get("/unprocessable").send().await;
    app.stand_in.recover();
    app.stand_in
        .wait_for(TIMEOUT, |store| (store.counted().len() == 21).then_some(()))
        .await
        .unwrap();
    assert_eq!(app.flush_and_collect().await.len(), 21);
}

#[tokio::test]
async fn shutdown_delivers_pending_calls() {
    let app = TestApp::start(routes);
    app.stand_in.fail_next(1, 503);
    TestClient::browser(&app.url)
        .get("/unprocessable")
        .send()
        .await;
    app.mengpaneel.shutdown(TIMEOUT).await.unwrap();
    assert_eq!(event_names(&app.stand_in.counted()), ["By Hand"]);
}

/// Navigates to a page, and resets the connection once its handler is running.
async fn disconnect(app: &TestApp, client: &TestClient, path: &str) {
    let address = app.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let cookies = client.cookie_header();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/html\r\nSec-Fetch-Mode: navigate\r\nCookie: {cookies}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    // The server has one thread: this response means that the handler before it is waiting.
    TestClient::machine(&app.url)
        .get("/favicon.ico")
        .send()
        .await;
    stream.set_zero_linger().unwrap();
    drop(stream);
}

#[tokio::test]
async fn disconnect_loses_no_calls_and_repeats_replay_once() {
    let app = TestApp::start(routes);
    let mut visitor = TestClient::browser(&app.url);
    visitor.get("/redirect").send().await;
    disconnect(&app, &visitor, "/hang").await;
    app.stand_in
        .wait_for_event(TIMEOUT, "Before Hanging")
        .await
        .unwrap();
    let page = visitor.get("/page").send().await;
    assert_eq!(page.call_summary(), ["track Redirect"]);
    assert_eq!(
        visitor.get("/page").send().await.call_summary(),
        Vec::<String>::new()
    );
    assert_eq!(
        event_names(&app.flush_and_collect().await),
        ["Before Hanging"]
    );
}

#[tokio::test]
async fn failing_inner_middleware_loses_no_calls() {
    let app = TestApp::start(routes);
    let mut visitor = TestClient::browser(&app.url);
    visitor.get("/redirect").send().await;
    assert_eq!(visitor.get("/failing/inner").send().await.status, 502);
    app.stand_in.wait_for_event(TIMEOUT, "Inner").await.unwrap();
    assert_eq!(
        visitor.get("/page").send().await.call_summary(),
        ["track Redirect"]
    );
    assert_eq!(
        visitor.get("/page").send().await.call_summary(),
        Vec::<String>::new()
    );
    assert_eq!(event_names(&app.flush_and_collect().await), ["Inner"]);
}

#[tokio::test]
async fn panicking_handler_leaves_calls_delayed() {
    let app = TestApp::start(routes);
    let mut visitor = TestClient::browser(&app.url);
    visitor.get("/redirect").send().await;
    assert!(visitor.get("/panic").try_send().await.is_err());
    assert_eq!(
        visitor.get("/page").send().await.call_summary(),
        ["track Redirect"]
    );
}

#[tokio::test]
async fn rejected_calls_are_reported() {
    let (send, mut failures) = tokio::sync::mpsc::unbounded_channel();
    let app = TestApp::build(routes, move |builder| {
        builder.on_error(move |failure| drop(send.send(failure.clone())))
    });
    app.stand_in.refuse(|_| true);
    TestClient::machine(&app.url)
        .get("/unprocessable")
        .send()
        .await;
    let failure = tokio::time::timeout(TIMEOUT, failures.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(failure.calls[0].str_arg(0), Some("By Hand"));
    assert!(
        matches!(failure.reason, mengpaneel::Reason::Rejected(_)),
        "{failure}"
    );
}
