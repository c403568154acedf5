//! Annotated guards of routes.
#![deny(warnings, unused, clippy::pedantic)]
#![allow(missing_docs, reason = "tests")]

mod support;

use actix_web::guard::{GuardContext, fn_guard};
use actix_web::{App, HttpResponse, test as web_test, web};
use mengpaneel::testing::record_request;
use mengpaneel::track;
use support::describe;

#[track("Guarded", path = ctx.head().uri.path())]
#[track("Guard Rejected", on(failure))]
fn guard(ctx: &GuardContext<'_>) -> bool {
    let path = ctx.head().uri.path();
    path.ends_with("ok")
}

#[mengpaneel::setup(people.set("Guarded" = true))]
fn is_even(ctx: &GuardContext<'_>) -> bool {
    ctx.head().uri.path().len().is_multiple_of(2)
}

#[track("First Route", on(failure))]
fn rejects(_: &GuardContext<'_>) -> bool {
    false
}

/// Returns a resource with three routes. The last guard of the first route rejects every request.
fn joined() -> actix_web::Resource {
    let guards = mengpaneel::guard::all(fn_guard(guard))
        .and(fn_guard(is_even))
        .and(fn_guard(rejects));
    web::resource("/joined/{rest}")
        .route(web::get().guard(guards).to(HttpResponse::Ok))
        .route(
            web::get()
                .guard(mengpaneel::guard::all(fn_guard(guard)))
                .to(HttpResponse::Ok),
        )
        .route(web::get().to(HttpResponse::Ok))
}

/// Sends a request, and returns the calls that it recorded.
async fn calls_of_request(uri: &str) -> Vec<String> {
    let guarded = web::get()
        .guard(fn_guard(guard))
        .to(HttpResponse::BadRequest);
    let app = App::new().service(joined()).route("/guard/{rest}", guarded);
    let app = web_test::init_service(app).await;
    let request = web_test::TestRequest::get().uri(uri).to_request();
    let (response, calls) = record_request(|| actix_web::dev::Service::call(&app, request)).await;
    assert!(response.is_ok());
    describe(&calls)
}

#[actix_web::test]
async fn guard_succeeds_if_it_accepts_the_request() {
    assert_eq!(calls_of_request("/guard/ok").await, ["track Guarded"]);
    assert_eq!(
        calls_of_request("/guard/no").await,
        ["track Guard Rejected"]
    );
}

#[actix_web::test]
async fn joined_guards_record_only_for_the_accepted_route() {
    // The path is even: two guards accept the request, the third rejects it, and the next route
    // matches.
    assert_eq!(
        calls_of_request("/joined/ok").await,
        ["track First Route", "track Guarded"]
    );
    // The second guard of the first route rejects the request.
    assert_eq!(calls_of_request("/joined/1ok").await, ["track Guarded"]);
    assert_eq!(
        calls_of_request("/joined/no").await,
        ["track Guard Rejected", "track Guard Rejected"]
    );
}
