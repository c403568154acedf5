//! Binary encoding of JSON values: a tag byte, then the content. Recording a value allocates
//! nothing for it, and JSON is written straight from the encoding.
//!
//! The members of an object are sorted by distinct names, so equal values have equal encodings.

mod decoder;
mod json;
mod object;
mod serializer;
#[cfg(test)]
mod tests;
mod value_ref;

use serde_json::{Number, Value};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

pub(crate) use crate::call::value::decoder::Decoder;
pub(crate) use crate::call::value::json::{
    Escape, bytes_as_json, escape, needs_no_escaping, text_as_json, write_json,
};
pub(crate) use crate::call::value::object::{ObjectEncoder, insert_defaults};
#[cfg(test)]
pub(crate) use crate::call::value::serializer::write;
pub(crate) use crate::call::value::serializer::{MAX_DEPTH, write_with};
pub(crate) use crate::call::value::value_ref::ValueRef;

/// Writes a value without changes.
pub(crate) fn write_value(value: &Value, to: &mut Vec<u8>) {
    match value {
        Value::Null => to.push(b'0'),
        Value::Bool(value) => write_bool(*value, to),
        Value::Number(number) => write_number(number, to),
        Value::String(text) => write_text_value(text, to),
        Value::Array(items) => {
            to.push(b'a');
            write_len(items.len(), to);
            for item in items {
                write_value(item, to);
            }
        }
        Value::Object(entries) => {
            let mut object = ObjectEncoder::begin(to);
            for (name, value) in entries {
                object.member(to, |to| write_text(name, to), |to| write_value(value, to));
            }
            object.end(to);
        }
    }
}

/// Returns whether a value is nested deeper than [`MAX_DEPTH`].
pub(crate) fn is_too_deep(value: &Value) -> bool {
    fn exceeds(value: &Value, depth: usize) -> bool {
        match value {
            Value::Array(items) => depth == 0 || items.iter().any(|item| exceeds(item, depth - 1)),
            Value::Object(entries) => {
                depth == 0 || entries.values().any(|value| exceeds(value, depth - 1))
            }
            _ => false,
        }
    }
    exceeds(value, MAX_DEPTH)
}

fn write_number(number: &Number, to: &mut Vec<u8>) {
    if let Some(unsigned) = number.as_u64() {
        write_u64(unsigned, to);
    } else if let Some(negative) = number.as_i64() {
        write_negative(negative, to);
    } else if let Some(float) = number
        .as_f64()
        .filter(|float| Number::from_f64(*float).as_ref() == Some(number))
    {
        to.push(b'd');
        to.extend_from_slice(&float.to_le_bytes());
    } else {
        // With serde_json's feature `arbitrary_precision`, numbers may have more digits.
        to.push(b'n');
        write_text(&number.to_string(), to);
    }
}

/// Writes a boolean.
pub(crate) fn write_bool(value: bool, to: &mut Vec<u8>) {
    to.push(if value { b't' } else { b'f' });
}

/// Writes an unsigned integer.
pub(crate) fn write_u64(value: u64, to: &mut Vec<u8>) {
    to.push(b'u');
    to.extend_from_slice(&value.to_le_bytes());
}

/// Writes a negative integer.
fn write_negative(value: i64, to: &mut Vec<u8>) {
    to.push(b'i');
    to.extend_from_slice(&value.to_le_bytes());
}

/// Writes a string value.
pub(crate) fn write_text_value(text: &str, to: &mut Vec<u8>) {
    to.push(b's');
    write_text(text, to);
}

/// Writes a UUID as a string value.
fn write_uuid(id: Uuid, to: &mut Vec<u8>) {
    to.push(b's');
    write_len(Hyphenated::LENGTH, to);
    let start = to.len();
    to.resize(start + Hyphenated::LENGTH, 0);
    if let Some(buffer) = to.get_mut(start..) {
        id.hyphenated().encode_lower(buffer);
    }
}

/// Writes text without a tag: the name of a member, or a part of another encoding.
pub(crate) fn write_text(text: &str, to: &mut Vec<u8>) {
    write_bytes(text.as_bytes(), to);
}

/// Writes bytes after their length.
pub(crate) fn write_bytes(text: &[u8], to: &mut Vec<u8>) {
    write_len(text.len(), to);
    to.extend_from_slice(text);
}

/// Writes a length: seven bits in each byte, and the eighth bit set in all but the last byte.
pub(crate) fn write_len(mut len: usize, to: &mut Vec<u8>) {
    loop {
        let [low, ..] = len.to_le_bytes();
        if len <= 0x7f {
            return to.push(low);
        }
        to.push(low | 0x80);
        len >>= 7;
    }
}

/// Overwrites the one-byte placeholder of a length at `at`.
fn set_len(at: usize, len: usize, to: &mut Vec<u8>) {
    if let (true, Some(byte), [low, ..]) = (len <= 0x7f, to.get_mut(at), len.to_le_bytes()) {
        *byte = low;
        return;
    }
    let mut encoded = Vec::new();
    write_len(len, &mut encoded);
    to.splice(at..=at, encoded);
}
