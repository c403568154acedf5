//! Functions that may be annotated, and how each is classified as success or failure.
#![deny(warnings, unused, clippy::pedantic)]
#![allow(missing_docs, clippy::unused_async, reason = "tests")]

mod support;

use std::fmt::{Debug, Display};
use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::task::{Context, Waker};

use actix_web::{App, HttpResponse, Responder, get, test as web_test, web};
use mengpaneel::testing::{record, record_async, record_request};
use mengpaneel::track;
use serde::Serialize;
use support::{calls_of, describe};

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

trait Worker {
    fn work(&self) -> impl Future<Output = u8> + Send;
}

impl Worker for Shop {
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

/// Helper, not a handler: its text is not a response.
#[track("Text")]
#[track("Text Failed", on(failure))]
#[allow(clippy::unnecessary_wraps, reason = "the type decides")]
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
fn methods_lifetimes_and_generics_are_preserved() {
    let mut shop = Shop {
        name: "shop".into(),
        sold: 1,
    };
    assert_eq!(calls_of(|| assert_eq!(shop.name(), "shop")), ["track Name"]);
    assert_eq!(calls_of(|| *shop.sell(2) += 1), ["track Sell"]);
    assert_eq!(
        calls_of(|| assert_eq!(generic::<_, 2>(&shop.sold), [4, 4])),
        ["track Generic"]
    );
    assert_eq!(
        calls_of(|| assert_eq!(impl_trait(12).count(), 2)),
        ["track Impl Trait"]
    );
    assert_eq!(
        calls_of(|| assert_eq!(mutable(1, (2, 3)), 6)),
        ["track Mutable"]
    );
}

#[actix_web::test]
async fn async_signatures_are_preserved() {
    let shop = Shop {
        name: "shop".into(),
        sold: 1,
    };
    let (found, calls) = record_async(shop.borrowed("o")).await;
    assert_eq!(
        (found, describe(&calls)),
        (Ok("shop"), vec!["track Borrowed".to_owned()])
    );
    assert_eq!(describe(&record_async(shop.work()).await.1), ["track Work"]);
    assert_eq!(
        describe(&record_async(shop.close()).await.1),
        ["track Close"]
    );
    for (fail, expected) in [(false, vec!["track Impl In Result"]), (true, vec![])] {
        assert_eq!(
            describe(&record_async(impl_in_result(fail)).await.1),
            expected
        );
    }
    for (fail, expected) in [(false, vec!["track Boxed"]), (true, vec![])] {
        assert_eq!(describe(&record_async(boxed(fail)).await.1), expected);
    }
}

#[test]
fn future_of_an_annotated_function_is_send() {
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
async fn failure_that_the_caller_recovers_from_records_nothing() {
    let (recovered, calls) = record_async(async { fails().await.unwrap_or_default() }).await;
    assert_eq!((recovered, describe(&calls)), ((), vec![]));
}

#[test]
fn cancelled_function_fails() {
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
    assert_eq!(describe(&calls), ["track Cancelled", "track Any"]);
}

#[actix_web::test]
async fn function_cancelled_by_timeout_or_select_fails() {
    let timeout = tokio::time::timeout(std::time::Duration::ZERO, never_ends());
    let (result, calls) = record_async(timeout).await;
    assert_eq!(
        (result.is_err(), describe(&calls)),
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
        describe(&record_async(select).await.1),
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
async fn function_that_returns_a_future_ends_with_the_future() {
    assert_eq!(
        describe(&record_async(opaque(1)).await.1),
        Vec::<String>::new(),
        "called outside of any scope"
    );
    assert_eq!(
        describe(&record_async(async { opaque(1).await }).await.1),
        ["track Opaque Future"]
    );
    assert_eq!(
        describe(&record_async(async { opaque(3).await }).await.1),
        ["track Opaque Failed"]
    );
    assert_eq!(
        calls_of(|| drop(opaque(1))),
        ["track Opaque Failed"],
        "never polled"
    );
    assert_eq!(
        describe(&record_async(async { boxed_future(&1).await }).await.1),
        ["track Boxed Future"]
    );
}

#[track("Unwound")]
#[track("Panicked", on(failure))]
fn panics() {
    panic!("on purpose");
}

#[test]
fn panicking_function_fails() {
    let calls = calls_of(|| assert!(std::panic::catch_unwind(panics).is_err()));
    assert_eq!(calls, ["track Panicked"]);
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

/// Sends a request, and returns the calls that it recorded.
async fn calls_of_request(uri: &str) -> Vec<String> {
    let app = web_test::init_service(
        App::new()
            .service(below)
            .service(above)
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
            ),
    )
    .await;
    let request = web_test::TestRequest::get().uri(uri).to_request();
    let (response, calls) = record_request(|| actix_web::dev::Service::call(&app, request)).await;
    assert!(response.is_ok());
    describe(&calls)
}

#[actix_web::test]
async fn response_status_decides_the_outcome_of_a_handler() {
    assert_eq!(calls_of_request("/below").await, ["track Below"]);
    assert_eq!(calls_of_request("/above").await, ["track Above"]);
    assert!(calls_of_request("/responder").await.is_empty());
    assert!(calls_of_request("/hidden").await.is_empty());
}

#[actix_web::test]
async fn own_result_decides_the_outcome_of_a_helper() {
    assert_eq!(calls_of_request("/text").await, ["track Text"]);
}
