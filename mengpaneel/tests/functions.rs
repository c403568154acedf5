//! What may be annotated, and how its end is told.
#![deny(warnings, unused, clippy::pedantic)]
#![allow(missing_docs, clippy::unused_async, reason = "tests")]

mod support;

use std::fmt::{Debug, Display};
use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::task::{Context, Waker};

use actix_web::guard::{GuardContext, fn_guard};
use actix_web::{App, HttpResponse, Responder, get, test as web_test, web};
use mengpaneel::testing::{record, record_async, record_request};
use mengpaneel::track;
use serde::Serialize;
use support::{said, said_by};

struct Shop {
    name: String,
    sold: u32,
}

impl Shop {
    #[track("Name", name = self.name)]
    fn name(&self) -> &str {
        &self.name
    }

    #[track("Sell", before = self.sold, after = after)]
    fn sell(&mut self, count: u32) -> &mut u32 {
        let after = self.sold + count;
        self.sold = after;
        &mut self.sold
    }

    #[track("Close", name = self.name)]
    async fn close(self) -> String {
        ready(()).await;
        self.name
    }

    #[track("Borrowed")]
    async fn borrowed<'a>(&'a self, other: &'a str) -> Result<&'a str, String> {
        ready(()).await;
        let found = [self.name.as_str(), other]
            .into_iter()
            .find(|name| name.len() > 3);
        found.ok_or("none".to_owned())
    }
}

trait Works {
    fn work(&self) -> impl Future<Output = u8> + Send;
}

impl Works for Shop {
    #[track("Work", sold = self.sold)]
    async fn work(&self) -> u8 {
        ready(1).await
    }
}

#[track("Generic", value = value)]
fn generic<T, const N: usize>(value: &T) -> [T; N]
where
    T: Serialize + Clone + Debug,
{
    std::array::from_fn(|_| value.clone())
}

#[track("Impl Trait", text = text.to_string())]
fn impl_trait(text: impl Display) -> impl Iterator<Item = char> {
    text.to_string().chars().collect::<Vec<_>>().into_iter()
}

#[track("Impl In Result")]
async fn impl_in_result(fail: bool) -> Result<impl Display, std::num::ParseIntError> {
    let number = if fail { "x" } else { "1" }.parse::<u8>()?;
    Ok(number)
}

#[track("Boxed")]
async fn boxed(fail: bool) -> Result<Box<dyn Display>, Box<dyn std::error::Error>> {
    if fail {
        return Err("no".into());
    }
    let number: u8 = "1".parse()?;
    Ok(Box::new(number))
}

#[track("Mutable", n = n)]
fn mutable(mut n: u32, (a, b): (u32, u32)) -> u32 {
    n += a + b;
    n
}

#[track("Responder")]
async fn responder() -> impl Responder {
    HttpResponse::NotFound()
}

#[track("Hidden Response")]
async fn hidden() -> Result<HttpResponse, String> {
    Ok(HttpResponse::BadRequest().finish())
}

/// A helper, not a handler: its text is nobody's response.
#[track("Text")]
#[track("Text Failed", on(failure))]
#[allow(clippy::unnecessary_wraps, reason = "the type is what counts")]
async fn text() -> Result<String, String> {
    Ok("text".into())
}

#[track("Never Ends", on(success))]
#[track("Cancelled", on(failure))]
#[track("Any", on(always))]
async fn never_ends() {
    pending::<()>().await;
}

#[track("Recovered")]
async fn fails() -> Result<(), String> {
    ready(()).await;
    Err("no".into())
}

#[test]
fn methods_lifetimes_and_generics_stay_what_they_are() {
    let mut shop = Shop {
        name: "shop".into(),
        sold: 1,
    };
    assert_eq!(said_by(|| assert_eq!(shop.name(), "shop")), ["track Name"]);
    assert_eq!(said_by(|| *shop.sell(2) += 1), ["track Sell"]);
    assert_eq!(
        said_by(|| assert_eq!(generic::<_, 2>(&shop.sold), [4, 4])),
        ["track Generic"]
    );
    assert_eq!(
        said_by(|| assert_eq!(impl_trait(12).count(), 2)),
        ["track Impl Trait"]
    );
    assert_eq!(
        said_by(|| assert_eq!(mutable(1, (2, 3)), 6)),
        ["track Mutable"]
    );
}

