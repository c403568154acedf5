//! What Mixpanel accepts: of an event, of a profile, of a group.

use serde_json::{Map, Value};
use thiserror::Error;

/// The most records in one request.
pub(crate) const MAX_RECORDS: usize = 2_000;
/// The most bytes in one request, uncompressed.
pub(crate) const MAX_BYTES: usize = 10_000_000;
/// The most bytes in one record.
const MAX_RECORD_BYTES: usize = 1_000_000;
/// The most properties of an event, and of every object in it.
const MAX_PROPERTIES: usize = 255;
/// How many objects may stand in each other below the properties.
const MAX_DEPTH: usize = 3;
/// The longest `$insert_id`.
const MAX_INSERT_ID: usize = 36;

const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;
/// 1971-01-01, in milliseconds since 1970.
const YEAR_1971: i64 = 365 * DAY;

/// What programs write where they know no ID.
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

/// The rule that a record breaks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{field}' {message}")]
pub(crate) struct Broken {
    /// Where in the record, as Mixpanel names it.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

fn broken<T>(field: &str, message: impl Into<String>) -> Result<T, Broken> {
    Err(Broken {
        field: field.to_owned(),
        message: message.into(),
    })
}

/// The moment that a `time` property means, in milliseconds since 1970. What would be before 1971
/// as milliseconds is meant as seconds.
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
/// The first rule that the event breaks.
pub(crate) fn import(event: &Value, now: i64) -> Result<(), Broken> {
    let properties = event_shape(event)?;
    match properties.get("time").map(milliseconds) {
        None => broken("properties.time", "is invalid: is required")?,
        Some(None) => broken("properties.time", "is invalid: must be a number")?,
        Some(Some(time)) if time < YEAR_1971 => {
            broken("properties.time", "is invalid: must be after 1971-01-01")?;
        }
        Some(Some(time)) if time > now + HOUR => {
            broken("properties.time", "is invalid: is over an hour from now")?;
        }
        Some(_) => {}
    }
    match properties.get("distinct_id") {
        Some(Value::String(id)) if is_placeholder(id) => {
            broken("properties.distinct_id", format!("is invalid: {id}"))?;
        }
        Some(Value::String(_)) => {}
        Some(_) => broken("properties.distinct_id", "is invalid: must be a string")?,
        None => broken("properties.distinct_id", "is invalid: is required")?,
    }
    insert_id(properties.get("$insert_id"))
}

fn insert_id(id: Option<&Value>) -> Result<(), Broken> {
    let field = "properties.$insert_id";
    let Some(id) = id.and_then(Value::as_str).filter(|id| !id.is_empty()) else {
        return broken(field, "is invalid: must not be missing");
    };
    if id.len() > MAX_INSERT_ID {
        return broken(field, format!("is invalid: over {MAX_INSERT_ID} bytes"));
    }
    if !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return broken(field, "is invalid: must be of letters, digits and dashes");
    }
    if is_placeholder(id) {
        return broken(field, format!("is invalid: {id} is no ID"));
    }
    Ok(())
}

/// Checks an event as `/track` does: `Ok(false)` where it is dropped without a word, for its age.
///
/// # Errors
///
/// The first rule that the event breaks.
pub(crate) fn track(event: &Value, now: i64) -> Result<bool, Broken> {
    let properties = event_shape(event)?;
    if !properties.get("token").is_some_and(is_text) {
        broken("properties.token", "missing or empty")?;
    }
    match properties.get("time").map(milliseconds) {
        Some(None) => broken("properties.time", "is invalid: must be a number"),
        Some(Some(time)) => Ok(time >= now - 5 * DAY),
        None => Ok(true),
    }
}

fn event_shape(event: &Value) -> Result<&Map<String, Value>, Broken> {
    if !event.get("event").is_some_and(is_text) {
        broken("event", "missing or empty")?;
    }
    let Some(properties) = event.get("properties").and_then(Value::as_object) else {
        return broken("properties", "missing or not an object");
    };
    if event.to_string().len() > MAX_RECORD_BYTES {
        broken("event", "is over 1 MB")?;
    }
    if properties.len() > MAX_PROPERTIES {
        broken(
            "properties",
            format!("has over {MAX_PROPERTIES} properties"),
        )?;
    }
    for (name, value) in properties {
        nested(&format!("properties.{name}"), value, MAX_DEPTH)?;
    }
    Ok(properties)
}

fn nested(field: &str, value: &Value, depth: usize) -> Result<(), Broken> {
    let (count, inner): (usize, Vec<&Value>) = match value {
        Value::Object(_) if depth == 0 => {
            return broken(field, format!("is nested deeper than {MAX_DEPTH}"));
        }
        Value::Object(entries) => (entries.len(), entries.values().collect()),
        Value::Array(items) => (items.len(), items.iter().collect()),
        _ => return Ok(()),
    };
    if count >= MAX_PROPERTIES {
        broken(field, format!("has {MAX_PROPERTIES} elements or more"))?;
    }
    let depth = depth - usize::from(value.is_object());
    inner
        .into_iter()
        .try_for_each(|value| nested(field, value, depth))
}

/// Checks an operation on a person's profile, as `/engage` does.
///
/// # Errors
///
/// The first rule that the operation breaks.
pub(crate) fn engage(record: &Value) -> Result<(), Broken> {
    match record.get("$distinct_id") {
        Some(Value::String(id)) if is_placeholder(id) => {
            broken("$distinct_id", format!("is invalid: {id}"))?;
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
/// The first rule that the operation breaks.
pub(crate) fn groups(record: &Value) -> Result<(), Broken> {
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

fn required(field: &str, value: Option<&Value>) -> Result<(), Broken> {
    match value {
        Some(value) if is_text(value) => Ok(()),
        _ => broken(field, "missing or empty"),
    }
}

fn operations(record: &Value, allowed: &[&str]) -> Result<(), Broken> {
    required("$token", record.get("$token"))?;
    if record.to_string().len() > MAX_RECORD_BYTES {
        broken("$token", "stands in a record of over 1 MB")?;
    }
    let found: Vec<(&str, &Value)> = allowed
        .iter()
        .filter_map(|name| Some((*name, record.get(name)?)))
        .collect();
    if found.is_empty() {
        return broken("$set", "missing, and so is every other operation");
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
            broken(name, format!("has an invalid value: {value}"))?;
        }
    }
    Ok(())
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

fn is_placeholder(id: &str) -> bool {
    PLACEHOLDERS.iter().any(|no| id.eq_ignore_ascii_case(no))
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
