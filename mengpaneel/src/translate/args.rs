//! Arguments of a call, in the forms that mixpanel-js accepts.

use serde_json::{Map, Value};

use crate::call::{Call, Properties, id_string};

/// Returns the ID at `index`. `None` if there is no valid ID.
pub(crate) fn id_arg(call: &Call, index: usize) -> Option<String> {
    call.args().get(index).and_then(id_string)
}

/// Returns the argument at `index`. `None` if it is missing or `null`.
pub(crate) fn arg(call: &Call, index: usize) -> Option<&Value> {
    call.args().get(index).filter(|value| !value.is_null())
}

/// Returns the name of the event.
///
/// # Errors
/// Returns a reason if there is none.
pub(crate) fn event_name(call: &Call) -> Result<&str, String> {
    call.str_arg(0)
        .filter(|name| !name.is_empty())
        .ok_or_else(|| format!("{} requires the name of an event", call.method()))
}

/// Returns the properties at `index`: an object, or a name and a value.
///
/// # Errors
/// Returns a reason if there is neither.
pub(crate) fn properties_or_pair(call: &Call, index: usize) -> Result<Properties, String> {
    match arg(call, index) {
        Some(Value::Object(properties)) => Ok(properties.clone()),
        Some(Value::String(name)) => {
            let value = call.args().get(index + 1).cloned().unwrap_or(Value::Null);
            Ok(Map::from_iter([(name.clone(), value)]))
        }
        _ => Err(format!(
            "{} requires an object of properties, or a name and a value",
            call.method()
        )),
    }
}

/// Returns the property names at `index`: a name, or a list of names.
///
/// # Errors
/// Returns a reason if there are none, or one is not a string.
pub(crate) fn property_names(call: &Call, index: usize) -> Result<Vec<Value>, String> {
    let names = match arg(call, index) {
        Some(Value::Array(names)) => names.clone(),
        Some(name @ Value::String(_)) => vec![name.clone()],
        _ => Vec::new(),
    };
    if names.is_empty() || !names.iter().all(Value::is_string) {
        return Err(format!("{} requires the name of a property", call.method()));
    }
    Ok(names)
}

/// Returns the items of a list, or any other value as a list of one item.
pub(crate) fn into_list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        item => vec![item],
    }
}

/// Returns the properties at `index`; none if the argument is missing or `null`.
///
/// # Errors
/// Returns a reason if the argument is not an object.
pub(crate) fn optional_properties(call: &Call, index: usize) -> Result<Properties, String> {
    match arg(call, index) {
        None => Ok(Properties::new()),
        Some(Value::Object(properties)) => Ok(properties.clone()),
        Some(_) => Err(format!(
            "the properties of {} are not an object",
            call.method()
        )),
    }
}

/// Returns the key and the ID of a group, or a list of IDs.
///
/// # Errors
/// Returns a reason if one is missing, or the key is not a string.
pub(crate) fn group(call: &Call) -> Result<(&str, &Value), String> {
    match (arg(call, 0), arg(call, 1)) {
        (Some(Value::String(key)), Some(id)) => Ok((key, id)),
        _ => Err(format!(
            "{} requires the key and the ID of a group",
            call.method()
        )),
    }
}

/// Converts every value to a list.
pub(crate) fn values_to_lists(properties: Properties) -> Properties {
    properties
        .into_iter()
        .map(|(key, value)| (key, into_list(value).into()))
        .collect()
}
