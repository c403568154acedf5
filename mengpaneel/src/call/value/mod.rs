//! Values as they are written when they are recorded: in few bytes, one behind the other. Nothing
//! is allocated for each of them, and who wants JSON writes it from here.
//!
//! The members of an object stand in the order of their names, and no name twice: what is equal is
//! written equally.

mod json;
mod object;
mod read;
mod seen;
mod serializer;
#[cfg(test)]
mod tests;

use serde_json::{Number, Value};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

pub(crate) use crate::call::value::json::{
    Escape, bytes_as_json, escape, json, needs_no_escaping, text_as_json,
};
pub(crate) use crate::call::value::object::{ObjectEncoder, insert_defaults};
pub(crate) use crate::call::value::read::Decoder;
pub(crate) use crate::call::value::seen::ValueRef;
#[cfg(test)]
pub(crate) use crate::call::value::serializer::write;
pub(crate) use crate::call::value::serializer::{MAX_DEPTH, write_with};

/// Writes a value as it stands.
pub(crate) fn write_value(value: &Value, to: &mut Vec<u8>) {
    match value {
        Value::Null => to.push(b'0'),
        Value::Bool(truth) => write_bool(*truth, to),
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
    fn exceeds(value: &Value, left: usize) -> bool {
        match value {
            Value::Array(items) => left == 0 || items.iter().any(|item| exceeds(item, left - 1)),
            Value::Object(entries) => {
                left == 0 || entries.values().any(|value| exceeds(value, left - 1))
            }
            _ => false,
        }
    }
    exceeds(value, MAX_DEPTH)
}

fn write_number(number: &Number, to: &mut Vec<u8>) {
    if let Some(natural) = number.as_u64() {
        write_u64(natural, to);
    } else if let Some(integer) = number.as_i64() {
        write_negative(integer, to);
    } else if let Some(float) = number
        .as_f64()
        .filter(|float| Number::from_f64(*float).as_ref() == Some(number))
    {
        to.push(b'd');
        to.extend_from_slice(&float.to_le_bytes());
    } else {
        // With a feature of serde_json's, numbers may have more digits than that.
        to.push(b'n');
        write_text(&number.to_string(), to);
    }
}

/// Writes a truth.
pub(crate) fn write_bool(truth: bool, to: &mut Vec<u8>) {
    to.push(if truth { b't' } else { b'f' });
}

/// Writes a number.
pub(crate) fn write_u64(natural: u64, to: &mut Vec<u8>) {
    to.push(b'u');
    to.extend_from_slice(&natural.to_le_bytes());
}

/// A number below zero.
fn write_negative(integer: i64, to: &mut Vec<u8>) {
    to.push(b'i');
    to.extend_from_slice(&integer.to_le_bytes());
}

/// Writes a text that is a value.
pub(crate) fn write_text_value(text: &str, to: &mut Vec<u8>) {
    to.push(b's');
    write_text(text, to);
}

/// Writes a name as a text that is a value.
fn write_name(name: Uuid, to: &mut Vec<u8>) {
    to.push(b's');
    write_len(Hyphenated::LENGTH, to);
    let begin = to.len();
    to.resize(begin + Hyphenated::LENGTH, 0);
    if let Some(room) = to.get_mut(begin..) {
        name.hyphenated().encode_lower(room);
    }
}

/// Writes a text that is no value by itself: a name, or the part of something.
pub(crate) fn write_text(text: &str, to: &mut Vec<u8>) {
    write_bytes(text.as_bytes(), to);
}

/// The bytes of one.
fn write_bytes(text: &[u8], to: &mut Vec<u8>) {
    write_len(text.len(), to);
    to.extend_from_slice(text);
}

/// Writes how many follow. Seven bits in each byte; all but the last have the eighth too.
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

/// Writes how many follow where room was left for it: one byte.
fn set_len(at: usize, len: usize, to: &mut Vec<u8>) {
    if let (true, Some(room), [low, ..]) = (len <= 0x7f, to.get_mut(at), len.to_le_bytes()) {
        *room = low;
        return;
    }
    let mut written = Vec::new();
    write_len(len, &mut written);
    to.splice(at..=at, written);
}
