//! Attributes on handlers and middleware of a running app, as the README shows them.
#![allow(
    clippy::unused_async,
    clippy::unused_self,
    clippy::unnecessary_wraps,
    reason = "simplified application"
)]

mod support;

use std::sync::{Arc, Mutex};

use actix_web::dev::ServiceResponse;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{Either, Redirect};
use actix_web::{App, HttpResponse, body::MessageBody, get, post, test, web};
use mengpaneel::Calls;
use serde::{Deserialize, Serialize};
use serde_json::json;
use support::{describe, properties};

type LastCalls = Arc<Mutex<Calls>>;

/// Returns an app that gives each request a recorder, and the calls of its last request.
macro_rules! app {
    ($($service:expr),+ $(,)?) => {{
        let last_calls = LastCalls::default();
        let sink = last_calls.clone();
        let app = test::init_service(App::new().app_data(web::Data::new(Db))$(.service($service))+.wrap(from_fn(
            move |request: actix_web::dev::ServiceRequest, next: Next<_>| {
                let sink = sink.clone();
                async move {
                    let (response, calls) = mengpaneel::testing::record_request(|| next.call(request)).await;
                    *sink.lock().unwrap() = calls;
                    response
                }
            },
        ))).await;
        (app, last_calls)
    }};
}

#[derive(Clone, Serialize)]
struct Post {
    title: String,
}

#[derive(Deserialize)]
struct NewPost {
    title: String,
}

#[derive(Default)]
struct Db;

impl Db {
    fn insert_post(&self, form: NewPost) -> Result<Post, actix_web::Error> {
        if form.title.is_empty() {
            return Err(actix_web::error::ErrorUnprocessableEntity("no title"));
        }
        Ok(Post { title: form.title })
    }

    fn mark_paid(&self, id: u32) -> Result<Payment, actix_web::Error> {
        Ok(Payment {
            id,
            user_id: 7,
            amount: 12.5,
        })
    }
}

struct Payment {
    id: u32,
    user_id: u32,
    amount: f64,
}

#[derive(Deserialize)]
struct Notification {
    status: String,
    payment_id: u32,
}

#[mengpaneel::track("Create Blog Post", "Title" = post.title)]
#[post("/posts")]
async fn create_post(
    form: web::Form<NewPost>,
    db: web::Data<Db>,
) -> actix_web::Result<Either<Redirect, web::Json<Post>>> {
    let post = db.insert_post(form.into_inner())?;
    if post.title == "json" {
        Ok(Either::Right(web::Json(post)))
    } else {
        Ok(Either::Left(Redirect::to("/").see_other()))
    }
}

#[mengpaneel::setup(identify(payment.user_id))]
#[mengpaneel::track("Complete Payment", via(server), "Payment ID" = payment.id, "Amount" = payment.amount)]
#[post("/payments/notify")]
async fn payment_notification(
    form: web::Form<Notification>,
    db: web::Data<Db>,
) -> actix_web::Result<&'static str> {
    if form.status == "payment_complete" {
        let payment = db.mark_paid(form.payment_id)?;
        assert!(payment.id > 0);
    }
    Ok("[accepted]")
}

#[mengpaneel::before_setup(alias(user.0))]
#[mengpaneel::track("Sign Up", "ID" = user.0)]
#[get("/sign_up")]
async fn sign_up() -> HttpResponse {
    let user = (42,);
    HttpResponse::Created().json(user)
}

#[mengpaneel::track("Refused")]
#[get("/refused")]
async fn refused() -> HttpResponse {
    HttpResponse::UnprocessableEntity().finish()
}

async fn create(title: &str) -> (u16, Calls) {
    let (app, last_calls) = app!(create_post);
    let request = test::TestRequest::post()
        .uri("/posts")
        .set_form([("title", title)]);
    let response = test::call_service(&app, request.to_request()).await;
    let calls = last_calls.lock().unwrap().clone();
    (response.status().as_u16(), calls)
}

#[actix_web::test]
async fn value_is_captured_after_its_let() {
    let (status, calls) = create("Hello").await;
    assert_eq!(
        (status, describe(&calls)),
        (303, vec!["track Create Blog Post".to_owned()])
    );
    assert_eq!(properties(&calls), [json!({"Title": "Hello"})]);
}

