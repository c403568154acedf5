//! Translation of events, with all properties that mixpanel-js's `track` adds.

use serde_json::{Map, Value, json};

use crate::call::{Properties, id_string};
use crate::translate::request_properties::RequestProperties;
use crate::translate::state::State;

/// Metadata for an event that got none when it was recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FallbackMeta<'a> {
    pub(crate) token: &'a str,
    pub(crate) insert_id: &'a str,
    /// Milliseconds since 1970.
    pub(crate) time_ms: Option<u64>,
}

/// Returns the time of an event in milliseconds. Small numbers are seconds, and are converted.
pub(crate) fn milliseconds(time: Option<&Value>) -> Option<f64> {
    let time = time?.as_f64()?;
    Some(if time < 1e11 { time * 1000.0 } else { time })
}

/// Makes the body of an event's message. Later properties have precedence: those of the request,
/// super properties, those of the caller, and the token.
pub(crate) fn event(
    name: &str,
    recorded: Properties,
    state: &mut State,
    request: &RequestProperties<'_>,
    fallback: FallbackMeta<'_>,
) -> Value {
    let mut properties = request.event().clone();
    properties.insert("mp_lib".into(), "mengpaneel".into());
    properties.insert("$lib_version".into(), env!("CARGO_PKG_VERSION").into());
    properties.insert("$insert_id".into(), fallback.insert_id.into());
    if let Some(time_ms) = fallback.time_ms {
        properties.insert("time".into(), time_ms.into());
    }
    let at = milliseconds(recorded.get("time").or(properties.get("time")));
    if let Some(duration) = state.stop_timer(name, at) {
        properties.insert("$duration".into(), json!(duration));
    }
    if let Some(id) = other_user(&recorded, state) {
        // The event belongs to another user: user, device and super properties of this browser do
        // not.
        properties.insert("distinct_id".into(), id.into());
    } else {
        properties.extend(state.super_properties.clone());
        properties.extend(identity(state));
    }
    properties.extend(recorded);
    request.omitted.strip(&mut properties);
    properties.insert("token".into(), fallback.token.into());
    json!({"event": name, "properties": properties})
}

/// Returns the IDs of the current user and device.
fn identity(state: &State) -> Properties {
    let mut ids = Map::new();
    ids.insert(
        "distinct_id".into(),
        state.distinct_id.as_deref().unwrap_or_default().into(),
    );
    for (key, id) in [
        ("$device_id", &state.device_id),
        ("$user_id", &state.user_id),
    ] {
        if let Some(id) = id {
            ids.insert(key.into(), id.as_str().into());
        }
    }
    ids
}

/// Returns the user ID of the event if that is not the current user.
fn other_user(recorded: &Properties, state: &State) -> Option<String> {
    let id = recorded
        .get("$user_id")
        .or(recorded.get("distinct_id"))
        .and_then(id_string)?;
    let is_current = [&state.user_id, &state.distinct_id]
        .iter()
        .any(|current| current.as_deref() == Some(&id));
    (!is_current).then_some(id)
}

/// Returns the properties of `$identify` in the form of mixpanel-js. If the anonymous ID is a UUID
/// of version 4, the properties of the API for servers are added.
pub(crate) fn identify_properties(id: &str, previous: &str) -> Properties {
    let mut properties = Map::new();
    properties.insert("distinct_id".into(), id.into());
    properties.insert("$anon_distinct_id".into(), previous.into());
    let anonymous = previous.strip_prefix("$device:").unwrap_or(previous);
    if uuid::Uuid::try_parse(anonymous).is_ok_and(|id| id.get_version_num() == 4) {
        properties.insert("$identified_id".into(), id.into());
        properties.insert("$anon_id".into(), anonymous.into());
    }
    properties
}
