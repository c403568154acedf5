use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use serde::Serialize;
use serde_json::json;

use super::*;

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,200}".prop_map(Value::from),
        "[\u{0}-\u{30}<>&\"\\\\é😀\u{2028}]{0,9}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 300, 150, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..150).prop_map(Value::from),
            prop::collection::btree_map("\\PC{0,10}", inner, 0..150)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut to = Vec::new();
    write_value(value, &mut to);
    to
}

/// Encodes a serialisable value and decodes it again.
fn round_trip(value: &impl Serialize) -> Result<Value, String> {
    let mut to = Vec::new();
    write(value, &mut to).map_err(|error| error.to_string())?;
    let mut decoder = Decoder::new(&to);
    assert_eq!(decoder.validate(), Some(true), "names must be sorted");
    assert_eq!(decoder.remaining(), 0);
    Ok(Decoder::new(&to).value().unwrap())
}

fn as_json(encoded: &[u8], style: Escape) -> String {
    let mut out = Vec::new();
    write_json(&mut Decoder::new(encoded), style, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Encodes an object by adding the members one by one.
fn object(members: &[(String, u64)]) -> Vec<u8> {
    let mut to = Vec::new();
    let mut object = ObjectEncoder::begin(&mut to);
    for (name, value) in members {
        object.member(
            &mut to,
            |to| write_text(name, to),
            |to| write_u64(*value, to),
        );
    }
    object.end(&mut to);
    to
}

proptest! {
    #[test]
    fn value_round_trips(value in values()) {
        let to = encoded(&value);
        prop_assert_eq!(Decoder::new(&to).value(), Some(value));
        let mut decoder = Decoder::new(&to);
        prop_assert_eq!(decoder.take_raw(), Some(&to[..]));
        prop_assert_eq!(Decoder::new(&to).validate(), Some(true));
    }

    #[test]
    fn json_equals_that_of_serde_json(value in values()) {
        let to = encoded(&value);
        prop_assert_eq!(as_json(&to, Escape::Plain), value.to_string());
        let script = as_json(&to, Escape::Script);
        prop_assert!(script.is_ascii() && !script.contains(['<', '>', '&', '\n']));
        // `serde_json` does not always read the last digit of a float as written.
        let parse = |json: &str| serde_json::from_str::<Value>(json).unwrap();
        prop_assert_eq!(parse(&script), parse(&value.to_string()));
    }

    #[test]
    fn unescaped_texts_are_json_if_none_needs_escaping(
        texts in prop::collection::vec(prop_oneof!["[ -~é]{0,9}", "[a-zé ]{0,300}", "[\u{0}-\u{7f}é]{0,3}"], 0..60)
    ) {
        let unescaped: Vec<String> = texts.iter().map(|text| format!("\"{text}\"")).collect();
        let escaped: Vec<String> = texts.iter().map(|text| json!(text).to_string()).collect();
        let is_json = needs_no_escaping(unescaped.concat().as_bytes(), 2 * texts.len());
        prop_assert_eq!(is_json, unescaped == escaped);
    }

    #[test]
    fn object_members_are_sorted_and_last_of_a_name_wins(
        members in prop_oneof![
            prop::collection::vec(("[a-d]{0,3}", any::<u64>()), 0..200),
            prop::collection::vec(("[ab]{0,10}", any::<u64>()), 0..14),
        ]
    ) {
        let to = object(&members);
        let expected: BTreeMap<_, _> = members.into_iter().collect();
        prop_assert_eq!(&to, &encoded(&json!(expected)));
        // Defaults are inserted in a finished object too.
        let mut extended = to;
        extended.extend_from_slice(b"behind");
        let missing = [("", ValueRef::Unsigned(1)), ("b", ValueRef::Bool(true)), ("bb", ValueRef::Text(b"x")), ("z", ValueRef::Null)];
        prop_assert_eq!(insert_defaults(&missing, 0, &mut extended), Some(()));
        let mut expected = expected.into_iter().map(|(name, value)| (name, json!(value))).collect::<BTreeMap<_, _>>();
        for (name, value) in [("", json!(1)), ("b", json!(true)), ("bb", json!("x")), ("z", json!(null))] {
            expected.entry(name.to_owned()).or_insert(value);
        }
        prop_assert_eq!(extended, [encoded(&json!(expected)), b"behind".to_vec()].concat());
    }

    #[test]
    fn members_replace_defaults(
        members in prop::collection::btree_map("[a-c]{1,2}", any::<u64>(), 0..20)
    ) {
        let defaults = [("a", ValueRef::Unsigned(1)), ("b", ValueRef::Text(b"x"))];
        let mut expected = BTreeMap::from([("a".to_owned(), json!(1)), ("b".to_owned(), json!("x"))]);
        expected.extend(members.iter().map(|(name, value)| (name.clone(), json!(value.to_string()))));
        let members: BTreeMap<_, _> = members.into_iter().map(|(name, value)| (name, value.to_string())).collect();
        let mut to = Vec::new();
        write_with(&members, &defaults, [], &mut to).unwrap();
        prop_assert_eq!(to, encoded(&json!(expected)));
    }

    #[test]
    fn characters_to_escape_are_found_at_any_position(one in prop::char::range('\0', 'ÿ'), before in 0_usize..20, after in 0_usize..20) {
        let text = format!("{}{one}{}", "a".repeat(before), "~".repeat(after));
        let mut plain = Vec::new();
        text_as_json(&text, Escape::Plain, &mut plain);
        prop_assert_eq!(plain, serde_json::to_vec(&text).unwrap());
        let mut script = Vec::new();
        text_as_json(&text, Escape::Script, &mut script);
        prop_assert!(script.is_ascii() && !script.iter().any(|byte| matches!(byte, 0..0x20 | b'<' | b'>' | b'&')));
    }

    #[test]
    fn numbers_are_encoded_like_serde_json(float in any::<f32>(), small in -9_i128..9, large in any::<i128>()) {
        prop_assert_eq!(round_trip(&float), Ok(json!(float)));
        prop_assert_eq!(round_trip(&small), Ok(json!(small)));
        let expected = serde_json::to_value(large).map_err(|error| error.to_string());
        prop_assert_eq!(round_trip(&large).is_ok(), expected.is_ok());
    }

    #[test]
    fn decoding_any_bytes_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Decoder::new(&bytes).value();
        let _ = Decoder::new(&bytes).take_raw();
        let _ = Decoder::new(&bytes).validate();
        let _ = write_json(&mut Decoder::new(&bytes), Escape::Script, &mut Vec::new());
    }
}

#[derive(Serialize)]
struct Unit;

#[derive(Serialize)]
struct New(&'static str);

#[derive(Serialize)]
struct Pair(u8, char);

#[derive(Serialize, PartialEq, Eq, Hash)]
enum Kind {
    Unit,
    New(i8),
    Pair(u8, bool),
    Named { z: u8, a: Option<u8> },
}

#[derive(Serialize)]
struct Flat<'a> {
    z: &'a str,
    #[serde(flatten)]
    rest: BTreeMap<&'a str, f64>,
    #[serde(rename = "A")]
    a: (u8, Kind),
}

#[test]
fn all_types_are_encoded_like_serde_json() {
    let flat = Flat {
        z: "ü",
        rest: BTreeMap::from([("y", 1.0), ("B", f64::NAN)]),
        a: (1, Kind::Pair(2, true)),
    };
    assert_eq!(round_trip(&flat), Ok(json!(flat)));
    assert_eq!(
        round_trip(&(Unit, New("n"), Pair(1, 'é'), ())),
        Ok(json!((Unit, New("n"), Pair(1, 'é'), ())))
    );
    let kinds = [
        Kind::Unit,
        Kind::New(-1),
        Kind::Pair(0, false),
        Kind::Named { z: 1, a: None },
    ];
    assert_eq!(round_trip(&kinds), Ok(json!(kinds)));
    assert_eq!(round_trip(&Some("x".to_owned())), Ok(json!("x")));
    assert_eq!(
        round_trip(&std::net::Ipv4Addr::LOCALHOST),
        Ok(json!("127.0.0.1"))
    );
}

#[test]
fn keys_become_text_like_in_serde_json() {
    assert_eq!(
        round_trip(&HashMap::from([(7, "a")])),
        Ok(json!({"7": "a"}))
    );
    assert_eq!(round_trip(&HashMap::from([('c', 1)])), Ok(json!({"c": 1})));
    assert_eq!(
        round_trip(&HashMap::from([(true, 1)])),
        Ok(json!({"true": 1}))
    );
    assert_eq!(
        round_trip(&HashMap::from([(Kind::Unit, 1)])),
        Ok(json!({"Unit": 1}))
    );
    assert!(round_trip(&HashMap::from([(Kind::New(1), 1)])).is_err());
    assert!(round_trip(&HashMap::from([((1, 2), 1)])).is_err());
}

/// Serialises a part, and fails.
struct FailsHalfWay;

impl Serialize for FailsHalfWay {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::{Error as _, SerializeSeq as _};

        let mut list = serializer.serialize_seq(None)?;
        list.serialize_element("a part")?;
        Err(S::Error::custom("no more"))
    }
}

