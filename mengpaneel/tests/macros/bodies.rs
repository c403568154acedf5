//! Odd bodies.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::ready;
use std::sync::Mutex;

use mengpaneel::track;
use serde_json::json;

use crate::support::{properties_by, said_by};

#[track("E", a = a, b = b)]
fn chain_of_let_else(text: Option<&str>) -> u32 {
    let Some(text) = text else { return 0 };
    let Ok(a) = text.parse::<u32>() else {
        return 1;
    };
    let (Some(b), true) = (a.checked_sub(1), a > 1) else {
        return 2;
    };
    a + b
}

#[track("E", n = n)]
fn shadowed_in_every_arm(n: Option<u32>) -> u32 {
    match n {
        Some(n) if n > 1 => n,
        Some(n) => {
            let n = n + 1;
            n
        }
        None => 0,
    }
}

#[track("E", n = n)]
fn shadowed_by_a_closure(n: u32) -> u32 {
    [1, 2].iter().map(|n| n + 1).chain(std::iter::once(n)).sum()
}

#[track("E", kind = kind)]
fn bound_by_match_as_a_value(n: u32) -> usize {
    let kind = match n {
        0 => "none",
        1 => "one",
        n if n > 100 => return 0,
        _ => "many",
    };
    kind.len()
}

// B9: guards that bind stand in `tests/lints/tests/guards`, apart from what older compilers read.
#[track("E", n = n)]
fn chain_in_an_arm(text: Option<&str>) -> u8 {
    match text {
        Some(text) if text.len() > 3 => 0,
        Some(text) => {
            if let Ok(n) = text.parse::<u8>()
                && n > 1
            {
                n
            } else {
                1
            }
        }
        None => 2,
    }
}

#[track("E", n = n)]
fn question_mark_in_a_closure_alone(text: &str) -> u8 {
    let n = (|| text.get(..1)?.parse::<u8>().ok())();
    n.unwrap_or_default()
}

#[track("E", n = n)]
fn return_in_an_inner_function_alone(n: u32) -> u32 {
    fn half(n: u32) -> u32 {
        if n == 0 {
            return 0;
        }
        n / 2
    }
    half(n)
}

#[track("E", found = found)]
fn loop_with_a_value(xs: &[u32]) -> Option<u32> {
    let mut xs = xs.iter();
    let found = loop {
        let x = xs.next()?;
        if x % 2 == 0 {
            break x;
        }
    };
    Some(*found)
}

#[track("E", a = a)]
fn labelled_blocks_in_each_other(n: u32) -> u32 {
    let a = 'a: {
        let b = 'b: {
            if n > 2 {
                break 'a 10;
            }
            if n > 1 {
                break 'b 20;
            }
            30
        };
        b + 1
    };
    a
}

#[track("E", n = n)]
fn statements_under_cfg(n: u32) -> u32 {
    #[cfg(any())]
    return missing(n);
    #[cfg(not(any()))]
    let m = n + 1;
    match m {
        #[cfg(any())]
        _ if missing() => 0,
        #[allow(clippy::let_and_return)]
        m => m,
    }
}

#[track("E", n = n)]
fn inner_attributes(n: u32) -> u32 {
    #![allow(unused_variables)]
    let unused = n;
    n
}

#[track("E", n = n)]
fn local_macro_that_returns(n: u32) -> u32 {
    macro_rules! vec {
        () => {
            return 7
        };
    }
    if n > 1 {
        vec![];
    }
    n
}

macro_rules! bail {
    ($value:expr) => {
        return Err($value)
    };
}

#[track("Fine", n = n)]
#[track("Failed", n = n, on(failure))]
fn macro_that_returns(n: u32) -> Result<u32, String> {
    if n > 1 {
        bail!(format!("{n}"));
    }
    Ok(n)
}

#[track("E", n = n)]
fn macro_at_the_end(n: u32) -> Vec<u32> {
    vec![n, n]
}

#[track("E", n = n)]
fn not_of_a_group(n: u32, m: u32) -> bool {
    if !(n > m) && n != (m) {
        return true;
    }
    !(n == 1)
}

#[track("E", held = held.len())]
fn guard_that_is_held(lock: &Mutex<Vec<u32>>) -> usize {
    let held = lock.lock().unwrap();
    held.len()
}

#[track("E")]
fn temporary_at_the_end(cell: RefCell<Vec<u32>>) -> usize {
    let cell = cell;
    cell.borrow().len()
}

#[track("E", key = key)]
fn entry_of_a_map<'a>(map: &'a mut HashMap<String, u32>, key: &str) -> &'a mut u32 {
    if map.contains_key(key) {
        return map.get_mut(key).unwrap();
    }
    map.entry(key.to_owned()).or_insert(1)
}

#[track("E", n = list.len())]
fn reborrows(list: &mut Vec<u32>) -> Option<&mut u32> {
    list.push(1);
    let first = list.first_mut()?;
    *first += 1;
    Some(first)
}

