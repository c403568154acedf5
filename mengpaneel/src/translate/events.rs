//! Events, with everything that mixpanel-js's `track` adds to them.

use serde_json::{Map, Value, json};

use crate::call::{Properties, id_string};
use crate::translate::facts::RequestProperties;
use crate::translate::state::State;

/// What an event falls back on, if it was not stamped when it was recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FallbackMeta<'a> {
    pub(crate) token: &'a str,
    pub(crate) insert_id: &'a str,
    /// Milliseconds since 1970.
    pub(crate) time: Option<u64>,
}

/// An event's time in milliseconds; seconds are taken for seconds.
pub(crate) fn milliseconds(time: Option<&Value>) -> Option<f64> {
    let time = time?.as_f64()?;
    Some(if time < 1e11 { time * 1000.0 } else { time })
}

/// The record of an event. From low to high in rank: facts of the request, super properties, what
/// the caller says; only the token cannot be chosen.
pub(crate) fn event(
    name: &str,
    own: Properties,
    state: &mut State,
    facts: &RequestProperties<'_>,
    stamp: FallbackMeta<'_>,
) -> Value {
    let mut properties = facts.event().clone();
    properties.insert("mp_lib".into(), "mengpaneel".into());
    properties.insert("$lib_version".into(), env!("CARGO_PKG_VERSION").into());
    properties.insert("$insert_id".into(), stamp.insert_id.into());
    if let Some(time) = stamp.time {
        properties.insert("time".into(), time.into());
    }
    let at = milliseconds(own.get("time").or(properties.get("time")));
    if let Some(duration) = state.stop_timer(name, at) {
        properties.insert("$duration".into(), json!(duration));
    }
    if let Some(id) = anonymous(&own, state) {
        // Somebody else's event, recorded while they were here: this browser's user, device and
        // super properties are not theirs.
        properties.insert("distinct_id".into(), id.into());
    } else {
        properties.extend(state.super_properties.clone());
        properties.extend(identity(state));
    }
    properties.extend(own);
    facts.omitted.strip(&mut properties);
    properties.insert("token".into(), stamp.token.into());
    json!({"event": name, "properties": properties})
}

/// Who it is, as every event and profile of the browser says.
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

/// Whose event it says it is, if that is somebody else than who is there.
fn anonymous(own: &Properties, state: &State) -> Option<String> {
    let id = own
        .get("$user_id")
        .or(own.get("distinct_id"))
        .and_then(id_string)?;
    let is_known = [&state.user_id, &state.distinct_id]
        .iter()
        .any(|known| known.as_deref() == Some(&id));
    (!is_known).then_some(id)
}

/// The properties of `$identify`: in the form of mixpanel-js, and in that of the API for servers
/// where the anonymous ID is what that asks for.
pub(crate) fn identified(id: &str, previous: &str) -> Properties {
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
