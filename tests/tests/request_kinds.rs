//! Kinds of requests and responses: visible pages, other responses, and the client behind a proxy.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;

use actix_web::rt::System;
use actix_web::{App, HttpResponse, HttpServer, web};
use mengpaneel::Mengpaneel;
use mengpaneel_tests::{TestApp, TestClient, event_names, flush_and_collect};
use reqwest::Method;
use serde_json::json;
use stand_in::StandIn;

const PAGE: &str = "<!doctype html><html><head><title>x</title></head><body>Hello</body></html>";

fn page() -> HttpResponse {
    mengpaneel::track("View", ());
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("access-control-allow-origin", "*"))
        .body(PAGE)
}

async fn buy() -> HttpResponse {
    mengpaneel::track("Buy", ());
    HttpResponse::SeeOther()
        .insert_header(("location", "/page"))
        .finish()
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/page", web::to(async || page()))
        .route("/buy", web::post().to(buy));
}

/// Sends a request while calls are delayed, and returns the way of its calls.
///
/// The way is `replayed` (with the delayed calls), `page` (alone) or `server`.
async fn delivery_of(app: &TestApp, method: Method, headers: &[(&str, &str)]) -> &'static str {
    let mut ada = TestClient::browser(&app.url);
    assert_eq!(ada.post("/buy", &[]).send().await.status, 303);
    let mut tab = ada.clone();
    let request = tab.request(method, "/page").headers(headers);
    let calls = request.send().await.call_summary();
    let later = ada.visit("/page").await.call_summary();
    match (&*calls, &*later) {
        ([buy, view], _) if buy == "track Buy" && view == "track View" => "replayed",
        ([view], [buy, ..]) if view == "track View" && buy == "track Buy" => "page",
        ([], [buy, ..]) if buy == "track Buy" => "server",
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn request_kind_decides_replay_and_injection() {
    let app = TestApp::start(routes);
    let html = ("accept", "text/html,*/*;q=0.8");
    let navigate = ("sec-fetch-mode", "navigate");
    let mut by_server = 0;
    for (headers, expected) in [
        (&[html, navigate][..], "replayed"),
        (&[html, navigate, ("sec-fetch-dest", "empty")], "replayed"),
        (&[html, navigate, ("sec-fetch-dest", "iframe")], "replayed"),
        (&[html], "replayed"),
        (&[html, ("x-requested-with", "com.example.app")], "replayed"),
        (&[html, navigate, ("sec-purpose", "prefetch")], "page"),
        (&[html, navigate, ("sec-fetch-dest", "embed")], "server"),
        (&[html, ("turbo-frame", "cart")], "server"),
        (&[html, ("x-pjax", "true")], "server"),
        (
            &[html, ("hx-request", "true"), ("hx-boosted", "true")],
            "server",
        ),
        (&[html, ("x-up-version", "3.15.0")], "server"),
        (&[html, ("x-requested-with", "swup")], "server"),
        (&[html, ("origin", "https://other.example")], "server"),
        (&[("accept", "*/*")], "server"),
        (&[], "server"),
    ] {
        assert_eq!(
            delivery_of(&app, Method::GET, headers).await,
            expected,
            "{headers:?}"
        );
        by_server += usize::from(expected == "server");
    }
    assert_eq!(
        delivery_of(&app, Method::OPTIONS, &[html, navigate]).await,
        "server"
    );
    assert_eq!(
        delivery_of(&app, Method::POST, &[html, navigate]).await,
        "replayed"
    );
    let arrived = app.flush_and_collect().await;
    assert_eq!(event_names(&arrived), vec!["View"; by_server + 1]);
}

#[tokio::test]
async fn server_delivers_event_of_webhook() {
    let app = TestApp::start(routes);
    let mut stripe = TestClient::machine(&app.url)
        .with_header("user-agent", "Stripe/1.0")
        .with_header("accept", "*/*");
    let response = stripe.request(Method::POST, "/page").send().await;
    assert_eq!(response.body, PAGE);
    assert_eq!(event_names(&app.flush_and_collect().await), ["View"]);
}

#[tokio::test]
async fn amp_document_is_unchanged() {
    const AMP: &str =
        "<!doctype html><html ⚡ lang=en><head><title>x</title></head><body>Hello</body></html>";
    let app = TestApp::start(|config| {
        config.route(
            "/",
            web::to(async || {
                mengpaneel::track("View", ());
                HttpResponse::Ok().content_type("text/html").body(AMP)
            }),
        );
    });
    assert_eq!(TestClient::browser(&app.url).visit("/").await.body, AMP);
    assert_eq!(event_names(&app.flush_and_collect().await), ["View"]);
}

#[tokio::test]
async fn server_delivers_calls_if_policy_blocks_scripts() {
    let app = TestApp::start(|config| {
        config.route(
            "/",
            web::to(async |query: web::Query<Vec<(String, String)>>| {
                mengpaneel::track("View", ());
                let mut response = HttpResponse::Ok();
                for (name, value) in query.into_inner() {
                    response.append_header((name, value));
                }
                response.content_type("text/html").body(PAGE)
            }),
        );
    });
    let mut count = 0;
    for (name, value, runs) in [
        ("cross-origin-embedder-policy", "require-corp", false),
        ("cross-origin-embedder-policy", "credentialless", true),
        (
            "cross-origin-embedder-policy-report-only",
            "require-corp",
            true,
        ),
        (
            "document-isolation-policy",
            "isolate-and-require-corp",
            false,
        ),
        ("integrity-policy", "blocked-destinations=(script)", false),
        (
            "integrity-policy-report-only",
            "blocked-destinations=(script)",
            true,
        ),
        ("content-security-policy", "sandbox allow-scripts", false),
        (
            "content-security-policy",
            "sandbox allow-scripts allow-same-origin",
            true,
        ),
        (
            "content-security-policy",
            "script-src 'nonce-ab==cd'",
            false,
        ),
        ("content-security-policy", "script-src 'nonce-abcd=='", true),
        (
            "content-security-policy",
            "require-trusted-types-for 'script'",
            false,
        ),
        (
            "content-security-policy-report-only",
            "script-src 'none'",
            true,
        ),
    ] {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair(name, value)
            .finish();
        let page = TestClient::browser(&app.url)
            .visit(&format!("/?{query}"))
            .await;
        assert_eq!(
            page.call_summary() == ["track View"],
            runs,
            "{name}: {value}"
        );
        count += usize::from(!runs);
    }
    assert_eq!(
        event_names(&app.flush_and_collect().await),
        vec!["View"; count]
    );
}

#[tokio::test]
async fn trusted_unix_socket_forwards_client_address() {
    let stand_in = StandIn::start();
    let builder = Mengpaneel::builder("demo")
        .api_host(stand_in.url())
        .trusted_proxies(["unix:"]);
    let mengpaneel = builder.build().unwrap();
    let path = std::env::temp_dir().join(format!("mengpaneel-{}.socket", std::process::id()));
    let (send, receive) = mpsc::channel();
    let (shared, socket) = (mengpaneel.clone(), path.clone());
    let server = thread::spawn(move || {
        System::new().block_on(async move {
            let app = move || App::new().configure(routes).wrap(shared.clone());
            let server = HttpServer::new(app)
                .workers(1)
                .disable_signals()
                .bind_uds(socket)
                .unwrap()
                .run();
            send.send(server.handle()).unwrap();
            server.await.unwrap();
        });
    });
    let handle = receive.recv().unwrap();
    let client = thread::spawn(move || {
        let mut stream = UnixStream::connect(path).unwrap();
        let request = "GET /page HTTP/1.1\r\nHost: blog.example\r\nConnection: close\r\nAccept: */*\r\n\
                       Cookie: mp_demo_mixpanel=%7B%22distinct_id%22%3A%2242%22%7D\r\n\
                       X-Forwarded-For: 6.6.6.6, 203.0.113.7\r\nX-Forwarded-Proto: https\r\n\
                       Forwarded: for=6.6.6.6;host=evil.example\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    });
    assert!(client.join().unwrap().starts_with("HTTP/1.1 200"));
    let arrived = flush_and_collect(&mengpaneel, &stand_in).await;
    assert_eq!(event_names(&arrived), ["View"]);
    assert_eq!(arrived[0].property("ip"), &json!("203.0.113.7"));
    assert_eq!(
        arrived[0].property("$current_url"),
        &json!("https://blog.example/page")
    );
    drop(handle.stop(false));
    server.join().unwrap();
}