#[track("E", n = *cell.borrow())]
#[allow(elided_lifetimes_in_paths, mismatched_lifetime_syntaxes)]
fn hides_a_lifetime(cell: &RefCell<u32>) -> std::cell::Ref<u32> {
    cell.borrow()
}

#[track("E", n = n)]
#[allow(elided_lifetimes_in_paths, mismatched_lifetime_syntaxes)]
fn hides_a_lifetime_and_leaves_early(
    list: &mut Vec<u32>,
    n: Option<usize>,
) -> Option<std::vec::Drain<u32>> {
    let to = n?;
    Some(list.drain(..to))
}

struct Lent<'a>(&'a mut Vec<u32>);

#[track("E", n = lent.0.len())]
#[allow(elided_lifetimes_in_paths, mismatched_lifetime_syntaxes)]
fn hides_the_lifetime_of_a_field(lent: Lent, n: Option<usize>) -> Option<std::vec::Drain<u32>> {
    let to = n?;
    Some(lent.0.drain(..to))
}

#[track("E", n = lent.0.len())]
#[allow(elided_lifetimes_in_paths, mismatched_lifetime_syntaxes)]
fn hides_the_lifetime_of_its_only_field(lent: Lent, n: usize) -> Option<std::vec::Drain<u32>> {
    let from = n.checked_sub(1)?;
    Some(lent.0.drain(from..))
}

#[track("E", text = text)]
fn moves_in_one_branch(text: String, keeps: bool) -> Option<String> {
    if !keeps {
        drop(text);
        return None;
    }
    let kept = Some(text)?;
    Some(kept)
}

#[track("E", name = pair.0)]
fn moves_a_part(pair: (String, String)) -> Option<String> {
    let first = pair.0;
    Some(first).filter(|first| *first != pair.1)
}

#[track("E")]
fn calls_what_it_was_given(
    once: impl FnOnce(u32) -> Option<u32>,
    mut often: impl FnMut(u32),
) -> Option<u32> {
    often(1);
    let n = once(2)?;
    often(n);
    Some(n)
}

#[track("E", n = n)]
fn gives_to_a_thread(n: u32, text: String) -> Result<usize, String> {
    let len = std::thread::spawn(move || text.len())
        .join()
        .map_err(|_| "panicked")?;
    Ok(len + n as usize)
}

#[track("E", n = n)]
fn borrows_in_a_scope(n: u32, text: String) -> Result<usize, String> {
    let len =
        std::thread::scope(|scope| scope.spawn(|| text.len()).join()).map_err(|_| "panicked")?;
    Ok(len + n as usize)
}

#[track("E", given = given)]
fn items_of_its_own(given: u32) -> u32 {
    const N: u32 = 5;
    #[derive(Clone, Copy)]
    struct Own(u32);
    impl Own {
        fn doubled(self) -> u32 {
            self.0 * 2
        }
    }
    use std::ops::Add;
    Own(given).doubled().add(N)
}

#[track("E", place = place)]
fn knows_its_place() -> usize {
    let place = (module_path!(), file!().rsplit('/').next(), line!() > 0);
    place.0.len()
}

#[track("E", n = n)]
#[track("Again", n = n, m = m)]
#[cfg_attr(
    all(),
    mengpaneel::setup(identify(m)),
    mengpaneel::before_setup(alias(m))
)]
fn attribute_under_cfg(n: u32) -> u32 {
    let m = n + 1;
    m
}

#[track("E", n = n)]
#[cfg_attr(all(), mengpaneel::setup(identify(m)))]
fn attribute_under_cfg_of_unit(n: u32) {
    let m = n + 1;
    drop(json!(m));
}

#[track("E", n = n)]
#[cfg_attr(all(), mengpaneel::setup(identify(m)))]
async fn attribute_under_cfg_of_async(n: u32) -> Option<u32> {
    let m = ready(n).await.checked_add(1)?;
    Some(m)
}

#[track("E", n = n)]
fn calls_in_a_chain(n: Option<u32>) -> Option<String> {
    n.map(|n| n + 1)
        .filter(|n| *n > 1)
        .and_then(|n| {
            let n = n.checked_mul(2)?;
            Some(n)
        })
        .map(|n| n.to_string())
}

#[track("E", sum = sum)]
fn captures_by_move_and_by_reference(xs: Vec<u32>) -> u32 {
    let mut calls = 0;
    let mut count = |x: &u32| {
        calls += 1;
        *x
    };
    let sum: u32 = xs.iter().map(&mut count).sum();
    let owned = move || xs.len() as u32;
    sum + owned() + calls
}

#[track("E", n = n)]
fn ends_in_a_statement(n: u32) -> u32 {
    if n > 1 {
        return n;
    } else {
        return 0;
    };
}

#[track("E", n = n)]
fn empty(n: u32) {}

