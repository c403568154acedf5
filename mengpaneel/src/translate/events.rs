//! Events that are not plain: their times and properties.

use serde_json::{Map, Value};

use crate::call::Properties;

/// Returns the time of an event in milliseconds. Small numbers are seconds, and are converted.
pub(crate) fn milliseconds(time: Option<&Value>) -> Option<f64> {
    let time = time?.as_f64()?;
    Some(if time < 1e11 { time * 1000.0 } else { time })
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
