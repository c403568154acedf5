//! Unusual bodies.

use mengpaneel::track;

use crate::support::{calls_of, properties_of};

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

// Match guards that bind names are tested in `tests/lints/tests/guards`: older compilers cannot
// parse them.
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
fn question_mark_in_a_closure(text: &str) -> u8 {
    let n = (|| text.get(..1)?.parse::<u8>().ok())();
    n.unwrap_or_default()
}

#[track("E", n = n)]
fn return_in_an_inner_function(n: u32) -> u32 {
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
fn nested_labelled_blocks(n: u32) -> u32 {
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

#[track("Succeeded", n = n)]
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

#[track("E", given = given)]
fn local_items(given: u32) -> u32 {
    const N: u32 = 5;
    #[derive(Clone, Copy)]
    struct Number(u32);
    impl Number {
        fn doubled(self) -> u32 {
            self.0 * 2
        }
    }
    use std::ops::Add;
    Number(given).doubled().add(N)
}

#[track("E", location = location)]
fn reads_its_location() -> usize {
    let location = (module_path!(), file!().rsplit('/').next(), line!() > 0);
    location.0.len()
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
    parameter_is_captured_if_every_arm_shadows_it: shadowed_in_every_arm(Some(1)) => {"n": 1};
    closure_parameter_does_not_shadow_outside: shadowed_by_a_closure(3) => {"n": 3};
    value_of_a_match_is_captured_after_it: bound_by_match_as_a_value(2) => {"kind": "many"};
    let_chain_in_an_arm_binds: chain_in_an_arm(Some("12")) => {"n": 12};
    question_mark_in_a_closure_leaves_the_closure: question_mark_in_a_closure("1") => {"n": 1};
    return_in_an_inner_function_leaves_that_function: return_in_an_inner_function(4) => {"n": 4};
    value_of_a_loop_is_captured_after_it: loop_with_a_value(&[1, 2]) => {"found": 2};
    value_of_a_labelled_block_is_captured_after_it: nested_labelled_blocks(2) => {"a": 21};
    statements_under_cfg_may_be_removed: statements_under_cfg(1) => {"n": 1};
    inner_attributes_stay_first: inner_attributes(1) => {"n": 1};
    macro_of_the_body_may_return: assert_eq!(local_macro_that_returns(2), 7) => {"n": 2};
    macro_at_the_end_is_the_value: macro_at_the_end(1) => {"n": 1};
    negated_group_is_not_a_macro: not_of_a_group(1, 2) => {"n": 1};
    items_of_the_body_stay_local: local_items(1) => {"given": 1};
    source_location_is_that_of_the_body: reads_its_location() => {"location": ["macros::bodies", "bodies.rs", true]};
    bindings_in_closures_are_ignored: calls_in_a_chain(Some(1)) => {"n": 1};
    body_may_end_in_a_statement: ends_in_a_statement(2) => {"n": 2};
    body_may_be_empty: empty(1) => {"n": 1};
}

#[test]
fn macro_that_returns_ends_the_function() {
    assert_eq!(calls_of(|| macro_that_returns(1)), ["track Succeeded"]);
    assert_eq!(calls_of(|| macro_that_returns(2)), ["track Failed"]);
}

#[test]
fn binding_of_a_condition_is_captured_if_it_holds() {
    for text in ["1", "x"] {
        assert!(properties_of(|| chain_in_an_arm(Some(text))).is_empty());
    }
    assert!(properties_of(|| chain_of_let_else(Some("1"))).is_empty());
    assert!(properties_of(|| bound_by_match_as_a_value(101)).is_empty());
}