#[actix_web::test]
async fn handler_that_returns_an_error_early_records_nothing() {
    let (status, calls) = create("").await;
    assert_eq!((status, describe(&calls)), (422, vec![]));
}

#[actix_web::test]
async fn event_is_skipped_if_its_binding_did_not_run() {
    let (app, last_calls) = app!(payment_notification);
    for (state, expected) in [
        ("pending", vec![]),
        (
            "payment_complete",
            vec!["identify 7", "track Complete Payment"],
        ),
    ] {
        let form = [("status", state), ("payment_id", "3")];
        let request = test::TestRequest::post()
            .uri("/payments/notify")
            .set_form(form);
        test::call_service(&app, request.to_request()).await;
        assert_eq!(describe(&last_calls.lock().unwrap()), expected);
    }
    let calls = last_calls.lock().unwrap();
    assert_eq!(
        properties(&calls),
        [json!({"Payment ID": 3, "Amount": 12.5})]
    );
}

#[actix_web::test]
async fn before_setup_calls_precede_the_event() {
    let (app, last_calls) = app!(sign_up);
    test::call_service(&app, test::TestRequest::get().uri("/sign_up").to_request()).await;
    assert_eq!(
        describe(&last_calls.lock().unwrap()),
        ["alias 42", "track Sign Up"]
    );
}

#[actix_web::test]
async fn response_status_of_400_and_above_is_a_failure() {
    let (app, last_calls) = app!(refused);
    test::call_service(&app, test::TestRequest::get().uri("/refused").to_request()).await;
    assert!(last_calls.lock().unwrap().is_empty());
}

struct User {
    id: u64,
    email: String,
}

#[mengpaneel::setup(
    when(let Some(user) = &user),
    identify(user.id),
    people.set("$email" = user.email),
)]
async fn signed_in(user: Option<User>) {}

#[actix_web::test]
async fn setup_uses_the_names_that_its_condition_binds() {
    let user = User {
        id: 1,
        email: "a@b.c".into(),
    };
    let ((), calls) = mengpaneel::testing::record_async(signed_in(Some(user))).await;
    assert_eq!(describe(&calls), ["identify 1", "people.set -"]);
    let ((), calls) = mengpaneel::testing::record_async(signed_in(None)).await;
    assert!(calls.is_empty());
}

#[mengpaneel::track("Middleware")]
async fn middleware<B: MessageBody>(
    request: actix_web::dev::ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    next.call(request).await
}

#[actix_web::test]
async fn middleware_succeeds_if_the_inner_response_does() {
    let (app, last_calls) = app!(
        web::scope("")
            .wrap(from_fn(middleware))
            .service(refused)
            .service(sign_up)
    );
    test::call_service(&app, test::TestRequest::get().uri("/refused").to_request()).await;
    assert!(last_calls.lock().unwrap().is_empty());
    test::call_service(&app, test::TestRequest::get().uri("/sign_up").to_request()).await;
    assert_eq!(
        describe(&last_calls.lock().unwrap()),
        ["alias 42", "track Middleware", "track Sign Up"]
    );
}

#[mengpaneel::setup]
async fn setup_middleware<B: MessageBody>(
    request: actix_web::dev::ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    mengpaneel::identify(1);
    let response = next.call(request).await?;
    mengpaneel::people().set(json!({"Plan": "pro"}));
    Ok(response)
}

#[get("/by_hand")]
async fn by_hand() -> HttpResponse {
    mengpaneel::track("By Hand", ());
    HttpResponse::Ok().finish()
}

#[actix_web::test]
async fn bare_setup_of_a_middleware_spares_the_inner_calls() {
    let (app, last_calls) = app!(
        web::scope("")
            .wrap(from_fn(setup_middleware))
            .service(by_hand)
    );
    test::call_service(&app, test::TestRequest::get().uri("/by_hand").to_request()).await;
    let calls = last_calls.lock().unwrap();
    assert_eq!(
        describe(&calls),
        ["identify 1", "people.set -", "track By Hand"]
    );
    assert_eq!((calls.setup.len(), calls.tracking.len()), (2, 1));
}
