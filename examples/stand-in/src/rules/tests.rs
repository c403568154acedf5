use serde_json::json;

use super::*;

const NOW: i64 = 1_790_000_000_000;

fn event() -> Value {
    json!({
        "event": "Sign Up",
        "properties": {
            "time": NOW,
            "distinct_id": "7",
            "$insert_id": "0b7a4b1e-7b6c-4e5f-9f55-2f1a7b1c9d3e",
        },
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut event = event();
    event["properties"][name] = value;
    event
}

fn without(name: &str) -> Value {
    let mut event = event();
    event["properties"].as_object_mut().unwrap().remove(name);
    event
}

#[track_caller]
fn assert_rejected(event: &Value, field: &str) {
    assert_eq!(
        import(event, NOW).map_err(|violation| violation.field),
        Err(field.to_owned())
    );
}

#[test]
fn import_accepts_a_complete_event() {
    assert_eq!(import(&event(), NOW), Ok(()));
}

#[test]
fn import_accepts_an_empty_distinct_id() {
    assert_eq!(import(&with("distinct_id", json!("")), NOW), Ok(()));
}

#[test]
fn import_requires_a_name_and_properties() {
    assert_rejected(&json!({"properties": {}}), "event");
    assert_rejected(&json!({"event": "", "properties": {}}), "event");
    assert_rejected(&json!({"event": "A"}), "properties");
    assert_rejected(&json!("A"), "event");
}

#[test]
fn import_requires_time_distinct_id_and_insert_id() {
    for name in ["time", "distinct_id", "$insert_id"] {
        assert_rejected(&without(name), &format!("properties.{name}"));
    }
}

#[test]
fn import_accepts_seconds_and_milliseconds() {
    for time in [
        json!(NOW),
        json!(NOW / 1_000),
        json!(1_789_999_999.123),
        json!(31_536_000),
        json!(31_536_000_000_i64),
    ] {
        assert_eq!(import(&with("time", time), NOW), Ok(()));
    }
    assert_eq!(milliseconds(&json!(1_789_999_999.123)), Some(NOW - 877));
}

#[test]
fn import_rejects_times_out_of_range() {
    for time in [
        json!(0),
        json!(-1),
        json!(31_535_999),
        json!(NOW + HOUR + 1),
        json!("now"),
        json!(NOW.to_string()),
    ] {
        assert_rejected(&with("time", time), "properties.time");
    }
    assert_eq!(import(&with("time", json!(NOW + HOUR)), NOW), Ok(()));
}

#[test]
fn import_rejects_invalid_insert_ids() {
    let long = "a".repeat(37);
    for id in ["", "a_b", "a:b", "ä", "anonymous", "NULL", "-1", &long] {
        assert_rejected(&with("$insert_id", json!(id)), "properties.$insert_id");
    }
    assert_rejected(&with("$insert_id", json!(7)), "properties.$insert_id");
    assert_eq!(
        import(&with("$insert_id", json!("a".repeat(36))), NOW),
        Ok(())
    );
}

#[test]
fn import_rejects_placeholders_and_non_string_ids() {
    for id in [json!(7), json!(null), json!("undefined"), json!("0")] {
        assert_rejected(&with("distinct_id", id), "properties.distinct_id");
    }
}

#[test]
fn import_limits_number_and_depth_of_properties() {
    let mut event = event();
    for index in 0..253 {
        event["properties"][format!("p{index}")] = json!(index);
    }
    assert_rejected(&event, "properties");
    event["properties"].as_object_mut().unwrap().remove("p0");
    assert_eq!(import(&event, NOW), Ok(()));

    let three = json!({"a": {"b": {"c": 1}}});
    assert_eq!(import(&with("deep", three.clone()), NOW), Ok(()));
    assert_rejected(&with("deep", json!({"z": three})), "properties.deep");
    assert_rejected(&with("long", json!(vec![0; 255])), "properties.long");
    assert_eq!(import(&with("long", json!(vec![0; 254])), NOW), Ok(()));
}

#[test]
fn import_rejects_events_over_a_megabyte() {
    assert_rejected(&with("text", json!("a".repeat(1_000_000))), "event");
}

#[test]
fn track_requires_a_token_and_drops_old_events() {
    assert!(track(&event(), NOW).is_err());
    let tracked = |time| {
        let mut event = with("token", json!("demo"));
        event["properties"]["time"] = json!(time);
        track(&event, NOW)
    };
    assert_eq!(tracked(NOW), Ok(true));
    assert_eq!(tracked(NOW - 5 * DAY), Ok(true));
    assert_eq!(tracked(NOW - 5 * DAY - 1), Ok(false));
}

#[test]
fn engage_requires_a_token_an_id_and_an_operation() {
    let good = json!({"$token": "t", "$distinct_id": "7", "$set": {"a": 1}});
    assert_eq!(engage(&good), Ok(()));
    for name in ["$token", "$distinct_id", "$set"] {
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().remove(name);
        assert_eq!(engage(&bad).unwrap_err().field, name);
    }
}

#[test]
fn engage_checks_the_type_of_each_operation() {
    let check = |name: &str, value: Value| {
        let mut record = json!({"$token": "t", "$distinct_id": "7"});
        record[name] = value;
        engage(&record).is_ok()
    };
    assert!(check("$set", json!({"a": [1]})));
    assert!(!check("$set", json!("a")));
    assert!(check("$add", json!({"a": 1, "b": "2.5"})));
    assert!(!check("$add", json!({"a": "many"})));
    assert!(check("$union", json!({"a": [1]})));
    assert!(!check("$union", json!({"a": 1})));
    assert!(check("$unset", json!(["a"])));
    assert!(!check("$unset", json!({"a": 1})));
    assert!(check("$delete", json!("")));
}

#[test]
fn groups_require_a_key_and_reject_add() {
    let mut group = json!({"$token": "t", "$group_key": "company", "$group_id": 12});
    group["$add"] = json!({"a": 1});
    assert!(groups(&group).is_err());
    group["$set"] = json!({"a": 1});
    assert_eq!(groups(&group), Ok(()));
    group["$group_key"] = json!("");
    assert_eq!(groups(&group).unwrap_err().field, "$group_key");
}
