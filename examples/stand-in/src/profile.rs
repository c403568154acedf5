//! State of a profile, computed from its operations.

use serde_json::{Map, Number, Value};

/// Properties of a profile.
pub type Profile = Map<String, Value>;

/// Applies one record to a profile. The operations of a record apply in the order of Mixpanel's
/// documentation. `None` is a profile that does not exist or was deleted.
#[must_use]
pub(crate) fn apply(profile: Option<Profile>, record: &Value) -> Option<Profile> {
    let mut profile = profile.unwrap_or_default();
    for (name, value) in entries(record, "$set") {
        profile.insert(name.clone(), value.clone());
    }
    for (name, value) in entries(record, "$set_once") {
        profile.entry(name.clone()).or_insert_with(|| value.clone());
    }
    for (name, value) in entries(record, "$add") {
        let current = profile.get(name).map_or(0.0, number);
        profile.insert(name.clone(), sum(current, number(value)));
    }
    for (name, value) in entries(record, "$append") {
        edit(&mut profile, name, |list| list.push(value.clone()));
    }
    for (name, values) in entries(record, "$union") {
        edit(&mut profile, name, |list| {
            for value in values.as_array().into_iter().flatten() {
                if !list.contains(value) {
                    list.push(value.clone());
                }
            }
        });
    }
    for (name, value) in entries(record, "$remove") {
        if profile.contains_key(name) {
            edit(&mut profile, name, |list| list.retain(|item| item != value));
        }
    }
    for name in record["$unset"].as_array().into_iter().flatten() {
        if let Some(name) = name.as_str() {
            profile.remove(name);
        }
    }
    record.get("$delete").is_none().then_some(profile)
}

fn entries<'a>(
    record: &'a Value,
    operation: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    record[operation].as_object().into_iter().flatten()
}

/// Edits a list property. A property that is missing or not a list starts empty.
fn edit(profile: &mut Profile, name: &str, change: impl FnOnce(&mut Vec<Value>)) {
    let mut items = match profile.remove(name) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    change(&mut items);
    profile.insert(name.to_owned(), Value::Array(items));
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Number(number) => number.as_f64().unwrap_or_default(),
        Value::String(text) => text.parse().unwrap_or_default(),
        _ => 0.0,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the sum is an integer")]
fn sum(current: f64, increment: f64) -> Value {
    let sum = current + increment;
    if sum.fract() == 0.0 && sum.abs() < 9e15 {
        return Value::from(sum as i64);
    }
    Number::from_f64(sum).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn profile_of(records: &[Value]) -> Value {
        let profile = records.iter().fold(None, apply);
        profile.map_or(Value::Null, Value::Object)
    }

    #[test]
    fn set_overwrites_and_set_once_does_not() {
        let records = [
            json!({"$set": {"a": 1, "b": 1}}),
            json!({"$set": {"a": 2}, "$set_once": {"b": 2, "c": 3}}),
        ];
        assert_eq!(profile_of(&records), json!({"a": 2, "b": 1, "c": 3}));
    }

    #[test]
    fn add_starts_at_zero() {
        let records = [
            json!({"$add": {"n": 2, "f": 0.5}}),
            json!({"$add": {"n": "-3"}}),
        ];
        assert_eq!(profile_of(&records), json!({"n": -1, "f": 0.5}));
    }

    #[test]
    fn append_union_and_remove_edit_lists() {
        let records = [
            json!({"$append": {"l": "a"}}),
            json!({"$append": {"l": "a"}}),
            json!({"$union": {"l": ["a", "b"]}}),
            json!({"$remove": {"l": "a", "none": 1}}),
        ];
        assert_eq!(profile_of(&records), json!({"l": ["b"]}));
    }

    #[test]
    fn unset_removes_properties_and_delete_the_profile() {
        let mut records = vec![json!({"$set": {"a": 1, "b": 2}}), json!({"$unset": ["a"]})];
        assert_eq!(profile_of(&records), json!({"b": 2}));
        records.push(json!({"$delete": ""}));
        assert_eq!(profile_of(&records), Value::Null);
        records.push(json!({"$set": {"c": 1}}));
        assert_eq!(profile_of(&records), json!({"c": 1}));
    }
}
