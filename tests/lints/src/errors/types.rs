//! Errors of name resolution and type checking.

#[cfg(instrumented)]
use tracing_attributes::instrument;

async fn saves() -> Result<(), String> {
    Err(String::new())
}

fn length(text: &str) -> usize {
    text.len()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn returns_a_number() {
    5
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn returns_a_number_in_async() {
    std::future::ready(()).await;
    5
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn returns_a_number_early(n: u32) {
    if n > 1 {
        return 5;
    }
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn forgets_the_semicolon() {
    saves().await
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn returns_another_type() -> u32 {
    "5"
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn returns_another_type_early(n: u32) -> u32 {
    if n > 1 {
        return "5";
    }
    n
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn returns_another_type_in_async(n: u32) -> u32 {
    std::future::ready(n).await;
    "5"
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn returns_nothing() -> u32 {
    let n = 1;
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn returns_nothing_because_of_a_semicolon(n: u32) -> u32 {
    n + 1;
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn returns_nothing_in_async() -> u32 {
    std::future::ready(()).await;
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn returns_another_error(text: &str) -> Result<u32, String> {
    let n: u32 = text.parse()?;
    Ok(n)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn returns_another_error_in_async(text: &str) -> Result<u32, std::fmt::Error> {
    let n: u32 = std::future::ready(text.parse::<u32>()).await?;
    Ok(n)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn question_mark_without_a_result(text: &str) -> u32 {
    text.parse::<u32>()?
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn question_mark_without_a_return_type(text: &str) {
    text.parse::<u32>()?;
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn branches_of_two_types(n: u32) -> u32 {
    if n > 1 { 1 } else { "2" }
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn calls_with_another_type() -> usize {
    length(5)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn calls_with_another_number_of_arguments() -> usize {
    length("5", 5)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn names_a_missing_local() -> u32 {
    missing
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn calls_a_missing_method(n: u32) -> u32 {
    n.missing()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn reads_a_missing_field(pair: (u32, u32)) -> u32 {
    pair.2
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn needs_a_trait<T>(value: T) -> String {
    value.to_string()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn hides_a_type_that_is_not_an_iterator() -> impl Iterator<Item = u32> {
    5
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn hides_two_types(n: u32) -> impl Iterator<Item = u32> {
    if n > 1 {
        return vec![n].into_iter();
    }
    std::iter::once(n)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn infers_nothing() -> usize {
    let list = Vec::new();
    list.len()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn awaits_in_a_sync_function(n: u32) -> u32 {
    std::future::ready(n).await
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn forgets_to_await() -> u32 {
    std::future::ready(1)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn boxes_another_type() -> Box<dyn std::error::Error> {
    Box::new(5)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn takes_an_unsized(text: str) -> usize {
    1
}

pub struct Holder;

impl Holder {
    #[cfg_attr(annotated, mengpaneel::track("E"))]
    #[cfg_attr(instrumented, instrument(skip_all))]
    pub fn returns_another_self(&self) -> Self {
        5
    }
}
