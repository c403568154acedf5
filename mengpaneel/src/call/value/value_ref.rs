//! Borrowed values.

use serde_json::Value;
use uuid::Uuid;

use crate::call::value::{Decoder, write_bool, write_bytes, write_u64, write_uuid, write_value};

/// Borrowed value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ValueRef<'a> {
    /// `null`
    Null,
    /// A boolean.
    Bool(bool),
    /// An unsigned integer.
    Unsigned(u64),
    /// A negative integer.
    Negative(i64),
    /// A floating-point number.
    Float(f64),
    /// The bytes of a text. The encoder wrote UTF-8, so the bytes are not validated again.
    Text(&'a [u8]),
    /// A UUID, which is encoded as a text.
    Uuid(Uuid),
    /// Any other value, encoded.
    Encoded(&'a [u8]),
    /// Any other value, decoded.
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
    /// Returns the text. `None` if the value is not a text.
    pub(crate) fn as_text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }

    /// Returns the number. `None` if the value is not an unsigned integer.
    pub(crate) fn as_u64(self) -> Option<u64> {
        match self {
            Self::Unsigned(number) => Some(number),
            Self::Value(value) => value.as_u64(),
            _ => None,
        }
    }

    /// Decodes the value. `None` if the encoding is invalid.
    pub(crate) fn to_value(self) -> Option<Value> {
        let mut encoded = Vec::new();
        self.write(&mut encoded);
        Decoder::new(&encoded).value()
    }

    /// Encodes the value.
    pub(crate) fn write(self, to: &mut Vec<u8>) {
        match self {
            Self::Text(text) => {
                to.push(b's');
                write_bytes(text, to);
            }
            Self::Uuid(id) => write_uuid(id, to),
            Self::Encoded(encoded) => to.extend_from_slice(encoded),
            Self::Value(value) => write_value(value, to),
            Self::Null => to.push(b'0'),
            Self::Bool(value) => write_bool(value, to),
            Self::Unsigned(number) => write_u64(number, to),
            Self::Negative(number) => write_value(&number.into(), to),
            Self::Float(number) => write_value(&number.into(), to),
        }
    }

    /// Returns whether the value is a number.
    pub(crate) fn is_number(self) -> bool {
        match self {
            Self::Unsigned(_) | Self::Negative(_) | Self::Float(_) => true,
            Self::Value(value) => value.is_number(),
            // A number of more digits than a float has.
            Self::Encoded(encoded) => encoded.first() == Some(&b'n'),
            _ => false,
        }
    }
}
