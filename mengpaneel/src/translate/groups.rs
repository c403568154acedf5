//! Translation of `get_group(…).*`: operations on the profile of a group.

use serde_json::{Map, Value};

use crate::call::{Call, Method};
use crate::translate::args::{arg, into_list, properties_or_pair, property_names};

/// Translates a call on a group to the body of a message.
///
/// # Errors
/// Returns a reason if the arguments are invalid.
pub(crate) fn body(call: &Call, token: &str, time_ms: Option<u64>) -> Result<Value, String> {
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
    let mut body = Map::new();
    body.insert("$token".into(), token.into());
    body.insert("$group_key".into(), key.as_str().into());
    body.insert("$group_id".into(), id.clone());
    if let Some(time_ms) = time_ms {
        body.insert("$time".into(), time_ms.into());
    }
    body.insert(name.into(), value);
    Ok(body.into())
}
