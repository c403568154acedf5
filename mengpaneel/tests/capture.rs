//! Capture points of values: every binding of their names, on the path that ran.
#![deny(warnings, unused, clippy::pedantic)]
#![allow(missing_docs, reason = "tests")]

mod support;

use mengpaneel::track;
use serde_json::json;
use support::properties_of;

struct Post {
    id: u32,
    title: String,
}

fn post(id: u32, title: &str) -> Post {
    Post {
        id,
        title: title.to_owned(),
    }
}

fn consume(post: Post) -> u32 {
    drop(post.title);
    post.id
}

#[track("Moved", "Title" = post.title)]
fn moved_later() -> u32 {
    let post = post(1, "a");
    consume(post)
}

#[track("Entry", "Title" = given.title, "Length" = given.title.len() + 1)]
fn parameter(given: Post) -> u32 {
    consume(given)
}

#[track("Shadowed", title = title)]
fn shadowed(again: bool) {
    let title = "first";
    assert_eq!(title.len(), 5);
    if again {
        let title = "second";
        assert_eq!(title.len(), 6);
    }
}

#[track("Parameter Shadowed", title = title)]
fn parameter_shadowed(title: Option<&str>) -> Option<()> {
    let title = title?.len();
    assert!(title < 100);
    Some(())
}

#[track("Let Else", title = title)]
fn let_else(given: Option<&str>) {
    let Some(title) = given else { return };
    assert!(!title.is_empty());
}

#[track("If Let", title = title)]
fn if_let(given: Option<&str>) {
    if let Some(title) = given {
        assert!(!title.is_empty());
    }
}

#[track("Chain", title = title, n = n)]
fn chain(given: Option<&str>) {
    if let Some(title) = given
        && let Ok(n) = title.parse::<u8>()
        && n > 1
    {
        assert!(n > 1);
    }
}

#[track("Match", title = title)]
fn match_arm(given: Result<&str, &str>) -> usize {
    match given {
        Ok(title) if title.len() > 1 => title.len(),
        Ok(_) => 0,
        Err(title) => {
            let length = title.len();
            length * 2
        }
    }
}

#[track("Both", kind = kind)]
fn both_branches(big: bool) {
    if big {
        let kind = "big";
        assert_eq!(kind, "big");
    } else {
        let kind = 0;
        assert_eq!(kind, 0);
    }
}

#[track("Destructured", id = id, title = title, first = first)]
fn destructured() -> usize {
    let Post { id, title } = post(3, "c");
    let (first, ..) = (title.len(), 5);
    first + usize::try_from(id).unwrap_or_default()
}

#[track("Nested", a = a, b = b, "Sum" = a + b)]
fn nested() -> u32 {
    let a = 1;
    {
        let inner = {
            let b = 2;
            a + b
        };
        inner + 1
    }
}

#[track("Separate", id = post.id, other = other)]
fn captured_separately() -> u32 {
    let post = post(4, "d");
    let id = consume(post);
    let other = id + 1;
    other
}

#[track("Loop Outside", n = n)]
fn bound_outside_and_in_a_loop() -> u32 {
    let n = 1;
    let mut sum = 0;
    for n in 0..3 {
        sum += n;
    }
    sum + n
}

#[track("Inlined", text = format!("{title}!"), "Names" = names.iter().map(|name| name.len()).sum::<usize>())]
fn inlined() -> usize {
    let title = "t";
    let names = ["a", "bc"];
    names.len() + title.len()
}

#[track("Returned", title = title)]
fn returns_early(early: bool) -> usize {
    if early {
        return 0;
    }
    let title = "bound";
    title.len()
}

#[track("Awaited", n = n)]
async fn awaited() -> u32 {
    async move {
        let n = std::future::ready(1).await;
        n + 1
    }
    .await
}

#[actix_web::test]
async fn immediately_awaited_async_block_is_part_of_the_body() {
    let (_, calls) = mengpaneel::testing::record_async(awaited()).await;
    assert_eq!(support::properties(&calls), [json!({"n": 1})]);
}

#[test]
fn value_is_captured_before_it_is_moved() {
    assert_eq!(properties_of(moved_later), [json!({"Title": "a"})]);
    let given = post(1, "b");
    assert_eq!(
        properties_of(|| parameter(given)),
        [json!({"Title": "b", "Length": 2})]
    );
    assert_eq!(
        properties_of(captured_separately),
        [json!({"id": 4, "other": 5})]
    );
}

#[test]
fn last_binding_on_the_path_that_ran_is_captured() {
    assert_eq!(
        properties_of(|| shadowed(false)),
        [json!({"title": "first"})]
    );
    assert_eq!(
        properties_of(|| shadowed(true)),
        [json!({"title": "second"})]
    );
    assert_eq!(
        properties_of(|| both_branches(true)),
        [json!({"kind": "big"})]
    );
    assert_eq!(properties_of(|| both_branches(false)), [json!({"kind": 0})]);
    assert_eq!(
        properties_of(bound_outside_and_in_a_loop),
        [json!({"n": 1})]
    );
}

#[test]
fn shadowed_parameter_is_captured_at_its_new_binding() {
    assert_eq!(
        properties_of(|| parameter_shadowed(Some("four"))),
        [json!({"title": 4})]
    );
    assert!(properties_of(|| parameter_shadowed(None)).is_empty());
}

#[test]
fn every_form_of_binding_is_a_capture_point() {
    assert_eq!(
        properties_of(|| let_else(Some("a"))),
        [json!({"title": "a"})]
    );
    assert!(properties_of(|| let_else(None)).is_empty());
    assert_eq!(properties_of(|| if_let(Some("a"))), [json!({"title": "a"})]);
    assert!(properties_of(|| if_let(None)).is_empty());
    assert_eq!(
        properties_of(|| chain(Some("7"))),
        [json!({"title": "7", "n": 7})]
    );
    assert!(properties_of(|| chain(Some("1"))).is_empty());
    assert_eq!(
        properties_of(|| match_arm(Ok("ab"))),
        [json!({"title": "ab"})]
    );
    assert!(properties_of(|| match_arm(Ok("a"))).is_empty());
    assert_eq!(
        properties_of(|| match_arm(Err("e"))),
        [json!({"title": "e"})]
    );
    assert_eq!(
        properties_of(destructured),
        [json!({"id": 3, "title": "c", "first": 1})]
    );
    assert_eq!(properties_of(nested), [json!({"a": 1, "b": 2, "Sum": 3})]);
}

#[test]
fn names_in_macros_are_used_and_closure_names_are_not() {
    assert_eq!(properties_of(inlined), [json!({"text": "t!", "Names": 3})]);
}

#[test]
fn early_return_before_the_binding_records_nothing() {
    assert_eq!(
        properties_of(|| returns_early(false)),
        [json!({"title": "bound"})]
    );
    assert!(properties_of(|| returns_early(true)).is_empty());
}