#[actix_web::test]
async fn async_functions_do_too() {
    let shop = Shop {
        name: "shop".into(),
        sold: 1,
    };
    let (found, calls) = record_async(shop.borrowed("o")).await;
    assert_eq!(
        (found, said(&calls)),
        (Ok("shop"), vec!["track Borrowed".to_owned()])
    );
    assert_eq!(said(&record_async(shop.work()).await.1), ["track Work"]);
    assert_eq!(said(&record_async(shop.close()).await.1), ["track Close"]);
    for (fail, said_then) in [(false, vec!["track Impl In Result"]), (true, vec![])] {
        assert_eq!(said(&record_async(impl_in_result(fail)).await.1), said_then);
    }
    for (fail, said_then) in [(false, vec!["track Boxed"]), (true, vec![])] {
        assert_eq!(said(&record_async(boxed(fail)).await.1), said_then);
    }
}

#[test]
fn a_future_stays_send() {
    fn is_send(_: &impl Send) {}
    is_send(&text());
    is_send(
        &Shop {
            name: String::new(),
            sold: 0,
        }
        .close(),
    );
}

#[actix_web::test]
async fn a_function_that_fails_below_one_that_recovers_records_nothing() {
    let (recovered, calls) = record_async(async { fails().await.unwrap_or_default() }).await;
    assert_eq!((recovered, said(&calls)), ((), vec![]));
}

#[test]
fn a_function_that_is_cancelled_did_not_succeed() {
    let ((), calls) = record(|| {
        let mut future = Box::pin(never_ends());
        assert!(
            future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
        drop(future);
    });
    assert_eq!(said(&calls), ["track Cancelled", "track Any"]);
}

#[actix_web::test]
async fn a_function_that_a_timeout_or_a_select_cuts_off_did_not_succeed() {
    let timeout = tokio::time::timeout(std::time::Duration::ZERO, never_ends());
    let (ended, calls) = record_async(timeout).await;
    assert_eq!(
        (ended.is_err(), said(&calls)),
        (
            true,
            vec!["track Cancelled".to_owned(), "track Any".to_owned()]
        )
    );
    let select = async {
        tokio::select! {
            biased;
            () = never_ends() => {}
            () = ready(()) => {}
        }
    };
    assert_eq!(
        said(&record_async(select).await.1),
        ["track Cancelled", "track Any"]
    );
}

#[track("Opaque Future", n = n)]
#[track("Opaque Failed", on(failure))]
fn opaque(n: u8) -> impl Future<Output = Result<u8, String>> + Send {
    let doubled = n * 2;
    async move {
        if doubled > 4 {
            Err("large".to_owned())
        } else {
            Ok(ready(doubled).await)
        }
    }
}

#[track("Boxed Future", doubled = doubled)]
fn boxed_future(n: &u8) -> Pin<Box<dyn Future<Output = u8> + Send + '_>> {
    let doubled = n * 2;
    Box::pin(async move { doubled + n })
}

#[actix_web::test]
async fn a_function_that_returns_a_future_ends_when_that_does() {
    assert_eq!(
        said(&record_async(opaque(1)).await.1),
        Vec::<String>::new(),
        "called outside of any scope"
    );
    assert_eq!(
        said(&record_async(async { opaque(1).await }).await.1),
        ["track Opaque Future"]
    );
    assert_eq!(
        said(&record_async(async { opaque(3).await }).await.1),
        ["track Opaque Failed"]
    );
    assert_eq!(
        said_by(|| drop(opaque(1))),
        ["track Opaque Failed"],
        "never polled"
    );
    assert_eq!(
        said(&record_async(async { boxed_future(&1).await }).await.1),
        ["track Boxed Future"]
    );
}

