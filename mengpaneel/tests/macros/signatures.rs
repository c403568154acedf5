//! Unusual signatures.

use std::borrow::Cow;
use std::fmt::Display;
use std::future::{Future, ready};

use mengpaneel::{plan, setup, track};
use serde::Serialize;
use serde_json::json;

use crate::properties_of_future;
use crate::support::{calls_of, properties_of};

#[track("E", n = N)]
fn const_parameter<const N: usize>() -> usize {
    N
}

#[track("E", n = N, sum = sum)]
fn array_of_const_length<const N: usize>(xs: [u32; N]) -> u32 {
    let sum = xs.iter().sum();
    sum
}

#[track("E", on = ON)]
fn const_bool<const ON: bool>() -> Option<[u8; 4]> {
    ON.then_some(*b"both")
}

#[track("E", text = text.to_string(), n = n)]
fn impl_arguments(text: impl Display, each: impl IntoIterator<Item = impl Into<u64>>) -> u64 {
    let n: u64 = each.into_iter().map(Into::into).sum();
    n
}

#[track("E", text = text.to_string())]
async fn impl_argument_of_async(text: impl Display + Clone) -> impl Display {
    ready(()).await;
    text.clone()
}

#[track("E", r#type = r#type, r#in = r#in)]
fn r#match(r#type: u32) -> u32 {
    let r#in = r#type + 1;
    r#in
}

fn nested(n: u32) -> u32 {
    #[track("Inner", m = m)]
    fn inner(m: u32) -> u32 {
        m * 2
    }
    inner(n)
}

#[track("Outer", n = n)]
fn nested_both(n: u32) -> u32 {
    #[track("Inner", m = m)]
    fn inner(m: u32) -> u32 {
        #[track("Innermost", n = n)]
        fn inner(n: u32) -> u32 {
            n + 1
        }
        inner(m)
    }
    inner(n)
}

#[track("E", text = text)]
fn elided(text: &'_ str) -> Cow<'_, str> {
    if text.is_empty() {
        return "none".into();
    }
    text.into()
}

#[track("E", first = first)]
fn two_lifetimes<'a, 'b: 'a>(first: &'a str, second: &'b str) -> &'a str {
    if first.is_empty() { second } else { first }
}

#[track("E", n = text.len())]
fn higher_ranked<F>(text: &str, each: F) -> usize
where
    F: for<'a> Fn(&'a str) -> &'a str,
{
    each(text).len()
}

#[track("E")]
fn function_pointer(trims: bool) -> fn(&str) -> &str {
    if trims {
        return str::trim;
    }
    |text| text
}

#[track("E", n = n)]
fn pointer_with_lifetime<'a>(n: &'a u32) -> Box<dyn for<'b> Fn(&'b u32) -> u32 + 'a> {
    Box::new(move |other| *n + other)
}

struct Point {
    x: u32,
    y: u32,
}

#[track("E", x = x, b = b)]
fn patterns(Point { x, y }: Point, (a, [b, ..]): (u32, [u32; 2]), &c: &u32) -> u32 {
    x + y + a + b + c
}

#[track("E", n = n)]
fn unnamed(_: u32, _rest: String, n: u32) -> u32 {
    n
}

#[track("E", n = n, text = text)]
fn mutable(mut n: u32, ref text: String) -> Option<usize> {
    n = n.checked_sub(1)?;
    Some(n as usize + text.len())
}

#[track("E", n = n)]
#[rustfmt::skip]
fn parameters_under_cfg(#[cfg(any())] removed: Missing, #[cfg(not(any()))] n: u32, #[allow(unused_variables)] m: String) -> u32 {
    n
}

#[setup]
async fn parameters_under_cfg_of_setup(
    #[cfg(any())] removed: Missing,
    #[cfg(not(any()))] n: u32,
    text: String,
) -> usize {
    #[cfg(any())]
    drop(removed);
    mengpaneel::identify(n);
    text.len()
}

/// Documented above.
#[track("E", n = n)]
#[doc = "And below."]
#[inline]
#[must_use]
#[cold]
/// And again.
#[allow(clippy::needless_pass_by_value)]
pub(in crate::signatures) fn among_other_attributes(n: u32) -> u32 {
    n
}

#[track("E", n = n)]
fn where_clause<T>(n: T) -> T
where
    T: Copy + Serialize + std::ops::Add<Output = T>,
    for<'a> &'a T: std::ops::Add<&'a T>,
{
    n + n
}

#[track("E", n = text.len())]
fn unsized_parameter<T: AsRef<str> + ?Sized>(text: &T) -> usize
where
    T: Display,
{
    let text = text.as_ref();
    text.len()
}

#[track("E", n = n)]
fn inferred_by_the_caller<T: Default + From<u8>>(n: u8) -> T {
    if n == 0 { T::default() } else { n.into() }
}

#[track("E", n = n)]
fn captures_precisely<'a, T: Display>(
    text: &'a str,
    other: &T,
    n: u32,
) -> impl Display + use<'a, T> {
    format!("{text}{other}{n}")
}

#[track("E")]
fn opaque_in_opaque(n: u32) -> impl IntoIterator<Item = impl Display> {
    vec![n, n + 1]
}

#[track("E")]
fn opaque_in_a_vec(n: u32) -> Vec<impl Fn(u32) -> u32> {
    vec![move |m| n + m]
}

