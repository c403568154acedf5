//! Limits of single values: texts, lists and objects.

use serde_json::Value;

use crate::call::json::is_deeper;
use crate::error::log_text::Quoted;

/// Longest text in UTF-16 units. mixpanel-js and Mixpanel truncate values to that, and Mixpanel
/// also names.
const MAX_TEXT_UTF16: usize = 255;
/// Lists and objects in an event must have fewer elements than this.
const MAX_ELEMENTS: usize = 255;
/// Most levels of objects below the properties of an event.
const MAX_DEPTH: usize = 3;
/// Most levels of lists and objects. A message adds three levels, and the JSON parser, which decodes
/// messages that failed, reads 128.
const MAX_NESTING: usize = 120;
/// Most bytes of a list or an object in an event.
const MAX_BYTES: usize = 8 * 1024;
/// Most bytes of a list or an object in a profile.
const MAX_PROFILE_BYTES: usize = 256 * 1024;

/// Returns whether a value in an event certainly fits unchanged, as almost all do.
pub(crate) fn is_plain(value: &Value) -> bool {
    let is_short = |item: &Value| match item {
        Value::String(text) => text.len() <= MAX_TEXT_UTF16,
        Value::Array(_) | Value::Object(_) => false,
        _ => true,
    };
    match value {
        Value::Array(items) => {
            items.len() < MAX_ELEMENTS
                && items.iter().all(is_short)
                && estimated_json_bytes(value) * 6 <= MAX_BYTES
        }
        Value::Object(_) => false,
        value => is_short(value),
    }
}

/// Returns whether JSON of a value in an event certainly fits unchanged. Short JSON has no long
/// text and few elements, and not more levels of objects than braces.
#[inline]
pub(crate) fn is_plain_json(json: &[u8]) -> bool {
    json.len() <= MAX_TEXT_UTF16
        && (!matches!(json, [b'[' | b'{', ..])
            || memchr::memchr_iter(b'{', json).nth(MAX_DEPTH).is_none())
}

/// Returns whether a text certainly fits unchanged.
pub(crate) fn is_short(text: &[u8]) -> bool {
    text.len() <= MAX_TEXT_UTF16
}

/// Truncates a value. Returns the reason if the property must be left out.
pub(crate) fn fit_value(
    key: &str,
    value: &mut Value,
    is_profile: bool,
    changes: &mut Vec<String>,
) -> Option<String> {
    if is_deeper(value, MAX_NESTING) {
        let key = Quoted(key);
        return Some(format!(
            "{key} was left out; it is nested more than {MAX_NESTING} levels deep"
        ));
    }
    let max_bytes = if is_profile {
        MAX_PROFILE_BYTES
    } else {
        MAX_BYTES
    };
    if let Value::Array(items) = value {
        let original_len = items.len();
        if !is_profile {
            items.truncate(MAX_ELEMENTS - 1);
        }
        shorten(items, max_bytes);
        if items.len() < original_len {
            let key = Quoted(key);
            changes.push(format!(
                "{key}: a list of {original_len} was truncated to {}",
                items.len()
            ));
        }
    } else if value.is_object() && is_longer_as_json(value, max_bytes) {
        return Some(format!(
            "{} was left out; Mixpanel accepts {max_bytes} bytes of an object",
            Quoted(key)
        ));
    }
    if !is_profile && !is_within(value, MAX_DEPTH) {
        let key = Quoted(key);
        return Some(format!(
            "{key} was left out; Mixpanel accepts {MAX_DEPTH} levels of objects, and fewer than {MAX_ELEMENTS} elements"
        ));
    }
    truncate_texts(key, value, changes);
    None
}

/// Truncates a list to the first items that fit in `max_bytes`.
fn shorten(items: &mut Vec<Value>, max_bytes: usize) {
    if items.iter().map(estimated_json_bytes).sum::<usize>() * 6 <= max_bytes {
        return;
    }
    let mut bytes = 2;
    let fitting = items.iter().take_while(|item| {
        bytes += item.to_string().len() + 1;
        bytes <= max_bytes + 1
    });
    let count = fitting.count();
    items.truncate(count);
}

fn is_longer_as_json(value: &Value, max_bytes: usize) -> bool {
    estimated_json_bytes(value) * 6 > max_bytes && value.to_string().len() > max_bytes
}

/// Returns whether a value has at most `depth` levels of objects, and nothing in it has too many
/// elements.
fn is_within(value: &Value, depth: usize) -> bool {
    match value {
        Value::Object(entries) => {
            depth > 0
                && entries.len() < MAX_ELEMENTS
                && entries.values().all(|value| is_within(value, depth - 1))
        }
        Value::Array(items) => {
            items.len() < MAX_ELEMENTS && items.iter().all(|item| is_within(item, depth))
        }
        _ => true,
    }
}

/// Estimates the bytes of a value as JSON: at least a sixth of the exact number.
fn estimated_json_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => {
            2 + items
                .iter()
                .map(|item| estimated_json_bytes(item) + 1)
                .sum::<usize>()
        }
        Value::Object(entries) => {
            2 + entries
                .iter()
                .map(|(key, value)| key.len() + estimated_json_bytes(value) + 4)
                .sum::<usize>()
        }
        _ => 8,
    }
}

/// Truncates the texts in a value, at any depth.
fn truncate_texts(key: &str, value: &mut Value, changes: &mut Vec<String>) {
    let is_truncated = match value {
        Value::String(text) => {
            let (len, end) = (text.len(), truncated(text).len());
            text.truncate(end);
            end < len
        }
        Value::Array(items) => {
            for item in items {
                truncate_texts(key, item, changes);
            }
            false
        }
        Value::Object(entries) => {
            for value in entries.values_mut() {
                truncate_texts(key, value, changes);
            }
            false
        }
        _ => false,
    };
    if is_truncated {
        changes.push(format!(
            "{}: a text was truncated to {MAX_TEXT_UTF16} characters",
            Quoted(key)
        ));
    }
}

/// Returns the part of a text that fits. It ends between characters, as mixpanel-js counts them.
pub(crate) fn truncated(text: &str) -> &str {
    if is_short(text.as_bytes()) {
        return text;
    }
    let mut units = 0;
    let end = text.char_indices().find_map(|(at, c)| {
        units += c.len_utf16();
        (units > MAX_TEXT_UTF16).then_some(at)
    });
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}
