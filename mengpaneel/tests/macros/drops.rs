//! When parameters are dropped, and how much room a future takes: as without the attribute.

use std::future::{Future, ready};
use std::sync::{Arc, Mutex};

use mengpaneel::track;
use tracing_attributes::instrument;

/// The order in which values are dropped.
#[derive(Clone, Default)]
struct Order(Arc<Mutex<Vec<&'static str>>>);

struct Noted(&'static str, Order);

impl Drop for Noted {
    fn drop(&mut self) {
        self.1.0.lock().unwrap().push(self.0);
    }
}

fn dropped(run: impl FnOnce(Noted, Noted, Noted)) -> Vec<&'static str> {
    let order = Order::default();
    run(
        Noted("first", order.clone()),
        Noted("second", order.clone()),
        Noted("third", order.clone()),
    );
    let noted = order.0.lock().unwrap();
    noted.clone()
}

fn dropped_later<F: Future>(run: impl FnOnce(Noted, Noted, Noted) -> F) -> Vec<&'static str> {
    let runtime = actix_web::rt::Runtime::new().unwrap();
    dropped(|first, second, third| drop(runtime.block_on(run(first, second, third))))
}

/// Writes each function plain and annotated, and compares what they drop.
macro_rules! drops_alike {
    ($($test:ident: $dropped:ident, ($($kind:tt)*) -> $ret:ty, |$first:pat_param, $second:ident, $third:pat_param| $body:block;)*) => {$(
        #[test]
        fn $test() {
            $($kind)* fn plain($first: Noted, $second: Noted, $third: Noted) -> $ret $body

            #[track("E", second = $second.0)]
            $($kind)* fn annotated($first: Noted, $second: Noted, $third: Noted) -> $ret $body

            assert_eq!($dropped(|a, b, c| annotated(a, b, c)), $dropped(|a, b, c| plain(a, b, c)));
        }
    )*};
}

fn checked(noted: &Noted) -> Option<()> {
    (noted.0.len() > 1).then_some(())
}

drops_alike! {
    body_without_exits_drops_alike: dropped, () -> (), |first, second, third| {
        let _local = Noted("local", first.1.clone());
        assert!(third.0 < second.0 || first.0 < second.0);
    };
    body_without_exits_drops_what_it_ignores_alike: dropped, () -> (), |first, second, _third| {
        let _local = Noted("local", first.1.clone());
        drop(second);
    };
    body_without_exits_drops_what_has_no_name_alike: dropped, () -> (), |_, second, _| {
        let _local = Noted("local", second.1.clone());
    };
    async_body_without_exits_drops_alike: dropped_later, (async) -> (), |first, second, _third| {
        let _local = Noted("local", first.1.clone());
        ready(&second).await;
    };
    async_body_without_await_drops_alike: dropped_later, (async) -> (), |_, second, _third| {
        let _local = Noted("local", second.1.clone());
    };
}

macro_rules! drops_alike_with_exits {
    ($($test:ident: $dropped:ident, ($($kind:tt)*), |$first:ident, $second:ident, $third:ident| $body:block;)*) => {$(
        #[test]
        fn $test() {
            $($kind)* fn plain($first: Noted, $second: Noted, $third: Noted) -> Option<()> $body

            #[track("E", second = $second.0)]
            $($kind)* fn annotated($first: Noted, $second: Noted, $third: Noted) -> Option<()> $body

            let (annotated, plain) = ($dropped(alike!($dropped, annotated)), $dropped(alike!($dropped, plain)));
            assert_eq!(annotated, plain);
        }
    )*};
}

macro_rules! alike {
    (dropped, $function:ident) => {
        |a, b, c| _ = $function(a, b, c)
    };
    (dropped_later, $function:ident) => {
        |a, b, c| $function(a, b, c)
    };
}

drops_alike_with_exits! {
    body_that_leaves_early_drops_alike: dropped, (), |first, second, third| {
        let _local = Noted("local", first.1.clone());
        checked(&third)?;
        checked(&second)
    };
    body_that_leaves_early_drops_what_it_moved_alike: dropped, (), |first, second, third| {
        let _local = Noted("local", first.1.clone());
        checked(&third)?;
        drop(second);
        None
    };
    body_that_moves_every_parameter_drops_alike: dropped, (), |first, second, third| {
        if first.0.is_empty() {
            drop((first, second, third));
            return None;
        }
        Some(())
    };
    async_body_that_leaves_early_drops_alike: dropped_later, (async), |first, second, third| {
        let _local = Noted("local", first.1.clone());
        checked(&third)?;
        ready(checked(&second)).await
    };
    async_body_that_leaves_early_without_await_drops_alike: dropped_later, (async), |first, second, third| {
        let _local = Noted("local", first.1.clone());
        checked(&third)?;
        checked(&second)
    };
}

// The one difference, which the attribute's documentation tells.
#[test]
fn parameter_that_a_waiting_body_ignores_is_dropped_last() {
    #[track("E")]
    async fn ignores(first: Noted, second: Noted, _third: Noted) -> Option<()> {
        checked(&first)?;
        ready(checked(&second)).await
    }

    assert_eq!(dropped_later(ignores), ["second", "first", "third"]);
}

/// The size of a future whose function is annotated, and 1.1 times that of one with `instrument`.
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
                assert!(size <= limit, "{size} bytes, of at most {limit}");
            }
        }
    )*};
}

sizes! {
    future_is_hardly_larger_than_with_instrument: |large| -> usize {
        ready(()).await;
        large.iter().map(|byte| usize::from(*byte)).sum()
    };
    future_that_leaves_early_is_hardly_larger: |large| -> Option<usize> {
        ready(large.first()).await?;
        Some(large.iter().map(|byte| usize::from(*byte)).sum())
    };
    future_without_await_is_hardly_larger: |large| -> Option<usize> {
        Some(usize::from(*large.first()?))
    };
    future_that_keeps_its_parameter_is_hardly_larger: |large| -> [u8; 1024] {
        ready(large[0]).await;
        large
    };
}