#[track("Unwound")]
#[track("Panicked", on(failure))]
fn panics() {
    panic!("as it must");
}

#[test]
fn a_function_that_unwinds_did_not_succeed() {
    let said = said_by(|| assert!(std::panic::catch_unwind(panics).is_err()));
    assert_eq!(said, ["track Panicked"]);
}

#[get("/below")]
#[track("Below")]
async fn below() -> impl Responder {
    HttpResponse::Ok()
}

#[track("Above")]
#[track("Above Failed", on(failure))]
#[actix_web::route("/above", method = "GET", method = "POST")]
async fn above() -> Result<String, actix_web::Error> {
    Ok("text".into())
}

#[track("Guarded", path = ctx.head().uri.path())]
#[track("Guard Refused", on(failure))]
fn guard(ctx: &GuardContext<'_>) -> bool {
    let path = ctx.head().uri.path();
    path.ends_with("ok")
}

#[mengpaneel::setup(people.set("Guarded" = true))]
fn is_even(ctx: &GuardContext<'_>) -> bool {
    ctx.head().uri.path().len().is_multiple_of(2)
}

#[track("First Route", on(failure))]
fn refused(_: &GuardContext<'_>) -> bool {
    false
}

/// Two routes for one resource: the first refuses with its last guard.
fn joined() -> actix_web::Resource {
    let guards = mengpaneel::guard::all(fn_guard(guard))
        .and(fn_guard(is_even))
        .and(fn_guard(refused));
    web::resource("/joined/{rest}")
        .route(web::get().guard(guards).to(HttpResponse::Ok))
        .route(
            web::get()
                .guard(mengpaneel::guard::all(fn_guard(guard)))
                .to(HttpResponse::Ok),
        )
        .route(web::get().to(HttpResponse::Ok))
}

async fn answer(uri: &str) -> Vec<String> {
    let app = web_test::init_service(
        App::new()
            .service(below)
            .service(above)
            .service(joined())
            .route("/responder", web::get().to(responder))
            .route(
                "/hidden",
                web::get().to(async || {
                    hidden()
                        .await
                        .unwrap_or_else(|_| HttpResponse::Ok().finish())
                }),
            )
            .route(
                "/text",
                web::get().to(async || {
                    drop(text().await);
                    HttpResponse::BadRequest().finish()
                }),
            )
            .route(
                "/guard/{rest}",
                web::get()
                    .guard(fn_guard(guard))
                    .to(HttpResponse::BadRequest),
            ),
    )
    .await;
    let request = web_test::TestRequest::get().uri(uri).to_request();
    let (answer, calls) = record_request(|| actix_web::dev::Service::call(&app, request)).await;
    assert!(answer.is_ok());
    said(&calls)
}

#[actix_web::test]
async fn a_response_is_decided_by_its_status() {
    assert_eq!(answer("/below").await, ["track Below"]);
    assert_eq!(answer("/above").await, ["track Above"]);
    assert!(answer("/responder").await.is_empty());
    assert!(answer("/hidden").await.is_empty());
}

#[actix_web::test]
async fn any_other_function_is_decided_by_its_own_result() {
    assert_eq!(answer("/text").await, ["track Text"]);
}

#[actix_web::test]
async fn a_guard_counts_when_it_lets_the_request_pass() {
    assert_eq!(answer("/guard/ok").await, ["track Guarded"]);
    assert_eq!(answer("/guard/no").await, ["track Guard Refused"]);
}

#[actix_web::test]
async fn guards_of_a_route_that_is_not_taken_record_nothing_where_they_are_joined() {
    // The path is even: two guards let it pass, the third does not, and the next route takes it.
    assert_eq!(
        answer("/joined/ok").await,
        ["track First Route", "track Guarded"]
    );
    // The second refuses already.
    assert_eq!(answer("/joined/1ok").await, ["track Guarded"]);
    assert_eq!(
        answer("/joined/no").await,
        ["track Guard Refused", "track Guard Refused"]
    );
}
