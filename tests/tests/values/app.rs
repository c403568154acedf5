//! Server that records the events of the query.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use mengpaneel::{Method, Mixpanel};
use mengpaneel_tests::TestApp;
use serde::Deserialize;
use serde_json::{Value, json};

/// Calls of a request, and the form of its response.
#[derive(Deserialize)]
struct RequestSpec {
    /// `page`, `json`, or `redirect`.
    response: String,
    /// Names and properties of events, as JSON.
    #[serde(default)]
    events: String,
    /// Events of the setup mode, as JSON.
    #[serde(default)]
    setup: String,
    /// Length of the text property of an event `Large`.
    #[serde(default)]
    large: usize,
    /// Value of the calls header that the application itself sets.
    #[serde(default)]
    forged: String,
}

async fn respond(mixpanel: Mixpanel, spec: web::Query<RequestSpec>) -> HttpResponse {
    let events =
        |text: &str| serde_json::from_str::<Vec<(String, Value)>>(text).unwrap_or_default();
    let setup = events(&spec.setup);
    if !setup.is_empty() {
        mixpanel.setup(|mixpanel| {
            for (name, properties) in &setup {
                mixpanel.track(name, properties);
            }
        });
    }
    for (name, properties) in events(&spec.events) {
        mixpanel.track(name, properties);
    }
    if spec.large > 0 {
        mixpanel.track("Large", json!({"text": "x".repeat(spec.large)}));
        mixpanel.call(Method::Track, vec![json!("Small")]);
    }
    let mut response = match spec.response.as_str() {
        "redirect" => HttpResponse::SeeOther(),
        _ => HttpResponse::Ok(),
    };
    if !spec.forged.is_empty() {
        response.insert_header(("x-mengpaneel-calls", spec.forged.as_str()));
        response.insert_header(("X-Mengpaneel-Setup", "0123456789abcdef"));
    }
    match spec.response.as_str() {
        "page" => response
            .content_type("text/html; charset=utf-8")
            .body("<!doctype html><title>x</title><body>"),
        "redirect" => response
            .insert_header((header::LOCATION, "/?response=page"))
            .finish(),
        _ => response.json(json!({})),
    }
}

fn routes(config: &mut web::ServiceConfig) {
    config.route("/", web::get().to(respond));
}

pub(crate) fn start_app() -> TestApp {
    TestApp::build(routes, |builder| builder.max_header_bytes(1 << 20))
}

/// Returns the path of a request of this form.
pub(crate) fn spec_path(spec: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::from("/?"));
    query.extend_pairs(spec);
    query.finish()
}
