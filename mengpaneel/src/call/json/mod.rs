//! JSON text of recorded values. It is written once, when a value is recorded, and pages, headers
//! and requests to Mixpanel copy it.
//!
//! The members of an object stay in the order in which they were written. The last of several
//! members with one name counts, as in JavaScript and at Mixpanel.

mod escape;
mod formatter;
mod json_ref;
mod known;
mod known_names;
mod object;
mod scan;
#[cfg(test)]
pub(crate) mod tests;

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

pub(crate) use crate::call::json::escape::{write_ascii, write_script};
#[cfg(test)]
pub(crate) use crate::call::json::formatter::write;
pub(crate) use crate::call::json::formatter::write_with_names;
pub(crate) use crate::call::json::json_ref::{JsonRef, is_name, unescape, unescape_bytes};
pub(crate) use crate::call::json::known::Known;
pub(crate) use crate::call::json::known_names::KnownNames;
pub(crate) use crate::call::json::object::{ObjectWriter, add_missing};
use crate::call::json::scan::{find, marks_to_escape};

/// Maximum number of lists and objects around a value. With the call around it, a value of this
/// depth stays below the limits of all readers: 100 in Ruby's JSON, 128 in `serde_json`.
pub(crate) const MAX_DEPTH: usize = 64;

/// Largest magnitude of an integer that a browser does not round: `Number.MAX_SAFE_INTEGER` plus
/// one.
pub(crate) const MAX_EXACT_INTEGER: u64 = 1 << 53;

/// Value that the library adds to recorded properties.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scalar<'a> {
    /// A text.
    Text(&'a str),
    /// A UUID, which is written as a text.
    Uuid(Uuid),
    /// An unsigned integer.
    Unsigned(u64),
}

impl Scalar<'_> {
    /// Writes the value.
    pub(crate) fn write(self, to: &mut Vec<u8>) {
        match self {
            Self::Text(text) => write_text(text, to),
            Self::Uuid(id) => {
                let mut buffer = [b'"'; Hyphenated::LENGTH + 2];
                if let Some(digits) = buffer.get_mut(1..=Hyphenated::LENGTH) {
                    id.hyphenated().encode_lower(digits);
                }
                to.extend_from_slice(&buffer);
            }
            Self::Unsigned(number) => {
                to.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            }
        }
    }
}

/// Writes a value without changes.
pub(crate) fn write_value(value: &(impl Serialize + ?Sized), to: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = serde_json::to_writer(to, value);
}

/// Writes a boolean.
pub(crate) fn write_bool(value: bool, to: &mut Vec<u8>) {
    to.extend_from_slice(if value { b"true" } else { b"false" });
}

/// Writes text as a JSON string, with quotes. Few texts need escaping.
#[inline]
pub(crate) fn write_text(text: &str, to: &mut Vec<u8>) {
    if find(text.as_bytes(), 0, marks_to_escape) < text.len() {
        return write_value(text, to);
    }
    to.reserve(text.len() + 2);
    to.push(b'"');
    to.extend_from_slice(text.as_bytes());
    to.push(b'"');
}

/// Returns whether a value in `value` has more than `depth` lists and objects around it.
pub(crate) fn is_deeper(value: &Value, depth: usize) -> bool {
    match value {
        Value::Array(items) => items
            .iter()
            .any(|item| depth == 0 || is_deeper(item, depth - 1)),
        Value::Object(entries) => entries
            .values()
            .any(|item| depth == 0 || is_deeper(item, depth - 1)),
        _ => false,
    }
}
