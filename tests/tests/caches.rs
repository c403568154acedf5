//! Caches and pages with a snippet: an nginx proxy, and revalidation by the browser.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::path::PathBuf;

use actix_files::NamedFile;
use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use mengpaneel_tests::{Nginx, TestApp, TestClient, TestResponse, event_names};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;

const PAGE: &str = "<!doctype html><html><head><title>x</title></head><body>Hello</body></html>";

/// Form of the response.
#[derive(Deserialize)]
struct ResponseSpec {
    #[serde(default = "ok")]
    status: u16,
    /// Headers, as `name: value|name: value`.
    #[serde(default)]
    headers: String,
    /// Omits all calls.
    #[serde(default)]
    without_calls: bool,
}

fn ok() -> u16 {
    200
}

/// Returns the signed-in user, who is in the cookie `user`.
fn user(request: &HttpRequest) -> Option<String> {
    request
        .cookie("user")
        .map(|cookie| cookie.value().to_owned())
}

async fn page(request: HttpRequest, spec: web::Query<ResponseSpec>) -> HttpResponse {
    if !spec.without_calls {
        if let Some(user) = user(&request) {
            mengpaneel::setup(|mixpanel| mixpanel.identify(user));
        }
        mengpaneel::track("View", ());
    }
    let mut response = HttpResponseBuilder::new(StatusCode::from_u16(spec.status).unwrap());
    response.content_type("text/html; charset=utf-8");
    for (name, value) in spec
        .headers
        .split('|')
        .filter_map(|header| header.split_once(": "))
    {
        response.append_header((name, value));
    }
    response.body(PAGE)
}

/// File that actix-files serves: it answers revalidations with 304.
async fn file(request: HttpRequest) -> HttpResponse {
    NamedFile::open_async(path())
        .await
        .unwrap()
        .into_response(&request)
}

fn path() -> PathBuf {
    std::env::temp_dir().join(format!("mengpaneel-{}.html", std::process::id()))
}

async fn increments(request: HttpRequest) -> HttpResponse {
    if let Some(user) = user(&request) {
        mengpaneel::setup(|mixpanel| mixpanel.identify(user));
    }
    mengpaneel::track("View", ());
    mengpaneel::people().set(json!({"Last": "Page"}));
    mengpaneel::people().increment("Posts", 1);
    HttpResponse::Ok().content_type("text/html").body(PAGE)
}

/// Purges the session, and redirects to `next`.
async fn sign_out(session: Session, next: web::Query<Next>) -> HttpResponse {
    mengpaneel::track("Sign Out", ());
    session.purge();
    HttpResponse::SeeOther()
        .insert_header(("location", next.into_inner().next))
        .finish()
}

#[derive(Deserialize)]
struct Next {
    next: String,
}

fn routes(config: &mut web::ServiceConfig) {
    let signed_in = from_fn(
        |request: actix_web::dev::ServiceRequest, next: actix_web::middleware::Next<_>| {
            if let Some(user) = user(request.request()) {
                mengpaneel::setup(|mixpanel| mixpanel.identify(user));
            }
            next.call(request)
        },
    );
    config
        .route("/sign_out", web::get().to(sign_out))
        .route("/page", web::get().to(page))
        .route("/increments", web::get().to(increments))
        .service(web::resource("/file").wrap(signed_in).get(file));
}

fn query(spec: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::from("/page?"));
    query.extend_pairs(spec);
    query.finish()
}

fn signed_in(url: &str, user: &str) -> TestClient {
    let mut visitor = TestClient::browser(url);
    visitor.cookies.insert("user".into(), user.into());
    visitor
}

/// Creates a signed-in client and an anonymous one of the same cache.
fn visitors(url: &str) -> [TestClient; 2] {
    [signed_in(url, "7"), TestClient::browser(url)]
}

async fn get_in_turn([first, second]: &mut [TestClient; 2], path: &str) -> [TestResponse; 2] {
    let first = first.get(path).send().await;
    [first, second.get(path).send().await]
}

