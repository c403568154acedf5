//! Lints of rustc.

#[cfg(instrumented)]
use tracing_attributes::instrument;

pub(super) fn fails() -> Result<(), String> {
    Err(String::new())
}

#[deprecated]
pub fn old() {}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
fn never_called() {}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unused_parameter(n: u32) {}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn unused_parameter_of_async(n: u32) {}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unused_local() {
    let n = 1;
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unused_pattern((a, b): (u32, u32)) -> u32 {
    a
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unused_mut(mut n: u32) -> u32 {
    n
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unused_mut_local() -> u32 {
    let mut n = 1;
    n
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn unused_mut_local_of_async() -> u32 {
    let mut n = 1;
    n
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unused_result() {
    fails();
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn unused_result_of_async() {
    fails();
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn unused_future() {
    unused_result_of_async();
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unreachable() -> u32 {
    return 1;
    2
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unreachable_after_panic() -> u32 {
    panic!();
    2
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unused_import() {
    use std::fmt::Debug;
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn notSnakeCase() {}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn path_statement(n: u32) {
    n;
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unused_parens(n: u32) -> u32 {
    (n)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unused_braces(n: u32) -> u32 {
    let m = { n };
    m
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unused_label() {
    'a: loop {
        break;
    }
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn while_true() {
    while true {}
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn redundant_semicolon() {
    let _n = 1;
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn irrefutable(n: u32) -> u32 {
    if let m = n { m } else { 0 }
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn uses_deprecated() {
    old();
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn assigned_and_not_read() {
    let mut n = 1;
    n = 2;
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unused_comparison(n: u32) -> bool {
    n >= 0
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
#[must_use]
pub fn must_use() -> u32 {
    1
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn ignores_must_use() {
    must_use();
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
#[expect(unused_variables)]
pub fn expects_unused(n: u32) {}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
#[expect(unused_variables)]
pub fn expects_an_absent_lint(n: u32) -> u32 {
    n
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
#[expect(dead_code)]
fn expects_dead_code() {}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
#[expect(clippy::needless_return)]
pub fn expects_needless_return() -> u32 {
    return 1;
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
#[allow(unused_variables)]
pub fn allows_unused(n: u32) {}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn dead_inner() {
    fn inner() {}
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn overflowing() -> u8 {
    256
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unit_binding() {
    let x = unused_local();
    drop(x);
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn assigned_parameter_and_not_read(mut n: u32) {
    n = 2;
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn assigned_parameter_and_not_read_of_async(mut n: u32) {
    n = 2;
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unused_parameter_beside_a_borrow<'a>(n: u32, text: &'a str, other: &str) -> &'a str {
    text.trim()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unreachable_arm(n: u32) -> u32 {
    match n {
        _ => 1,
        2 => 3,
    }
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn unreachable_of_async() -> u32 {
    return 1;
    2
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unused_value(n: u32) {
    n + 1;
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unused_must_use_of_the_end() {
    must_use();
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unused_in_a_closure() -> u32 {
    let each = |n: u32| 1;
    each(2)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unused_loop_variable() {
    for n in 0..3 {}
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unused_binding_of_an_arm(n: Option<u32>) -> u32 {
    match n {
        Some(m) => 1,
        None => 2,
    }
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn shadowed_glob() -> u32 {
    let Unused = 1;
    2
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
#[expect(unused_mut)]
pub async fn expects_unused_mut() -> u32 {
    let mut n = 1;
    n
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
#[expect(unreachable_code)]
pub fn expects_unreachable() -> u32 {
    return 1;
    2
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
#[deny(unused_must_use)]
pub fn expects_must_use() {
    let _ = fails();
}
