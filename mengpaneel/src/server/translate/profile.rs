//! Profiles: of people, and of groups.

use serde_json::{Map, Value, json};

use super::state::State;
use super::{Said, object, text};
use crate::call::{Call, Method, Properties};
use crate::server::message::{Endpoint, Message};
use crate::server::user_agent;

/// `people.*`.
pub(super) fn person(state: &mut State<'_>, call: &Call) -> Said {
    if state.is_opted_out() {
        return Ok(vec![]);
    }
    let (operation, value) = match call.method() {
        Method::PeopleSet => ("$set", Value::Object(with_browser(state, pairs(call)?))),
        Method::PeopleSetOnce => ("$set_once", Value::Object(pairs(call)?)),
        Method::PeopleUnset => ("$unset", names(call, 0)?),
        Method::PeopleIncrement => ("$add", Value::Object(numbers(call)?)),
        Method::PeopleAppend => ("$append", Value::Object(pairs(call)?)),
        Method::PeopleRemove => ("$remove", Value::Object(pairs(call)?)),
        Method::PeopleUnion => ("$union", Value::Object(lists(pairs(call)?))),
        Method::PeopleTrackCharge => ("$append", json!({"$transactions": charge(state, call)?})),
        Method::PeopleClearCharges => ("$set", json!({"$transactions": []})),
        Method::PeopleDeleteUser => ("$delete", Value::from("")),
        _ => return Err(format!("{} is a method of browsers alone", call.method())),
    };
    let Some(user) = state.user_id.as_deref() else {
        return Err("nobody is identified, and Mixpanel has no profile of an anonymous visitor".to_owned());
    };
    Ok(vec![message(state, call, user, operation, value)])
}

fn message(state: &State<'_>, call: &Call, user: &str, operation: &str, value: Value) -> Message {
    let mut body = Properties::new();
    body.insert("$token".into(), Value::from(state.token));
    body.insert("$distinct_id".into(), Value::from(user));
    for (name, id) in [("$device_id", &state.device_id), ("$user_id", &state.user_id)] {
        if let Some(id) = id {
            body.insert(name.into(), Value::from(id.as_str()));
        }
    }
    body.insert("$time".into(), Value::from(state.made_at()));
    // Without an address Mixpanel would put the user where the server stands.
    body.insert("$ip".into(), Value::from(state.ip().unwrap_or("0")));
    body.insert(operation.into(), value);
    Message { endpoint: Endpoint::People, body: Value::Object(body), call: call.clone() }
}

/// `set_group`, `add_group`, `remove_group`: what goes with each event, and the user's profile.
pub(super) fn membership(state: &mut State<'_>, call: &Call) -> Said {
    let key = text(call, 0)?.to_owned();
    let ids = match call.args().get(1) {
        Some(Value::Array(ids)) => ids.clone(),
        Some(id) if !id.is_null() => vec![id.clone()],
        _ => return Err(format!("{} needs a group's ID", call.method())),
    };
    let mut known = match state.super_properties.get(&key) {
        Some(Value::Array(known)) => known.clone(),
        Some(Value::Null) | None => Vec::new(),
        Some(one) => vec![one.clone()],
    };
    let (operation, value) = match call.method() {
        Method::SetGroup => {
            known.clone_from(&ids);
            ("$set", json!({key.as_str(): ids}))
        }
        Method::AddGroup => {
            known.extend(ids.iter().filter(|id| !known.contains(id)).cloned().collect::<Vec<_>>());
            ("$union", json!({key.as_str(): ids}))
        }
        _ => {
            known.retain(|id| !ids.contains(id));
            ("$remove", json!({key.as_str(): ids.first()}))
        }
    };
    if known.is_empty() {
        state.super_properties.remove(&key);
    } else {
        state.super_properties.insert(key, Value::from(known));
    }
    match state.user_id.as_deref() {
        Some(user) if !state.is_opted_out() => Ok(vec![message(state, call, user, operation, value)]),
        _ => Ok(vec![]),
    }
}

