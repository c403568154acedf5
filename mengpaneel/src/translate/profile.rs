//! Writer of operations on profiles of people and groups as JSON.

use serde_json::Value;

use crate::translate::limits::{MAX_PROFILE_PROPERTIES, MemberWriter, check_id, check_size};
use crate::translate::member_value::MemberValue;
use crate::translate::request_properties::RequestProperties;

/// Name of an operation, such as `$set`, and its value.
pub(crate) type Operation = (&'static str, Value);

/// Members that identify a profile. The first is the ID of the user or the group.
pub(crate) type Ids = Vec<(&'static str, Value)>;

/// Writes an operation at the end of `json`, and adds the changes to report. Returns the length of
/// the text before `$time`, the last member.
///
/// # Errors
/// Returns the reason if the operation cannot be sent. The caller must then truncate `json`.
pub(crate) fn write(
    json: &mut Vec<u8>,
    changes: &mut Vec<String>,
    request: &RequestProperties<'_>,
    ids: &Ids,
    (operation, value): &Operation,
    time_ms: Option<u64>,
) -> Result<usize, String> {
    let start = json.len();
    json.push(b'{');
    let mut members = MemberWriter::new(json, changes, request, true);
    for (name, id) in ids {
        members.write(name, id.into(), |_| false);
    }
    if let Value::Object(properties) = value {
        members.write_name(operation);
        members.json.push(b'{');
        let ids = members.count;
        for (name, value) in properties {
            members.write(name, value.into(), |name| properties.contains_key(name));
        }
        let count = members.count - ids;
        if count > MAX_PROFILE_PROPERTIES {
            return Err(format!(
                "{operation} has {count} properties; Mixpanel accepts {MAX_PROFILE_PROPERTIES}"
            ));
        }
        members.json.push(b'}');
    } else {
        members.write(operation, value.into(), |_| false);
    }
    let len = members.json.len() - start;
    if let Some(time_ms) = time_ms {
        members.write("$time", MemberValue::Unsigned(time_ms), |_| false);
    }
    json.push(b'}');
    if let Some(("$distinct_id", Value::String(id))) = ids.first() {
        check_id(id)?;
    }
    check_size(json.len() - start)?;
    Ok(len)
}
