//! Identity of events and profiles.

use serde_json::json;

use super::*;

#[test]
fn identify_links_the_anonymous_id_and_keeps_the_device() {
    let translation = translate_calls(
        anonymous(),
        json!([[["identify"], ["42"]], [["track"], ["E"]]]),
    );
    let anonymous = format!("$device:{DEVICE}");
    let ids = json!({"distinct_id": "42", "$user_id": "42"});
    let mut identify = ids.clone();
    identify["$anon_distinct_id"] = json!(anonymous);
    identify["$identified_id"] = json!("42");
    identify["$anon_id"] = json!(DEVICE);
    assert_eq!(
        bodies(&translation),
        [event("$identify", identify), event("E", ids)]
    );
    for message in &translation.messages {
        assert_eq!(message.body["properties"]["$device_id"], DEVICE);
    }
}

#[test]
fn profile_after_an_alias_is_that_of_the_user() {
    let calls = json!([[["alias"], ["42"]], [["people", "set"], ["a", 1]]]);
    let translation = translate_calls(anonymous(), calls);
    assert_eq!(translation.messages[2].body["$distinct_id"], "42");
}

#[test]
fn events_after_an_alias_keep_the_anonymous_id() {
    let calls = json!([
        [["alias"], ["42"]],
        [["identify"], ["42"]],
        [["track"], ["Sign Up"]]
    ]);
    let translation = translate_calls(anonymous(), calls);
    let events: Vec<(&str, &str)> = translation
        .messages
        .iter()
        .map(|message| {
            let id = &message.body["properties"]["distinct_id"];
            (
                message.body["event"].as_str().unwrap(),
                id.as_str().unwrap(),
            )
        })
        .collect();
    let anonymous = format!("$device:{DEVICE}");
    let anonymous = anonymous.as_str();
    assert_eq!(
        events,
        [
            ("$create_alias", anonymous),
            ("$identify", "42"),
            ("Sign Up", anonymous)
        ]
    );
    assert_eq!(translation.messages[0].body["properties"]["alias"], "42");
    assert_eq!(translation.messages[2].body["properties"]["$user_id"], "42");
}

#[test]
fn alias_without_a_known_id_identifies() {
    let translation = translate_calls(
        Visitor::default(),
        json!([[["alias"], ["42"]], [["track"], ["E"]]]),
    );
    let ids = json!({"distinct_id": "42", "$user_id": "42"});
    assert_eq!(bodies(&translation), [event("E", ids)]);
}

#[test]
fn cookie_of_an_aliased_visitor_identifies_the_user() {
    let visitor =
        visitor(&json!({"distinct_id": "$device:x", "$user_id": "42", "$device_id": "x"}));
    let calls = json!([
        [["identify"], ["42"]],
        [["track"], ["E"]],
        [["people", "set"], ["a", 1]]
    ]);
    let translation = translate_calls(visitor, calls);
    assert_eq!(translation.messages.len(), 2);
    assert_eq!(
        translation.messages[0].body["properties"]["distinct_id"],
        "42"
    );
    assert_eq!(translation.messages[1].body["$distinct_id"], "42");
}

#[test]
fn profile_operation_waits_for_identify_or_is_refused() {
    let calls = json!([[["people", "set"], ["a", 1]], [["identify"], ["42"]]]);
    let translation = translate_calls(anonymous(), calls);
    assert_eq!(translation.messages[0].body["$set"], json!({"a": 1}));
    assert_eq!(translation.messages[0].body["$distinct_id"], "42");

    for visitor in [anonymous(), Visitor::default()] {
        let translation = translate_calls(
            visitor,
            json!([[["people", "set"], ["a", 1]], [["set_group"], ["g", "1"]]]),
        );
        assert_eq!(translation.messages, []);
        assert_eq!(translation.refused.len(), 1);
    }
}

#[test]
fn event_without_identity_has_an_empty_distinct_id() {
    let translation = translate_calls(Visitor::default(), json!([[["track"], ["E"]]]));
    assert_eq!(
        bodies(&translation),
        [event("E", json!({"distinct_id": ""}))]
    );
}

#[test]
fn cookie_provides_super_properties_and_timers() {
    let visitor = visitor(&json!({
        "distinct_id": "42", "$user_id": "42", "Plan": "Pro", "__timers": {"E": ENVELOPE_TIME - 2000}
    }));
    let translation = translate_calls(visitor, json!([[["track"], ["E"]]]));
    let properties = &translation.messages[0].body["properties"];
    assert_eq!(properties["Plan"], "Pro");
    assert_eq!(properties["$duration"], 2.0);
}

#[test]
fn recorded_event_metadata_is_kept() {
    let metadata = json!({"distinct_id": "41", "$user_id": "41", "$device_id": "other", "$insert_id": "i", "time": 7});
    let mut visitor = user("42");
    visitor.cookie = Some(cookie(
        &json!({"distinct_id": "42", "$user_id": "42", "$device_id": DEVICE, "Plan": "Pro"}),
    ));
    let translation = translate_calls(
        visitor.clone(),
        json!([[["track"], ["E", metadata.clone()]]]),
    );
    let properties = &translation.messages[0].body["properties"];
    for (key, value) in metadata.as_object().unwrap() {
        assert_eq!(&properties[key], value);
    }
    assert_eq!(properties.get("Plan"), None);

    let translation = translate_calls(visitor, json!([[["track"], ["E", {"$user_id": "41"}]]]));
    let properties = &translation.messages[0].body["properties"];
    assert_eq!(properties["distinct_id"], "41");
    assert_eq!(properties.get("$device_id"), None);
}

#[test]
fn context_sets_the_identity_and_makes_no_messages() {
    let mut envelope = envelope(anonymous(), json!([[["track"], ["E"]]]));
    envelope.context = serde_json::from_value(json!([
        [["people", "set"], ["a", 1]],
        [["identify"], ["42"]],
        [["register"], [{"Plan": "Pro"}]],
        [["track_links"], ["a", "E"]],
        [["track"], ["F"]]
    ]))
    .unwrap();
    let translation = translate("t", &envelope);
    let expected = json!({"distinct_id": "42", "$user_id": "42", "Plan": "Pro"});
    assert_eq!(bodies(&translation), [event("E", expected)]);
    assert_eq!(translation.refused, []);
}
