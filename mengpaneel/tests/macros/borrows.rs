//! Bodies that move, lend or return what they borrow.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Mutex;

use mengpaneel::track;

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

struct Borrowed<'a>(&'a mut Vec<u32>);

#[track("E", n = lent.0.len())]
#[allow(elided_lifetimes_in_paths, mismatched_lifetime_syntaxes)]
fn hides_the_lifetime_of_a_field(lent: Borrowed, n: Option<usize>) -> Option<std::vec::Drain<u32>> {
    let to = n?;
    Some(lent.0.drain(..to))
}

#[track("E", n = lent.0.len())]
#[allow(elided_lifetimes_in_paths, mismatched_lifetime_syntaxes)]
fn hides_the_lifetime_of_its_only_field(lent: Borrowed, n: usize) -> Option<std::vec::Drain<u32>> {
    let from = n.checked_sub(1)?;
    Some(lent.0.drain(from..))
}

#[track("E", text = text)]
fn moves_in_one_branch(text: String, keeps: bool) -> Option<String> {
    if !keeps {
        drop(text);
        return None;
    }
    let moved = Some(text)?;
    Some(moved)
}

#[track("E", name = pair.0)]
fn moves_a_part(pair: (String, String)) -> Option<String> {
    let first = pair.0;
    Some(first).filter(|first| *first != pair.1)
}

#[track("E")]
fn calls_its_arguments(
    once: impl FnOnce(u32) -> Option<u32>,
    mut often: impl FnMut(u32),
) -> Option<u32> {
    often(1);
    let n = once(2)?;
    often(n);
    Some(n)
}

#[track("E", n = n)]
fn moves_to_a_thread(n: u32, text: String) -> Result<usize, String> {
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

records! {
    value_behind_a_held_lock_is_captured: guard_that_is_held(&Mutex::new(vec![1])) => {"held": 1};
    temporary_at_the_end_is_dropped_before_locals: temporary_at_the_end(RefCell::new(vec![1])) => {};
    reference_into_a_map_is_returned: *entry_of_a_map(&mut HashMap::new(), "a") += 1 => {"key": "a"};
    hidden_lifetime_is_that_of_the_parameter: *hides_a_lifetime(&RefCell::new(1)) => {"n": 1};
    hidden_lifetime_outlives_a_closure: hides_a_lifetime_and_leaves_early(&mut vec![1], Some(1)).is_some() => {"n": 1};
    hidden_lifetime_of_a_field_outlives_a_closure: hides_the_lifetime_of_a_field(Borrowed(&mut vec![1]), Some(1)).is_some() => {"n": 1};
    hidden_lifetime_of_an_only_field_outlives_a_closure: hides_the_lifetime_of_its_only_field(Borrowed(&mut vec![1]), 1).is_some() => {"n": 1};
    reference_is_reborrowed: reborrows(&mut vec![]).copied() => {"n": 0};
    parameter_may_be_moved_in_one_branch: moves_in_one_branch("a".into(), false) => {"text": "a"};
    part_of_a_parameter_may_be_moved: moves_a_part(("a".into(), "b".into())) => {"name": "a"};
    closure_parameters_can_be_called: calls_its_arguments(Some, drop) => {};
    parameter_may_be_moved_to_a_thread: moves_to_a_thread(1, "ab".into()) => {"n": 1};
    parameter_may_be_borrowed_by_a_thread: borrows_in_a_scope(1, "ab".into()) => {"n": 1};
    closures_may_capture_by_move_and_by_reference: captures_by_move_and_by_reference(vec![1, 2]) => {"sum": 3};
}
