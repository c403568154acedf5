//! Request scope of calls: bodies that record, nested wraps of one Mengpaneel, and missing scopes.

use std::sync::{Arc, Mutex};

use actix_web::body::SizedStream;
use actix_web::{App, Error, HttpResponse, HttpServer, web};
use futures_util::{StreamExt as _, stream};
use mengpaneel::{Mengpaneel, Reason};
use mengpaneel_tests::{TestApp, TestClient, event_names, flush_and_collect};
use stand_in::StandIn;

const PAGE: &str = "<!doctype html><html><head></head><body></body></html>";

/// Creates a stream that records an event with each chunk.
fn recording_stream(
    event: &'static str,
    chunks: &'static [&'static str],
) -> impl futures_util::Stream<Item = Result<web::Bytes, Error>> {
    stream::iter(chunks).map(move |chunk| {
        mengpaneel::track(event, ());
        Ok(web::Bytes::from_static(chunk.as_bytes()))
    })
}

async fn csv() -> HttpResponse {
    mengpaneel::setup(|mixpanel| mixpanel.identify("42"));
    HttpResponse::Ok()
        .content_type("text/csv")
        .streaming(recording_stream("Row", &["a\n", "b\n"]))
}

async fn sized() -> HttpResponse {
    mengpaneel::setup(|mixpanel| mixpanel.identify("42"));
    HttpResponse::Ok()
        .content_type("text/csv")
        .body(SizedStream::new(
            4,
            recording_stream("Sized Row", &["a\n", "b\n"]),
        ))
}

async fn sized_page() -> HttpResponse {
    let body = SizedStream::new(PAGE.len() as u64, recording_stream("Written", &[PAGE]));
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(body)
}

fn bodies(config: &mut web::ServiceConfig) {
    config
        .route("/csv", web::get().to(csv))
        .route("/sized", web::get().to(sized))
        .route("/page", web::get().to(sized_page));
}

#[tokio::test]
async fn streamed_and_sized_bodies_record_in_request_scope() {
    let app = TestApp::start(bodies);
    let mut ada = TestClient::browser(&app.url);
    assert_eq!(ada.get("/csv").send().await.body, "a\nb\n");
    assert_eq!(ada.get("/sized").send().await.body, "a\nb\n");
    let arrived = app.flush_and_collect().await;
    assert_eq!(
        event_names(&arrived),
        ["Row", "Row", "Sized Row", "Sized Row"]
    );
    assert!(
        arrived
            .iter()
            .all(|event| event.distinct_id() == Some("42")),
        "{arrived:?}"
    );
}

#[tokio::test]
async fn sized_page_contains_calls_of_its_body() {
    let app = TestApp::start(bodies);
    let page = TestClient::browser(&app.url).get("/page").send().await;
    assert_eq!(page.call_summary(), ["track Written"]);
}

async fn page() -> HttpResponse {
    mengpaneel::track("View", ());
    HttpResponse::Ok().content_type("text/html").body(PAGE)
}

async fn json() -> HttpResponse {
    mengpaneel::track("Call", ());
    HttpResponse::Ok().json(())
}

async fn signed_in() {
    mengpaneel::setup(|mixpanel| mixpanel.identify("7"));
}

#[tokio::test]
async fn nested_wraps_of_one_instance_act_as_one() {
    let stand_in = StandIn::start();
    let mengpaneel = Mengpaneel::builder("demo")
        .api_host(stand_in.url())
        .build()
        .unwrap();
    let (send, receive) = std::sync::mpsc::channel();
    let shared = mengpaneel.clone();
    std::thread::spawn(move || {
        let app = move || {
            let scope = web::scope("/shop")
                .route("/page", web::get().to(page))
                .route("/json", web::get().to(json));
            App::new()
                .service(scope.wrap(shared.clone()))
                .wrap(shared.before(signed_in))
                .wrap(shared.clone())
        };
        actix_web::rt::System::new().block_on(async move {
            let server = HttpServer::new(app).workers(1).bind("127.0.0.1:0").unwrap();
            send.send(format!("http://{}", server.addrs()[0])).unwrap();
            server.run().await.unwrap();
        });
    });
    let mut ada = TestClient::browser(receive.recv().unwrap());
    let shown = ada.get("/shop/page").send().await;
    assert_eq!(shown.call_summary(), ["identify 7", "track View"]);
    assert_eq!(shown.body.matches("mixpanel.push(").count(), 1);
    ada.request(reqwest::Method::GET, "/shop/json").send().await;
    let arrived = flush_and_collect(&mengpaneel, &stand_in).await;
    assert_eq!(
        (event_names(&arrived), arrived[0].distinct_id()),
        (vec!["Call"], Some("7"))
    );
}

#[test]
fn each_call_site_without_scope_is_reported_with_its_line() {
    let sites = Arc::new(Mutex::new(Vec::new()));
    let reported = Arc::clone(&sites);
    let mengpaneel = Mengpaneel::builder("demo").on_error(move |failure| {
        if let Reason::OutsideScope(site) = &failure.reason {
            reported
                .lock()
                .unwrap()
                .push((site.file().to_owned(), site.line()));
        }
    });
    let mengpaneel = mengpaneel.build().unwrap();
    let line = line!();
    for _ in 0..2 {
        mengpaneel::track("One", ());
        mengpaneel::track("Two", ());
        mengpaneel::identify(3);
        mengpaneel::people().set(());
        mengpaneel::setup(|_| {});
        let handle = mengpaneel::current();
        handle.track("By Handle", ());
        handle.identify(4);
        handle.people().increment("Posts", 1);
        handle.register(());
        handle.set_group("company", "acme");
        handle.setup(|_| {});
        handle.reset();
    }
    drop(mengpaneel);
    let expected: Vec<_> = (2..=6)
        .chain(8..=14)
        .map(|offset| (file!().to_owned(), line + offset))
        .collect();
    assert_eq!(*sites.lock().unwrap(), expected);
}
