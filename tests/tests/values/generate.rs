//! Random property values, and their expected forms.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

/// Generates the properties of this many events. Each run generates the same ones.
pub(crate) fn generate(count: usize) -> Vec<Value> {
    let key = prop_oneof![
        3 => proptest::sample::select(vec![
            "__proto__", "constructor", "hasOwnProperty", "toString", "valueOf", "length", "prototype", "toJSON", "then",
            "__defineGetter__", "isPrototypeOf", "forEach", "", "0", "-1", "NaN", "undefined", "</script>", "<!--", "\u{2028}",
            "a\"b", "\\", "\\u0041", "$a", "\u{feff}", "\0", "😀", "\u{10ffff}",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,8}",
    ];
    let text = prop_oneof![
        "\\PC{0,12}".boxed(),
        ".{0,12}".boxed(),
        proptest::sample::select(vec![
            "</script><script>alert(1)</script>",
            "<!--<script>",
            "\\ud800",
            "\u{2028}\u{2029}",
            "\u{1b}(J\"",
            "'`${1}`",
            "]]>",
        ])
        .prop_map(str::to_owned)
        .boxed(),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (u64::MAX - 5..=u64::MAX).prop_map(Value::from),
        (-(1_i64 << 53) - 2..=-(1_i64 << 53) + 2).prop_map(Value::from),
        ((1_i64 << 53) - 2..=(1_i64 << 53) + 2).prop_map(Value::from),
        (-9_i64..9).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    let nested = leaf.prop_recursive(3, 16, 4, {
        let key = key.clone();
        move |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::from),
                btree_map(key.clone(), inner, 0..4)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        }
    });
    let properties =
        btree_map(key, nested, 1..5).prop_map(|members| members.into_iter().collect::<Value>());
    let mut runner = TestRunner::deterministic();
    (0..count)
        .map(|_| properties.new_tree(&mut runner).unwrap().current())
        .collect()
}

/// Returns the recorded form of a value: integers that a browser would round become strings.
pub(crate) fn recorded(value: &Value) -> Value {
    const MAX_EXACT_INTEGER: u64 = 1 << 53;
    match value {
        Value::Number(number) if !number.is_f64() => {
            let magnitude = number.as_i64().map(i64::unsigned_abs).or(number.as_u64());
            if magnitude.is_some_and(|magnitude| magnitude <= MAX_EXACT_INTEGER) {
                value.clone()
            } else {
                json!(number.to_string())
            }
        }
        Value::Array(items) => items.iter().map(recorded).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| (key.clone(), recorded(value)))
            .collect(),
        value => value.clone(),
    }
}

/// Returns whether two values are equal as JSON: `1.0` and `1` are.
pub(crate) fn are_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| are_equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| are_equal(a, b)))
        }
        (a, b) => a == b,
    }
}

/// Returns whether mixpanel-js would misread an object in the value.
pub(crate) fn is_misread(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(is_misread),
        Value::Object(members) => members.iter().any(|(key, value)| {
            key == "__proto__" || (key == "length" && value.is_number()) || is_misread(value)
        }),
        _ => false,
    }
}