/// `get_group(key, id).*`. Nobody need be identified.
pub(super) fn group(state: &mut State<'_>, call: &Call) -> Said {
    if state.is_opted_out() {
        return Ok(vec![]);
    }
    let key = text(call, 0)?;
    let id = call.args().get(1).cloned().unwrap_or_default();
    if id.is_null() || id.as_str() == Some("") {
        return Err(format!("{} needs a group's ID", call.method()));
    }
    let one = |value: Value| -> Result<Value, String> { Ok(json!({text(call, 2)?: value})) };
    let value = || call.args().get(3).cloned().unwrap_or_default();
    let (operation, value) = match call.method() {
        Method::GroupSet => ("$set", Value::Object(pairs_at(call, 2)?)),
        Method::GroupSetOnce => ("$set_once", Value::Object(pairs_at(call, 2)?)),
        Method::GroupUnset => ("$unset", names(call, 2)?),
        Method::GroupUnion => ("$union", one(listed(value()))?),
        Method::GroupRemove => ("$remove", one(value())?),
        Method::GroupDelete => ("$delete", Value::from("")),
        _ => return Err(format!("{} is a method of browsers alone", call.method())),
    };
    let mut body = Properties::new();
    body.insert("$token".into(), Value::from(state.token));
    body.insert("$group_key".into(), Value::from(key));
    body.insert("$group_id".into(), id);
    body.insert(operation.into(), value);
    Ok(vec![Message { endpoint: Endpoint::Groups, body: Value::Object(body), call: call.clone() }])
}

/// What goes to the profile with each `people.set`; the caller's own wins.
fn with_browser(state: &State<'_>, own: Properties) -> Properties {
    let mut all = state.user_agent().map(user_agent::describe).unwrap_or_default();
    all.extend(own);
    all
}

/// Names and values: `({"Plan": "Pro"})`, or `("Plan", "Pro")`. What names the profile itself is
/// no property of it.
fn pairs(call: &Call) -> Result<Properties, String> {
    pairs_at(call, 0)
}

fn pairs_at(call: &Call, index: usize) -> Result<Properties, String> {
    const NOT_PROPERTIES: [&str; 5] =
        ["$distinct_id", "$token", "$device_id", "$user_id", "$had_persisted_distinct_id"];
    if let Some(name) = call.str_arg(index) {
        let value = call.args().get(index + 1).cloned().unwrap_or_default();
        return Ok(Map::from_iter([(name.to_owned(), value)]));
    }
    let mut pairs = object(call, index)?.clone();
    pairs.retain(|name, _| !NOT_PROPERTIES.contains(&name.as_str()));
    Ok(pairs)
}

/// What is added: numbers, and texts that are one. `increment("Posts")` adds one.
fn numbers(call: &Call) -> Result<Properties, String> {
    let mut pairs = pairs(call)?;
    if call.args().len() == 1 && call.str_arg(0).is_some() {
        pairs.values_mut().for_each(|by| *by = Value::from(1));
    }
    pairs.retain(|_, by| {
        by.is_number() || by.as_str().is_some_and(|by| by.trim().parse::<f64>().is_ok_and(f64::is_finite))
    });
    if pairs.is_empty() { Err("people.increment needs a number".to_owned()) } else { Ok(pairs) }
}

fn lists(pairs: Properties) -> Properties {
    pairs.into_iter().map(|(name, value)| (name, listed(value))).collect()
}

fn listed(value: Value) -> Value {
    if value.is_array() { value } else { Value::from(vec![value]) }
}

/// One name, or a list of them.
fn names(call: &Call, index: usize) -> Result<Value, String> {
    match call.args().get(index) {
        Some(name @ Value::String(_)) => Ok(Value::from(vec![name.clone()])),
        Some(names @ Value::Array(_)) => Ok(names.clone()),
        _ => Err(format!("{} needs the name of a property", call.method())),
    }
}

/// A transaction, as the gem's library writes it; mixpanel-js writes none since 2.65.
fn charge(state: &State<'_>, call: &Call) -> Result<Value, String> {
    let amount = call.args().first().filter(|amount| amount.is_number());
    let amount = amount.ok_or("people.track_charge needs an amount")?;
    let mut charge = call.args().get(1).and_then(Value::as_object).cloned().unwrap_or_default();
    charge.insert("$amount".into(), amount.clone());
    charge.entry("$time").or_insert_with(|| Value::from(state.made_at()));
    Ok(Value::Object(charge))
}
