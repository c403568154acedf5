//! Unusual bodies of async functions.

use std::future::ready;
use std::sync::Arc;

use mengpaneel::track;

#[track("E", n = n)]
async fn question_mark_in_a_nested_block(text: &str) -> u8 {
    let parsed: Result<u8, std::num::ParseIntError> = async {
        let n = ready(text.parse::<u8>()).await?;
        Ok(n)
    }
    .await;
    parsed.unwrap_or_default()
}

#[track("E", sum = sum)]
async fn async_closure(n: u32) -> u32 {
    let each = async |m: u32| ready(n + m).await;
    let sum = each(1).await + each(2).await;
    sum
}

#[track("E", n = n)]
async fn async_closure_that_returns_early(n: u32) -> u32 {
    let each = async |m: Option<u32>| -> Option<u32> { ready(Some(m? + n)).await };
    each(None).await.unwrap_or(n)
}

#[track("E", n = n)]
async fn without_await(n: Option<u32>) -> Option<u32> {
    let n = n?;
    Some(n + 1)
}

#[track("E", n = n)]
async fn awaits_in_a_loop(n: u32) -> u32 {
    let mut sum = 0;
    'outer: loop {
        for m in 0.. {
            if m > n {
                break 'outer;
            }
            if m % 2 == 0 {
                continue;
            }
            sum += ready(m).await;
        }
    }
    sum
}

macro_rules! awaited {
    ($future:expr) => {
        $future.await
    };
}

#[track("E", n = n)]
async fn macro_that_awaits(n: u32) -> u32 {
    awaited!(ready(n))
}

#[track("E", n = n)]
async fn joins_a_task(n: u32) -> u32 {
    let shared = Arc::new(n);
    let other = shared.clone();
    let task = actix_web::rt::spawn(async move { *other });
    let (a, b) = futures_util::future::join(task, async { *shared }).await;
    a.unwrap_or_default() + b
}

#[track("E", n = n)]
async fn selects(n: u32) -> u32 {
    tokio::select! {
        biased;
        m = ready(n) => return m,
        () = std::future::pending() => {}
    }
    0
}

#[track("E", n = n)]
async fn empty(n: u32) {}

future_records! {
    question_mark_in_an_async_block_leaves_the_block: question_mark_in_a_nested_block("4") => {"n": 4};
    async_closure_may_be_awaited: async_closure(1) => {"sum": 5};
    question_mark_in_an_async_closure_leaves_it: async_closure_that_returns_early(1) => {"n": 1};
    async_function_need_not_await: without_await(Some(1)) => {"n": 1};
    labelled_loops_may_await: awaits_in_a_loop(3) => {"n": 3};
    macro_may_await: macro_that_awaits(1) => {"n": 1};
    futures_may_be_joined: joins_a_task(1) => {"n": 1};
    select_may_return: selects(1) => {"n": 1};
    async_body_may_be_empty: empty(1) => {"n": 1};
}