fn has_tracking(page: &TestResponse) -> bool {
    let has_cookie = page.headers.iter().any(|(name, value)| {
        name == "set-cookie"
            && ["mixpanel", "mengpaneel"]
                .iter()
                .any(|name| value.contains(name))
    });
    has_cookie || page.body != PAGE
}

#[tokio::test]
async fn nginx_serves_no_page_of_another_visitor() {
    let app = TestApp::start(routes);
    let nginx = Nginx::start(&app.url);
    let mut visitors = visitors(&nginx.url);
    for headers in [
        "x-accel-expires: 300",
        "cache-control: public",
        "cache-control: max-age=60",
    ] {
        let [first, second] = get_in_turn(&mut visitors, &query(&[("headers", headers)])).await;
        assert_eq!(
            (first.header("x-cache"), second.header("x-cache")),
            (Some("MISS"), Some("HIT")),
            "{headers}"
        );
        assert_eq!((&*first.body, &*second.body), (PAGE, PAGE), "{headers}");
    }
    let private = [
        "",
        "x-accel-expires: 0",
        "x-accel-expires: off",
        "cache-control: private",
        "cache-control: no-store",
    ];
    for headers in private {
        let [first, second] = get_in_turn(&mut visitors, &query(&[("headers", headers)])).await;
        assert_eq!(second.header("x-cache"), Some("MISS"), "{headers}");
        assert_eq!(
            first.call_summary(),
            ["identify 7", "track View"],
            "{headers}"
        );
        assert_eq!(second.call_summary(), ["track View"], "{headers}");
    }
    let by_server = app.flush_and_collect().await;
    // Three for the cached responses, each of the visitor whose request reached the server.
    assert_eq!(event_names(&by_server), ["View"; 3]);
}

#[tokio::test]
async fn nginx_stores_no_loader_and_no_cookie() {
    let app = TestApp::build(routes, |builder| builder.set_device_cookie(true));
    let nginx = Nginx::start(&app.url);
    let mut visitors = visitors(&nginx.url);
    for headers in [
        "",
        "x-accel-expires: 300",
        "cache-control: max-age=60",
        "expires: Thu, 01 Jan 2099 00:00:00 GMT",
    ] {
        let [_, second] = get_in_turn(
            &mut visitors,
            &query(&[("headers", headers), ("without_calls", "true")]),
        )
        .await;
        let is_cached = second.header("x-cache") == Some("HIT");
        assert_eq!(is_cached, !headers.is_empty(), "{headers}");
        assert_eq!(
            has_tracking(&second),
            !is_cached,
            "{headers}: {}",
            second.body
        );
    }
}

#[tokio::test]
async fn cacheable_page_leaves_calls_delayed() {
    let app = TestApp::start(routes);
    let mut visitor = TestClient::browser(&app.url);
    visitor.get("/sign_out?next=/page").send().await;
    let has_carrier = |visitor: &TestClient| {
        visitor
            .cookies
            .keys()
            .any(|name| name.starts_with("mengpaneel_delayed_calls"))
    };
    assert!(has_carrier(&visitor));
    let cacheable = visitor
        .get(&query(&[("headers", "cache-control: public")]))
        .send()
        .await;
    assert!(
        !has_tracking(&cacheable) && has_carrier(&visitor),
        "{cacheable:?}"
    );
    let private = visitor.get(&query(&[])).send().await;
    let both = ["track Sign Out", "track View"].map(str::to_owned);
    assert_eq!(
        (
            private.call_summary().as_slice(),
            private.header("cache-control")
        ),
        (&both[..], Some("private"))
    );
    assert!(!has_carrier(&visitor));
    let by_server = app.flush_and_collect().await;
    assert_eq!(event_names(&by_server), ["View"]);
}

