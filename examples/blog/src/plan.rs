//! The tracking plan: what the blog's attributes say that it tracks, for people and for Mixpanel's
//! Lexicon.

use actix_web::{HttpResponse, get, web};

/// Mounts the plan, beside what is tracked.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(table).service(markdown).service(json).service(lexicon);
}

#[get("/plan")]
async fn table() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(mengpaneel::plan().to_string())
}

#[get("/plan.md")]
async fn markdown() -> HttpResponse {
    HttpResponse::Ok().content_type("text/markdown; charset=utf-8").body(mengpaneel::plan().to_markdown())
}

#[get("/plan.json")]
async fn json() -> HttpResponse {
    HttpResponse::Ok().json(mengpaneel::plan().to_json())
}

#[get("/plan/lexicon.json")]
async fn lexicon() -> HttpResponse {
    HttpResponse::Ok().json(mengpaneel::plan().to_lexicon())
}
