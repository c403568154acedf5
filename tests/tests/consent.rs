//! Consent: one decision per request, which page and server obey.

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use mengpaneel::{Consent, Mixpanel};
use mengpaneel_tests::{TestApp, TestClient, TestResponse, event_names};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct ResponseSpec {
    #[serde(default)]
    cache: Option<String>,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    kind: Option<String>,
}

impl ResponseSpec {
    fn response(&self) -> HttpResponse {
        let status = self
            .status
            .and_then(|status| StatusCode::from_u16(status).ok())
            .unwrap_or(StatusCode::OK);
        let mut response = HttpResponse::build(status);
        if let Some(cache) = &self.cache {
            response.insert_header(("cache-control", cache.as_str()));
        }
        if status.is_redirection() {
            return response.insert_header(("location", "/page")).finish();
        }
        match self.kind.as_deref() {
            Some("json") => response.json(json!({"done": true})),
            _ => response
                .content_type("text/html; charset=utf-8")
                .body("<!DOCTYPE html><head></head><p>page</p>"),
        }
    }
}

#[mengpaneel::track("View")]
#[get("/page")]
async fn view(spec: web::Query<ResponseSpec>) -> HttpResponse {
    spec.response()
}

#[post("/page/{choice}")]
async fn choose(
    spec: web::Query<ResponseSpec>,
    choice: web::Path<String>,
    mixpanel: Mixpanel,
) -> HttpResponse {
    mixpanel.track("Before", ());
    match choice.as_str() {
        "in" => mixpanel.opt_in_tracking(),
        "out" => mixpanel.opt_out_tracking(),
        _ => mixpanel.clear_opt_in_out_tracking(),
    }
    mixpanel.track("After", ());
    spec.response()
}

#[mengpaneel::tracking(opt_in_tracking(), track("Agreed"))]
#[post("/agree")]
async fn agree() -> HttpResponse {
    HttpResponse::Ok().json(json!({}))
}

#[post("/prefix")]
async fn wrong_prefix(mixpanel: Mixpanel) -> HttpResponse {
    mixpanel.call_method(&["opt_in_tracking"], [json!({"cookie_prefix": "a\n"})]);
    HttpResponse::Ok().finish()
}

#[get("/broken")]
async fn broken(mixpanel: Mixpanel) -> HttpResponse {
    mixpanel.track("Broken", ());
    panic!("on purpose");
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .service(view)
        .service(choose)
        .service(agree)
        .service(wrong_prefix)
        .service(broken);
}

const FLAG: &str = "__mp_opt_in_out_demo";

fn set_cookies(page: &TestResponse) -> Vec<&str> {
    page.headers
        .iter()
        .filter(|(name, _)| name == "set-cookie")
        .map(|(_, value)| value.as_str())
        .collect()
}

/// Clients whose cookies or headers deny consent.
fn denied_visitors(url: &str) -> [TestClient; 4] {
    let mut opted_out = TestClient::browser(url);
    opted_out.cookies.insert(FLAG.into(), "0".into());
    let mut legacy = TestClient::browser(url);
    legacy.cookies.insert("mp_optout".into(), "1".into());
    [
        opted_out,
        legacy,
        TestClient::browser(url).with_header("dnt", "1"),
        TestClient::browser(url).with_header("sec-gpc", "1"),
    ]
}

#[tokio::test]
async fn denied_visitor_is_not_tracked() {
    let app = TestApp::build(routes, |builder| builder.set_device_cookie(true));
    for mut visitor in denied_visitors(&app.url) {
        for path in [
            "/page",
            "/page?kind=json",
            "/page?status=303",
            "/page?cache=public",
        ] {
            let response = visitor.get(path).send().await;
            assert_eq!(
                (response.calls(), set_cookies(&response)),
                (vec![], vec![]),
                "{path}"
            );
        }
        visitor.get("/page").capable().send().await;
        let _ = visitor.get("/broken").try_send().await;
    }
    assert_eq!(
        event_names(&app.flush_and_collect().await),
        Vec::<&str>::new()
    );
}

