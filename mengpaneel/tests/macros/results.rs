//! What ends a function, and how, by the type of what it returns.

use std::future::{Future, Ready, ready};
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::error::ErrorUnauthorized;
use actix_web::{FromRequest, HttpRequest, test as web_test};
use mengpaneel::testing::record;
use mengpaneel::track;
use serde_json::json;

use crate::support::{properties_by, said, said_by};
use crate::{properties_of_future, said_by_future};

/// An extractor of a type that some function of its own makes.
macro_rules! extractor {
    ($name:ident, $future:ty, |$known:ident| $body:expr) => {
        struct $name;

        impl FromRequest for $name {
            type Error = actix_web::Error;
            type Future = $future;

            #[track("Known")]
            #[track("Unknown", on(failure))]
            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                let $known = request.headers().contains_key("authorization");
                $body
            }
        }
    };
}

type Extracted<T> = Result<T, actix_web::Error>;
type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

fn check<T>(known: bool, value: T) -> Extracted<T> {
    if known {
        Ok(value)
    } else {
        Err(ErrorUnauthorized("who?"))
    }
}

extractor!(ByReady, Ready<Extracted<Self>>, |known| ready(check(
    known, Self
)));
extractor!(
    ByFuturesReady,
    futures_util::future::Ready<Extracted<Self>>,
    |known| futures_util::future::ready(check(known, Self))
);
extractor!(
    ByBox,
    Pin<Box<dyn Future<Output = Extracted<Self>>>>,
    |known| {
        Box::pin(async move {
            ready(()).await;
            check(known, Self)
        })
    }
);
extractor!(ByAlias, Boxed<Extracted<Self>>, |known| Box::pin(
    async move { check(known, Self) }
));
extractor!(
    BySendBox,
    futures_util::future::BoxFuture<'static, Extracted<Self>>,
    |known| Box::pin(async move { check(known, Self) })
);
extractor!(
    ByLocalBox,
    futures_util::future::LocalBoxFuture<'static, Extracted<Self>>,
    |known| Box::pin(async move { check(known, Self) })
);
extractor!(
    ByEither,
    futures_util::future::Either<Ready<Extracted<Self>>, Boxed<Extracted<Self>>>,
    |known| if known {
        futures_util::future::Either::Left(ready(check(known, Self)))
    } else {
        futures_util::future::Either::Right(Box::pin(async move { check(known, Self) }) as Boxed<_>)
    }
);

macro_rules! ends_with_its_future {
    ($($test:ident: $extractor:ident;)*) => {$(
        #[actix_web::test]
        async fn $test() {
            for (header, expected) in [("authorization", "track Known"), ("accept", "track Unknown")] {
                let request = web_test::TestRequest::default().insert_header((header, "x")).to_http_request();
                let extract = async { $extractor::from_request(&request, &mut Payload::None).await.is_ok() };
                let (_, calls) = mengpaneel::testing::record_async(extract).await;
                assert_eq!(said(&calls), [expected]);
            }
        }
    )*};
}

ends_with_its_future! {
    extractor_of_a_ready_value_ends_with_it: ByReady;
    extractor_of_another_crates_ready_ends_with_it: ByFuturesReady;
    extractor_of_a_boxed_future_ends_with_it: ByBox;
    extractor_of_an_aliased_future_ends_with_it: ByAlias;
    extractor_of_a_boxed_send_future_ends_with_it: BySendBox;
    extractor_of_a_local_boxed_future_ends_with_it: ByLocalBox;
    extractor_of_either_future_ends_with_it: ByEither;
}

/// Annotated functions that return a future of `Err` for `true`.
macro_rules! fails_with_its_future {
    ($($test:ident: ($($kind:tt)*) -> $future:ty { $body:expr };)*) => {$(
        #[test]
        fn $test() {
            #[track("Fine")]
            #[track("Failed", on(failure))]
            $($kind)* fn function(fails: bool) -> $future {
                let check = move || if fails { Err("no") } else { Ok(1) };
                #[allow(clippy::redundant_closure_call)]
                $body(check)
            }
            assert_eq!(said_by_future(|| function(false)), ["track Fine"]);
            assert_eq!(said_by_future(|| function(true)), ["track Failed"]);
            assert_eq!(said_by(|| drop(function(false))).len(), 1);
        }
    )*};
}