/// Ignores errors of members.
struct IgnoresErrors;

impl Serialize for IgnoresErrors {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::{SerializeMap as _, SerializeSeq};

        struct List;
        impl Serialize for List {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut list = serializer.serialize_seq(None)?;
                let _ = SerializeSeq::serialize_element(&mut list, &FailsHalfWay);
                SerializeSeq::serialize_element(&mut list, &1)?;
                SerializeSeq::end(list)
            }
        }

        let mut map = serializer.serialize_map(None)?;
        let _ = map.serialize_entry("a", &FailsHalfWay);
        map.serialize_entry("b", &List)?;
        map.serialize_key("c")?;
        map.end()
    }
}

#[test]
fn failed_values_are_removed() {
    assert!(round_trip(&FailsHalfWay).is_err());
    assert_eq!(round_trip(&IgnoresErrors), Ok(json!({"b": [1]})));
}

#[test]
fn key_may_have_more_digits_than_a_value() {
    let large = BTreeMap::from([(u128::MAX, 1), (7, 2)]);
    assert_eq!(
        round_trip(&large),
        Ok(json!({"340282366920938463463374607431768211455": 1, "7": 2}))
    );
    assert_eq!(
        round_trip(&u128::MAX).is_ok(),
        serde_json::to_value(u128::MAX).is_ok()
    );
}

#[test]
fn large_integers_become_texts_at_any_depth() {
    let value = json!({"a": [9_007_199_254_740_993_u64, 7], "b": {"c": i64::MIN}});
    assert_eq!(
        round_trip(&value),
        Ok(json!({"a": ["9007199254740993", 7], "b": {"c": "-9223372036854775808"}}))
    );
    assert_eq!(round_trip(&(1_u64 << 53)), Ok(json!(1_u64 << 53)));
    assert_eq!(round_trip(&u64::MAX), Ok(json!("18446744073709551615")));
}
