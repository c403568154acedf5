//! Free names of properties, by Rust's scoping.

use mengpaneel::track;
use serde_json::json;

use crate::support::properties_of;

struct User {
    id: u32,
    email: String,
}

fn user(id: u32) -> User {
    User {
        id,
        email: format!("{id}@b.c"),
    }
}

// Both the property and a branch of the body bind `u`. The branch does not run.
#[track("View", email = match &user { Some(u) => u.email.as_str(), None => "anonymous" })]
fn arm_of_property(user: Option<User>, rarely: bool) {
    if rarely && let Some(u) = &user {
        drop(u.email.clone());
    }
}

#[track("View", email = if let Some(u) = &user { u.email.clone() } else { String::new() })]
fn if_let_of_property(user: Option<User>, rarely: bool) {
    if rarely && let Some(u) = &user {
        drop(u.email.clone());
    }
}

#[track("View", n = { let n = start + 1; n * 2 })]
fn block_of_property(start: u32) {
    for n in 0..start {
        assert!(n < start);
    }
}

#[track("View", email = format!("{}", match &user { Some(u) => u.email.as_str(), None => "-" }))]
fn arm_in_format(user: Option<User>) {
    let each = |u: &User| u.id;
    assert!(user.as_ref().map(each).is_none_or(|id| id > 0));
}

#[track("View", user = json!({"id": user.as_ref().map(|u| u.id), "known": match &user { Some(_) => true, None => false }}))]
fn arm_in_json(user: Option<User>) {
    for u in user.iter().collect::<Vec<_>>() {
        assert!(u.id > 0);
    }
}

#[track("View", big = matches!(&user, Some(u) if u.id > limit))]
fn guard_in_matches(user: Option<User>) {
    let limit = 3;
    if let Some(u) = user {
        assert!(u.id != limit);
    }
}

#[track("View", labelled = 'a: { if n > 1 { break 'a "many"; } "few" })]
fn label_of_property(n: u32) {}

#[track("View", found = { let mut found = 0; for x in &xs { if *x > 1 { found = *x; break; } } found })]
fn loop_of_property(xs: Vec<u32>) {
    let sum: u32 = xs.into_iter().map(|x| x + 1).sum();
    assert!(sum > 0);
}

#[track("View", half = { fn half(n: u32) -> u32 { n / 2 } half(whole) })]
fn item_of_property(whole: u32) {
    let _each = |half: u32| half + whole;
}

#[track("View", email = user.as_ref().map_or("-", |u| u.email.as_str()), n = u)]
fn closure_of_property_beside_local(user: Option<User>) {
    let u = 5;
    assert_eq!(u, 5);
    drop(user);
}

#[track("View", parsed = (|| text.parse::<u8>().ok()?.checked_add(1))())]
fn question_mark_in_closure(text: &str) {}

#[track("View", n = words.iter().map(|w| w.len()).sum::<usize>() + w)]
fn closure_parameter_beside_local(words: &[&str]) {
    let w = 10;
    assert_eq!(w, 10);
}

#[track("View", head = format!("{:?}", &post[..n]))]
fn range_in_macro(post: &str) {
    let n = 2;
    assert!(post.len() > n);
}

fn total(xs: &[u32]) -> u32 {
    xs.iter().sum()
}

#[track("View", total = total(&xs))]
fn function_beside_closure_parameter(xs: Vec<u32>) -> u32 {
    xs.into_iter().fold(0, |total, x| total + x)
}

#[track("View", kind = format!("{type}"), again = r#type.len())]
fn raw_identifier_in_format() {
    let r#type = "big";
    assert_eq!(r#type, "big");
}

#[track("View", text = format!("{r:>width$.prec$}|{{no}}|{0}", r.len()))]
fn widths_in_format(r: &str) {
    let width = 5;
    let prec = 2;
    assert!(width > prec);
}

#[track("View", text = format!("{name}", name = user.email))]
fn named_argument_in_format() {
    let user = user(1);
    for name in [1, 2] {
        assert!(name > 0);
    }
    drop(user);
}

macro_rules! doubled {
    ($value:expr) => {
        $value * 2
    };
}

#[track("View", n = doubled!(n), m = doubled!(user.id))]
fn macro_of_the_application(n: u32) {
    let user = user(n);
    drop(user.email);
}

#[track("View", all = vec![n; 2], some = vec![n, m])]
fn vectors(n: u32) {
    let m = n + 1;
    assert!(m > n);
}

struct Pair {
    a: u32,
    b: u32,
}

#[track("View", sum = { let Pair { a, b: other } = Pair { a, b: 2 }; a + other }, b = Pair { a: 1, b: 4 }.b)]
fn shorthand_and_patterns() {
    let a = 1;
    assert_eq!(a, 1);
}

#[track("View", n = [first, 2].iter().copied().max().map(|first| first + offset))]
fn closure_shadows_capture() {
    let first = 1;
    let offset = 10;
    assert!(offset > first);
}

#[test]
fn names_in_arms_follow_the_scopes_of_the_property() {
    let email = |user, rarely| properties_of(|| arm_of_property(user, rarely));
    assert_eq!(email(Some(user(1)), false), [json!({"email": "1@b.c"})]);
    assert_eq!(email(Some(user(1)), true), [json!({"email": "1@b.c"})]);
    assert_eq!(email(None, false), [json!({"email": "anonymous"})]);
}

records! {
    if_let_in_a_property_binds_within_the_property: if_let_of_property(Some(user(1)), false) => {"email": "1@b.c"};
    block_in_a_property_binds_within_the_property: block_of_property(1) => {"n": 4};
    arm_in_format_binds_within_the_arm: arm_in_format(Some(user(2))) => {"email": "2@b.c"};
    arm_in_json_binds_within_the_arm: arm_in_json(None) => {"user": {"id": null, "known": false}};
    pattern_in_matches_binds_within_the_macro: guard_in_matches(Some(user(4))) => {"big": true};
    label_in_a_property_is_allowed: label_of_property(2) => {"labelled": "many"};
    break_in_a_loop_of_a_property_is_allowed: loop_of_property(vec![1, 2]) => {"found": 2};
    item_in_a_property_shadows_locals: item_of_property(8) => {"half": 4};
    closure_parameter_may_have_the_name_of_a_local: closure_of_property_beside_local(None) => {"email": "-", "n": 5};
    question_mark_in_a_closure_is_allowed: question_mark_in_closure("4") => {"parsed": 5};
    closure_parameter_hides_a_local_only_inside: closure_parameter_beside_local(&["a", "bc"]) => {"n": 13};
    range_in_a_macro_reads_its_end: range_in_macro("hello") => {"head": "\"he\""};
    function_may_have_the_name_of_a_closure_parameter: function_beside_closure_parameter(vec![1, 2]) => {"total": 3};
    keyword_in_a_format_string_is_a_raw_identifier: raw_identifier_in_format() => {"kind": "big", "again": 3};
    width_and_precision_in_a_format_string_are_names: widths_in_format("abc") => {"text": "   ab|{no}|3"};
    named_argument_of_a_format_string_is_not_a_local: named_argument_in_format() => {"text": "1@b.c"};
    macro_of_the_application_reads_locals: macro_of_the_application(3) => {"n": 6, "m": 6};
    vec_reads_its_elements: vectors(1) => {"all": [1, 1], "some": [1, 2]};
    struct_shorthand_reads_a_local: shorthand_and_patterns() => {"sum": 3, "b": 4};
    closure_parameter_hides_a_captured_local: closure_shadows_capture() => {"n": 12};
}
