//! Capture points: the binding of a name at which its value is captured.

use mengpaneel::track;
use serde_json::json;

use crate::properties_of_future;
use crate::support::properties_of;

#[track("Cfg", id = id)]
fn under_cfg() {
    #[cfg(debug_assertions)]
    let id = 1;
    #[cfg(not(debug_assertions))]
    let id = "release";
    let _ = id;
}

#[track("Cfg", id = id)]
fn under_cfg_never() {
    #[cfg(any())]
    let id = missing();
    #[cfg(not(any()))]
    let id = 2;
    let _ = id;
}

#[track("Guarded", n = n)]
fn guard_of_arm(text: Option<&str>) -> u8 {
    match text {
        Some(text) if text.len() > 5 => 0,
        Some(text) => {
            let n = text.parse().unwrap_or_default();
            n
        }
        None => 1,
    }
}

#[track("Visit", logged_in = user.is_some())]
fn parameter_rebound_in_a_branch(user: Option<u32>, greets: bool) -> u32 {
    if greets && let Some(user) = user {
        return user;
    }
    0
}

#[track("Visit", logged_in = user.is_some())]
fn parameter_unwrapped_by_match(user: Option<u32>) -> u32 {
    match user {
        Some(user) => user,
        None => 0,
    }
}

#[track("Visit", logged_in = user.is_some())]
fn parameter_unwrapped_in_a_block(user: Option<u32>) -> u32 {
    if user.is_some() {
        let user = user.unwrap_or_default();
        return user + 1;
    }
    0
}

#[track("Visit", logged_in = user.is_some())]
fn local_unwrapped_by_match(id: u32) -> u32 {
    let user = Some(id).filter(|id| *id > 0);
    match user {
        Some(user) => user,
        None => 0,
    }
}

#[track("Visit", id = user)]
fn local_refined_in_its_own_block(user: Option<u32>) -> Option<u32> {
    let user = user.map(|id| id.to_string());
    let user = user?;
    user.parse().ok()
}

#[track("Visit", id = user.len())]
fn parameter_refined_by_let_else(user: Option<&str>) -> usize {
    let Some(user) = user else { return 0 };
    user.len()
}

/// The name means the parameter, since only one branch binds it again.
#[track("Visit", n = n)]
fn parameter_shadowed_in_one_branch(n: u32, again: bool) -> u32 {
    if again {
        let n = 100;
        return n;
    }
    n
}

#[track("Unbraced", p = p)]
fn arm_on_one_line(given: Option<u32>) -> u32 {
    #[rustfmt::skip]
    let found = match given { Some(p) => { p } None => { 0 } };
    found
}

#[track("Const", n = n)]
fn beside_a_constant() -> i32 {
    let n = 1;
    n + const {
        let n = 4;
        n * 2
    }
}

#[track("Const", n = n)]
fn parameter_beside_a_constant(n: i32) -> i32 {
    n + const {
        let n = 4;
        n * 2
    }
}

#[track("Spawned", n = n)]
async fn bound_in_a_task() -> u32 {
    actix_web::rt::spawn(async move {
        let n = 5;
        n
    })
    .await
    .unwrap_or_default()
}

#[track("Timed", n = n)]
async fn bound_in_an_awaited_call() -> u32 {
    tokio::time::timeout(std::time::Duration::from_secs(60), async move {
        let n = std::future::ready(6).await;
        n
    })
    .await
    .unwrap_or_default()
}

#[track("Later", n = n)]
async fn bound_in_a_block_awaited_later() -> u32 {
    let future = async {
        let n = std::future::ready(7).await;
        n
    };
    future.await
}

#[track("Called", n = n)]
fn bound_in_an_immediately_called_closure() -> Option<u32> {
    (|| {
        let n: u32 = "8".parse().ok()?;
        Some(n)
    })()
}

#[track("Block", n = n)]
fn bound_in_a_labelled_block(stops: bool) -> u32 {
    'done: {
        if stops {
            break 'done 0;
        }
        let n = 9;
        n
    }
}

/// Post whose other field changes after the capture.
struct Post {
    title: String,
    views: u32,
}

#[track("Post", "Title" = post.title)]
fn changes_another_field() -> u32 {
    let mut post = Post {
        title: "t".into(),
        views: 0,
    };
    post.views += 1;
    post.views
}

#[track("Total", total = final_total)]
fn binds_the_final_value(xs: &[u32]) -> u32 {
    let mut total = 0;
    for x in xs {
        total += x;
    }
    let final_total = total;
    final_total
}

#[track("Mutable", "Title" = post.title)]
fn is_borrowed_mutably_later() -> u32 {
    let mut post = Post {
        title: "t".into(),
        views: 0,
    };
    view(&mut post);
    post.views
}

fn view(post: &mut Post) {
    post.views += 1;
}

