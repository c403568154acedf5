//! The attributes as the README shows them, on handlers of a running app.
#![allow(
    clippy::unused_async,
    clippy::unused_self,
    clippy::unnecessary_wraps,
    reason = "stand-ins"
)]

use std::sync::{Arc, Mutex};

use actix_web::dev::ServiceResponse;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{Either, Redirect};
use actix_web::{App, HttpResponse, body::MessageBody, get, post, test, web};
use mengpaneel::{Calls, Properties};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

type Seen = Arc<Mutex<Calls>>;

/// An app whose requests each have a recorder; what the last one recorded is in the second.
macro_rules! app {
    ($($service:expr),+ $(,)?) => {{
        let seen = Seen::default();
        let sink = seen.clone();
        let app = test::init_service(App::new().app_data(web::Data::new(Db))$(.service($service))+.wrap(from_fn(
            move |request: actix_web::dev::ServiceRequest, next: Next<_>| {
                let sink = sink.clone();
                async move {
                    let (answer, calls) = mengpaneel::testing::record_request(|| next.call(request)).await;
                    *sink.lock().unwrap() = calls;
                    answer
                }
            },
        ))).await;
        (app, seen)
    }};
}

/// The calls as words: `identify 1`, `track Sign In`.
fn said(calls: &Calls) -> Vec<String> {
    calls
        .iter()
        .map(|call| format!("{} {}", call.method(), call.str_arg(0).unwrap_or("-")))
        .collect()
}

/// The properties of the only event, less what every event has.
fn properties(calls: &Calls) -> Properties {
    let mut properties = calls.tracking[0].properties().unwrap().clone();
    properties.retain(|name, _| name != "$insert_id" && name != "time");
    properties
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
struct Notice {
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
    form: web::Form<Notice>,
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
    let (app, seen) = app!(create_post);
    let request = test::TestRequest::post()
        .uri("/posts")
        .set_form([("title", title)]);
    let response = test::call_service(&app, request.to_request()).await;
    let calls = seen.lock().unwrap().clone();
    (response.status().as_u16(), calls)
}

#[actix_web::test]
async fn a_value_is_taken_where_it_comes_to_be() {
    let (status, calls) = create("Hello").await;
    assert_eq!(
        (status, said(&calls)),
        (303, vec!["track Create Blog Post".to_owned()])
    );
    assert_eq!(Value::from(properties(&calls)), json!({"Title": "Hello"}));
}

#[actix_web::test]
async fn a_handler_that_returns_early_with_err_records_nothing() {
    let (status, calls) = create("").await;
    assert_eq!((status, said(&calls)), (422, vec![]));
}

#[actix_web::test]
async fn a_binding_that_did_not_run_is_no_event() {
    let (app, seen) = app!(payment_notification);
    for (state, said_then) in [
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
        assert_eq!(said(&seen.lock().unwrap()), said_then);
    }
    let calls = seen.lock().unwrap();
    assert_eq!(
        Value::from(properties(&calls)),
        json!({"Payment ID": 3, "Amount": 12.5})
    );
}

#[actix_web::test]
async fn before_setup_comes_before_the_event() {
    let (app, seen) = app!(sign_up);
    test::call_service(&app, test::TestRequest::get().uri("/sign_up").to_request()).await;
    assert_eq!(said(&seen.lock().unwrap()), ["alias 42", "track Sign Up"]);
}

#[actix_web::test]
async fn an_answer_of_400_and_above_is_no_success() {
    let (app, seen) = app!(refused);
    test::call_service(&app, test::TestRequest::get().uri("/refused").to_request()).await;
    assert!(seen.lock().unwrap().is_empty());
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
async fn setup_under_a_condition_uses_what_its_pattern_binds() {
    let user = User {
        id: 1,
        email: "a@b.c".into(),
    };
    let ((), calls) = mengpaneel::testing::record_async(signed_in(Some(user))).await;
    assert_eq!(said(&calls), ["identify 1", "people.set -"]);
    let ((), calls) = mengpaneel::testing::record_async(signed_in(None)).await;
    assert!(calls.is_empty());
}

#[mengpaneel::track("Middle")]
async fn middle<B: MessageBody>(
    request: actix_web::dev::ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    next.call(request).await
}

#[actix_web::test]
async fn a_middleware_is_decided_by_the_answer_of_what_it_wraps() {
    let (app, seen) = app!(
        web::scope("")
            .wrap(from_fn(middle))
            .service(refused)
            .service(sign_up)
    );
    test::call_service(&app, test::TestRequest::get().uri("/refused").to_request()).await;
    assert!(seen.lock().unwrap().is_empty());
    test::call_service(&app, test::TestRequest::get().uri("/sign_up").to_request()).await;
    assert_eq!(
        said(&seen.lock().unwrap()),
        ["alias 42", "track Middle", "track Sign Up"]
    );
}

#[mengpaneel::setup]
async fn setting_up<B: MessageBody>(
    request: actix_web::dev::ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    mengpaneel::identify(1);
    let answer = next.call(request).await?;
    mengpaneel::people().set(json!({"Plan": "pro"}));
    Ok(answer)
}

#[get("/by_hand")]
async fn by_hand() -> HttpResponse {
    mengpaneel::track("By Hand", ());
    HttpResponse::Ok().finish()
}

#[actix_web::test]
async fn what_a_bare_setup_wraps_is_not_swallowed_by_its_mode() {
    let (app, seen) = app!(web::scope("").wrap(from_fn(setting_up)).service(by_hand));
    test::call_service(&app, test::TestRequest::get().uri("/by_hand").to_request()).await;
    let calls = seen.lock().unwrap();
    assert_eq!(
        said(&calls),
        ["identify 1", "people.set -", "track By Hand"]
    );
    assert_eq!((calls.setup.len(), calls.tracking.len()), (2, 1));
}