#[tokio::test]
async fn disabled_privacy_signal_is_ignored() {
    let app = TestApp::build(routes, |builder| {
        builder.respect_dnt(false).respect_gpc(false)
    });
    for name in ["dnt", "sec-gpc"] {
        let page = TestClient::browser(&app.url)
            .with_header(name, "1")
            .get("/page")
            .send()
            .await;
        assert_eq!(page.call_summary(), ["track View"], "{name}");
    }
}

#[tokio::test]
async fn opt_in_cookie_overrides_signals_and_default() {
    let by_default = json!({"opt_out_tracking_by_default": true});
    let app = TestApp::build(routes, |builder| builder.js_config(by_default));
    let mut visitor = TestClient::browser(&app.url);
    visitor.get("/page?kind=json").send().await;
    assert_eq!(
        event_names(&app.flush_and_collect().await),
        Vec::<&str>::new()
    );
    visitor.cookies.insert(FLAG.into(), "1".into());
    for signal in ["dnt", "sec-gpc", "x-nothing"] {
        visitor
            .get("/page?kind=json")
            .header(signal, "1")
            .send()
            .await;
    }
    assert_eq!(event_names(&app.flush_and_collect().await), ["View"; 3]);
}

fn by_header(request: &HttpRequest) -> Consent {
    match request
        .headers()
        .get("x-consent")
        .map(HeaderValue::as_bytes)
    {
        Some(b"yes") => Consent::Granted,
        Some(b"no") => Consent::Denied,
        _ => Consent::Unknown,
    }
}

#[tokio::test]
async fn consent_rule_of_application_decides_first() {
    let app = TestApp::build(routes, |builder| builder.consent(by_header));
    let mut opted_in = TestClient::browser(&app.url);
    opted_in.cookies.insert(FLAG.into(), "1".into());
    assert!(
        opted_in
            .get("/page")
            .header("x-consent", "no")
            .send()
            .await
            .calls()
            .is_empty()
    );
    for mut visitor in denied_visitors(&app.url) {
        assert_eq!(
            visitor
                .get("/page")
                .header("x-consent", "yes")
                .send()
                .await
                .call_summary(),
            ["track View"]
        );
        assert!(visitor.get("/page").send().await.calls().is_empty());
    }
}

#[tokio::test]
async fn opt_in_sets_cookie_and_enables_later_calls() {
    for (path, expected) in [
        ("/page/in", vec!["track $opt_in", "track After"]),
        ("/page/in?status=404", vec!["track $opt_in", "track After"]),
        ("/page/in?kind=json", vec![]),
        ("/page/in?status=303", vec![]),
    ] {
        let app = TestApp::start(routes);
        for mut visitor in denied_visitors(&app.url) {
            let response = visitor.post(path, &[]).send().await;
            assert_eq!(
                set_cookies(&response)[0],
                "__mp_opt_in_out_demo=1; Path=/; Max-Age=31536000",
                "{path}"
            );
            assert_eq!(response.header("cache-control"), Some("private"), "{path}");
            assert_eq!(visitor.cookies[FLAG], "1");
            assert_eq!(response.call_summary(), expected, "{path}");
            let next = visitor.get("/page").send().await;
            assert_eq!(
                next.call_summary().last().map(String::as_str),
                Some("track View")
            );
            if path.ends_with("303") {
                assert_eq!(
                    next.call_summary(),
                    ["track $opt_in", "track After", "track View"]
                );
            }
        }
        let arrived = app.flush_and_collect().await;
        assert!(!event_names(&arrived).contains(&"Before"));
        if path.ends_with("json") {
            assert_eq!(
                event_names(&arrived)
                    .iter()
                    .filter(|name| **name == "After")
                    .count(),
                4
            );
        }
    }
}

#[tokio::test]
async fn opt_in_by_attribute_works_for_capable_script() {
    let app = TestApp::start(routes);
    let mut visitor = TestClient::browser(&app.url).with_header("dnt", "1");
    let response = visitor
        .request(reqwest::Method::POST, "/agree")
        .capable()
        .send()
        .await;
    assert_eq!(visitor.cookies[FLAG], "1");
    assert_eq!(response.call_summary(), ["track $opt_in", "track Agreed"]);
}

