//! Mixpanel's validation rules for events, user profiles and group profiles.

use serde_json::{Map, Value};
use thiserror::Error;

/// Maximum number of records in one request.
pub(crate) const MAX_RECORDS: usize = 2_000;
/// Maximum size of one request in bytes, uncompressed.
pub(crate) const MAX_BYTES: usize = 10_000_000;
/// Maximum size of one record in bytes.
const MAX_RECORD_BYTES: usize = 1_000_000;
/// Maximum number of properties of an event, and of each object in it.
const MAX_PROPERTIES: usize = 255;
/// Maximum nesting of objects below the properties.
const MAX_DEPTH: usize = 3;
/// Maximum length of `$insert_id` in bytes.
const MAX_INSERT_ID: usize = 36;

const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;
/// 1971-01-01, in milliseconds since 1970.
const YEAR_1971: i64 = 365 * DAY;

/// Placeholders that programs send in place of an unknown ID.
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

/// Violation of a rule by a record.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{field}' {message}")]
pub(crate) struct RuleViolation {
    /// Field of the record, as Mixpanel names it.
    pub field: String,
    /// Description of the violation.
    pub message: String,
}

fn violation<T>(field: &str, message: impl Into<String>) -> Result<T, RuleViolation> {
    Err(RuleViolation {
        field: field.to_owned(),
        message: message.into(),
    })
}

/// Converts a `time` property to milliseconds since 1970. Numbers that would be before 1971 as
/// milliseconds are seconds.
#[must_use]
pub(crate) fn milliseconds(time: &Value) -> Option<i64> {
    let number = time.as_f64()?;
    let milliseconds = if number.abs() < 31_536_000_000.0 {
        number * 1_000.0
    } else {
        number
    };
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and is checked")]
    Some(milliseconds.round() as i64)
}

/// Checks an event as `/import?strict=1` does.
///
/// # Errors
///
/// First rule that the record violates.
pub(crate) fn import(event: &Value, now: i64) -> Result<(), RuleViolation> {
    let properties = event_shape(event)?;
    match properties.get("time").map(milliseconds) {
        None => violation("properties.time", "is invalid: is required")?,
        Some(None) => violation("properties.time", "is invalid: must be a number")?,
        Some(Some(time)) if time < YEAR_1971 => {
            violation("properties.time", "is invalid: must be after 1971-01-01")?;
        }
        Some(Some(time)) if time > now + HOUR => {
            violation("properties.time", "is invalid: is over an hour from now")?;
        }
        Some(_) => {}
    }
    match properties.get("distinct_id") {
        Some(Value::String(id)) if is_placeholder(id) => {
            violation("properties.distinct_id", format!("is invalid: {id}"))?;
        }
        Some(Value::String(_)) => {}
        Some(_) => violation("properties.distinct_id", "is invalid: must be a string")?,
        None => violation("properties.distinct_id", "is invalid: is required")?,
    }
    insert_id(properties.get("$insert_id"))
}

fn insert_id(id: Option<&Value>) -> Result<(), RuleViolation> {
    let field = "properties.$insert_id";
    let Some(id) = id.and_then(Value::as_str).filter(|id| !id.is_empty()) else {
        return violation(field, "is invalid: must not be missing");
    };
    if id.len() > MAX_INSERT_ID {
        return violation(field, format!("is invalid: over {MAX_INSERT_ID} bytes"));
    }
    if !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return violation(
            field,
            "is invalid: must consist of letters, digits and dashes",
        );
    }
    if is_placeholder(id) {
        return violation(field, format!("is invalid: {id} is a placeholder"));
    }
    Ok(())
}

/// Checks an event as `/track` does. `Ok(false)` means that it is dropped silently for its age.
///
/// # Errors
///
/// First rule that the record violates.
pub(crate) fn track(event: &Value, now: i64) -> Result<bool, RuleViolation> {
    let properties = event_shape(event)?;
    if !properties.get("token").is_some_and(is_text) {
        violation("properties.token", "missing or empty")?;
    }
    match properties.get("time").map(milliseconds) {
        Some(None) => violation("properties.time", "is invalid: must be a number"),
        Some(Some(time)) => Ok(time >= now - 5 * DAY),
        None => Ok(true),
    }
}

