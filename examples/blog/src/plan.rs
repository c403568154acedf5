//! Tracking plan of the blog's attributes, for people and for Mixpanel's Lexicon.

use actix_web::{HttpResponse, route, web};
use askama::Template;
use mengpaneel::{Annotation, Mode, Plan};

use crate::error::BlogError;
use crate::pages;

/// Mounts the plan's pages. They belong outside of the middleware, which does not track them.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(table)
        .service(markdown)
        .service(json)
        .service(lexicon);
}

#[derive(Template)]
#[template(path = "plan.html")]
struct PlanPage {
    plan: Plan,
}

/// Name of a row's mode, as in the attributes.
fn mode_name(row: &Annotation) -> &'static str {
    match row.mode {
        Mode::BeforeSetup => "before_setup",
        Mode::Setup => "setup",
        Mode::Tracking => "tracking",
    }
}

#[route("/plan", method = "GET", method = "HEAD")]
async fn table() -> Result<HttpResponse, BlogError> {
    pages::render(&PlanPage {
        plan: mengpaneel::plan(),
    })
}

#[route("/plan.md", method = "GET", method = "HEAD")]
async fn markdown() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/markdown; charset=utf-8")
        .body(mengpaneel::plan().to_markdown())
}

#[route("/plan.json", method = "GET", method = "HEAD")]
async fn json() -> HttpResponse {
    HttpResponse::Ok().json(mengpaneel::plan().to_json())
}

#[route("/plan/lexicon.json", method = "GET", method = "HEAD")]
async fn lexicon() -> HttpResponse {
    HttpResponse::Ok().json(mengpaneel::plan().to_lexicon())
}