#[tokio::test]
async fn server_delivers_calls_recorded_before_opt_out() {
    for path in [
        "/page/out",
        "/page/out?kind=json",
        "/page/out?status=303",
        "/page/out?cache=no-store",
    ] {
        let app = TestApp::start(routes);
        let mut visitor = TestClient::browser(&app.url);
        let response = visitor.post(path, &[]).send().await;
        assert_eq!(
            set_cookies(&response),
            ["__mp_opt_in_out_demo=0; Path=/; Max-Age=31536000"],
            "{path}"
        );
        assert!(
            response.calls().is_empty() && !visitor.cookies.contains_key("id"),
            "{path}"
        );
        assert!(visitor.get("/page").send().await.calls().is_empty());
        assert_eq!(
            event_names(&app.flush_and_collect().await),
            ["Before"],
            "{path}"
        );
    }
}

#[tokio::test]
async fn clear_removes_consent_cookie() {
    let app = TestApp::start(routes);
    let mut visitor = TestClient::browser(&app.url);
    visitor.cookies.insert(FLAG.into(), "0".into());
    let response = visitor.post("/page/clear", &[]).send().await;
    assert_eq!(
        set_cookies(&response),
        ["__mp_opt_in_out_demo=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]
    );
    assert!(!visitor.cookies.contains_key(FLAG));
    assert_eq!(response.call_summary(), ["track After"]);
}

#[tokio::test]
async fn consent_cookie_makes_response_uncacheable() {
    let app = TestApp::start(routes);
    for path in [
        "/page/in?cache=public,%20max-age=60",
        "/page/out?status=301&cache=s-maxage=60",
    ] {
        let response = TestClient::browser(&app.url).post(path, &[]).send().await;
        assert_eq!(set_cookies(&response).len(), 1, "{path}");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{path}");
    }
}

#[tokio::test]
async fn consent_cookie_has_the_attributes_of_mixpanel_js() {
    let config = json!({
        "cookie_domain": "blog.example",
        "cookie_expiration": 30,
        "cross_site_cookie": true,
        "opt_out_tracking_cookie_prefix": "consent_",
    });
    let app = TestApp::build(routes, |builder| builder.js_config(config));
    let response = TestClient::browser(&app.url)
        .post("/page/out", &[])
        .send()
        .await;
    let expected =
        "consent_demo=0; SameSite=None; Secure; Path=/; Domain=blog.example; Max-Age=2592000";
    assert_eq!(set_cookies(&response), [expected]);
}

#[tokio::test]
async fn unstorable_consent_is_reported_with_its_route() {
    let (send, mut failures) = tokio::sync::mpsc::unbounded_channel();
    let app = TestApp::build(routes, |builder| {
        builder.on_error(move |failure| drop(send.send(failure.to_string())))
    });
    TestClient::browser(&app.url)
        .post("/prefix", &[])
        .send()
        .await;
    let text = failures.try_recv().unwrap();
    assert!(
        text.contains("POST \"/prefix\"") && text.contains("cannot be the name of a cookie"),
        "{text}"
    );
}

#[tokio::test]
async fn options_of_mixpanel_js_apply_to_server() {
    let config =
        json!({"property_blacklist": ["$current_url", "$referrer", "Secret"], "ip": false});
    let app = TestApp::build(routes, |builder| builder.js_config(config));
    let response = TestClient::browser(&app.url)
        .get("/page?kind=json&token=x")
        .header("referer", "https://search.example/")
        .send()
        .await;
    assert_eq!(response.status, 200);
    let arrived = app.flush_and_collect().await;
    assert_eq!(event_names(&arrived), ["View"]);
    for property in ["$current_url", "$referrer", "ip"] {
        assert!(arrived[0].property(property).is_null(), "{property}");
    }
    assert_eq!(arrived[0].property("$browser"), "Chrome");
}
