//! Translation of `get_group(…).*`: operations on the profile of a group.

use serde_json::Value;

use crate::call::{Call, Method};
use crate::translate::args::{arg, into_list, properties_or_pair, property_names};
use crate::translate::profile::{Ids, Operation};

/// Translates a call on a group to the members that identify its profile, and an operation.
///
/// # Errors
/// Returns a reason if the arguments are invalid.
pub(crate) fn operation(call: &Call) -> Result<(Ids, Operation), String> {
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
    let ids = vec![
        ("$group_id", id.clone()),
        ("$group_key", key.as_str().into()),
    ];
    Ok((ids, (name, value)))
}
