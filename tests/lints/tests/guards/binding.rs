use std::future::ready;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use mengpaneel::testing::{record, record_async};
use mengpaneel::{Calls, track};
use serde_json::Value;

#[track("E", n = n)]
fn guard_that_binds(text: Option<&str>) -> u8 {
    match text {
        Some(text) if let Ok(n) = text.parse::<u8>() => n,
        Some(text)
            if let Some(n) = text.strip_prefix('x')
                && let Ok(n) = n.parse::<u8>()
                && n > 1 =>
        {
            n
        }
        _ => 0,
    }
}

#[track("E", n = n)]
async fn guard_that_binds_later(text: Option<&str>) -> Option<u8> {
    let text = ready(text).await?;
    match text.len() {
        len @ 1.. if let Ok(n) = text.parse::<u8>() => n.checked_add(u8::try_from(len).ok()?),
        _ => None,
    }
}

#[track("E", n = n)]
fn only_one_arm_has_a_guard(text: Option<&str>) -> usize {
    match text {
        None => 0,
        Some(text) if let Some((n, _)) = text.split_once('-') => n.len(),
        Some(text) => text.len(),
    }
}

/// Property of each event.
fn recorded<R>((_, calls): (R, Calls)) -> Vec<Value> {
    calls
        .tracking
        .iter()
        .map(|call| call.properties().unwrap()["n"].clone())
        .collect()
}

fn recorded_later(text: Option<&str>) -> Vec<Value> {
    let future = pin!(record_async(async { guard_that_binds_later(text).await }));
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(ended) => recorded(ended),
        Poll::Pending => panic!("nothing keeps it waiting"),
    }
}

#[test]
fn binding_of_a_guard_is_captured_in_its_arm() {
    assert_eq!(recorded(record(|| guard_that_binds(Some("12")))), [12]);
    assert_eq!(recorded(record(|| guard_that_binds(Some("x3")))), [3]);
    assert_eq!(
        recorded(record(|| only_one_arm_has_a_guard(Some("a-b")))),
        ["a"]
    );
    assert_eq!(recorded_later(Some("12")), [12]);
}

#[test]
fn guard_that_does_not_hold_captures_nothing() {
    for text in ["x1", "x", ""] {
        assert!(recorded(record(|| guard_that_binds(Some(text)))).is_empty());
    }
    assert!(recorded(record(|| only_one_arm_has_a_guard(Some("ab")))).is_empty());
    assert!(recorded_later(Some("x")).is_empty() && recorded_later(None).is_empty());
}
