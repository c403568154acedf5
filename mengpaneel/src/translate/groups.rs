//! `get_group(…).*`: one operation on the profile of a group.

use serde_json::{Map, Value};

use crate::call::{Call, Method};
use crate::translate::args::{arg, list, names, pairs};

/// The record that a call on a group asks for.
pub(crate) fn record(call: &Call, token: &str, time: Option<u64>) -> Result<Value, String> {
    let (Some(Value::String(key)), Some(id)) = (arg(call, 0), arg(call, 1)) else {
        return Err(format!(
            "{} takes the key and the ID of a group",
            call.method()
        ));
    };
    let (name, value) = match call.method() {
        Method::GroupSet => ("$set", pairs(call, 2)?.into()),
        Method::GroupSetOnce => ("$set_once", pairs(call, 2)?.into()),
        Method::GroupUnset => ("$unset", names(call, 2)?.into()),
        Method::GroupUnion => {
            let lists = pairs(call, 2)?
                .into_iter()
                .map(|(key, value)| (key, list(value).into()))
                .collect();
            ("$union", Value::Object(lists))
        }
        Method::GroupRemove => ("$remove", pairs(call, 2)?.into()),
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