records! {
    chain_of_let_else_binds: chain_of_let_else(Some("3")) => {"a": 3, "b": 2};
    parameter_is_meant_where_every_arm_shadows_it: shadowed_in_every_arm(Some(1)) => {"n": 1};
    closure_that_shadows_a_parameter_is_its_own: shadowed_by_a_closure(3) => {"n": 3};
    match_as_a_value_binds_after_it: bound_by_match_as_a_value(2) => {"kind": "many"};
    chain_in_an_arm_binds: chain_in_an_arm(Some("12")) => {"n": 12};
    question_mark_of_a_closure_ends_the_closure: question_mark_in_a_closure_alone("1") => {"n": 1};
    return_of_an_inner_function_ends_it_alone: return_in_an_inner_function_alone(4) => {"n": 4};
    loop_with_a_value_binds_after_it: loop_with_a_value(&[1, 2]) => {"found": 2};
    labelled_blocks_bind_after_them: labelled_blocks_in_each_other(2) => {"a": 21};
    statements_under_cfg_may_be_gone: statements_under_cfg(1) => {"n": 1};
    inner_attributes_stay_in_front: inner_attributes(1) => {"n": 1};
    macro_of_the_body_may_return: assert_eq!(local_macro_that_returns(2), 7) => {"n": 2};
    macro_at_the_end_is_the_value: macro_at_the_end(1) => {"n": 1};
    not_before_a_group_is_no_macro: not_of_a_group(1, 2) => {"n": 1};
    lock_is_read_while_it_is_held: guard_that_is_held(&Mutex::new(vec![1])) => {"held": 1};
    temporary_at_the_end_is_dropped_in_time: temporary_at_the_end(RefCell::new(vec![1])) => {};
    reference_into_a_map_is_returned: *entry_of_a_map(&mut HashMap::new(), "a") += 1 => {"key": "a"};
    hidden_lifetime_is_that_of_the_parameter: *hides_a_lifetime(&RefCell::new(1)) => {"n": 1};
    hidden_lifetime_outlives_a_closure: hides_a_lifetime_and_leaves_early(&mut vec![1], Some(1)).is_some() => {"n": 1};
    hidden_lifetime_of_a_field_outlives_a_closure: hides_the_lifetime_of_a_field(Lent(&mut vec![1]), Some(1)).is_some() => {"n": 1};
    hidden_lifetime_of_a_lone_field_outlives_a_closure: hides_the_lifetime_of_its_only_field(Lent(&mut vec![1]), 1).is_some() => {"n": 1};
    reference_is_reborrowed: reborrows(&mut vec![]).copied() => {"n": 0};
    parameter_may_be_moved_in_one_branch: moves_in_one_branch("a".into(), false) => {"text": "a"};
    part_of_a_parameter_may_be_moved: moves_a_part(("a".into(), "b".into())) => {"name": "a"};
    closures_that_were_given_are_called: calls_what_it_was_given(Some, drop) => {};
    parameter_may_go_to_a_thread: gives_to_a_thread(1, "ab".into()) => {"n": 1};
    parameter_may_be_lent_to_a_thread: borrows_in_a_scope(1, "ab".into()) => {"n": 1};
    items_of_the_body_stay_in_it: items_of_its_own(1) => {"given": 1};
    places_are_those_of_the_body: knows_its_place() => {"place": ["macros::bodies", "bodies.rs", true]};
    bindings_in_a_chain_of_closures_are_their_own: calls_in_a_chain(Some(1)) => {"n": 1};
    closures_capture_as_they_do_without: captures_by_move_and_by_reference(vec![1, 2]) => {"sum": 3};
    body_may_end_in_a_statement: ends_in_a_statement(2) => {"n": 2};
    body_may_be_empty: empty(1) => {"n": 1};
}

#[test]
fn macro_that_returns_ends_the_function() {
    assert_eq!(said_by(|| macro_that_returns(1)), ["track Fine"]);
    assert_eq!(said_by(|| macro_that_returns(2)), ["track Failed"]);
}

#[test]
fn binding_of_a_condition_is_captured_where_it_holds() {
    for text in ["1", "x"] {
        assert!(properties_by(|| chain_in_an_arm(Some(text))).is_empty());
    }
    assert!(properties_by(|| chain_of_let_else(Some("1"))).is_empty());
    assert!(properties_by(|| bound_by_match_as_a_value(101)).is_empty());
}

#[test]
fn attribute_under_cfg_attr_finds_the_bindings() {
    let said = said_by(|| attribute_under_cfg(1));
    assert_eq!(said, ["alias 2", "identify 2", "track E", "track Again"]);
    assert_eq!(
        said_by(|| attribute_under_cfg_of_unit(1)),
        ["identify 2", "track E"]
    );
    let said = crate::said_by_future(|| attribute_under_cfg_of_async(1));
    assert_eq!(said, ["identify 2", "track E"]);
}
