//! The tracking plan: what the blog's attributes say that it tracks, for people and for Mixpanel's
//! Lexicon.

use actix_web::{HttpResponse, route, web};
use askama::Template;
use mengpaneel::{Annotation, Mode, Plan};

use crate::pages;
use crate::problem::Problem;

/// Mounts the plan, beside what is tracked.
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

/// Name of a row's mode in attributes.
fn mode_name(row: &Annotation) -> &'static str {
    match row.mode {
        Mode::BeforeSetup => "before_setup",
        Mode::Setup => "setup",
        Mode::Tracking => "tracking",
    }
}

#[route("/plan", method = "GET", method = "HEAD")]
async fn table() -> Result<HttpResponse, Problem> {
    pages::ok(&PlanPage {
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
