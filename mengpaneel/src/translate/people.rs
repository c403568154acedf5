//! Translation of `people.*`: operations on the profile of the current user.

use actix_web::cookie::time::OffsetDateTime;
use serde_json::{Value, json};

use crate::call::{Call, Method, Properties};
use crate::translate::args::{
    arg, optional_properties, properties_or_pair, property_names, values_to_lists,
};
use crate::translate::profile::Operation;
use crate::translate::request_properties::RequestProperties;

/// Translates a call to an operation, such as `$set`, and its value.
///
/// # Errors
/// Returns a reason if the arguments are invalid.
pub(crate) fn operation(
    call: &Call,
    request: &RequestProperties<'_>,
    time_ms: Option<u64>,
) -> Result<Operation, String> {
    let (name, value) = match call.method() {
        Method::PeopleSet => {
            let mut properties = request.all().profile.clone();
            properties.extend(own_properties(call)?);
            ("$set", properties.into())
        }
        Method::PeopleSetOnce => ("$set_once", own_properties(call)?.into()),
        Method::PeopleUnset => ("$unset", property_names(call, 0)?.into()),
        Method::PeopleIncrement => ("$add", increments(call)?.into()),
        Method::PeopleAppend => ("$append", own_properties(call)?.into()),
        Method::PeopleRemove => ("$remove", own_properties(call)?.into()),
        Method::PeopleUnion => ("$union", values_to_lists(own_properties(call)?).into()),
        Method::PeopleClearCharges => {
            let mut properties = request.all().profile.clone();
            properties.insert("$transactions".into(), json!([]));
            ("$set", properties.into())
        }
        // Mixpanel ignores the value.
        Method::PeopleDeleteUser => ("$delete", "".into()),
        Method::PeopleTrackCharge => ("$append", json!({"$transactions": charge(call, time_ms)?})),
        method => return Err(format!("{method} does not change a profile")),
    };
    Ok((name, value))
}

/// Returns the properties of a call, without those that identify the profile.
fn own_properties(call: &Call) -> Result<Properties, String> {
    let mut properties = properties_or_pair(call, 0)?;
    properties.retain(|key, _| {
        !matches!(
            key.as_str(),
            "$distinct_id" | "$token" | "$device_id" | "$user_id" | "$had_persisted_distinct_id"
        )
    });
    Ok(properties)
}

/// Returns the numbers to add. The default is one; values that are not numbers are ignored.
fn increments(call: &Call) -> Result<Properties, String> {
    let mut properties = own_properties(call)?;
    if arg(call, 0).is_some_and(Value::is_string) && arg(call, 1).is_none() {
        properties
            .values_mut()
            .for_each(|amount| *amount = json!(1));
    }
    let numbers: Properties = properties
        .into_iter()
        .filter_map(|(key, amount)| Some((key, number(amount)?)))
        .collect();
    if numbers.is_empty() {
        return Err("people.increment requires numbers".into());
    }
    Ok(numbers)
}

/// Returns a charge, as Mixpanel's libraries for servers append it. Its time is that of recording,
/// not of delivery.
fn charge(call: &Call, time_ms: Option<u64>) -> Result<Properties, String> {
    let amount = arg(call, 0)
        .cloned()
        .and_then(number)
        .ok_or("people.track_charge requires an amount")?;
    let mut charge = optional_properties(call, 1)?;
    charge.insert("$amount".into(), amount);
    if let Some(time) = time_ms.and_then(date) {
        charge.entry("$time").or_insert_with(|| time.into());
    }
    Ok(charge)
}

/// Formats a time as Mixpanel expects dates in profiles. `None` beyond the range of dates.
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

/// Returns a number, or the number that a text holds.
fn number(value: Value) -> Option<Value> {
    match value {
        Value::Number(_) => Some(value),
        Value::String(text) => {
            let text = text.trim();
            let integer = text.parse::<i64>().ok().map(Value::from);
            integer.or_else(|| serde_json::Number::from_f64(text.parse().ok()?).map(Value::Number))
        }
        _ => None,
    }
}