fn event_shape(event: &Value) -> Result<&Map<String, Value>, RuleViolation> {
    if !event.get("event").is_some_and(is_text) {
        violation("event", "missing or empty")?;
    }
    let Some(properties) = event.get("properties").and_then(Value::as_object) else {
        return violation("properties", "missing or not an object");
    };
    if event.to_string().len() > MAX_RECORD_BYTES {
        violation("event", "is over 1 MB")?;
    }
    if properties.len() > MAX_PROPERTIES {
        violation(
            "properties",
            format!("has over {MAX_PROPERTIES} properties"),
        )?;
    }
    for (name, value) in properties {
        nested(&format!("properties.{name}"), value, MAX_DEPTH)?;
    }
    Ok(properties)
}

fn nested(field: &str, value: &Value, depth: usize) -> Result<(), RuleViolation> {
    let (count, inner): (usize, Vec<&Value>) = match value {
        Value::Object(_) if depth == 0 => {
            return violation(field, format!("is nested deeper than {MAX_DEPTH}"));
        }
        Value::Object(entries) => (entries.len(), entries.values().collect()),
        Value::Array(items) => (items.len(), items.iter().collect()),
        _ => return Ok(()),
    };
    if count >= MAX_PROPERTIES {
        violation(field, format!("has {MAX_PROPERTIES} elements or more"))?;
    }
    let depth = depth - usize::from(value.is_object());
    inner
        .into_iter()
        .try_for_each(|value| nested(field, value, depth))
}

/// Checks an operation on a user's profile, as `/engage` does.
///
/// # Errors
///
/// First rule that the record violates.
pub(crate) fn engage(record: &Value) -> Result<(), RuleViolation> {
    match record.get("$distinct_id") {
        Some(Value::String(id)) if is_placeholder(id) => {
            violation("$distinct_id", format!("is invalid: {id}"))?;
        }
        id => required("$distinct_id", id)?,
    }
    let allowed = [
        "$set",
        "$set_once",
        "$add",
        "$append",
        "$union",
        "$remove",
        "$unset",
        "$delete",
    ];
    operations(record, &allowed)
}

/// Checks an operation on a group's profile, as `/groups` does.
///
/// # Errors
///
/// First rule that the record violates.
pub(crate) fn groups(record: &Value) -> Result<(), RuleViolation> {
    required("$group_key", record.get("$group_key"))?;
    match record.get("$group_id") {
        Some(Value::Number(_)) => {}
        id => required("$group_id", id)?,
    }
    let allowed = [
        "$set",
        "$set_once",
        "$union",
        "$remove",
        "$unset",
        "$delete",
    ];
    operations(record, &allowed)
}

fn required(field: &str, value: Option<&Value>) -> Result<(), RuleViolation> {
    match value {
        Some(value) if is_text(value) => Ok(()),
        _ => violation(field, "missing or empty"),
    }
}

fn operations(record: &Value, allowed: &[&str]) -> Result<(), RuleViolation> {
    required("$token", record.get("$token"))?;
    if record.to_string().len() > MAX_RECORD_BYTES {
        violation("$token", "is in a record of over 1 MB")?;
    }
    let found: Vec<(&str, &Value)> = allowed
        .iter()
        .filter_map(|name| Some((*name, record.get(name)?)))
        .collect();
    if found.is_empty() {
        return violation("$set", "missing, and so is every other operation");
    }
    for (name, value) in found {
        let fits = match (name, value) {
            ("$unset", Value::Array(names)) => names.iter().all(Value::is_string),
            ("$add", Value::Object(entries)) => entries.values().all(is_numeric),
            ("$union", Value::Object(entries)) => entries.values().all(Value::is_array),
            ("$delete", _) | ("$set" | "$set_once" | "$append" | "$remove", Value::Object(_)) => {
                true
            }
            _ => false,
        };
        if !fits {
            violation(name, format!("has an invalid value: {value}"))?;
        }
    }
    Ok(())
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

fn is_placeholder(id: &str) -> bool {
    PLACEHOLDERS
        .iter()
        .any(|placeholder| id.eq_ignore_ascii_case(placeholder))
}

fn is_numeric(value: &Value) -> bool {
    match value {
        Value::Number(_) => true,
        Value::String(text) => text.parse::<f64>().is_ok_and(f64::is_finite),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