#[track("Typed", n = n)]
fn with_a_type_and_a_pattern() -> u32 {
    let (n, [m, ..]): (u32, [u32; 2]) = (1, [2, 3]);
    n + m
}

#[track("Reference", n = n)]
fn bound_by_reference(pair: &(u32, String)) -> usize {
    let &(n, ref text) = pair;
    text.len() + n as usize
}

#[track("Chain", a = a, b = b)]
fn bound_in_a_chain(text: &str) -> u32 {
    if let Ok(a) = text.parse::<u32>()
        && let Some(b) = a.checked_sub(1)
    {
        return a + b;
    }
    0
}

#[test]
fn binding_under_cfg_is_captured_under_the_same_cfg() {
    assert_eq!(properties_of(under_cfg).len(), 1);
    assert_eq!(properties_of(under_cfg_never), [json!({"id": 2})]);
}

#[test]
fn binding_of_a_match_arm_is_captured_in_the_arm() {
    assert_eq!(
        properties_of(|| guard_of_arm(Some("12"))),
        [json!({"n": 12})]
    );
    assert!(properties_of(|| guard_of_arm(None)).is_empty());
    assert_eq!(
        properties_of(|| arm_on_one_line(Some(4))),
        [json!({"p": 4})]
    );
}

#[test]
fn parameter_is_captured_if_only_branches_rebind_it() {
    for greets in [false, true] {
        let properties = properties_of(|| parameter_rebound_in_a_branch(Some(1), greets));
        assert_eq!(properties, [json!({"logged_in": true})]);
    }
    assert_eq!(
        properties_of(|| parameter_unwrapped_by_match(None)),
        [json!({"logged_in": false})]
    );
    assert_eq!(
        properties_of(|| parameter_unwrapped_in_a_block(Some(1))),
        [json!({"logged_in": true})]
    );
    for again in [false, true] {
        assert_eq!(
            properties_of(|| parameter_shadowed_in_one_branch(3, again)),
            [json!({"n": 3})]
        );
    }
}

#[test]
fn local_is_captured_if_only_a_branch_unwraps_it() {
    assert_eq!(
        properties_of(|| local_unwrapped_by_match(3)),
        [json!({"logged_in": true})]
    );
    assert_eq!(
        properties_of(|| local_unwrapped_by_match(0)),
        [json!({"logged_in": false})]
    );
}

#[test]
fn refined_local_is_captured_after_its_last_binding() {
    assert_eq!(
        properties_of(|| local_refined_in_its_own_block(Some(7))),
        [json!({"id": "7"})]
    );
    assert!(properties_of(|| local_refined_in_its_own_block(None)).is_empty());
    assert_eq!(
        properties_of(|| parameter_refined_by_let_else(Some("abc"))),
        [json!({"id": 3})]
    );
}

#[test]
fn names_in_const_blocks_are_ignored() {
    assert_eq!(properties_of(beside_a_constant), [json!({"n": 1})]);
    assert_eq!(
        properties_of(|| parameter_beside_a_constant(2)),
        [json!({"n": 2})]
    );
}

#[test]
fn futures_that_the_body_awaits_are_part_of_it() {
    assert_eq!(properties_of_future(bound_in_a_task), [json!({"n": 5})]);
    assert_eq!(
        properties_of_future(bound_in_an_awaited_call),
        [json!({"n": 6})]
    );
    assert_eq!(
        properties_of_future(bound_in_a_block_awaited_later),
        [json!({"n": 7})]
    );
}

#[test]
fn inline_blocks_and_closures_are_part_of_the_body() {
    assert_eq!(
        properties_of(bound_in_an_immediately_called_closure),
        [json!({"n": 8})]
    );
    assert_eq!(
        properties_of(|| bound_in_a_labelled_block(false)),
        [json!({"n": 9})]
    );
    assert!(properties_of(|| bound_in_a_labelled_block(true)).is_empty());
}

#[test]
fn changes_that_do_not_affect_the_value_are_allowed() {
    assert_eq!(
        properties_of(changes_another_field),
        [json!({"Title": "t"})]
    );
    assert_eq!(
        properties_of(|| binds_the_final_value(&[1, 2])),
        [json!({"total": 3})]
    );
    assert_eq!(
        properties_of(is_borrowed_mutably_later),
        [json!({"Title": "t"})]
    );
}

#[test]
fn patterns_of_every_kind_bind() {
    assert_eq!(properties_of(with_a_type_and_a_pattern), [json!({"n": 1})]);
    assert_eq!(
        properties_of(|| bound_by_reference(&(4, "x".into()))),
        [json!({"n": 4})]
    );
    assert_eq!(
        properties_of(|| bound_in_a_chain("5")),
        [json!({"a": 5, "b": 4})]
    );
}
