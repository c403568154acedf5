//! A value as it is seen: without being taken.

use serde_json::Value;
use uuid::Uuid;

use crate::call::value::{write_bool, write_bytes, write_name, write_u64, write_value};

/// A value as it is seen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ValueRef<'a> {
    /// `null`
    Null,
    /// A truth.
    Bool(bool),
    /// A number.
    Natural(u64),
    /// A number below zero.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// A text, as bytes: what we wrote is not looked at again.
    Text(&'a [u8]),
    /// A name that is to be written as a text.
    Name(Uuid),
    /// Any other, as it is written.
    Nested(&'a [u8]),
    /// Any other, where it is at hand.
    Value(&'a Value),
}

impl<'a> From<&'a Value> for ValueRef<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text.as_bytes()),
            value => Self::Value(value),
        }
    }
}

impl<'a> ValueRef<'a> {
    /// The text, where it is one.
    pub(crate) fn as_text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }

    /// The number, where it is one without a fraction and not below zero.
    pub(crate) fn as_u64(self) -> Option<u64> {
        match self {
            Self::Natural(number) => Some(number),
            Self::Value(value) => value.as_u64(),
            _ => None,
        }
    }

    /// Writes it.
    pub(crate) fn write(self, to: &mut Vec<u8>) {
        match self {
            Self::Text(text) => {
                to.push(b's');
                write_bytes(text, to);
            }
            Self::Name(name) => write_name(name, to),
            Self::Nested(written) => to.extend_from_slice(written),
            Self::Value(value) => write_value(value, to),
            Self::Null => to.push(b'0'),
            Self::Bool(truth) => write_bool(truth, to),
            Self::Natural(number) => write_u64(number, to),
            Self::Integer(number) => write_value(&number.into(), to),
            Self::Float(number) => write_value(&number.into(), to),
        }
    }

    /// Whether it is a number.
    pub(crate) fn is_number(self) -> bool {
        match self {
            Self::Natural(_) | Self::Integer(_) | Self::Float(_) => true,
            Self::Value(value) => value.is_number(),
            _ => false,
        }
    }
}
