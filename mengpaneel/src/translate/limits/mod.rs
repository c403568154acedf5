//! Limits of Mixpanel. Parts beyond a limit are truncated or left out; otherwise the message is
//! refused. Changes are reported, except to properties of the visitor's browser.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::call::{Properties, is_placeholder};
use crate::error::log_text::Quoted;
use crate::translate::limits::values::{
    MAX_TEXT_UTF16, estimated_json_bytes, fit_list, truncate_text, truncate_texts,
};
use crate::translate::message::Endpoint;
use crate::translate::request_properties::RequestProperties;

mod values;

pub(crate) use crate::translate::limits::values::{is_plain, is_short};

/// Most properties of an event.
const MAX_PROPERTIES: usize = 255;
/// Most properties of an operation on a profile.
const MAX_PROFILE_PROPERTIES: usize = 2_000;
/// Most bytes of a message body.
const MAX_MESSAGE_BYTES: usize = 1_000_000;
/// Most characters of an `$insert_id`.
const MAX_INSERT_ID: usize = 36;

/// Returns the reason why a placeholder is refused as an ID.
pub(crate) fn placeholder_reason(id: &str) -> String {
    format!("Mixpanel rejects {id:?} as a placeholder: many programs send it when no ID is known")
}

/// Returns whether Mixpanel accepts a message with this number of properties and bytes.
pub(crate) fn is_message_within_limits(properties: usize, bytes: usize) -> bool {
    properties <= MAX_PROPERTIES && bytes <= MAX_MESSAGE_BYTES
}