#[tokio::test]
async fn inserted_snippet_removes_validators() {
    let app = TestApp::build(routes, |builder| builder.inject_into_streams(true));
    std::fs::write(path(), PAGE).unwrap();
    let mut visitor = signed_in(&app.url, "7");
    let first = visitor.get("/file").send().await;
    assert_eq!(
        (first.status, first.call_summary()),
        (200, vec!["identify 7".to_owned()])
    );
    for removed in ["etag", "last-modified", "accept-ranges"] {
        assert_eq!(first.header(removed), None, "{removed}");
    }
    // A script receives the unchanged file, whose validators stay valid.
    let by_script = visitor
        .get("/file")
        .header("sec-fetch-mode", "cors")
        .header("sec-fetch-dest", "empty");
    let untouched = by_script.send().await;
    assert!(untouched.header("etag").is_some() && untouched.body == PAGE);
    // With the validator of the unchanged file, the browser may show that file.
    let etag = untouched.header("etag").unwrap().to_owned();
    let revalidated = visitor
        .get("/file")
        .header("if-none-match", &etag)
        .send()
        .await;
    assert_eq!((revalidated.status, &*revalidated.body), (304, ""));
    std::fs::remove_file(path()).unwrap();
}

#[tokio::test]
async fn server_delivers_increment_of_identified_user() {
    let app = TestApp::start(routes);
    let known = signed_in(&app.url, "7").get("/increments").send().await;
    assert_eq!(known.call_summary(), ["identify 7", "track View"]);
    let received = app.flush_and_collect().await;
    assert_eq!(event_names(&received), Vec::<&str>::new());
    let profile = app.stand_in.profile("7").unwrap();
    assert_eq!(
        (&profile["Posts"], &profile["Last"]),
        (&json!(1), &json!("Page"))
    );
    let unknown = TestClient::browser(&app.url)
        .get("/increments")
        .send()
        .await;
    assert_eq!(
        unknown.call_summary(),
        ["track View", "people.set", "people.increment"]
    );
}

/// Any combination of headers that a cache may obey, and any status that shows a page.
fn any_response() -> impl Strategy<Value = (String, u16)> {
    let directives = prop::sample::select(vec![
        "private",
        "Private",
        "no-store",
        "no-cache",
        "public",
        "max-age=600",
        "s-maxage=600",
        "must-understand",
        "private=\"set-cookie\"",
        "ext=\"private\"",
        "stale-while-revalidate=60",
    ]);
    let name = prop::sample::select(vec![
        "cache-control",
        "cache-control",
        "cdn-cache-control",
        "surrogate-control",
    ]);
    let line = prop_oneof![
        4 => (name, prop::collection::vec(directives, 0..3)).prop_map(|(name, words)| (name, words.join(", "))),
        2 => prop::sample::select(vec!["0", "off", "300", "@4000000000", "@1", "@0", "x", "-1"])
            .prop_map(|value| ("x-accel-expires", value.to_owned())),
        1 => prop::sample::select(vec!["Thu, 01 Jan 2099 00:00:00 GMT", "Tue, 15 Nov 1994 12:45:26 GMT", "0"])
            .prop_map(|value| ("expires", value.to_owned())),
    ];
    let headers = prop::collection::vec(line, 0..4).prop_map(|lines| {
        lines.iter().fold(String::new(), |mut text, (name, value)| {
            write!(text, "{name}: {value}|").unwrap();
            text
        })
    });
    (
        headers,
        prop::sample::select(vec![200, 201, 203, 400, 403, 404, 410, 500, 503]),
    )
}

/// A response that nginx serves twice contains nothing of Mengpaneel.
#[test]
fn nginx_never_stores_a_page_with_calls() {
    let app = TestApp::start(routes);
    let nginx = Nginx::start(&app.url);
    let visitors = RefCell::new(visitors(&nginx.url));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let number = Cell::new(0);
    proptest!(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() }, |(
        (headers, status) in any_response(),
    )| {
        number.set(number.get() + 1);
        let (status, number) = (status.to_string(), number.get().to_string());
        let path = query(&[("headers", &headers), ("status", &status), ("n", &number)]);
        let [first, second] = runtime.block_on(get_in_turn(&mut visitors.borrow_mut(), &path));
        let is_cached = second.header("x-cache") == Some("HIT");
        prop_assert!(!(is_cached && has_tracking(&first)), "{headers}: {first:?}");
        prop_assert!(!second.call_summary().contains(&"identify 7".to_owned()), "{headers}: {second:?}");
    });
}
