//! Errors of the borrow checker.

#[cfg(instrumented)]
use tracing_attributes::instrument;

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn moves_twice(text: String) -> (String, String) {
    (text, text)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn moves_twice_before_an_exit(text: String) -> Option<usize> {
    drop(text);
    Some(text.find('a')? + 1)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn moves_twice_in_async(text: String) -> String {
    drop(text);
    std::future::ready(()).await;
    text
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn moves_out_of_a_reference(text: &String) -> String {
    *text
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn moves_out_of_self(holder: &Holder) -> String {
    holder.0
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn borrows_twice(list: &mut Vec<u32>) -> u32 {
    let first = &mut list[0];
    list.push(1);
    *first
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn assigns_to_immutable(n: u32) -> u32 {
    n = 2;
    n
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn assigns_to_immutable_before_an_exit(n: u32, m: Option<u32>) -> Option<u32> {
    n = m?;
    Some(n)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn assigns_to_immutable_in_async(n: u32) -> u32 {
    n = std::future::ready(2).await;
    n
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn mutates_a_shared_borrow(list: &Vec<u32>) {
    list.push(1);
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn mutates_an_immutable(list: Vec<u32>) -> Vec<u32> {
    list.push(1);
    list
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn reads_before_it_is_bound() -> u32 {
    let n;
    n + 1
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn returns_a_local() -> &'static str {
    let text = String::new();
    text.as_str()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn returns_a_temporary() -> &'static str {
    String::new().as_str()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn returns_a_reference_to_a_temporary<'a>() -> &'a String {
    &String::new()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn returns_a_parameter<'a>(text: String, other: &'a str) -> &'a str {
    text.as_str()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn returns_a_parameter_early<'a>(text: String, other: Option<&'a str>) -> Option<&'a str> {
    let other = other?;
    if other.is_empty() {
        return Some(&text);
    }
    Some(other)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn returns_a_parameter_in_async<'a>(text: String, other: &'a str) -> &'a str {
    std::future::ready(()).await;
    &text
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn returns_a_parameter_in_a_static_iterator(text: String) -> std::str::Chars<'static> {
    text.chars()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn returns_another_lifetime<'a>(text: &'a str, other: &str) -> &'a str {
    other
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn returns_one_of_two_lifetimes<'a, 'b>(text: &'a str, other: &'b str) -> &'a str {
    if text.is_empty() { other } else { text }
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn returns_another_lifetime_in_async<'a>(text: &'a str, other: &str) -> &'a str {
    std::future::ready(()).await;
    other
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn returns_another_lifetime_before_an_exit<'a>(text: &'a str, other: &str) -> Option<&'a str> {
    let n = text.find('a')?;
    Some(&other[n..])
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn returns_a_borrowing_closure(n: u32) -> impl Fn() -> u32 {
    || n
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn returns_a_borrowing_box(n: u32) -> Box<dyn Fn() -> u32> {
    Box::new(|| n)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn boxes_a_borrow(text: &str) -> Box<dyn Fn() -> usize> {
    Box::new(move || text.len())
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn spawns_a_borrow(text: &str) -> std::thread::JoinHandle<usize> {
    std::thread::spawn(move || text.len())
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn spawns_a_local(n: u32) -> std::thread::JoinHandle<u32> {
    std::thread::spawn(|| n + 1)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn returns_an_iterator_of_a_local() -> impl Iterator<Item = u32> {
    let list = vec![1];
    list.iter().copied()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn leaves_a_parameter_borrowed(text: String) -> std::thread::JoinHandle<usize> {
    let text = &text;
    std::thread::spawn(move || text.len())
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn matches_not_exhaustively(n: Option<u32>) -> u32 {
    match n {
        Some(n) => n,
    }
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn uses_a_refutable_pattern(n: Option<u32>) -> u32 {
    let Some(n) = n;
    n
}

pub struct Holder(pub String);

impl Holder {
    #[cfg_attr(annotated, mengpaneel::track("E"))]
    #[cfg_attr(instrumented, instrument(skip_all))]
    pub fn moves_out(&self) -> String {
        self.0
    }

    #[cfg_attr(annotated, mengpaneel::track("E"))]
    #[cfg_attr(instrumented, instrument(skip_all))]
    pub fn mutates(&self, text: &str) {
        self.0.push_str(text);
    }

    #[cfg_attr(annotated, mengpaneel::track("E"))]
    #[cfg_attr(instrumented, instrument(skip_all))]
    pub fn returns_another_lifetime<'a>(&'a self, other: &str) -> &'a str {
        other
    }
}
