use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use serde::Serialize;
use serde_json::json;

use super::*;
use crate::call::Args;

/// Values of a few levels, whose lists and objects have fewer than `limit` items.
pub(crate) fn values(limit: usize) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,200}".prop_map(Value::from),
        "[\u{0}-\u{30}<>&\"\\\\é😀\u{2028}]{0,9}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 300, 150, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..limit).prop_map(Value::from),
            prop::collection::btree_map("\\PC{0,10}", inner, 0..limit)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Parses JSON.
fn parse(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap()
}

/// Writes a serialisable value and parses it.
fn round_trip(value: &impl Serialize) -> Result<Value, String> {
    let mut to = b"before".to_vec();
    write(value, &mut to).map_err(|error| error.to_string())?;
    Ok(parse(to.strip_prefix(b"before").unwrap()))
}

/// Reads a value through borrowed values only.
fn read(json: JsonRef<'_>) -> Value {
    match json.first() {
        b'{' => Value::Object(
            json.members()
                .map(|(name, value)| (unescape(name).into_owned(), read(value)))
                .collect(),
        ),
        b'[' => json.items().map(read).collect(),
        b'"' => json.as_text().unwrap().into(),
        _ => json.to_value().unwrap(),
    }
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut to = Vec::new();
    write(&mut to);
    String::from_utf8(to).unwrap()
}

proptest! {
    #[test]
    fn value_is_read_as_it_was_written(value in values(150)) {
        let json = written(|to| write_value(&value, to));
        prop_assert_eq!(&json, &value.to_string());
        let json = JsonRef::new(json.as_bytes());
        prop_assert_eq!(read(json), parse(json.as_bytes()));
        for (name, member) in value.as_object().into_iter().flatten() {
            let found = json.member(name).unwrap();
            prop_assert_eq!(parse(found.as_bytes()), parse(member.to_string().as_bytes()));
        }
        prop_assert!(json.member("no member of this name").is_none());
    }

    #[test]
    fn script_and_header_are_safe_and_equal_the_json(value in values(150)) {
        let json = value.to_string();
        let script = written(|to| write_script(json.as_bytes(), to));
        prop_assert!(script.is_ascii() && !script.contains(['<', '>', '&', '\n']));
        let header = written(|to| write_ascii(json.as_bytes(), to));
        prop_assert!(header.chars().all(|c| (' '..='~').contains(&c)));
        for escaped in [script, header] {
            prop_assert_eq!(parse(escaped.as_bytes()), parse(json.as_bytes()));
        }
    }

    #[test]
    fn last_member_of_a_name_counts(members in prop::collection::vec(("[a-c\"\\\\]{0,2}", any::<u64>()), 0..20)) {
        let json = written(|to| {
            let mut object = ObjectWriter::begin(to);
            for (name, value) in &members {
                object.name(name, to);
                write_value(value, to);
            }
            object.end(&[], to);
        });
        let expected: BTreeMap<_, _> = members.into_iter().collect();
        prop_assert_eq!(parse(json.as_bytes()), json!(expected));
        for (name, value) in &expected {
            prop_assert_eq!(JsonRef::new(json.as_bytes()).member(name).unwrap().as_u64(), Some(*value));
        }
    }

    #[test]
    fn members_replace_defaults(
        members in prop::collection::btree_map("time|[$]insert_id|[$]user_id|a|t|[$]|\"|time\"", any::<u64>(), 0..7)
    ) {
        let defaults = [("$insert_id", Scalar::Uuid(Uuid::nil())), ("time", Scalar::Unsigned(1)), ("$user_id", Scalar::Text("\"x"))];
        let mut expected = BTreeMap::from([
            ("$insert_id".to_owned(), json!(Uuid::nil())), ("time".to_owned(), json!(1)), ("$user_id".to_owned(), json!("\"x"))
        ]);
        expected.extend(members.iter().map(|(name, value)| (name.clone(), json!(value.to_string()))));
        let texts: BTreeMap<_, _> = members.iter().map(|(name, value)| (name, value.to_string())).collect();
        // A key that is written in parts is found too.
        let in_parts: BTreeMap<_, _> = texts.iter().map(|(name, value)| (InParts(name), value)).collect();
        let check = |names: KnownNames, json: &mut Vec<u8>| {
            let has_id = members.contains_key("$user_id");
            assert!(names.may_have_id() || !has_id);
            add_missing(&defaults, names, 0, json);
            let names: Vec<_> = JsonRef::new(json).members().map(|(name, _)| name.to_vec()).collect();
            assert_eq!(names.len(), expected.len());
            assert_eq!(parse(json), json!(expected));
        };
        let mut json = Vec::new();
        let names = write_with_names(&texts, &mut json).unwrap();
        check(names, &mut json);
        json.clear();
        let names = write_with_names(&in_parts, &mut json).unwrap();
        check(names, &mut json);
        let args: Vec<Value> = vec![json!("E"), json!(texts), json!(null)];
        let mut args = Args::from(args);
        args.default_members(1, &defaults);
        prop_assert_eq!(args.values(), [json!("E"), json!(expected), json!(null)]);
    }

    #[test]
    fn characters_to_escape_are_found_at_any_position(one in prop::char::range('\0', 'ÿ'), before in 0_usize..20, after in 0_usize..20) {
        let text = format!("{}{one}{}", "a".repeat(before), "~".repeat(after));
        let plain = written(|to| write_text(&text, to));
        prop_assert_eq!(&plain, &json!(text).to_string());
        let script = written(|to| write_script(plain.as_bytes(), to));
        prop_assert!(script.is_ascii() && !script.bytes().any(|byte| matches!(byte, 0..0x20 | b'<' | b'>' | b'&')));
        let header = written(|to| write_ascii(plain.as_bytes(), to));
        prop_assert!(header.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        prop_assert_eq!(read(JsonRef::new(script.as_bytes())), json!(text));
        prop_assert_eq!(read(JsonRef::new(plain.as_bytes())), json!(text));
    }

    #[test]
    fn numbers_are_written_like_serde_json(float in any::<f32>(), small in -9_i128..9, large in any::<i128>()) {
        prop_assert_eq!(round_trip(&float), Ok(json!(f64::from(float))));
        prop_assert_eq!(round_trip(&small), Ok(json!(small)));
        let expected = serde_json::to_value(large).map_err(|error| error.to_string());
        prop_assert_eq!(round_trip(&large).is_ok(), expected.is_ok());
    }

    #[test]
    fn reading_any_bytes_never_panics(bytes in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        "[\\[\\]{}\",:\\\\a1 ]{0,60}".prop_map(String::into_bytes),
    ]) {
        let json = JsonRef::new(&bytes);
        let _ = (json.as_text(), json.as_u64(), json.to_value(), json.member("a"));
        let _ = (json.members().count(), json.items().count(), json.items().last_item());
        write_script(&bytes, &mut Vec::new());
        write_ascii(&bytes, &mut Vec::new());
        let args = Args::from_json(3, &bytes, KnownNames::ALL);
        let _ = (args.values(), args.get(0), args.get(2), args.get(3));
    }
}

