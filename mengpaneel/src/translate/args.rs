//! The arguments of a call in the forms that mixpanel-js takes.

use serde_json::{Map, Value};

use crate::call::{Call, Properties, id_string};

/// The ID at `index`.
pub(crate) fn id(call: &Call, index: usize) -> Option<String> {
    call.args().get(index).and_then(id_string)
}

/// The argument at `index`, where it is one.
pub(crate) fn arg(call: &Call, index: usize) -> Option<&Value> {
    call.args().get(index).filter(|value| !value.is_null())
}

/// The event's name.
pub(crate) fn event_name(call: &Call) -> Result<&str, String> {
    call.str_arg(0)
        .filter(|name| !name.is_empty())
        .ok_or_else(|| format!("{} takes the name of an event", call.method()))
}

/// An object from `index`: given whole, or as a name and a value.
pub(crate) fn pairs(call: &Call, index: usize) -> Result<Properties, String> {
    match arg(call, index) {
        Some(Value::Object(properties)) => Ok(properties.clone()),
        Some(Value::String(name)) => {
            let value = call.args().get(index + 1).cloned().unwrap_or(Value::Null);
            Ok(Map::from_iter([(name.clone(), value)]))
        }
        _ => Err(format!(
            "{} takes an object of properties, or a name and a value",
            call.method()
        )),
    }
}

/// One name or several, from `index`.
pub(crate) fn names(call: &Call, index: usize) -> Result<Vec<Value>, String> {
    let names = match arg(call, index) {
        Some(Value::Array(names)) => names.clone(),
        Some(name @ Value::String(_)) => vec![name.clone()],
        _ => Vec::new(),
    };
    if names.is_empty() || !names.iter().all(Value::is_string) {
        return Err(format!("{} takes the name of a property", call.method()));
    }
    Ok(names)
}

/// A value as a list: itself if it is one.
pub(crate) fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        item => vec![item],
    }
}

/// The optional properties of an event.
pub(crate) fn properties(call: &Call) -> Result<Properties, String> {
    let index = call.method().properties_index().unwrap_or_default();
    match arg(call, index) {
        None => Ok(Properties::new()),
        Some(Value::Object(properties)) => Ok(properties.clone()),
        Some(_) => Err(format!("the properties of {} are no object", call.method())),
    }
}
