//! `people.*`: one operation on the profile of who is there.

use actix_web::cookie::time::OffsetDateTime;
use serde_json::{Map, Value, json};

use crate::call::{Call, Method, Properties};
use crate::translate::args::{arg, list, names, pairs};
use crate::translate::facts::RequestProperties;
use crate::translate::state::State;

/// The operation that a call asks for, as `{"$set": {…}}`.
pub(crate) fn operation(
    call: &Call,
    facts: &RequestProperties<'_>,
    time: Option<u64>,
) -> Result<Properties, String> {
    let (name, value) = match call.method() {
        Method::PeopleSet => {
            let mut properties = facts.profile().clone();
            properties.extend(own(call)?);
            ("$set", properties.into())
        }
        Method::PeopleSetOnce => ("$set_once", own(call)?.into()),
        Method::PeopleUnset => ("$unset", names(call, 0)?.into()),
        Method::PeopleIncrement => ("$add", increments(call)?.into()),
        Method::PeopleAppend => ("$append", own(call)?.into()),
        Method::PeopleRemove => ("$remove", own(call)?.into()),
        Method::PeopleUnion => ("$union", unions(own(call)?).into()),
        Method::PeopleClearCharges => {
            let mut properties = facts.profile().clone();
            properties.insert("$transactions".into(), json!([]));
            ("$set", properties.into())
        }
        // Mixpanel does not look at the value.
        Method::PeopleDeleteUser => ("$delete", "".into()),
        Method::PeopleTrackCharge => ("$append", json!({"$transactions": charge(call, time)?})),
        method => return Err(format!("{method} does not change a profile")),
    };
    Ok(Map::from_iter([(name.to_owned(), value)]))
}

/// The record that applies an operation to the profile of who is there.
pub(crate) fn record(
    operation: Properties,
    state: &State,
    facts: &RequestProperties<'_>,
    token: &str,
    time: Option<u64>,
) -> Option<Value> {
    // After an alias the events stay with the anonymous ID, but the profile is the user's.
    let id = state.user_id.as_ref().or(state.distinct_id.as_ref())?;
    let mut record = Map::new();
    record.insert("$token".into(), token.into());
    record.insert("$distinct_id".into(), id.as_str().into());
    for (key, id) in [
        ("$device_id", &state.device_id),
        ("$user_id", &state.user_id),
    ] {
        if let Some(id) = id {
            record.insert(key.into(), id.as_str().into());
        }
    }
    // Zero keeps Mixpanel from locating the visitor where the server stands.
    record.insert("$ip".into(), facts.ip.unwrap_or("0").into());
    if let Some(time) = time {
        record.insert("$time".into(), time.into());
    }
    record.extend(operation);
    Some(record.into())
}

/// The caller's properties, without those that say whose profile it is.
fn own(call: &Call) -> Result<Properties, String> {
    let mut properties = pairs(call, 0)?;
    properties.retain(|key, _| {
        !matches!(
            key.as_str(),
            "$distinct_id" | "$token" | "$device_id" | "$user_id" | "$had_persisted_distinct_id"
        )
    });
    Ok(properties)
}

/// What to add: by one if nothing is said, and only numbers.
fn increments(call: &Call) -> Result<Properties, String> {
    let mut properties = own(call)?;
    if arg(call, 0).is_some_and(Value::is_string) && arg(call, 1).is_none() {
        properties.values_mut().for_each(|by| *by = json!(1));
    }
    let numbers: Properties = properties
        .into_iter()
        .filter_map(|(key, by)| Some((key, number(by)?)))
        .collect();
    if numbers.is_empty() {
        return Err("people.increment takes numbers".into());
    }
    Ok(numbers)
}

/// A charge, as Mixpanel's libraries for servers still append it; it happened when it was recorded,
/// not when it arrives.
fn charge(call: &Call, time: Option<u64>) -> Result<Properties, String> {
    let amount = arg(call, 0)
        .cloned()
        .and_then(number)
        .ok_or("people.track_charge takes an amount")?;
    let mut charge = match arg(call, 1) {
        Some(Value::Object(properties)) => properties.clone(),
        Some(_) => return Err("the properties of people.track_charge are no object".into()),
        None => Properties::new(),
    };
    charge.insert("$amount".into(), amount);
    if let Some(time) = time.and_then(date) {
        charge.entry("$time").or_insert_with(|| time.into());
    }
    Ok(charge)
}

/// A time in the form that Mixpanel takes for dates in profiles.
fn date(milliseconds: u64) -> Option<String> {
    let at = OffsetDateTime::from_unix_timestamp(i64::try_from(milliseconds / 1_000).ok()?).ok()?;
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
        at.hour(),
        at.minute(),
        at.second()
    ))
}

fn number(value: Value) -> Option<Value> {
    match value {
        Value::Number(_) => Some(value),
        Value::String(text) => {
            let text = text.trim();
            let whole = text.parse::<i64>().ok().map(Value::from);
            whole.or_else(|| serde_json::Number::from_f64(text.parse().ok()?).map(Value::Number))
        }
        _ => None,
    }
}

/// Every value as a list.
pub(crate) fn unions(properties: Properties) -> Properties {
    properties
        .into_iter()
        .map(|(key, value)| (key, list(value).into()))
        .collect()
}
