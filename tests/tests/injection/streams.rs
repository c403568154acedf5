//! Streamed pages.

use std::convert::Infallible;

use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};
use futures_util::{StreamExt as _, stream};
use mengpaneel_tests::{TestApp, TestClient, event_names};
use tokio::sync::Notify;

use crate::{respond, spec_path};

/// Opened by the test.
type Gate = web::Data<Notify>;

/// Sends the head of its page, waits, and sends the rest, whose call is late.
async fn gated(gate: Gate) -> HttpResponse {
    mengpaneel::track("View", ());
    let first = stream::iter([
        "<!doctype html><html><head><title>x</title></he",
        "ad><body>first",
    ]);
    let rest = stream::once(async move {
        gate.notified().await;
        mengpaneel::track("Late", ());
        " last</body></html>"
    });
    let parts = first
        .chain(rest)
        .map(|part| Ok::<_, Infallible>(Bytes::from_static(part.as_bytes())));
    HttpResponse::Ok()
        .content_type("text/html")
        .insert_header(("content-security-policy", "script-src 'nonce-n0nce'"))
        .streaming(Box::pin(parts))
}

async fn open(gate: Gate) -> HttpResponse {
    gate.notify_one();
    HttpResponse::NoContent().finish()
}

/// Records a late call inside an unclosed `textarea`, where a script would not run.
async fn unclosed() -> HttpResponse {
    let parts = stream::iter([
        "<!doctype html><html><head></head><body>",
        "<textarea>not closed",
    ])
    .map(|part| {
        if part.starts_with("<textarea") {
            mengpaneel::track("Late", ());
        }
        Ok::<_, Infallible>(Bytes::from_static(part.as_bytes()))
    });
    HttpResponse::Ok()
        .content_type("text/html")
        .streaming(parts)
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .app_data(Gate::new(Notify::new()))
        .service(web::resource("/response").to(respond))
        .route("/gated", web::get().to(gated))
        .route("/open", web::get().to(open))
        .route("/unclosed", web::get().to(unclosed));
}

#[tokio::test]
async fn injected_stream_has_no_validators() {
    let app = TestApp::build(routes, |builder| builder.inject_into_streams(true));
    let headers = "etag: \"1\"|accept-ranges: bytes|last-modified: Tue, 15 Nov 1994 12:45:26 GMT";
    let mut visitor = TestClient::browser(&app.url);
    let page = visitor
        .get(&spec_path(&[("headers", headers), ("body", "stream")]))
        .send()
        .await;
    assert_eq!(
        (page.call_summary(), page.header("cache-control")),
        (vec!["track View".to_owned()], Some("private"))
    );
    for removed in ["etag", "accept-ranges", "last-modified"] {
        assert_eq!(page.header(removed), None, "{removed}");
    }
}

#[tokio::test]
async fn stream_is_injected_in_head_and_after_last_byte() {
    let app = TestApp::build(routes, |builder| builder.inject_into_streams(true));
    let mut visitor = TestClient::browser(&app.url);
    let client = reqwest::Client::new();
    let request = client
        .get(format!("{}/gated", app.url))
        .header("accept", "text/html");
    let mut response = request
        .header("sec-fetch-mode", "navigate")
        .send()
        .await
        .unwrap();
    let mut body = String::new();
    while !body.ends_with("first") {
        let chunk = response.chunk().await.unwrap().unwrap();
        body.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    // The head is sent with its snippet before the rest is generated.
    assert!(body.contains("this.track(\"View\""), "{body}");
    visitor.get("/open").send().await;
    while let Some(chunk) = response.chunk().await.unwrap() {
        body.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    let (_, late) = body.split_once("</html>").unwrap();
    assert!(
        late.starts_with("<script nonce=\"n0nce\">") && late.contains("this.track(\"Late\""),
        "{late}"
    );
    assert_eq!(
        event_names(&app.flush_and_collect().await),
        Vec::<&str>::new()
    );
}

#[tokio::test]
async fn server_delivers_late_call_of_unclosed_page() {
    let app = TestApp::build(routes, |builder| builder.inject_into_streams(true));
    let mut visitor = TestClient::browser(&app.url);
    let page = visitor.get("/unclosed").send().await;
    assert!(page.body.ends_with("<textarea>not closed"), "{}", page.body);
    assert_eq!(event_names(&app.flush_and_collect().await), ["Late"]);
}
