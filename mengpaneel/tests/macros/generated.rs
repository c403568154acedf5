//! Functions that other macros generate.

use mengpaneel::track;
use serde_json::json;

use crate::support::{calls_of, properties_of};

pub(crate) mod path {
    pub(crate) const EVENT: &str = "Path";
}

macro_rules! function {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($param:ident: $ty:ty),* $(,)?) -> $ret:ty $body:block; $key:ident = $value:expr) => {
        $(#[$meta])*
        #[track("E", $key = $value)]
        $vis fn $name($($param: $ty),*) -> $ret $body
    };
}

function!(
    #[allow(clippy::needless_return)]
    #[must_use]
    pub(crate) fn block(n: u32, text: &str) -> Option<usize> {
        let m = n.checked_sub(1)?;
        return Some(text.len() + m as usize);
    };
    n = n + 1
);

function!(fn block_without_exits(n: u32) -> u32 { n * 2 }; n = n);

macro_rules! expression {
    ($name:ident, $param:ident, $body:expr) => {
        #[track("E", n = $param)]
        fn $name($param: Option<u32>) -> Option<u32> {
            $body
        }
    };
}

expression!(expression_with_a_question_mark, given, Some(given? + 1));
expression!(
    expression_with_a_return,
    given,
    if given.is_none() { return None } else { given }
);
expression!(expression_without_exits, given, given.or(Some(1)));

macro_rules! pattern {
    ($name:ident, $param:pat_param, $ty:ty, $bound:pat, $key:ident) => {
        #[track("E", $key = $key)]
        fn $name($param: $ty) -> u32 {
            let $bound = (1, 2);
            0
        }
    };
}

pattern!(pattern_of_a_parameter, (a, _), (u32, u32), (_, _), a);
pattern!(pattern_of_a_let, _, u32, (b, _), b);

macro_rules! lifetime {
    ($name:ident, $lt:lifetime, $bound:path) => {
        #[track($bound, text = text)]
        fn $name<$lt>(text: &$lt str, other: &str) -> &$lt str {
            text.get(other.len()..).unwrap_or(text)
        }
    };
}

lifetime!(lifetime_and_path, 'text, path::EVENT);

macro_rules! tokens {
    ($name:ident: $($body:tt)*) => {
        #[track(concat!("E", "vent"), n = n)]
        fn $name(n: u32) -> u32 { $($body)* }
    };
}

tokens!(token_trees: 1 + 1);

macro_rules! macro_binding {
    ($name:ident) => {
        #[track("E", n = n)]
        fn $name() -> u32 {
            let n = 3;
            n
        }
    };
}

macro_binding!(binding_of_the_macro);

macro_rules! named_binding {
    ($name:ident, $bound:ident, $value:expr) => {
        #[track("E", $bound = $bound, doubled = $bound * 2)]
        fn $name() -> u32 {
            let $bound = $value;
            $bound
        }
    };
}

named_binding!(binding_that_is_passed, given, 2 + 2);

macro_rules! implementation {
    ($trait:ident for $($ty:ty => $event:literal),*) => {
        trait $trait {
            fn report(&self, n: u32) -> u32;
        }
        $(impl $trait for $ty {
            #[track($event, n = n, this = *self)]
            fn report(&self, n: u32) -> u32 {
                n
            }
        })*
    };
}

implementation!(Report for u8 => "Byte", bool => "Bool");

macro_rules! outer {
    ($name:ident, $param:ident, $($attribute:tt)*) => {
        inner!($name, $param, #[$($attribute)*]);
    };
}

macro_rules! inner {
    ($name:ident, $param:ident, #[$attribute:meta]) => {
        #[$attribute]
        fn $name($param: u32) -> u32 {
            $param
        }
    };
}

outer!(
    attribute_that_is_passed,
    n,
    mengpaneel::track("Passed", n = n)
);

macro_rules! asynchronous {
    ($name:ident, $param:ident, $body:block) => {
        #[track("E", $param = $param)]
        async fn $name($param: Option<u32>) -> Result<u32, String> $body
    };
}

asynchronous!(async_block, n, {
    let n = std::future::ready(n).await.ok_or("none")?;
    Ok(n)
});

macro_rules! condition {
    ($name:ident, $when:expr, $pattern:pat) => {
        #[track("E", when($when), n = n)]
        #[track("Let", when(let $pattern = Some(n)), n = n)]
        fn $name(n: u32) {}
    };
}

condition!(condition_that_is_passed, 1 < 2 && 2 < 3, Some(2..));

macro_rules! method {
    ($($self_:ident)+, $name:ident, $body:expr) => {
        impl Number {
            #[track("E", n = $($self_)+.0)]
            fn $name(&$($self_)+) -> u32 {
                $body
            }
        }
    };
}

struct Number(u32);

method!(self, method_of_a_macro, self.0 + 1);

records! {
    block_of_a_macro_may_return_early: block(1, "a") => {"n": 2};
    block_of_a_macro_runs_to_its_end: block_without_exits(1) => {"n": 1};
    expression_of_a_macro_may_use_question_marks: expression_with_a_question_mark(Some(1)) => {"n": 1};
    expression_of_a_macro_may_return: expression_with_a_return(None) => {"n": null};
    expression_of_a_macro_runs_to_its_end: expression_without_exits(None) => {"n": null};
    pattern_of_a_macro_binds_a_parameter: pattern_of_a_parameter((1, 2)) => {"a": 1};
    pattern_of_a_macro_binds_a_local: pattern_of_a_let(0) => {"b": 1};
    lifetime_of_a_macro_is_preserved: lifetime_and_path("ab", "a") => {"text": "ab"};
    token_trees_of_a_macro_may_be_a_body: token_trees(1) => {"n": 1};
    binding_of_a_macro_is_captured: binding_of_the_macro() => {"n": 3};
    binding_with_a_passed_name_is_captured: binding_that_is_passed() => {"given": 4, "doubled": 8};
    implementation_of_a_macro_records: true.report(1) => {"n": 1, "this": true};
    attribute_of_a_macro_in_a_macro_records: attribute_that_is_passed(1) => {"n": 1};
    receiver_of_a_macro_is_read: Number(1).method_of_a_macro() => {"n": 1};
}

future_records! {
    async_block_of_a_macro_records: async_block(Some(1)) => {"n": 1};
}

#[test]
fn events_of_a_macro_keep_their_names() {
    assert_eq!(calls_of(|| lifetime_and_path("", "")), ["track Path"]);
    assert_eq!(calls_of(|| token_trees(1)), ["track Event"]);
    assert_eq!(calls_of(|| 1_u8.report(1)), ["track Byte"]);
}

#[test]
fn early_return_in_an_expression_of_a_macro_ends_it() {
    assert_eq!(
        properties_of(|| expression_with_a_question_mark(None)),
        [json!({"n": null})]
    );
    assert!(crate::calls_of_future(|| async_block(None)).is_empty());
}

#[test]
fn condition_of_a_macro_is_checked_as_a_whole() {
    assert_eq!(
        calls_of(|| condition_that_is_passed(2)),
        ["track E", "track Let"]
    );
    assert_eq!(calls_of(|| condition_that_is_passed(1)), ["track E"]);
}
