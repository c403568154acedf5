//! Limits: what Mixpanel takes. What is past one is cut, left out or refused, and told, unless it
//! came from the visitor's own browser only.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::call::{Properties, is_placeholder};
use crate::error::log_text::Quoted;
use crate::translate::facts::RequestProperties;
use crate::translate::message::Endpoint;

/// Of a text in UTF-16 units: mixpanel-js and Mixpanel cut values there, and Mixpanel names.
const MAX_TEXT_UTF16: usize = 255;
/// Of an event.
const MAX_PROPERTIES: usize = 255;
/// A list or an object in an event has fewer.
const MAX_ELEMENTS: usize = 255;
/// Of one operation on a profile.
const MAX_PROFILE_PROPERTIES: usize = 2_000;
/// So many objects may stand in each other below the properties of an event.
const MAX_DEPTH: usize = 3;
/// Of a list or an object in an event, and in a profile.
const MAX_BYTES: usize = 8 * 1024;
const MAX_PROFILE_BYTES: usize = 256 * 1024;
/// Of a whole record.
const MAX_RECORD_BYTES: usize = 1_000_000;
/// Of an `$insert_id`.
const MAX_INSERT_ID: usize = 36;

/// Why an ID that is nobody's is refused.
pub(crate) fn placeholder(id: &str) -> String {
    format!(
        "{id:?} is nobody's ID to Mixpanel, which refuses it: many programs write it where they know none"
    )
}

/// Whether a value in an event fits as it is, as almost all do.
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
                && weight(value) * 6 <= MAX_BYTES
        }
        Value::Object(_) => false,
        value => is_short(value),
    }
}

/// Whether a text fits as it is: a name, an ID, or what the request adds.
pub(crate) fn is_short(text: &[u8]) -> bool {
    text.len() <= MAX_TEXT_UTF16
}

/// Whether a record of so many properties and bytes is taken.
pub(crate) fn is_accepted_key(properties: usize, bytes: usize) -> bool {
    properties <= MAX_PROPERTIES && bytes <= MAX_RECORD_BYTES
}

