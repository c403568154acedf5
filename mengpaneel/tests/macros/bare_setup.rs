//! Scope of a bare `#[setup]`: the body of the function, and nothing else.

use std::future::{Future, ready};
use std::pin::Pin;

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::guard::{GuardContext, fn_guard};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, Error, HttpResponse, get, test as web_test, web};
use mengpaneel::setup;
use mengpaneel::testing::record_request;

use crate::record_future;
use crate::support::describe;

#[get("/by_hand")]
async fn by_hand() -> HttpResponse {
    mengpaneel::track("By Hand", ());
    mengpaneel::people().increment("Visits", 1);
    mengpaneel::current().register(serde_json::json!({"a": 1}));
    HttpResponse::Ok().finish()
}

/// Defines a test for each middleware: calls of the handler behind it keep their mode.
macro_rules! spares_the_handler {
    ($($test:ident: $middleware:ident;)*) => {$(
        #[actix_web::test]
        async fn $test() {
            let app = web_test::init_service(
                App::new().service(web::scope("").wrap(from_fn($middleware)).service(by_hand)),
            )
            .await;
            let request = web_test::TestRequest::get().uri("/by_hand").to_request();
            let (response, calls) = record_request(|| app.call(request)).await;
            assert!(response.is_ok());
            assert_eq!(describe(&calls), ["identify 1", "people.set -", "track By Hand", "people.increment -", "register -"]);
            assert_eq!((calls.setup.len(), calls.tracking.len()), (2, 3));
        }
    )*};
}

type Response<B> = Result<ServiceResponse<B>, Error>;

fn finish() {
    mengpaneel::people().set(serde_json::json!({"Plan": "pro"}));
}

macro_rules! finish {
    () => {
        mengpaneel::people().set(serde_json::json!({"Plan": "pro"}))
    };
}

#[setup]
async fn directly<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Response<B> {
    mengpaneel::identify(1);
    let response = next.call(request).await?;
    finish!();
    Ok(response)
}

#[setup]
async fn under_another_name<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Response<B> {
    mengpaneel::identify(1);
    finish!();
    let rest = next;
    rest.call(request).await
}

async fn helper<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Response<B> {
    next.call(request).await
}

#[setup]
async fn through_a_helper<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Response<B> {
    mengpaneel::identify(1);
    let response = helper(request, next).await;
    finish!();
    response
}

#[setup]
async fn in_two_steps<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Response<B> {
    mengpaneel::identify(1);
    let call = next.call(request);
    finish!();
    call.await
}

#[setup]
async fn by_the_trait<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Response<B> {
    mengpaneel::identify(1);
    finish!();
    Service::call(&next, request).await
}

#[setup]
async fn in_a_block<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Response<B> {
    let response = async move {
        mengpaneel::identify(1);
        next.call(request).await
    };
    let response = response.await;
    mengpaneel::current()
        .people()
        .set(serde_json::json!({"Plan": "pro"}));
    response
}

macro_rules! forward {
    ($next:expr, $request:expr) => {
        $next.call($request).await
    };
}

#[setup]
async fn by_a_macro<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Response<B> {
    mengpaneel::identify(1);
    finish!();
    forward!(next, request)
}

#[setup]
async fn from_a_pattern<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Response<B> {
    mengpaneel::identify(1);
    finish!();
    let pair = (request, next);
    let (request, next) = pair;
    Box::pin(next.call(request)).await
}

spares_the_handler! {
    middleware_that_calls_next_is_limited: directly;
    middleware_that_renames_next_is_limited: under_another_name;
    middleware_that_calls_next_in_a_helper_is_limited: through_a_helper;
    middleware_that_awaits_next_later_is_limited: in_two_steps;
    middleware_that_calls_next_by_its_trait_is_limited: by_the_trait;
    middleware_that_calls_next_in_a_block_is_limited: in_a_block;
    middleware_that_calls_next_in_a_macro_is_limited: by_a_macro;
    middleware_that_destructures_next_is_limited: from_a_pattern;
}

/// Service that wraps another.
struct Wrapped<S> {
    inner: S,
}

impl<S, B> Service<ServiceRequest> for Wrapped<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Response<B>>>>;

    actix_web::dev::forward_ready!(inner);

    #[setup]
    fn call(&self, request: ServiceRequest) -> Self::Future {
        mengpaneel::identify(1);
        let response = self.inner.call(request);
        Box::pin(async move {
            mengpaneel::people().set(serde_json::json!({"Plan": "pro"}));
            response.await
        })
    }
}