/// Text whose `Serialize` writes each character by itself.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct InParts<'a>(&'a str);

impl std::fmt::Display for InParts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|c| write!(f, "{c}"))
    }
}

impl Serialize for InParts<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
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
fn all_types_are_written_like_serde_json() {
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

#[test]
fn large_keys_stay_digits() {
    let keys = BTreeMap::from([(u64::MAX, 1)]);
    assert_eq!(round_trip(&keys), Ok(json!({"18446744073709551615": 1})));
}

/// A list around a list, to a depth.
struct Nested(usize);

impl Serialize for Nested {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            0 => serializer.serialize_unit(),
            depth => serializer.collect_seq([Self(depth - 1)]),
        }
    }
}

#[test]
fn deeper_values_are_an_error() {
    assert!(round_trip(&Nested(MAX_DEPTH)).is_ok());
    let error = round_trip(&Nested(MAX_DEPTH + 1)).unwrap_err();
    assert!(
        error.starts_with("it is nested more than 64 deep"),
        "{error}"
    );
}

/// Announces no parts, and then has one.
struct WrongHint;

impl Serialize for WrongHint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;

        let mut map = serializer.serialize_map(Some(0))?;
        map.serialize_entry("a", &1)?;
        map.end()
    }
}

#[test]
fn parts_beyond_the_announced_number_are_written() {
    assert_eq!(round_trip(&WrongHint), Ok(json!({"a": 1})));
    assert_eq!(round_trip(&[WrongHint]), Ok(json!([{"a": 1}])));
}

#[test]
fn raw_json_counts_from_its_depth() {
    use serde_json::value::RawValue;

    let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
    let raw = |depth| RawValue::from_string(nested(depth)).unwrap();
    // The innermost list is empty.
    assert!(round_trip(&raw(MAX_DEPTH + 1)).is_ok());
    assert!(round_trip(&[raw(MAX_DEPTH)]).is_ok());
    assert!(round_trip(&[raw(MAX_DEPTH + 1)]).is_err());
}
