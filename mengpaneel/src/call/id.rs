//! IDs: who a user, a device or a group is.

use serde_json::Value;

/// The longest entry of [`PLACEHOLDERS`], in bytes.
const MAX_PLACEHOLDER_LEN: usize = 36;

/// IDs that Mixpanel rejects: many programs write them where no ID is known.
/// <https://docs.mixpanel.com/docs/tracking-methods/id-management/identifying-users-simplified>
const PLACEHOLDERS: [&str; 17] = [
    "00000000-0000-0000-0000-000000000000",
    "anon",
    "anonymous",
    "nil",
    "none",
    "null",
    "n/a",
    "na",
    "undefined",
    "unknown",
    "<nil>",
    "0",
    "-1",
    "true",
    "false",
    "[]",
    "{}",
];

/// An ID as every wire carries it: a string, since a browser rounds large integers and tells `7`
/// from `"7"`. `None` where the value can be nobody's ID.
#[must_use]
pub(crate) fn id_string(value: &Value) -> Option<String> {
    match value {
        Value::String(id) if !is_blank(id) => Some(id.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Returns whether an ID consists of white space only, or of nothing.
pub(crate) fn is_blank(id: &str) -> bool {
    id.trim().is_empty()
}

/// Returns whether Mixpanel rejects an ID as a placeholder, in whatever case and with white space
/// around it.
pub(crate) fn is_placeholder(id: &[u8]) -> bool {
    let mut id = id.trim_ascii();
    // Only where something else than ASCII stands at an end can there be white space of other
    // scripts.
    if id.first().is_some_and(|byte| !byte.is_ascii())
        || id.last().is_some_and(|byte| !byte.is_ascii())
    {
        id = std::str::from_utf8(id)
            .unwrap_or_default()
            .trim()
            .as_bytes();
    }
    id.len() <= MAX_PLACEHOLDER_LEN
        && PLACEHOLDERS
            .iter()
            .any(|placeholder| placeholder.as_bytes().eq_ignore_ascii_case(id))
}

/// Returns whether an ID names a device that is a placeholder: `$device:undefined`.
pub(crate) fn is_placeholder_device(id: &str) -> bool {
    id.strip_prefix("$device:")
        .is_some_and(|device| is_blank(device) || is_placeholder(device.as_bytes()))
}

/// The text of a value that was given as an ID but is a placeholder, without white space around it.
pub(crate) fn placeholder_in(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Null => return None,
        Value::Array(items) if !items.is_empty() => return None,
        Value::Object(members) if !members.is_empty() => return None,
        other => other.to_string(),
    };
    (is_placeholder(text.as_bytes()) || is_placeholder_device(&text)).then_some(text)
}
