//! Each function has something to complain of, or expects a complaint.
#![warn(clippy::pedantic)]

fn fails() -> Result<(), String> {
    Err(String::new())
}

#[deprecated]
pub fn old() {}

#[cfg_attr(annotated, mengpaneel::track("E"))]
fn never_called() {}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn unused_parameter(n: u32) {}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub async fn unused_parameter_of_async(n: u32) {}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn unused_local() {
    let n = 1;
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn unused_pattern((a, b): (u32, u32)) -> u32 {
    a
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn unused_mut(mut n: u32) -> u32 {
    n
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn unused_mut_local() -> u32 {
    let mut n = 1;
    n
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub async fn unused_mut_local_of_async() -> u32 {
    let mut n = 1;
    n
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn unused_result() {
    fails();
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub async fn unused_result_of_async() {
    fails();
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub async fn unused_future() {
    unused_result_of_async();
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn unreachable() -> u32 {
    return 1;
    2
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn unreachable_after_panic() -> u32 {
    panic!();
    2
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn unused_import() {
    use std::fmt::Debug;
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn notSnakeCase() {}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn path_statement(n: u32) {
    n;
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn unused_parens(n: u32) -> u32 {
    (n)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn unused_braces(n: u32) -> u32 {
    let m = { n };
    m
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn unused_label() {
    'a: loop {
        break;
    }
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn while_true() {
    while true {}
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn redundant_semicolon() {
    let _n = 1;
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn irrefutable(n: u32) -> u32 {
    if let m = n { m } else { 0 }
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn uses_deprecated() {
    old();
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn assigned_and_not_read() {
    let mut n = 1;
    n = 2;
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn unused_comparison(n: u32) -> bool {
    n >= 0
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn recursion(n: u32) -> u32 {
    recursion(n)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[must_use]
pub fn must_use() -> u32 {
    1
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn ignores_must_use() {
    must_use();
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[expect(unused_variables)]
pub fn expects_unused(n: u32) {}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[expect(unused_variables)]
pub fn expects_in_vain(n: u32) -> u32 {
    n
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[expect(dead_code)]
fn expects_dead_code() {}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[expect(clippy::needless_return)]
pub fn expects_needless_return() -> u32 {
    return 1;
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[allow(unused_variables)]
pub fn allows_unused(n: u32) {}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn dead_inner() {
    fn inner() {}
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn overflowing() -> u8 {
    256
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn unit_binding() {
    let x = unused_local();
    drop(x);
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn needless_return(n: u32) -> u32 {
    return n;
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub async fn needless_return_of_async(n: u32) -> u32 {
    return n;
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn needless_return_of_unit(n: u32) {
    drop(n + 1);
    return;
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn let_and_return() -> u32 {
    let n = must_use();
    n
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
fn unnecessary_wraps(n: u32) -> Option<u32> {
    Some(n)
}

pub fn calls_it() -> Option<u32> {
    unnecessary_wraps(1)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub async fn unused_async() -> u32 {
    1
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub async fn unused_async_of_unit() {}

#[cfg_attr(annotated, mengpaneel::track("E"))]
fn needless_pass_by_value(text: String) -> usize {
    text.len()
}

pub fn passes() -> usize {
    needless_pass_by_value(String::new())
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn missing_errors_doc() -> Result<(), String> {
    Err(String::new())
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn missing_panics_doc(n: Option<u32>) -> u32 {
    n.unwrap()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn missing_semicolon(list: &mut Vec<u32>) {
    list.push(1)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub async fn missing_semicolon_of_async(list: &mut Vec<u32>) {
    list.push(1)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn unused_unit() -> () {}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn items_after_statements() -> u32 {
    let n = 1;
    const M: u32 = 2;
    n + M
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn single_match(n: Option<u32>) {
    match n {
        Some(n) => drop(n + 1),
        _ => {}
    }
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn question_mark(n: Option<u32>) -> Option<u32> {
    let m = match n {
        Some(m) => m,
        None => return None,
    };
    Some(m + 1)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn bool_comparison(b: bool) -> bool {
    b == true
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn len_zero(list: &[u32]) -> bool {
    list.len() == 0
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn ptr_arg(list: &Vec<u32>) -> usize {
    list.len()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn too_many_arguments(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8) -> u8 {
    a + b + c + d + e + f + g + h
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn excessive_bools(a: bool, b: bool, c: bool, d: bool) -> bool {
    a && b && c && d
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn redundant_clone() -> String {
    let text = String::new();
    text.clone()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn needless_lifetimes<'a>(text: &'a str) -> &'a str {
    text
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn large_by_value(array: [u8; 1024]) -> u8 {
    array[0]
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn uses_underscored(_n: u32) -> u32 {
    _n
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn similar_names(ten: u32) -> u32 {
    let tan = ten;
    let tun = tan;
    tun
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn cast(n: u64) -> u32 {
    n as u32
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn manual_async() -> impl std::future::Future<Output = u32> {
    async { 1 }
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn needless_borrow(text: &String) -> usize {
    length(&text)
}

fn length(text: &str) -> usize {
    text.len()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn closure_called(n: u32) -> u32 {
    (|| n)()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn unit_arg() {
    drop(unused_local())
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn needless_else(n: u32) -> u32 {
    if n > 1 {
        return 1;
    } else {
        return 2;
    }
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn format_push(n: u32) -> String {
    format!("{}", n)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
pub fn too_many_lines() {
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
    drop(String::new());
}

pub struct Method;

impl Method {
    #[cfg_attr(annotated, mengpaneel::track("E"))]
    pub fn unused_self(&self) -> u32 {
        1
    }

    #[cfg_attr(annotated, mengpaneel::track("E"))]
    pub fn new() -> Method {
        Method
    }

    #[cfg_attr(annotated, mengpaneel::track("E"))]
    fn never_called(&self) {}

    #[cfg_attr(annotated, mengpaneel::track("E"))]
    pub fn self_by_value(self) -> u32 {
        1
    }

    #[cfg_attr(annotated, mengpaneel::track("E"))]
    pub async fn unused_self_of_async(&self) {}
}
