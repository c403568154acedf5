//! What a bare `#[setup]` covers: the function's own body, and nothing else.

use std::future::{Future, ready};
use std::pin::Pin;

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::guard::{GuardContext, fn_guard};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, Error, HttpResponse, get, test as web_test, web};
use mengpaneel::setup;
use mengpaneel::testing::record_request;

use crate::recorded;
use crate::support::said;

#[get("/by_hand")]
async fn by_hand() -> HttpResponse {
    mengpaneel::track("By Hand", ());
    mengpaneel::people().increment("Visits", 1);
    mengpaneel::current().register(serde_json::json!({"a": 1}));
    HttpResponse::Ok().finish()
}

/// Sends a request through `$middleware` to a handler that records by hand, and checks the modes.
macro_rules! keeps_to_its_own_lines {
    ($($test:ident: $middleware:ident;)*) => {$(
        #[actix_web::test]
        async fn $test() {
            let app = web_test::init_service(
                App::new().service(web::scope("").wrap(from_fn($middleware)).service(by_hand)),
            )
            .await;
            let request = web_test::TestRequest::get().uri("/by_hand").to_request();
            let (answer, calls) = record_request(|| app.call(request)).await;
            assert!(answer.is_ok());
            assert_eq!(said(&calls), ["identify 1", "people.set -", "track By Hand", "people.increment -", "register -"]);
            assert_eq!((calls.setup.len(), calls.tracking.len()), (2, 3));
        }
    )*};
}

type Answer<B> = Result<ServiceResponse<B>, Error>;

fn finish() {
    mengpaneel::people().set(serde_json::json!({"Plan": "pro"}));
}

macro_rules! finish {
    () => {
        mengpaneel::people().set(serde_json::json!({"Plan": "pro"}))
    };
}

#[setup]
async fn directly<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Answer<B> {
    mengpaneel::identify(1);
    let answer = next.call(request).await?;
    finish!();
    Ok(answer)
}

#[setup]
async fn under_another_name<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Answer<B> {
    mengpaneel::identify(1);
    finish!();
    let rest = next;
    rest.call(request).await
}

async fn helper<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Answer<B> {
    next.call(request).await
}

#[setup]
async fn through_a_helper<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Answer<B> {
    mengpaneel::identify(1);
    let answer = helper(request, next).await;
    finish!();
    answer
}

#[setup]
async fn in_two_steps<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Answer<B> {
    mengpaneel::identify(1);
    let call = next.call(request);
    finish!();
    call.await
}

#[setup]
async fn by_the_trait<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Answer<B> {
    mengpaneel::identify(1);
    finish!();
    Service::call(&next, request).await
}

#[setup]
async fn in_a_block<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Answer<B> {
    let answer = async move {
        mengpaneel::identify(1);
        next.call(request).await
    };
    let answer = answer.await;
    mengpaneel::current()
        .people()
        .set(serde_json::json!({"Plan": "pro"}));
    answer
}

macro_rules! forward {
    ($next:expr, $request:expr) => {
        $next.call($request).await
    };
}

#[setup]
async fn by_a_macro<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Answer<B> {
    mengpaneel::identify(1);
    finish!();
    forward!(next, request)
}

#[setup]
async fn from_a_pattern<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Answer<B> {
    mengpaneel::identify(1);
    finish!();
    let pair = (request, next);
    let (request, next) = pair;
    Box::pin(next.call(request)).await
}

keeps_to_its_own_lines! {
    middleware_that_calls_next_directly: directly;
    middleware_that_calls_next_under_another_name: under_another_name;
    middleware_that_calls_next_in_a_helper: through_a_helper;
    middleware_that_calls_next_in_two_steps: in_two_steps;
    middleware_that_calls_next_by_the_trait: by_the_trait;
    middleware_that_calls_next_in_a_block: in_a_block;
    middleware_that_calls_next_by_a_macro: by_a_macro;
    middleware_that_calls_next_from_a_pattern: from_a_pattern;
}

