//! The state of a profile: its operations, one after the other.

use serde_json::{Map, Number, Value};

/// The properties of a profile.
pub type Profile = Map<String, Value>;

/// Applies one record to the profile that it is about, in the order in which Mixpanel names the
/// operations. `None` is a profile that does not exist, or no longer.
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
        let known = profile.get(name).map_or(0.0, number);
        profile.insert(name.clone(), sum(known, number(value)));
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

/// Has `change` edit a list, which is empty where there was none.
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

#[expect(clippy::cast_possible_truncation, reason = "only where it is whole")]
fn sum(known: f64, more: f64) -> Value {
    let sum = known + more;
    if sum.fract() == 0.0 && sum.abs() < 9e15 {
        return Value::from(sum as i64);
    }
    Number::from_f64(sum).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn folded(records: &[Value]) -> Value {
        let profile = records.iter().fold(None, apply);
        profile.map_or(Value::Null, Value::Object)
    }

    #[test]
    fn set_writes_over_and_set_once_does_not() {
        let records = [
            json!({"$set": {"a": 1, "b": 1}}),
            json!({"$set": {"a": 2}, "$set_once": {"b": 2, "c": 3}}),
        ];
        assert_eq!(folded(&records), json!({"a": 2, "b": 1, "c": 3}));
    }

    #[test]
    fn add_counts_from_zero() {
        let records = [
            json!({"$add": {"n": 2, "f": 0.5}}),
            json!({"$add": {"n": "-3"}}),
        ];
        assert_eq!(folded(&records), json!({"n": -1, "f": 0.5}));
    }

    #[test]
    fn lists_grow_by_append_and_union_and_shrink_by_remove() {
        let records = [
            json!({"$append": {"l": "a"}}),
            json!({"$append": {"l": "a"}}),
            json!({"$union": {"l": ["a", "b"]}}),
            json!({"$remove": {"l": "a", "none": 1}}),
        ];
        assert_eq!(folded(&records), json!({"l": ["b"]}));
    }

    #[test]
    fn unset_takes_a_property_and_delete_the_profile() {
        let mut records = vec![json!({"$set": {"a": 1, "b": 2}}), json!({"$unset": ["a"]})];
        assert_eq!(folded(&records), json!({"b": 2}));
        records.push(json!({"$delete": ""}));
        assert_eq!(folded(&records), Value::Null);
        records.push(json!({"$set": {"c": 1}}));
        assert_eq!(folded(&records), json!({"c": 1}));
    }
}
