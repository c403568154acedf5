//! Functions whose value is the response: the status decides the outcome.

use actix_web::dev::Service;
use actix_web::error::ErrorNotFound;
use actix_web::http::StatusCode;
use actix_web::{App, HttpResponse, Responder, get, test as web_test, web};
use mengpaneel::testing::record_request;
use mengpaneel::track;

use crate::other_attributes::{charge, traced};
use crate::support::describe;

#[track("Opaque")]
#[track("Opaque Failed", on(failure))]
async fn opaque_none() -> impl Responder {
    None::<String>
}

#[get("/below")]
#[track("Below")]
#[track("Below Failed", on(failure))]
async fn below_route() -> Option<String> {
    None
}

#[track("Above")]
#[get("/above")]
async fn above_route() -> Option<String> {
    None
}

#[track("Result")]
async fn result_of_none() -> Result<Option<&'static str>, actix_web::Error> {
    Ok(None)
}

#[track("Result")]
async fn result_of_some() -> Result<Option<&'static str>, actix_web::Error> {
    Ok(Some("text"))
}

#[track("With Status")]
async fn with_status() -> (&'static str, StatusCode) {
    ("no", StatusCode::CONFLICT)
}

#[track("Text")]
fn text_of(found: bool) -> Option<String> {
    found.then(|| "text".into())
}

/// Handler whose response does not depend on the `None` of its helper.
async fn ignores_its_helper() -> HttpResponse {
    assert!(text_of(false).is_none());
    HttpResponse::BadRequest().finish()
}

async fn charges() -> HttpResponse {
    assert!(charge().is_none());
    HttpResponse::InternalServerError().finish()
}

async fn finds_nothing() -> actix_web::Result<String> {
    text_of(true)
        .filter(|text| text.len() > 10)
        .ok_or_else(|| ErrorNotFound("nothing"))
}

/// Sends a request, and returns the calls that it recorded.
async fn calls_of_request(uri: &str) -> Vec<String> {
    let app = web_test::init_service(
        App::new()
            .service(below_route)
            .service(above_route)
            .route("/opaque", web::get().to(opaque_none))
            .route("/none", web::get().to(result_of_none))
            .route("/some", web::get().to(result_of_some))
            .route("/status", web::get().to(with_status))
            .route("/ignores", web::get().to(ignores_its_helper))
            .route("/charges", web::get().to(charges))
            .route("/nothing", web::get().to(finds_nothing))
            .route(
                "/traced",
                web::get().to(async || traced(1).map_or("no", |_| "yes")),
            ),
    )
    .await;
    let request = web_test::TestRequest::get().uri(uri).to_request();
    describe(&record_request(|| app.call(request)).await.1)
}

/// Defines a test for each request and the calls that it records.
macro_rules! requests {
    ($($test:ident: $uri:literal => [$($call:literal),*];)*) => {$(
        #[actix_web::test]
        async fn $test() {
            let expected: Vec<&str> = vec![$($call),*];
            assert_eq!(calls_of_request($uri).await, expected);
        }
    )*};
}

requests! {
    none_behind_impl_responder_is_a_failure: "/opaque" => ["track Opaque Failed"];
    none_below_a_route_attribute_is_a_failure: "/below" => ["track Below Failed"];
    none_above_a_route_attribute_is_a_failure: "/above" => [];
    none_in_a_result_is_a_failure: "/none" => [];
    some_in_a_result_is_a_success: "/some" => ["track Result"];
    status_beside_a_text_decides_the_outcome: "/status" => [];
    none_of_a_helper_is_not_a_response: "/ignores" => ["track Text"];
    attribute_named_trace_is_not_a_route: "/charges" => ["track Charged"];
    text_of_a_helper_is_not_a_response: "/nothing" => ["track Text"];
    attribute_named_trace_with_arguments_is_not_a_route: "/traced" => ["track Traced"];
}

#[actix_web::test]
async fn guard_of_a_scope_without_a_match_records_nothing() {
    #[track("Scope")]
    fn scope_guard(ctx: &actix_web::guard::GuardContext<'_>) -> bool {
        ctx.head().uri.path().starts_with("/scope")
    }

    let scope = || {
        web::scope("/scope")
            .guard(actix_web::guard::fn_guard(scope_guard))
            .route("/in", web::get().to(HttpResponse::Ok))
    };
    let app = web_test::init_service(App::new().service(scope())).await;
    for (uri, expected) in [("/scope/in", vec!["track Scope"]), ("/scope/out", vec![])] {
        let request = web_test::TestRequest::get().uri(uri).to_request();
        assert_eq!(
            describe(&record_request(|| app.call(request)).await.1),
            expected
        );
    }
}

/// Attributes of another crate that have the names of Actix's routes.
mod other {
    pub(super) use tracing_attributes::instrument as get;
    pub(super) use tracing_attributes::instrument as route;
}

#[track("Looks Like A Route")]
#[other::get("/looks", skip_all)]
fn looks_like_a_route() -> Option<String> {
    Some("text".into())
}

mod imported {
    use tracing_attributes::instrument as post;

    #[super::track("Looks Imported")]
    #[post("/imported", skip_all)]
    pub(super) fn looks_imported() -> Result<String, String> {
        Ok("text".into())
    }

    #[super::track("Looks Absent")]
    #[post("/absent", skip_all)]
    pub(super) fn looks_absent() -> Option<String> {
        None
    }
}

#[track("Looks Async")]
#[other::route("/async", skip_all)]
async fn looks_async() -> Result<u32, String> {
    Ok(1)
}

#[actix_web::test]
async fn foreign_attribute_named_like_a_route_is_not_a_route() {
    let app = web_test::init_service(App::new().default_service(web::to(async || {
        assert!(looks_like_a_route().is_some() && imported::looks_imported().is_ok());
        assert!(imported::looks_absent().is_none() && looks_async().await.is_ok());
        HttpResponse::BadRequest().finish()
    })))
    .await;
    let request = web_test::TestRequest::default().to_request();
    let calls = record_request(|| app.call(request)).await.1;
    let expected = [
        "track Looks Like A Route",
        "track Looks Imported",
        "track Looks Absent",
        "track Looks Async",
    ];
    assert_eq!(describe(&calls), expected);
}

#[test]
fn plan_lists_only_routes_of_actix() {
    let plan = mengpaneel::plan();
    let routes = |event: &str| {
        let annotation = plan
            .iter()
            .find(|annotation| annotation.event.as_deref() == Some(event))
            .unwrap();
        annotation
            .routes
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(routes("Above"), ["GET /above"]);
    for event in [
        "Looks Like A Route",
        "Looks Imported",
        "Looks Absent",
        "Looks Async",
    ] {
        assert!(routes(event).is_empty(), "{event}");
    }
}