/// A service of one's own around another.
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
    type Future = Pin<Box<dyn Future<Output = Answer<B>>>>;

    actix_web::dev::forward_ready!(inner);

    #[setup]
    fn call(&self, request: ServiceRequest) -> Self::Future {
        mengpaneel::identify(1);
        let answer = self.inner.call(request);
        Box::pin(async move {
            mengpaneel::people().set(serde_json::json!({"Plan": "pro"}));
            answer.await
        })
    }
}

#[actix_web::test]
async fn service_that_wraps_another_keeps_to_its_own_lines() {
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
    let (answer, calls) = record_request(|| service.call(request)).await;
    assert!(answer.is_ok());
    assert_eq!(
        said(&calls),
        ["identify 1", "people.set -", "track By Hand"]
    );
    assert_eq!((calls.setup.len(), calls.tracking.len()), (2, 1));
}

// A guard that refuses leaves nothing.
#[setup]
fn passes(ctx: &GuardContext<'_>) -> bool {
    mengpaneel::identify(2);
    ctx.head().uri.path().ends_with("in")
}

#[setup]
fn refuses(_: &GuardContext<'_>) -> bool {
    mengpaneel::identify(3);
    mengpaneel::tracking(|mixpanel| mixpanel.track("Refused", ()));
    false
}

async fn guarded(uri: &str) -> Vec<String> {
    let app = web_test::init_service(
        App::new().service(
            web::resource("/{rest}")
                .route(web::get().guard(fn_guard(refuses)).to(HttpResponse::Ok))
                .route(web::get().guard(fn_guard(passes)).to(HttpResponse::Ok))
                .route(web::get().to(HttpResponse::Ok)),
        ),
    )
    .await;
    let request = web_test::TestRequest::get().uri(uri).to_request();
    let (answer, calls) = record_request(|| app.call(request)).await;
    assert!(answer.is_ok());
    said(&calls)
}

#[actix_web::test]
async fn setup_of_a_guard_counts_where_the_guard_passes() {
    assert_eq!(guarded("/in").await, ["identify 2"]);
    assert!(guarded("/out").await.is_empty());
}

#[test]
fn refused_guard_leaves_the_setup_before_it() {
    #[mengpaneel::setup(identify(1))]
    fn before() {}

    let ctx = web_test::TestRequest::default().to_srv_request();
    let ((), calls) = mengpaneel::testing::record(|| {
        before();
        assert!(!refuses(&ctx.guard_ctx()));
    });
    assert_eq!(said(&calls), ["identify 1"]);
}

// What the function returns is part of its body.
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
trait Sets {
    async fn sets(&self, id: u32) -> u32;
}

struct Site;

#[async_trait::async_trait]
impl Sets for Site {
    #[setup]
    async fn sets(&self, id: u32) -> u32 {
        ready(()).await;
        mengpaneel::identify(id);
        id
    }
}

#[test]
fn returned_future_is_covered_by_the_mode() {
    for calls in [
        recorded(|| returns_a_boxed_future(4)),
        recorded(|| returns_an_opaque_future(4)),
        recorded(|| Site.sets(4)),
    ] {
        assert_eq!(
            (said(&calls), calls.setup.len()),
            (vec!["identify 4".to_owned()], 1)
        );
    }
}

fn by_a_helper(id: u32) {
    mengpaneel::identify(id);
}

#[setup]
fn calls_a_helper(id: u32) {
    by_a_helper(id);
    finish();
}

#[setup]
async fn calls_in_between(id: u32) {
    mengpaneel::identify(id);
    ready(()).await;
    (|| mengpaneel::people().set(serde_json::json!({"n": id})))();
}

#[test]
fn functions_that_the_body_calls_are_covered_by_the_mode() {
    let ((), calls) = mengpaneel::testing::record(|| calls_a_helper(5));
    assert_eq!((calls.setup.len(), calls.tracking.len()), (2, 0));
    let calls = recorded(|| calls_in_between(5));
    assert_eq!((calls.setup.len(), calls.tracking.len()), (2, 0));
}

#[test]
fn calls_around_a_bare_setup_keep_their_mode() {
    let ((), calls) = mengpaneel::testing::record(|| {
        mengpaneel::track("Before", ());
        calls_a_helper(6);
        mengpaneel::track("After", ());
    });
    assert_eq!(
        said(&calls),
        ["identify 6", "people.set -", "track Before", "track After"]
    );
}