type Checked = Result<u8, &'static str>;

async fn later(check: impl FnOnce() -> Checked) -> Checked {
    ready(()).await;
    check()
}

fails_with_its_future! {
    opaque_future_ends_its_function: () -> impl Future<Output = Checked> { later };
    boxed_future_of_a_macro_ends_its_function: () -> Boxed<Checked> { |check| Box::pin(later(check)) };
    unpin_future_ends_its_function: () -> Box<dyn Future<Output = Checked> + Unpin> { |check| Box::new(Box::pin(later(check))) };
    pinned_opaque_future_ends_its_function: () -> Pin<Box<impl Future<Output = Checked>>> { |check| Box::pin(later(check)) };
    sync_boxed_future_ends_its_function: () -> Pin<Box<dyn Future<Output = Checked> + Send + Sync>> { |check| Box::pin(later(check)) };
}

// A function that starts a task ends when it has started.
#[track("Started")]
fn start() -> actix_web::rt::task::JoinHandle<u8> {
    actix_web::rt::spawn(async { 1 })
}

#[test]
fn task_ends_its_function_when_it_is_started() {
    let started = said_by_future(|| async {
        start().abort();
    });
    assert_eq!(started, ["track Started"]);
}

// B2
#[async_trait::async_trait]
trait Finds {
    async fn finds(&self, id: u32) -> Result<u32, String>;
    async fn tells(&mut self, id: u32);
}

struct Index {
    last: u32,
}

#[async_trait::async_trait]
impl Finds for Index {
    #[track("Found", id = found, last = self.last, asked = id)]
    #[track("Missing", asked = id, on(failure))]
    async fn finds(&self, id: u32) -> Result<u32, String> {
        let found = ready(Some(id).filter(|id| *id < 5))
            .await
            .ok_or("missing")?;
        Ok(found)
    }

    #[track("Told", doubled = doubled)]
    async fn tells(&mut self, id: u32) {
        let doubled = ready(id).await * 2;
        self.last = doubled;
    }
}

#[track("Counted", rest = rest)]
#[async_recursion::async_recursion]
async fn counts_above(n: u32) -> u32 {
    let rest = n.saturating_sub(1);
    if n == 0 {
        0
    } else {
        counts_above(rest).await + 1
    }
}

#[async_recursion::async_recursion]
#[track("Counted", rest = rest)]
async fn counts_below(n: u32) -> u32 {
    let rest = n.saturating_sub(1);
    if n == 0 {
        0
    } else {
        counts_below(rest).await + 1
    }
}

#[actix_web::main]
#[track("Main", n = n)]
async fn below_main() -> u32 {
    let n = ready(4).await;
    n
}

#[test]
fn bindings_in_async_traits_are_captured() {
    let index = Index { last: 3 };
    let recorded = properties_of_future(|| index.finds(4));
    assert_eq!(recorded, [json!({"id": 4, "last": 3, "asked": 4})]);
    assert_eq!(
        properties_of_future(|| index.finds(9)),
        [json!({"asked": 9})]
    );
    assert_eq!(
        properties_of_future(|| async { Index { last: 0 }.tells(2).await }),
        [json!({"doubled": 4})]
    );
}

#[test]
fn bindings_in_recursive_async_functions_are_captured() {
    let expected = [json!({"rest": 0}), json!({"rest": 0})];
    assert_eq!(properties_of_future(|| counts_above(1)), expected);
    assert_eq!(properties_of_future(|| counts_below(1)), expected);
}

#[test]
fn bindings_below_a_main_attribute_are_captured() {
    assert_eq!(properties_by(below_main), [json!({"n": 4})]);
}

// B7, A7, B19
mod other {
    pub(crate) use tracing_attributes::instrument as setup;
    pub(crate) use tracing_attributes::instrument as trace;
}

use other::{setup, trace};

#[tracing_attributes::instrument(err, skip_all)]
#[track("Instrumented", n = n)]
fn below_instrument(text: &str) -> Result<u32, std::num::ParseIntError> {
    let n = text.parse()?;
    Ok(n)
}

