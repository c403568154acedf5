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
async fn async_guard_that_binds(text: Option<&str>) -> Option<u8> {
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

/// Returns the property `n` of each event.
fn property<R>((_, calls): (R, Calls)) -> Vec<Value> {
    calls
        .tracking
        .iter()
        .map(|call| call.properties().unwrap()["n"].clone())
        .collect()
}

fn property_of_async(text: Option<&str>) -> Vec<Value> {
    let future = pin!(record_async(async { async_guard_that_binds(text).await }));
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => property(result),
        Poll::Pending => panic!("the future is always ready"),
    }
}

#[test]
fn binding_of_a_guard_is_captured_in_its_arm() {
    assert_eq!(property(record(|| guard_that_binds(Some("12")))), [12]);
    assert_eq!(property(record(|| guard_that_binds(Some("x3")))), [3]);
    assert_eq!(
        property(record(|| only_one_arm_has_a_guard(Some("a-b")))),
        ["a"]
    );
    assert_eq!(property_of_async(Some("12")), [12]);
}

#[test]
fn guard_that_is_false_captures_nothing() {
    for text in ["x1", "x", ""] {
        assert!(property(record(|| guard_that_binds(Some(text)))).is_empty());
    }
    assert!(property(record(|| only_one_arm_has_a_guard(Some("ab")))).is_empty());
    assert!(property_of_async(Some("x")).is_empty() && property_of_async(None).is_empty());
}