/// Returns whether Mixpanel accepts an `$insert_id` unchanged.
pub(crate) fn is_insert_id(id: &[u8]) -> bool {
    !id.is_empty()
        && id.len() <= MAX_INSERT_ID
        // Without an early exit, so that the compiler can compare many bytes at once.
        && id.iter().fold(true, |is_valid, byte| is_valid & matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-'))
        && !is_placeholder(id)
}

/// Makes a message body fit. `recorded` are the properties of the call. Returns the changes to
/// report.
///
/// # Errors
/// Returns the reason if the message cannot be sent.
pub(crate) fn truncate(
    endpoint: Endpoint,
    body: &mut Value,
    recorded: Option<&Properties>,
    request: &RequestProperties<'_>,
    time_ms: Option<u64>,
) -> Result<Vec<String>, String> {
    let mut changes = Vec::new();
    let Value::Object(members) = body else {
        return Ok(changes);
    };
    for (key, value) in members.iter_mut() {
        match value {
            Value::Object(properties) => {
                let is_profile = endpoint != Endpoint::Events;
                if !is_profile {
                    remove_excess_of_cookie(properties, recorded, request);
                }
                *properties = fit_properties(
                    std::mem::take(properties),
                    is_profile,
                    request,
                    &mut changes,
                );
                if is_profile && properties.len() > MAX_PROFILE_PROPERTIES {
                    return Err(format!(
                        "{key} has {} properties; Mixpanel accepts {MAX_PROFILE_PROPERTIES}",
                        properties.len()
                    ));
                }
            }
            value if is_plain(value) => {}
            value if request.is_from_visitor(key, value) => {
                truncate_texts(key, value, &mut Vec::new());
            }
            value => truncate_texts(key, value, &mut changes),
        }
    }
    match members.get_mut("properties").and_then(Value::as_object_mut) {
        Some(properties) if endpoint == Endpoint::Events => {
            fit_event(properties, request, time_ms, &mut changes)?;
        }
        _ => {}
    }
    if let Some(Value::String(id)) = members.get("$distinct_id")
        && is_placeholder(id.as_bytes())
    {
        return Err(placeholder_reason(id));
    }
    // Escaping makes a text up to six times as long.
    if estimated_json_bytes(body) * 6 > MAX_MESSAGE_BYTES {
        let bytes = body.to_string().len();
        if bytes > MAX_MESSAGE_BYTES {
            return Err(format!(
                "the message has {bytes} bytes; Mixpanel accepts {MAX_MESSAGE_BYTES}"
            ));
        }
    }
    Ok(changes)
}

/// Removes super properties of the visitor's cookie from an event with too many properties. Those
/// of the application (`recorded`) have precedence, and the visitor can put anything in the cookie.
fn remove_excess_of_cookie(
    properties: &mut Properties,
    recorded: Option<&Properties>,
    request: &RequestProperties<'_>,
) {
    let Some(excess) = properties
        .len()
        .checked_sub(MAX_PROPERTIES)
        .filter(|count| *count > 0)
    else {
        return;
    };
    let is_recorded = |key: &str| recorded.is_some_and(|recorded| recorded.contains_key(key));
    let from_cookie = properties
        .iter()
        .filter(|(key, value)| !is_recorded(key) && request.is_from_cookie(key, value));
    let removed: Vec<String> = from_cookie
        .map(|(key, _)| key.clone())
        .take(excess)
        .collect();
    for key in removed {
        properties.remove(&key);
    }
}

/// Corrects the ID, time and number of properties of an event.
///
/// # Errors
/// Returns the reason if the event cannot be sent.
fn fit_event(
    properties: &mut Properties,
    request: &RequestProperties<'_>,
    time_ms: Option<u64>,
    changes: &mut Vec<String>,
) -> Result<(), String> {
    for key in ["distinct_id", "$user_id"] {
        if let Some(Value::String(id)) = properties.get(key)
            && is_placeholder(id.as_bytes())
        {
            return Err(placeholder_reason(id));
        }
    }
    if let (Some(given), Some(recorded)) = (properties.get("time"), time_ms)
        && !given.is_number()
    {
        if !request.is_from_visitor("time", given) {
            let given = given.to_string();
            let given = Quoted(given.trim_matches('"'));
            changes.push(format!("time must be a number of seconds or milliseconds, not {given}; it was replaced by that of recording"));
        }
        properties.insert("time".into(), recorded.into());
    }
    if let Some((given, id)) = properties
        .get("$insert_id")
        .and_then(|given| Some((given, replacement_insert_id(given)?)))
    {
        if !request.is_from_visitor("$insert_id", given) {
            changes.push(format!(
                "$insert_id must consist of up to {MAX_INSERT_ID} letters, digits and dashes; it was replaced by {id}"
            ));
        }
        properties.insert("$insert_id".into(), id.into());
    }
    if properties.len() <= MAX_PROPERTIES {
        return Ok(());
    }
    // Properties of the application have precedence over those of the request.
    let from_request: Vec<String> = properties
        .keys()
        .filter(|key| request.is_from_request(key, properties))
        .cloned()
        .collect();
    for key in from_request
        .into_iter()
        .take(properties.len() - MAX_PROPERTIES)
    {
        properties.remove(&key);
        changes.push(format!(
            "{} was left out; Mixpanel accepts {MAX_PROPERTIES} properties of an event",
            Quoted(&key)
        ));
    }
    if properties.len() > MAX_PROPERTIES {
        return Err(format!(
            "the event has {} properties; Mixpanel accepts {MAX_PROPERTIES}",
            properties.len()
        ));
    }
    Ok(())
}

/// Returns a valid replacement for an `$insert_id` that Mixpanel rejects; equal IDs have equal
/// replacements. `None` if the ID is valid.
fn replacement_insert_id(given: &Value) -> Option<String> {
    let id = match given {
        Value::String(id) => id.clone(),
        other => other.to_string(),
    };
    if is_insert_id(id.as_bytes()) {
        return (!given.is_string()).then_some(id);
    }
    let digest = Sha256::digest(id.as_bytes());
    let bytes = digest.first_chunk::<16>()?;
    Some(
        uuid::Builder::from_custom_bytes(*bytes)
            .into_uuid()
            .to_string(),
    )
}

/// Truncates the names and values of properties, or leaves properties out.
fn fit_properties(
    mut properties: Properties,
    is_profile: bool,
    request: &RequestProperties<'_>,
    changes: &mut Vec<String>,
) -> Properties {
    // mixpanel-js truncates properties of the visitor's browser without a report.
    let mut renamed = Vec::new();
    let long: Vec<String> = properties
        .keys()
        .filter(|key| key.len() > MAX_TEXT_UTF16)
        .cloned()
        .collect();
    for mut key in long {
        let Some(value) = properties.remove(&key) else {
            continue;
        };
        let is_from_visitor = request.is_from_visitor(&key, &value);
        if !truncate_text(&mut key) {
            properties.insert(key, value);
            continue;
        }
        let is_duplicate = properties.contains_key(&key);
        if !is_from_visitor {
            let key = Quoted(&key);
            let left_out = if is_duplicate {
                ", which exists already; the property was left out"
            } else {
                ""
            };
            changes.push(format!("a name was truncated to {key}{left_out}"));
        }
        if !is_duplicate {
            renamed.extend(is_from_visitor.then(|| key.clone()));
            properties.insert(key, value);
        }
    }
    let mut left_out = Vec::new();
    for (key, value) in properties.iter_mut().filter(|(_, value)| !is_plain(value)) {
        let mut unreported = Vec::new();
        let is_from_visitor = renamed.contains(key) || request.is_from_visitor(key, value);
        let changes = if is_from_visitor {
            &mut unreported
        } else {
            &mut *changes
        };
        if let Some(reason) = fit_list(key, value, is_profile, changes) {
            changes.push(reason);
            left_out.push(key.clone());
        } else {
            truncate_texts(key, value, changes);
        }
    }
    for key in left_out {
        properties.remove(&key);
    }
    properties
}

/// Summarises the changes to a message in one text. `None` if there are none.
pub(crate) fn summary(changes: &[String]) -> Option<String> {
    /// Most changes that are listed; the others are counted.
    const MAX_LISTED: usize = 3;
    let text = changes
        .iter()
        .take(MAX_LISTED)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("; ");
    match changes.len() {
        0 => None,
        count if count > MAX_LISTED => Some(format!("{text}; and {} more", count - MAX_LISTED)),
        _ => Some(text),
    }
}
