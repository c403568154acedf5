//! Lints of Clippy.

#[cfg(instrumented)]
use tracing_attributes::instrument;

use super::rustc_lints::{must_use, unused_local};

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn needless_return(n: u32) -> u32 {
    return n;
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn needless_return_of_async(n: u32) -> u32 {
    return n;
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn needless_return_of_unit(n: u32) {
    drop(n + 1);
    return;
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn let_and_return() -> u32 {
    let n = must_use();
    n
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn missing_errors_doc() -> Result<(), String> {
    Err(String::new())
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn missing_panics_doc(n: Option<u32>) -> u32 {
    n.unwrap()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn missing_semicolon(list: &mut Vec<u32>) {
    list.push(1)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn missing_semicolon_of_async(list: &mut Vec<u32>) {
    list.push(1)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unused_unit() -> () {}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn items_after_statements() -> u32 {
    let n = 1;
    const M: u32 = 2;
    n + M
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn single_match(n: Option<u32>) {
    match n {
        Some(n) => drop(n + 1),
        _ => {}
    }
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn question_mark(n: Option<u32>) -> Option<u32> {
    let m = match n {
        Some(m) => m,
        None => return None,
    };
    Some(m + 1)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn bool_comparison(b: bool) -> bool {
    b == true
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn len_zero(list: &[u32]) -> bool {
    list.len() == 0
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn ptr_arg(list: &Vec<u32>) -> usize {
    list.len()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn too_many_arguments(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8) -> u8 {
    a + b + c + d + e + f + g + h
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn excessive_bools(a: bool, b: bool, c: bool, d: bool) -> bool {
    a && b && c && d
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn redundant_clone() -> String {
    let text = String::new();
    text.clone()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn large_by_value(array: [u8; 1024]) -> u8 {
    array[0]
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn uses_underscored(_n: u32) -> u32 {
    _n
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn similar_names(ten: u32) -> u32 {
    let tan = ten;
    let tun = tan;
    tun
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn cast(n: u64) -> u32 {
    n as u32
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn needless_borrow(text: &String) -> usize {
    length(&text)
}

fn length(text: &str) -> usize {
    text.len()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn closure_called(n: u32) -> u32 {
    (|| n)()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unit_arg() {
    drop(unused_local())
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn needless_else(n: u32) -> u32 {
    if n > 1 {
        return 1;
    } else {
        return 2;
    }
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn format_push(n: u32) -> String {
    format!("{}", n)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn large_future(array: [u8; 20000]) -> u8 {
    array[0]
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn holds_a_lock(lock: std::sync::Mutex<u32>) -> u32 {
    let n = lock.lock();
    std::future::ready(()).await;
    n.map(|n| *n).unwrap_or_default()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn redundant_closure(n: Option<u32>) -> Option<String> {
    n.map(|n| n.to_string()).map(|text| text.to_owned())
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn implicit_clone(text: &String) -> String {
    text.to_string()
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn manual_let_else(n: Option<u32>) -> u32 {
    let n = match n {
        Some(n) => n,
        None => return 0,
    };
    n + 1
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn trivially_copy(n: &u8) -> u8 {
    *n
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn ref_option(text: &Option<String>) -> usize {
    text.as_ref().map_or(0, String::len)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn needless_pass_by_ref_mut(n: &mut u32) -> u32 {
    *n
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn option_if_let_else(n: Option<u32>) -> u32 {
    if let Some(n) = n { n + 1 } else { 0 }
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn redundant_else(n: u32) -> u32 {
    if n > 1 {
        return 1;
    } else {
        drop(n + 1);
    }
    2
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn let_unit(n: u32) {
    let unit = drop(n + 1);
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn collapsible(n: u32, m: u32) -> u32 {
    if n > 1 {
        if m > 1 {
            return 2;
        }
    }
    1
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn explicit_iteration(list: &[u32]) -> u32 {
    let mut sum = 0;
    for n in list.iter() {
        sum += n;
    }
    sum
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn never_loops(list: Vec<u32>) -> u32 {
    for n in list {
        return n;
    }
    0
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn only_used_in_recursion(n: u32, unused: u32) -> u32 {
    if n == 0 {
        0
    } else {
        only_used_in_recursion(n - 1, unused)
    }
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn redundant_locals(n: u32) -> u32 {
    let n = n;
    n
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn box_default() -> Box<Vec<u32>> {
    Box::new(Vec::new())
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn unit_return(n: u32) -> Result<(), String> {
    if n > 1 {
        return Err(String::new());
    }
    Ok(drop(n))
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn needless_question_mark(n: Option<u32>) -> Option<u32> {
    Some(n?)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn redundant_async_block() -> u32 {
    async { std::future::ready(1).await }.await
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub async fn yields_a_future() -> impl Future<Output = u32> {
    std::future::ready(()).await;
    std::future::ready(1)
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn panics_in_a_result(n: Option<u32>) -> Result<u32, String> {
    Ok(n.expect("none"))
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn diverges_in_an_expression(flag: bool) -> bool {
    let both = flag || panic!();
    both
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
pub fn ends_in_a_call_that_never_returns(n: u32) -> i32 {
    std::process::exit(n.try_into().unwrap_or(1))
}

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
#[rustfmt::skip]
pub fn formats_on_one_line(n: u32) -> String { format!("{}", n) }

#[cfg_attr(annotated, mengpaneel::track("E"))]
#[cfg_attr(instrumented, instrument(skip_all))]
#[rustfmt::skip]
pub fn pushes_on_one_line(list: &mut Vec<u32>) { list.push(1) }
