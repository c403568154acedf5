//! Functions that return a future, which end with the future.

use std::future::{Future, Ready, ready};
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::error::ErrorUnauthorized;
use actix_web::{FromRequest, HttpRequest, test as web_test};
use mengpaneel::track;

use crate::calls_of_future;
use crate::support::{calls_of, describe};

/// Defines an extractor whose `from_request` returns a future of this type.
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

/// Defines a test for each extractor: the future decides the outcome of the function.
macro_rules! ends_with_its_future {
    ($($test:ident: $extractor:ident;)*) => {$(
        #[actix_web::test]
        async fn $test() {
            for (header, expected) in [("authorization", "track Known"), ("accept", "track Unknown")] {
                let request = web_test::TestRequest::default().insert_header((header, "x")).to_http_request();
                let extract = async { $extractor::from_request(&request, &mut Payload::None).await.is_ok() };
                let (_, calls) = mengpaneel::testing::record_async(extract).await;
                assert_eq!(describe(&calls), [expected]);
            }
        }
    )*};
}

ends_with_its_future! {
    extractor_ends_with_a_ready_future: ByReady;
    extractor_ends_with_a_ready_future_of_futures_util: ByFuturesReady;
    extractor_ends_with_a_boxed_future: ByBox;
    extractor_ends_with_a_future_of_an_aliased_type: ByAlias;
    extractor_ends_with_a_boxed_send_future: BySendBox;
    extractor_ends_with_a_local_boxed_future: ByLocalBox;
    extractor_ends_with_either_of_two_futures: ByEither;
}

/// Defines a test for each type of future. The annotated function returns a future of `Err` for
/// `true`.
macro_rules! fails_with_its_future {
    ($($test:ident: ($($kind:tt)*) -> $future:ty { $body:expr };)*) => {$(
        #[test]
        fn $test() {
            #[track("Succeeded")]
            #[track("Failed", on(failure))]
            $($kind)* fn function(fails: bool) -> $future {
                let check = move || if fails { Err("no") } else { Ok(1) };
                #[allow(clippy::redundant_closure_call)]
                $body(check)
            }
            assert_eq!(calls_of_future(|| function(false)), ["track Succeeded"]);
            assert_eq!(calls_of_future(|| function(true)), ["track Failed"]);
            assert_eq!(calls_of(|| drop(function(false))).len(), 1);
        }
    )*};
}

type Checked = Result<u8, &'static str>;

async fn check_async(check: impl FnOnce() -> Checked) -> Checked {
    ready(()).await;
    check()
}

fails_with_its_future! {
    opaque_future_ends_its_function: () -> impl Future<Output = Checked> { check_async };
    boxed_future_ends_its_function: () -> Boxed<Checked> { |check| Box::pin(check_async(check)) };
    unpin_future_ends_its_function: () -> Box<dyn Future<Output = Checked> + Unpin> { |check| Box::new(Box::pin(check_async(check))) };
    pinned_opaque_future_ends_its_function: () -> Pin<Box<impl Future<Output = Checked>>> { |check| Box::pin(check_async(check)) };
    sync_boxed_future_ends_its_function: () -> Pin<Box<dyn Future<Output = Checked> + Send + Sync>> { |check| Box::pin(check_async(check)) };
}

#[track("Started")]
fn start() -> actix_web::rt::task::JoinHandle<u8> {
    actix_web::rt::spawn(async { 1 })
}

#[test]
fn function_that_starts_a_task_ends_at_its_start() {
    let calls = calls_of_future(|| async {
        start().abort();
    });
    assert_eq!(calls, ["track Started"]);
}
