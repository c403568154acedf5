//! IDs of users, devices and groups.

use serde_json::Value;

/// Set of the lengths of [`PLACEHOLDERS`], in bytes: the bit of each length is set.
const PLACEHOLDER_LENS: u64 = {
    let (mut lens, mut index) = (0, 0);
    while index < PLACEHOLDERS.len() {
        lens |= 1 << PLACEHOLDERS[index].len();
        index += 1;
    }
    lens
};

/// IDs that Mixpanel rejects, since many programs send them when no ID is known.
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

/// Returns an ID as a string, since a browser rounds large integers, and `7` and `"7"` differ
/// there. `None` if the value is not a valid ID.
#[must_use]
pub(crate) fn id_string(value: &Value) -> Option<String> {
    match value {
        Value::String(id) if !is_blank(id) => Some(id.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Returns whether an ID is empty or consists of white space only.
pub(crate) fn is_blank(id: &str) -> bool {
    id.trim().is_empty()
}

/// Returns whether Mixpanel rejects an ID as a placeholder. Case and surrounding white space are
/// ignored.
pub(crate) fn is_placeholder(id: &[u8]) -> bool {
    let mut id = id.trim_ascii();
    // Unicode white space is possible only if the first or last byte is not ASCII.
    if id.first().is_some_and(|byte| !byte.is_ascii())
        || id.last().is_some_and(|byte| !byte.is_ascii())
    {
        id = std::str::from_utf8(id)
            .unwrap_or_default()
            .trim()
            .as_bytes();
    }
    id.len() < 64
        && PLACEHOLDER_LENS >> id.len() & 1 == 1
        && PLACEHOLDERS
            .iter()
            .any(|placeholder| placeholder.as_bytes().eq_ignore_ascii_case(id))
}

/// Returns whether an ID is that of a device and a placeholder: `$device:undefined`.
pub(crate) fn is_placeholder_device(id: &str) -> bool {
    id.strip_prefix("$device:")
        .is_some_and(|device| is_blank(device) || is_placeholder(device.as_bytes()))
}

/// Returns the trimmed text of a value if that is a placeholder for an ID.
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
