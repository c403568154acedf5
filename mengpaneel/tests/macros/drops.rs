//! Order in which parameters are dropped, and size of a future, compared with no attribute.

use std::future::{Future, ready};
use std::sync::{Arc, Mutex};

use mengpaneel::track;
use tracing_attributes::instrument;

/// Names of values in the order in which they were dropped.
#[derive(Clone, Default)]
struct DropLog(Arc<Mutex<Vec<&'static str>>>);

struct Logged(&'static str, DropLog);

impl Drop for Logged {
    fn drop(&mut self) {
        self.1.0.lock().unwrap().push(self.0);
    }
}

/// Runs a function, and returns the names of the values in the order in which they were dropped.
fn dropped(run: impl FnOnce(Logged, Logged, Logged)) -> Vec<&'static str> {
    let log = DropLog::default();
    run(
        Logged("first", log.clone()),
        Logged("second", log.clone()),
        Logged("third", log.clone()),
    );
    let names = log.0.lock().unwrap();
    names.clone()
}

fn dropped_async<F: Future>(run: impl FnOnce(Logged, Logged, Logged) -> F) -> Vec<&'static str> {
    let runtime = actix_web::rt::Runtime::new().unwrap();
    dropped(|first, second, third| drop(runtime.block_on(run(first, second, third))))
}

/// Defines a test for each function: the annotated one drops values in the same order as the plain
/// one.
macro_rules! drops_alike {
    ($($test:ident: $dropped:ident, ($($kind:tt)*) -> $ret:ty, |$first:pat_param, $second:ident, $third:pat_param| $body:block;)*) => {$(
        #[test]
        fn $test() {
            $($kind)* fn plain($first: Logged, $second: Logged, $third: Logged) -> $ret $body

            #[track("E", second = $second.0)]
            $($kind)* fn annotated($first: Logged, $second: Logged, $third: Logged) -> $ret $body

            assert_eq!($dropped(|a, b, c| annotated(a, b, c)), $dropped(|a, b, c| plain(a, b, c)));
        }
    )*};
}

fn checked(value: &Logged) -> Option<()> {
    (value.0.len() > 1).then_some(())
}

drops_alike! {
    body_without_exits_keeps_drop_order: dropped, () -> (), |first, second, third| {
        let _local = Logged("local", first.1.clone());
        assert!(third.0 < second.0 || first.0 < second.0);
    };
    body_without_exits_keeps_drop_order_of_unused: dropped, () -> (), |first, second, _third| {
        let _local = Logged("local", first.1.clone());
        drop(second);
    };
    body_without_exits_keeps_drop_order_of_unnamed: dropped, () -> (), |_, second, _| {
        let _local = Logged("local", second.1.clone());
    };
    async_body_without_exits_keeps_drop_order: dropped_async, (async) -> (), |first, second, _third| {
        let _local = Logged("local", first.1.clone());
        ready(&second).await;
    };
    async_body_without_await_keeps_drop_order: dropped_async, (async) -> (), |_, second, _third| {
        let _local = Logged("local", second.1.clone());
    };
}

/// Defines a test for each function, as `drops_alike`. The functions return early.
macro_rules! drops_alike_with_exits {
    ($($test:ident: $dropped:ident, ($($kind:tt)*), |$first:ident, $second:ident, $third:ident| $body:block;)*) => {$(
        #[test]
        fn $test() {
            $($kind)* fn plain($first: Logged, $second: Logged, $third: Logged) -> Option<()> $body

            #[track("E", second = $second.0)]
            $($kind)* fn annotated($first: Logged, $second: Logged, $third: Logged) -> Option<()> $body

            let (annotated, plain) = ($dropped(as_closure!($dropped, annotated)), $dropped(as_closure!($dropped, plain)));
            assert_eq!(annotated, plain);
        }
    )*};
}

macro_rules! as_closure {
    (dropped, $function:ident) => {
        |a, b, c| _ = $function(a, b, c)
    };
    (dropped_async, $function:ident) => {
        |a, b, c| $function(a, b, c)
    };
}

drops_alike_with_exits! {
    body_that_returns_early_keeps_drop_order: dropped, (), |first, second, third| {
        let _local = Logged("local", first.1.clone());
        checked(&third)?;
        checked(&second)
    };
    body_that_returns_early_keeps_drop_order_of_moved: dropped, (), |first, second, third| {
        let _local = Logged("local", first.1.clone());
        checked(&third)?;
        drop(second);
        None
    };
    body_that_moves_every_parameter_keeps_drop_order: dropped, (), |first, second, third| {
        if first.0.is_empty() {
            drop((first, second, third));
            return None;
        }
        Some(())
    };
    async_body_that_returns_early_keeps_drop_order: dropped_async, (async), |first, second, third| {
        let _local = Logged("local", first.1.clone());
        checked(&third)?;
        ready(checked(&second)).await
    };
    async_body_that_returns_early_keeps_order_without_await: dropped_async, (async), |first, second, third| {
        let _local = Logged("local", first.1.clone());
        checked(&third)?;
        checked(&second)
    };
}

// The only difference. The documentation of the attribute mentions it.
#[test]
fn unused_parameter_of_an_async_body_is_dropped_last() {
    #[track("E")]
    async fn ignores(first: Logged, second: Logged, _third: Logged) -> Option<()> {
        checked(&first)?;
        ready(checked(&second)).await
    }

    assert_eq!(dropped_async(ignores), ["second", "first", "third"]);
}

/// Defines a test for each body: the future of the annotated function is at most 1.1 times as large
/// as that of one with `instrument`.
macro_rules! sizes {
    ($($test:ident: |$large:ident| -> $ret:ty $body:block;)*) => {$(
        #[test]
        fn $test() {
            #[track("Sized")]
            async fn annotated($large: [u8; 1024]) -> $ret $body

            #[track("Sized", first = $large[0])]
            async fn with_value($large: [u8; 1024]) -> $ret $body

            #[instrument(skip_all)]
            async fn instrumented($large: [u8; 1024]) -> $ret $body

            let limit = size_of_val(&instrumented([0; 1024])) * 11 / 10;
            for size in [size_of_val(&annotated([0; 1024])), size_of_val(&with_value([0; 1024]))] {
                assert!(size <= limit, "{size} bytes, limit {limit}");
            }
        }
    )*};
}

sizes! {
    future_size_is_close_to_that_with_instrument: |large| -> usize {
        ready(()).await;
        large.iter().map(|byte| usize::from(*byte)).sum()
    };
    size_of_future_that_returns_early_is_close: |large| -> Option<usize> {
        ready(large.first()).await?;
        Some(large.iter().map(|byte| usize::from(*byte)).sum())
    };
    size_of_future_without_await_is_close: |large| -> Option<usize> {
        Some(usize::from(*large.first()?))
    };
    size_of_future_that_returns_its_parameter_is_close: |large| -> [u8; 1024] {
        ready(large[0]).await;
        large
    };
}
