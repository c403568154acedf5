//! Translation of `get_group(…).*`: operations on the profile of a group.

use serde_json::{Map, Value};

use crate::call::{Call, Method};
use crate::translate::args::{arg, into_list, properties_or_pair, property_names};

/// Translates a call on a group to a record.
///
/// # Errors
/// Returns a reason if the arguments are invalid.
pub(crate) fn record(call: &Call, token: &str, time: Option<u64>) -> Result<Value, String> {
    let (Some(Value::String(key)), Some(id)) = (arg(call, 0), arg(call, 1)) else {
        return Err(format!(
            "{} requires the key and the ID of a group",
            call.method()
        ));
    };
    let (name, value) = match call.method() {
        Method::GroupSet => ("$set", properties_or_pair(call, 2)?.into()),
        Method::GroupSetOnce => ("$set_once", properties_or_pair(call, 2)?.into()),
        Method::GroupUnset => ("$unset", property_names(call, 2)?.into()),
        Method::GroupUnion => {
            let lists = properties_or_pair(call, 2)?
                .into_iter()
                .map(|(key, value)| (key, into_list(value).into()))
                .collect();
            ("$union", Value::Object(lists))
        }
        Method::GroupRemove => ("$remove", properties_or_pair(call, 2)?.into()),
        Method::GroupDelete => ("$delete", "".into()),
        method => return Err(format!("{method} does not change a group")),
    };
    let mut record = Map::new();
    record.insert("$token".into(), token.into());
    record.insert("$group_key".into(), key.as_str().into());
    record.insert("$group_id".into(), id.clone());
    if let Some(time) = time {
        record.insert("$time".into(), time.into());
    }
    record.insert(name.into(), value);
    Ok(record.into())
}
