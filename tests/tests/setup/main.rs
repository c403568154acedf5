//! Set-up of an application: `with_setup`, warnings about wrong set-ups, and `record_request`.

/// Returns the messages of level WARN and ERROR of an app with two workers that serve each path
/// twice.
macro_rules! messages {
    ($app:expr, $paths:expr) => {{
        let log = mengpaneel_tests::Log::default();
        let captured = log.capture();
        for _worker in 0..2 {
            let app = actix_web::test::init_service($app).await;
            for path in $paths.iter().chain(&$paths) {
                let request = actix_web::test::TestRequest::get()
                    .uri(path)
                    .insert_header(("host", "blog.example"));
                let request = request.insert_header(("accept", "text/html")).to_request();
                let response = actix_web::test::call_service(&app, request).await;
                actix_web::test::read_body(response).await;
            }
        }
        drop(captured);
        [log.entries("WARN"), log.entries("ERROR")].concat()
    }};
}

mod misconfiguration;
mod record_request;
mod response_warnings;
mod with_setup;

use actix_session::SessionMiddleware;
use actix_session::storage::CookieSessionStore;
use actix_web::cookie::Key;
use actix_web::{HttpResponse, web};
use mengpaneel::{Builder, Mengpaneel};
use stand_in::StandIn;

const PAGE: &str = "<!doctype html><html><head></head><body></body></html>";

fn build(stand_in: &StandIn, options: impl FnOnce(Builder) -> Builder) -> Mengpaneel {
    let builder = Mengpaneel::builder("demo")
        .api_host(stand_in.url())
        .cookie_key(Key::from(&[7; 64]));
    options(builder).build().unwrap()
}

async fn page() -> HttpResponse {
    mengpaneel::track("View", ());
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(PAGE)
}

async fn redirect() -> HttpResponse {
    mengpaneel::track("Redirect", ());
    HttpResponse::SeeOther()
        .insert_header(("location", "/"))
        .finish()
}

async fn identify() {
    mengpaneel::setup(|mixpanel| mixpanel.identify(7));
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(page))
        .route("/redirect", web::get().to(redirect));
}

fn session() -> SessionMiddleware<CookieSessionStore> {
    SessionMiddleware::new(CookieSessionStore::default(), Key::from(&[8; 64]))
}

/// Asserts that there is one message of this level, which contains these parts of a remedy.
#[track_caller]
fn assert_one(messages: &[String], level: &str, parts: &[&str]) {
    let [message] = messages else {
        panic!("{messages:#?}")
    };
    for part in [level].iter().chain(parts) {
        assert!(message.contains(part), "{part} is not in {message}");
    }
}