#[track("Instrumented", n = n)]
#[tracing_attributes::instrument(err, skip_all)]
fn above_instrument(text: &str) -> Result<u32, std::num::ParseIntError> {
    let n = text.parse()?;
    Ok(n)
}

#[tracing_attributes::instrument(skip_all)]
#[track("Instrumented", n = n)]
async fn async_below_instrument(text: &str) -> Result<u32, std::num::ParseIntError> {
    let n = ready(text.parse()).await?;
    Ok(n)
}

#[track("Charged")]
#[trace]
pub(crate) fn charge() -> Option<u8> {
    None
}

#[track("Set Up", n = n)]
#[setup(skip_all)]
fn with_another_crates_setup(given: u32) -> u32 {
    let n = given + 1;
    n
}

#[mengpaneel::before_setup(alias(n))]
#[setup(level = "debug", skip_all)]
#[track("Set Up", n = n)]
fn between_other_attributes(given: u32) -> u32 {
    let n = given + 1;
    n
}

#[test]
fn attributes_of_other_crates_keep_their_work() {
    assert_eq!(properties_by(|| below_instrument("1")), [json!({"n": 1})]);
    assert!(properties_by(|| below_instrument("x")).is_empty());
    assert_eq!(properties_by(|| above_instrument("1")), [json!({"n": 1})]);
    assert_eq!(
        properties_of_future(|| async_below_instrument("1")),
        [json!({"n": 1})]
    );
    assert_eq!(said_by(|| with_another_crates_setup(1)), ["track Set Up"]);
    assert_eq!(
        said_by(|| between_other_attributes(1)),
        ["alias 2", "track Set Up"]
    );
}

// B6: under any path, attributes of ours find each other.
mod analytics {
    pub(crate) use mengpaneel::{before_setup, setup, track as event};
}

#[analytics::event("Path", n = n)]
#[analytics::setup(identify(n))]
#[analytics::before_setup(alias(n))]
fn under_other_paths(given: u32) -> u32 {
    let n = given + 1;
    n
}

#[track("First", n = n)]
#[analytics::setup(identify(n))]
#[mengpaneel::setup(people.set(n = n))]
#[track("Second", n = n)]
fn under_mixed_paths(given: u32) -> u32 {
    let n = given + 1;
    n
}

#[test]
fn attributes_under_any_path_are_read_together() {
    assert_eq!(
        said_by(|| under_other_paths(1)),
        ["alias 2", "identify 2", "track Path"]
    );
    assert_eq!(
        said_by(|| under_mixed_paths(1)),
        ["identify 2", "people.set -", "track First", "track Second"]
    );
}

#[track("Traced", n = n)]
#[trace(skip_all)]
pub(crate) fn traced(given: u32) -> Option<u32> {
    let n = given;
    Some(n).filter(|n| *n > 0)
}

// B13
#[track("Made")]
fn makes_a_closure() -> impl Fn(&str) -> &str {
    |text| text.trim()
}

#[track("Made")]
fn makes_a_closure_early(early: bool) -> impl Fn(&str) -> &str {
    let trims = move |text: &str| text.len() > usize::from(early);
    move |text| if trims(text) { text.trim() } else { text }
}

#[track("Made")]
fn makes_a_boxed_closure() -> Box<dyn Fn(&str) -> &str> {
    Box::new(|text| text.trim())
}

#[test]
fn closures_are_as_general_as_the_signature_says() {
    assert_eq!(record(|| makes_a_closure()(" a ").len()).0, 1);
    assert_eq!(record(|| makes_a_closure_early(true)(" a ").len()).0, 1);
    assert_eq!(record(|| makes_a_boxed_closure()(" a ").len()).0, 1);
}

// Types that a macro passes on.
macro_rules! returning {
    ($name:ident, $ret:ty, $value:expr) => {
        #[track("Returned")]
        fn $name() -> $ret {
            $value
        }
    };
}

returning!(returns_unit, (), ());
returning!(returns_result, Result<u8, &'static str>, Err("no"));
returning!(
    returns_future,
    Boxed<Checked>,
    Box::pin(async { Err("no") })
);

#[test]
fn type_that_a_macro_passes_on_decides() {
    assert_eq!(said_by(returns_unit), ["track Returned"]);
    assert!(said_by(returns_result).is_empty());
    assert!(said_by_future(returns_future).is_empty());
}
