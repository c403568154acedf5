//! Lints that look at the end of a function, at its parameters, or at all of it.

#[cfg(instrumented)]
use tracing_attributes::instrument;

macro_rules! unwrap_or_zero {
    ($option:expr) => {
        match $option {
            Some(value) => value,
            None => return 0,
        }
    };
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
fn unnecessary_wraps(n: u32) -> Option<u32> {
    Some(n)
}

pub fn calls_it() -> Option<u32> {
    unnecessary_wraps(1)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn unused_async() -> u32 {
    1
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn unused_async_of_unit() {}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
fn needless_pass_by_value(text: String) -> usize {
    text.len()
}

pub fn passes() -> usize {
    needless_pass_by_value(String::new())
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn needless_lifetimes<'a>(text: &'a str) -> &'a str {
    text
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn manual_async() -> impl std::future::Future<Output = u32> {
    async { 1 }
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
fn unnecessary_wraps_of_result(n: u32) -> Result<u32, String> {
    if n > 1 { Ok(n) } else { Ok(2) }
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
fn unnecessary_wraps_of_unit(n: &mut u32) -> Option<()> {
    *n += 1;
    Some(())
}

pub fn calls_them() -> Option<u32> {
    let mut n = unnecessary_wraps_of_result(1).ok()?;
    unnecessary_wraps_of_unit(&mut n)?;
    Some(n)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn unused_async_before_an_exit(n: Option<u32>) -> Option<u32> {
    Some(n? + 1)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn unused_async_of_a_borrow(text: &str) -> &str {
    text.trim()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn unused_async_beside_a_task(n: u32) -> impl Future<Output = u32> {
    async move { std::future::ready(n).await }
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn unused_async_beside_a_macro(n: Option<u32>) -> u32 {
    unwrap_or_zero!(n) + 1
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn needless_pass_by_value_before_an_exit(text: String) -> Option<usize> {
    text.len().checked_sub(text.find('a')?)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn needless_pass_by_value_beside_a_borrow(text: String, other: &str) -> &str {
    other.get(text.len()..).unwrap_or(other)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn needless_pass_by_value_beside_a_macro(list: Vec<u32>) -> u32 {
    unwrap_or_zero!(list.first().copied()) + 1
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn needless_lifetimes_of_result<'a>(text: &'a str) -> Result<&'a str, String> {
    text.get(1..).ok_or_else(String::new)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn needless_lifetimes_before_an_exit<'a>(text: &'a str) -> Option<&'a str> {
    Some(text.get(1..)?.trim())
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn needless_lifetimes_of_async<'a>(text: &'a str) -> &'a str {
    text
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn needless_lifetimes_of_a_box<'a>(text: &'a str) -> Box<dyn Fn() -> &'a str + 'a> {
    Box::new(move || text)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn needless_lifetimes_of_an_iterator<'a>(text: &'a str) -> impl Iterator<Item = char> + 'a {
    text.chars()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn manual_async_of_unit() -> impl std::future::Future<Output = ()> {
    async {}
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn needless_pass_by_value_of_several_before_an_exit(
    text: String,
    other: Vec<u32>,
) -> Option<usize> {
    text.len().checked_sub(*other.first()? as usize)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn needless_pass_by_value_beside_a_number_before_an_exit(
    text: String,
    n: usize,
) -> Option<usize> {
    text.len().checked_sub(n.checked_mul(2)?)
}