/// Whether Mixpanel takes an `$insert_id` as it is.
pub(crate) fn is_insert_id(id: &[u8]) -> bool {
    !id.is_empty()
        && id.len() <= MAX_INSERT_ID
        // Without a way out, so that many bytes are looked at together.
        && id.iter().fold(true, |fits, byte| fits & matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-'))
        && !is_placeholder(id)
}

/// Makes a record fit. Answers what was changed for that, or why it cannot be sent at all.
pub(crate) fn truncate(
    endpoint: Endpoint,
    body: &mut Value,
    own: Option<&Properties>,
    facts: &RequestProperties<'_>,
    time: Option<u64>,
) -> Result<Vec<String>, String> {
    let mut told = Vec::new();
    let Value::Object(record) = body else {
        return Ok(told);
    };
    for (key, value) in record.iter_mut() {
        match value {
            Value::Object(properties) => {
                let is_profile = endpoint != Endpoint::Events;
                if !is_profile {
                    make_room(properties, own, facts);
                }
                *properties =
                    fit_properties(std::mem::take(properties), is_profile, facts, &mut told);
                if is_profile && properties.len() > MAX_PROFILE_PROPERTIES {
                    return Err(format!(
                        "{key} of {} properties: Mixpanel takes {MAX_PROFILE_PROPERTIES}",
                        properties.len()
                    ));
                }
            }
            value if is_plain(value) => {}
            value if facts.is_visitors(key, value) => cut_strings(key, value, &mut Vec::new()),
            value => cut_strings(key, value, &mut told),
        }
    }
    match record.get_mut("properties").and_then(Value::as_object_mut) {
        Some(properties) if endpoint == Endpoint::Events => {
            fit_event(properties, facts, time, &mut told)?;
        }
        _ => {}
    }
    if let Some(Value::String(id)) = record.get("$distinct_id")
        && is_placeholder(id.as_bytes())
    {
        return Err(placeholder(id));
    }
    // What is escaped takes up to six times its length.
    if weight(body) * 6 > MAX_RECORD_BYTES {
        let bytes = body.to_string().len();
        if bytes > MAX_RECORD_BYTES {
            return Err(format!(
                "{bytes} bytes are more than Mixpanel takes of one record, {MAX_RECORD_BYTES}"
            ));
        }
    }
    Ok(told)
}

/// Leaves out as many super properties of the visitor's cookie as an event has too many: what the
/// application says of the event (`own`) is worth more, and the visitor can put anything in the
/// cookie.
fn make_room(properties: &mut Properties, own: Option<&Properties>, facts: &RequestProperties<'_>) {
    let Some(too_many) = properties
        .len()
        .checked_sub(MAX_PROPERTIES)
        .filter(|count| *count > 0)
    else {
        return;
    };
    let is_own = |key: &str| own.is_some_and(|own| own.contains_key(key));
    let stored = properties
        .iter()
        .filter(|(key, value)| !is_own(key) && facts.is_stored(key, value));
    let stored: Vec<String> = stored.map(|(key, _)| key.clone()).take(too_many).collect();
    for key in stored {
        properties.remove(&key);
    }
}

/// What an event must have, and how much of it.
fn fit_event(
    properties: &mut Properties,
    facts: &RequestProperties<'_>,
    time: Option<u64>,
    told: &mut Vec<String>,
) -> Result<(), String> {
    for key in ["distinct_id", "$user_id"] {
        if let Some(Value::String(id)) = properties.get(key)
            && is_placeholder(id.as_bytes())
        {
            return Err(placeholder(id));
        }
    }
    if let (Some(given), Some(recorded)) = (properties.get("time"), time)
        && !given.is_number()
    {
        if !facts.is_visitors("time", given) {
            let given = given.to_string();
            let given = Quoted(given.trim_matches('"'));
            told.push(format!("time is a number of seconds or milliseconds, not {given}: that of recording was taken"));
        }
        properties.insert("time".into(), recorded.into());
    }
    if let Some((given, id)) = properties
        .get("$insert_id")
        .and_then(|given| Some((given, fitting_insert_id(given)?)))
    {
        if !facts.is_visitors("$insert_id", given) {
            told.push(format!(
                "$insert_id is up to {MAX_INSERT_ID} letters, digits and dashes: it became {id}"
            ));
        }
        properties.insert("$insert_id".into(), id.into());
    }
    if properties.len() <= MAX_PROPERTIES {
        return Ok(());
    }
    // What the application says is worth more than what the request adds.
    let added: Vec<String> = properties
        .keys()
        .filter(|key| facts.is_added(key, properties))
        .cloned()
        .collect();
    for key in added.into_iter().take(properties.len() - MAX_PROPERTIES) {
        properties.remove(&key);
        told.push(format!(
            "{} was left out: Mixpanel takes {MAX_PROPERTIES} properties of an event",
            Quoted(&key)
        ));
    }
    if properties.len() > MAX_PROPERTIES {
        return Err(format!(
            "{} properties: Mixpanel takes {MAX_PROPERTIES} of an event",
            properties.len()
        ));
    }
    Ok(())
}

/// In place of an `$insert_id` that Mixpanel refuses, one that is the same for the same.
fn fitting_insert_id(given: &Value) -> Option<String> {
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

fn fit_properties(
    mut properties: Properties,
    is_profile: bool,
    facts: &RequestProperties<'_>,
    told: &mut Vec<String>,
) -> Properties {
    // What the visitor's browser says is cut by mixpanel-js without a word.
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
        let is_visitors = facts.is_visitors(&key, &value);
        if !cut(&mut key) {
            properties.insert(key, value);
            continue;
        }
        let is_taken = properties.contains_key(&key);
        if !is_visitors {
            let key = Quoted(&key);
            let left_out = if is_taken {
                ", of which there is one already: it was left out"
            } else {
                ""
            };
            told.push(format!("a name was cut to {key}{left_out}"));
        }
        if !is_taken {
            renamed.extend(is_visitors.then(|| key.clone()));
            properties.insert(key, value);
        }
    }
    let mut left_out = Vec::new();
    for (key, value) in properties.iter_mut().filter(|(_, value)| !is_plain(value)) {
        let mut untold = Vec::new();
        let is_visitors = renamed.contains(key) || facts.is_visitors(key, value);
        let told = if is_visitors { &mut untold } else { &mut *told };
        if let Some(why) = fit_lists(key, value, is_profile, told) {
            told.push(why);
            left_out.push(key.clone());
        } else {
            cut_strings(key, value, told);
        }
    }
    for key in left_out {
        properties.remove(&key);
    }
    properties
}

/// Summary of the changes to a record, in one text.
pub(crate) fn summary(told: &[String]) -> Option<String> {
    /// Most changes that are told by name.
    const MAX_REPORTED_LEN: usize = 3;
    let text = told
        .iter()
        .take(MAX_REPORTED_LEN)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("; ");
    match told.len() {
        0 => None,
        count if count > MAX_REPORTED_LEN => {
            Some(format!("{text}; and {} more", count - MAX_REPORTED_LEN))
        }
        _ => Some(text),
    }
}

/// Shortens a list that is too long. Answers why the property must be left out, where it must.
fn fit_lists(
    key: &str,
    value: &mut Value,
    is_profile: bool,
    told: &mut Vec<String>,
) -> Option<String> {
    let most = if is_profile {
        MAX_PROFILE_BYTES
    } else {
        MAX_BYTES
    };
    if let Value::Array(items) = value {
        let before = items.len();
        if !is_profile {
            items.truncate(MAX_ELEMENTS - 1);
        }
        shorten(items, most);
        if items.len() < before {
            let key = Quoted(key);
            told.push(format!(
                "{key}: a list of {before} was cut to {}",
                items.len()
            ));
        }
    } else if value.is_object() && is_heavier(value, most) {
        return Some(format!(
            "{} was left out: Mixpanel takes {most} bytes of an object",
            Quoted(key)
        ));
    }
    let is_too_deep = !is_profile && !is_within(value, MAX_DEPTH);
    is_too_deep.then(|| {
        let key = Quoted(key);
        format!("{key} was left out: Mixpanel takes objects {MAX_DEPTH} deep, and fewer than {MAX_ELEMENTS} elements")
    })
}

/// Keeps of a list what comes first, within so many bytes.
fn shorten(items: &mut Vec<Value>, most: usize) {
    if items.iter().map(weight).sum::<usize>() * 6 <= most {
        return;
    }
    let mut bytes = 2;
    let fitting = items.iter().take_while(|item| {
        bytes += item.to_string().len() + 1;
        bytes <= most + 1
    });
    let count = fitting.count();
    items.truncate(count);
}

fn is_heavier(value: &Value, most: usize) -> bool {
    weight(value) * 6 > most && value.to_string().len() > most
}

/// Whether objects are not too deep, and nothing in it has too many elements.
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

/// At least a sixth of a value's bytes as JSON.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|item| weight(item) + 1).sum::<usize>(),
        Value::Object(entries) => {
            2 + entries
                .iter()
                .map(|(key, value)| key.len() + weight(value) + 4)
                .sum::<usize>()
        }
        _ => 8,
    }
}

fn cut_strings(key: &str, value: &mut Value, told: &mut Vec<String>) {
    let is_cut = match value {
        Value::String(text) => cut(text),
        Value::Array(items) => {
            for item in items {
                cut_strings(key, item, told);
            }
            false
        }
        Value::Object(entries) => {
            for value in entries.values_mut() {
                cut_strings(key, value, told);
            }
            false
        }
        _ => false,
    };
    if is_cut {
        told.push(format!(
            "{}: a text was cut to {MAX_TEXT_UTF16} characters",
            Quoted(key)
        ));
    }
}

/// Cuts a text between characters, as mixpanel-js counts them. Answers whether it had to.
fn cut(text: &mut String) -> bool {
    if text.len() <= MAX_TEXT_UTF16 {
        return false;
    }
    let mut units = 0;
    let end = text.char_indices().find_map(|(at, c)| {
        units += c.len_utf16();
        (units > MAX_TEXT_UTF16).then_some(at)
    });
    end.inspect(|end| text.truncate(*end)).is_some()
}
