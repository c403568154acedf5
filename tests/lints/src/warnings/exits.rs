//! Lints on functions that return early, never return, or are on one line.

#[cfg(instrumented)]
use tracing_attributes::instrument;

use super::rustc_lints::fails;

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn recursion(n: u32) -> u32 {
    recursion(n)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn assigned_parameter_and_not_read_before_an_exit(mut n: u32) -> Option<u32> {
    let m = n.checked_sub(1)?;
    n = m;
    Some(m)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unused_mut_before_an_exit(mut n: Option<u32>) -> Option<u32> {
    Some(n? + 1)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unused_parameter_before_an_exit(n: u32, m: Option<u32>) -> Option<u32> {
    Some(m? + 1)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn unused_parameter_of_async_before_an_exit(n: u32, m: Option<u32>) -> Option<u32> {
    Some(m? + 1)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unused_result_before_an_exit() -> Option<u32> {
    fails();
    Some("1".parse::<u32>().ok()? + 1)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn recursion_before_an_exit(n: u32) -> Option<u32> {
    Some(recursion_before_an_exit(n)? + 1)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn recursion_of_a_borrow(text: &str) -> &str {
    recursion_of_a_borrow(text)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn never_returns() -> ! {
    loop {
        let n = 1;
    }
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn panics() {
    panic!();
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn panics_with_a_value() -> u32 {
    panic!()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn panics_in_async(n: u32) -> Option<u32> {
    panic!("{n}")
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn loops_forever(n: u32) -> u32 {
    loop {
        drop(n + 1);
    }
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
#[rustfmt::skip]
pub fn on_one_line(n: u32) -> u32 { n + 1 }

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
#[rustfmt::skip]
pub async fn on_one_line_in_async(n: u32) -> u32 { std::future::ready(n).await }

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
#[rustfmt::skip]
pub fn on_one_line_before_an_exit(n: Option<u32>) -> Option<u32> { Some(n? + 1) }

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
#[rustfmt::skip]
pub fn braces_on_one_line(n: u32) -> u32 { { n } }

macro_rules! declare {
    ($name:ident, $body:block) => {
        #[cfg_attr(annotated, mengpaneel::track("E"))]
        #[cfg_attr(instrumented, instrument(skip_all))]
        pub fn $name(n: u32) -> u32 $body
    };
}

declare!(declared_by_a_macro, { n_of_a_macro() + 1 });

fn n_of_a_macro() -> u32 {
    1
}
