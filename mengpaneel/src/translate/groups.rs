//! Translation of `get_group(…).*`: operations on the profile of a group.

use crate::call::{Call, Method};
use crate::translate::args::{group, properties_or_pair, property_names, values_to_lists};
use crate::translate::profile::{Ids, Operation};

/// Translates a call on a group to the members that identify its profile, and an operation.
///
/// # Errors
/// Returns a reason if the arguments are invalid.
pub(crate) fn operation(call: &Call) -> Result<(Ids, Operation), String> {
    let (key, id) = group(call)?;
    let (name, value) = match call.method() {
        Method::GroupSet => ("$set", properties_or_pair(call, 2)?.into()),
        Method::GroupSetOnce => ("$set_once", properties_or_pair(call, 2)?.into()),
        Method::GroupUnset => ("$unset", property_names(call, 2)?.into()),
        Method::GroupUnion => (
            "$union",
            values_to_lists(properties_or_pair(call, 2)?).into(),
        ),
        Method::GroupRemove => ("$remove", properties_or_pair(call, 2)?.into()),
        Method::GroupDelete => ("$delete", "".into()),
        method => return Err(format!("{method} does not change a group")),
    };
    let ids = vec![("$group_id", id.clone()), ("$group_key", key.into())];
    Ok((ids, (name, value)))
}