#[track("E")]
fn nested_box(
    n: u32,
) -> Option<Box<dyn FnOnce() -> Result<u32, Box<dyn std::error::Error + Send + Sync>>>> {
    let doubled = n.checked_mul(2)?;
    Some(Box::new(move || Ok(doubled)))
}

#[track("E", n = n)]
fn future_of_a_future(n: u32) -> impl Future<Output = impl Future<Output = u32>> {
    async move { async move { n } }
}

#[track("Never", n = n, on(failure))]
fn never(n: u32) -> ! {
    panic!("{n}")
}

#[track("Never", n = n, on(failure))]
async fn never_async(n: u32) -> ! {
    ready(()).await;
    panic!("{n}")
}

#[track("Count", n = n)]
fn recursive(n: u32) -> u32 {
    if n == 0 { 0 } else { recursive(n - 1) + 1 }
}

#[track("Even", n = n)]
fn is_even(n: u32) -> bool {
    n == 0 || is_odd(n - 1)
}

#[track("Odd", n = n)]
fn is_odd(n: u32) -> bool {
    n != 0 && is_even(n - 1)
}

records! {
    const_parameter_may_be_a_value: const_parameter::<3>() => {"n": 3};
    array_of_const_length_keeps_its_length: array_of_const_length([1, 2]) => {"n": 2, "sum": 3};
    const_bool_may_be_a_value: const_bool::<true>() => {"on": true};
    impl_arguments_stay_generic: impl_arguments("x", [1_u8, 2]) => {"text": "x", "n": 3};
    raw_identifiers_name_function_and_parameter: r#match(1) => {"type": 1, "in": 2};
    function_in_an_unannotated_one_records: nested(2) => {"m": 2};
    elided_lifetime_in_a_path_is_preserved: elided("a") => {"text": "a"};
    bound_between_lifetimes_is_preserved: two_lifetimes("", "b") => {"first": ""};
    higher_ranked_parameter_is_called: higher_ranked(" a ", |text| text.trim()) => {"n": 3};
    function_pointer_is_returned: assert_eq!(function_pointer(true)(" a "), "a") => {};
    lifetimes_of_a_boxed_function_are_preserved: assert_eq!(pointer_with_lifetime(&1)(&2), 3) => {"n": 1};
    patterns_in_parameters_bind: patterns(Point { x: 1, y: 2 }, (3, [4, 5]), &6) => {"x": 1, "b": 4};
    parameters_without_a_name_are_allowed: unnamed(1, String::new(), 2) => {"n": 2};
    mutable_and_ref_parameters_are_read_at_entry: mutable(2, "ab".into()) => {"n": 2, "text": "ab"};
    parameters_under_cfg_may_be_removed: parameters_under_cfg(1, String::new()) => {"n": 1};
    attributes_before_and_after_still_work: among_other_attributes(1) => {"n": 1};
    where_clause_with_a_higher_ranked_bound_is_kept: where_clause(2_u32) => {"n": 2};
    unsized_type_parameter_is_borrowed: unsized_parameter("ab") => {"n": 2};
    return_type_may_be_inferred_by_the_caller: assert_eq!(inferred_by_the_caller::<u64>(2), 2) => {"n": 2};
    precise_captures_exclude_the_other_parameter: captures_precisely("a", &1, 2).to_string() => {"n": 2};
    opaque_type_in_an_opaque_type_is_allowed: opaque_in_opaque(1).into_iter().count() => {};
    opaque_type_in_a_vec_is_allowed: assert_eq!(opaque_in_a_vec(1)[0](2), 3) => {};
    boxed_closure_deep_in_the_type_is_allowed: assert_eq!(nested_box(2).unwrap()().unwrap(), 4) => {};
}

#[test]
fn nested_functions_record_separately() {
    let expected = ["track Outer", "track Inner", "track Innermost"];
    assert_eq!(calls_of(|| nested_both(2)), expected);
}

#[test]
fn async_signatures_record() {
    assert_eq!(
        properties_of_future(|| async { drop(impl_argument_of_async("x").await) }),
        [json!({"text": "x"})]
    );
    assert_eq!(
        properties_of_future(|| async { future_of_a_future(1).await.await }),
        [json!({"n": 1})]
    );
    let calls = crate::record_future(|| parameters_under_cfg_of_setup(1, String::new()));
    assert_eq!(
        (crate::support::describe(&calls), calls.setup.len()),
        (vec!["identify 1".to_owned()], 1)
    );
}

#[test]
fn function_that_never_returns_fails() {
    let never = |n| drop(std::panic::catch_unwind(|| never(n)));
    assert_eq!(properties_of(|| never(1)), [json!({"n": 1})]);
    let future = || async {
        let joined = actix_web::rt::spawn(mengpaneel::current().scope(never_async(2))).await;
        assert!(joined.is_err());
    };
    assert_eq!(properties_of_future(future), [json!({"n": 2})]);
}

#[test]
fn recursive_functions_record_each_call() {
    let properties = properties_of(|| recursive(2));
    assert_eq!(
        properties,
        [json!({"n": 2}), json!({"n": 1}), json!({"n": 0})]
    );
    assert_eq!(
        calls_of(|| is_even(2)),
        ["track Even", "track Odd", "track Even"]
    );
}

#[test]
fn plan_names_a_raw_function_without_its_prefix() {
    let plan = plan();
    assert!(
        plan.iter()
            .any(|annotation| annotation.function.ends_with("signatures::match"))
    );
}
