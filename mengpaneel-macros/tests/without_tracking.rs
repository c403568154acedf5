//! Attributes without the feature `tracking`: they use the names in their arguments, record nothing,
//! and do not need the crate `mengpaneel`.
//!
//! `cargo test -p mengpaneel-macros --no-default-features` runs this test.
#![cfg(not(feature = "tracking"))]
#![deny(warnings, unused)]
#![allow(clippy::unused_async, reason = "test functions")]

use std::cell::Cell;
use std::fmt::Display;

use mengpaneel_macros::{before_setup, setup, track, tracking};

struct User {
    id: u32,
    email: &'static str,
}

struct Post {
    title: String,
}

thread_local! {
    static EVALUATED: Cell<u32> = const { Cell::new(0) };
}

fn evaluated(n: u32) -> u32 {
    EVALUATED.set(EVALUATED.get() + 1);
    n
}

#[setup(when(let Some(user) = &user), identify(user.id), people.set("$email" = user.email))]
async fn signed_in(user: Option<User>) {}

#[track("Create Blog Post", "Title" = post.title)]
fn create_post(title: &str) -> Result<usize, std::num::ParseIntError> {
    let post = Post {
        title: title.to_owned(),
    };
    title.parse()
}

#[before_setup(alias(user.id))]
#[track("Sign Up", "ID" = user.id, n = evaluated(user.id), ..extra)]
#[tracking(people.increment("Visits", visits), get_group("company", company).set("Plan" = plan.to_string()))]
async fn sign_up(extra: &[(&str, u32)], visits: u32, company: &str, plan: impl Display) -> u32 {
    let user = User {
        id: 7,
        email: "a@b.c",
    };
    user.id
}

#[track("Found", via(server), on(failure), n = n)]
fn find(text: Option<&str>) -> Option<u32> {
    if let Some(n) = text?.strip_prefix('x') {
        n.parse().ok()
    } else {
        None
    }
}

#[setup]
fn bare(n: u32) -> u32 {
    n + 1
}

#[test]
fn functions_run_and_no_value_is_evaluated() {
    let context = &mut std::task::Context::from_waker(std::task::Waker::noop());
    let signed_up = std::pin::pin!(sign_up(&[("a", 1)], 1, "acme", "pro"));
    assert_eq!(signed_up.poll(context), std::task::Poll::Ready(7));
    let user = User {
        id: 1,
        email: "a@b.c",
    };
    assert!(
        std::pin::pin!(signed_in(Some(user)))
            .poll(context)
            .is_ready()
    );
    assert_eq!(create_post("5"), Ok(5));
    assert_eq!((find(Some("x3")), find(None), bare(1)), (Some(3), None, 2));
    assert_eq!(EVALUATED.get(), 0);
}
