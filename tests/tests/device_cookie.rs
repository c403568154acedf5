//! Device cookie: browser and server use one device ID from the first request on.

use actix_web::{HttpResponse, get, web};
use mengpaneel::Mixpanel;
use mengpaneel_tests::{TestApp, TestClient};
use serde_json::json;

#[get("/page")]
async fn page(mixpanel: Mixpanel) -> HttpResponse {
    mixpanel.via_server().track("Seen by the server", ());
    HttpResponse::Ok()
        .content_type("text/html")
        .body("<!DOCTYPE html><head></head>")
}

/// Response with one header.
#[get("/shared/{name}/{value}")]
async fn shared(header: web::Path<(String, String)>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(header.into_inner())
        .body("shared")
}

fn routes(config: &mut web::ServiceConfig) {
    config.service(page).service(shared);
}

#[tokio::test]
async fn first_server_event_has_device_id_of_new_cookie() {
    let app = TestApp::build(routes, |builder| builder.set_device_cookie(true));
    let mut visitor = TestClient::browser(&app.url);
    let first = visitor.get("/page").send().await;
    assert_eq!(first.header("cache-control"), Some("private"));
    let cookie = visitor.cookies["mp_demo_mixpanel"].clone();
    let second = visitor.get("/page").send().await;
    assert_eq!(second.header("set-cookie"), None, "the cookie is set once");
    let events = app.flush_and_collect().await;
    assert_eq!(events.len(), 2);
    for event in &events {
        let device = event.property("$device_id").as_str().unwrap();
        assert!(cookie.contains(device));
        assert_eq!(
            event.property("distinct_id"),
            &json!(format!("$device:{device}"))
        );
    }
}

#[tokio::test]
async fn cacheable_capable_and_denied_responses_set_no_cookie() {
    let app = TestApp::build(routes, |builder| builder.set_device_cookie(true));
    let mut visitor = TestClient::browser(&app.url);
    for header in [
        "cache-control/public",
        "x-accel-expires/300",
        "surrogate-control/max-age=60",
        "edge-control/max-age=60",
        "cdn-cache-control/max-age=60",
        "expires/Thu, 01 Jan 2099 00:00:00 GMT",
    ] {
        let cacheable = visitor.get(&format!("/shared/{header}")).send().await;
        assert_eq!(
            (cacheable.status, cacheable.header("set-cookie")),
            (200, None),
            "{header}"
        );
    }
    let capable = visitor.get("/page").capable().send().await;
    assert_eq!(capable.header("set-cookie"), None);
    let denied = visitor.get("/page").header("dnt", "1").send().await;
    assert_eq!(denied.header("set-cookie"), None);

    let app = TestApp::start(routes);
    let without_option = TestClient::browser(&app.url).get("/page").send().await;
    assert_eq!(without_option.header("set-cookie"), None);
}
