//! Values of members, in the forms in which a translation has them.

use std::borrow::Cow;

use serde_json::Value;

use crate::call::json::JsonRef;

/// Value of a member of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MemberValue<'a> {
    /// Recorded value.
    Json(JsonRef<'a>),
    /// Value of the visitor's state or request.
    Value(&'a Value),
    Text(&'a str),
    Unsigned(u64),
    Float(f64),
}

impl<'a> From<&'a Value> for MemberValue<'a> {
    fn from(value: &'a Value) -> Self {
        Self::Value(value)
    }
}

impl<'a> MemberValue<'a> {
    /// Returns the text. `None` if the value is no text.
    pub(crate) fn as_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Json(json) => json.as_text(),
            Self::Value(value) => value.as_str().map(Cow::Borrowed),
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Unsigned(_) | Self::Float(_) => None,
        }
    }

    /// Returns whether the value is a number.
    pub(crate) fn is_number(self) -> bool {
        match self {
            Self::Json(json) => json.is_number(),
            Self::Value(value) => value.is_number(),
            Self::Text(_) => false,
            Self::Unsigned(_) | Self::Float(_) => true,
        }
    }

    /// Decodes the value; `null` if it is malformed.
    pub(crate) fn to_value(self) -> Value {
        match self {
            Self::Json(json) => json.to_value().unwrap_or_default(),
            Self::Value(value) => value.clone(),
            Self::Text(text) => text.into(),
            Self::Unsigned(number) => number.into(),
            Self::Float(number) => number.into(),
        }
    }
}