#[actix_web::test]
async fn wrapping_service_spares_the_inner_service() {
    let inner = actix_web::dev::fn_service(|request: ServiceRequest| {
        mengpaneel::track("By Hand", ());
        ready(Ok::<_, Error>(
            request.into_response(HttpResponse::Ok().finish()),
        ))
    });
    let service = Wrapped {
        inner: actix_web::dev::ServiceFactory::new_service(&inner, ())
            .await
            .unwrap(),
    };
    let request = web_test::TestRequest::default().to_srv_request();
    let (response, calls) = record_request(|| service.call(request)).await;
    assert!(response.is_ok());
    assert_eq!(
        describe(&calls),
        ["identify 1", "people.set -", "track By Hand"]
    );
    assert_eq!((calls.setup.len(), calls.tracking.len()), (2, 1));
}

#[setup]
fn accepts(ctx: &GuardContext<'_>) -> bool {
    mengpaneel::identify(2);
    ctx.head().uri.path().ends_with("in")
}

#[setup]
fn rejects(_: &GuardContext<'_>) -> bool {
    mengpaneel::identify(3);
    mengpaneel::tracking(|mixpanel| mixpanel.track("Rejected", ()));
    false
}

/// Sends a request through both guards, and returns the calls that it recorded.
async fn calls_of_request(uri: &str) -> Vec<String> {
    let app = web_test::init_service(
        App::new().service(
            web::resource("/{rest}")
                .route(web::get().guard(fn_guard(rejects)).to(HttpResponse::Ok))
                .route(web::get().guard(fn_guard(accepts)).to(HttpResponse::Ok))
                .route(web::get().to(HttpResponse::Ok)),
        ),
    )
    .await;
    let request = web_test::TestRequest::get().uri(uri).to_request();
    let (response, calls) = record_request(|| app.call(request)).await;
    assert!(response.is_ok());
    describe(&calls)
}

#[actix_web::test]
async fn setup_of_a_guard_counts_if_the_guard_accepts() {
    assert_eq!(calls_of_request("/in").await, ["identify 2"]);
    assert!(calls_of_request("/out").await.is_empty());
}

#[test]
fn rejecting_guard_keeps_the_setup_before_it() {
    #[mengpaneel::setup(identify(1))]
    fn before() {}

    let ctx = web_test::TestRequest::default().to_srv_request();
    let ((), calls) = mengpaneel::testing::record(|| {
        before();
        assert!(!rejects(&ctx.guard_ctx()));
    });
    assert_eq!(describe(&calls), ["identify 1"]);
}

#[setup]
fn returns_a_boxed_future(id: u32) -> Pin<Box<dyn Future<Output = u32>>> {
    Box::pin(async move {
        ready(()).await;
        mengpaneel::identify(id);
        id
    })
}

#[setup]
fn returns_an_opaque_future(id: u32) -> impl Future<Output = u32> {
    async move {
        ready(()).await;
        mengpaneel::identify(id);
        id
    }
}

#[async_trait::async_trait]
trait Identify {
    async fn set_up(&self, id: u32) -> u32;
}

struct Site;

#[async_trait::async_trait]
impl Identify for Site {
    #[setup]
    async fn set_up(&self, id: u32) -> u32 {
        ready(()).await;
        mengpaneel::identify(id);
        id
    }
}

#[test]
fn returned_future_is_covered() {
    for calls in [
        record_future(|| returns_a_boxed_future(4)),
        record_future(|| returns_an_opaque_future(4)),
        record_future(|| Site.set_up(4)),
    ] {
        assert_eq!(
            (describe(&calls), calls.setup.len()),
            (vec!["identify 4".to_owned()], 1)
        );
    }
}

fn identify_helper(id: u32) {
    mengpaneel::identify(id);
}

#[setup]
fn calls_a_helper(id: u32) {
    identify_helper(id);
    finish();
}

#[setup]
async fn calls_after_an_await(id: u32) {
    mengpaneel::identify(id);
    ready(()).await;
    (|| mengpaneel::people().set(serde_json::json!({"n": id})))();
}

#[test]
fn functions_that_the_body_calls_are_covered() {
    let ((), calls) = mengpaneel::testing::record(|| calls_a_helper(5));
    assert_eq!((calls.setup.len(), calls.tracking.len()), (2, 0));
    let calls = record_future(|| calls_after_an_await(5));
    assert_eq!((calls.setup.len(), calls.tracking.len()), (2, 0));
}

#[test]
fn calls_before_and_after_keep_their_mode() {
    let ((), calls) = mengpaneel::testing::record(|| {
        mengpaneel::track("Before", ());
        calls_a_helper(6);
        mengpaneel::track("After", ());
    });
    assert_eq!(
        describe(&calls),
        ["identify 6", "people.set -", "track Before", "track After"]
    );
}
