//! Whose event it is.

use serde_json::json;

use super::*;

#[test]
fn identifying_the_anonymous_links_them_and_keeps_the_device() {
    let translation = said(
        anonymous(),
        json!([[["identify"], ["42"]], [["track"], ["E"]]]),
    );
    let anonymous = format!("$device:{DEVICE}");
    let me = json!({"distinct_id": "42", "$user_id": "42"});
    let mut identify = me.clone();
    identify["$anon_distinct_id"] = json!(anonymous);
    identify["$identified_id"] = json!("42");
    identify["$anon_id"] = json!(DEVICE);
    assert_eq!(
        bodies(&translation),
        [event("$identify", identify), event("E", me)]
    );
    for message in &translation.messages {
        assert_eq!(message.body["properties"]["$device_id"], DEVICE);
    }
}

#[test]
fn the_profile_of_who_was_given_an_alias_is_the_users() {
    let calls = json!([[["alias"], ["42"]], [["people", "set"], ["a", 1]]]);
    let translation = said(anonymous(), calls);
    assert_eq!(translation.messages[2].body["$distinct_id"], "42");
}

#[test]
fn an_alias_names_the_anonymous_and_later_events_stay_with_them() {
    let calls = json!([
        [["alias"], ["42"]],
        [["identify"], ["42"]],
        [["track"], ["Sign Up"]]
    ]);
    let translation = said(anonymous(), calls);
    let told: Vec<(&str, &str)> = translation
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
        told,
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
fn an_alias_where_nobody_is_known_is_who_it_is() {
    let translation = said(
        Visitor::default(),
        json!([[["alias"], ["42"]], [["track"], ["E"]]]),
    );
    let me = json!({"distinct_id": "42", "$user_id": "42"});
    assert_eq!(bodies(&translation), [event("E", me)]);
}

#[test]
fn after_an_alias_the_cookie_still_says_who_it_is() {
    let visitor =
        visitor(&json!({"distinct_id": "$device:x", "$user_id": "42", "$device_id": "x"}));
    let calls = json!([
        [["identify"], ["42"]],
        [["track"], ["E"]],
        [["people", "set"], ["a", 1]]
    ]);
    let translation = said(visitor, calls);
    assert_eq!(translation.messages.len(), 2);
    assert_eq!(
        translation.messages[0].body["properties"]["distinct_id"],
        "42"
    );
    assert_eq!(translation.messages[1].body["$distinct_id"], "42");
}

#[test]
fn a_profile_waits_for_who_is_identified_and_the_anonymous_have_none() {
    let calls = json!([[["people", "set"], ["a", 1]], [["identify"], ["42"]]]);
    let translation = said(anonymous(), calls);
    assert_eq!(translation.messages[0].body["$set"], json!({"a": 1}));
    assert_eq!(translation.messages[0].body["$distinct_id"], "42");

    for visitor in [anonymous(), Visitor::default()] {
        let translation = said(
            visitor,
            json!([[["people", "set"], ["a", 1]], [["set_group"], ["g", "1"]]]),
        );
        assert_eq!(translation.messages, []);
        assert_eq!(translation.refused.len(), 1);
    }
}

#[test]
fn with_no_identity_at_all_an_event_is_nobodys() {
    let translation = said(Visitor::default(), json!([[["track"], ["E"]]]));
    assert_eq!(
        bodies(&translation),
        [event("E", json!({"distinct_id": ""}))]
    );
}

#[test]
fn the_cookie_lends_super_properties_and_timers() {
    let visitor = visitor(&json!({
        "distinct_id": "42", "$user_id": "42", "Plan": "Pro", "__timers": {"E": PARCEL_TIME - 2000}
    }));
    let translation = said(visitor, json!([[["track"], ["E"]]]));
    let properties = &translation.messages[0].body["properties"];
    assert_eq!(properties["Plan"], "Pro");
    assert_eq!(properties["$duration"], 2.0);
}

#[test]
fn what_an_event_was_stamped_with_stays() {
    let stamps = json!({"distinct_id": "41", "$user_id": "41", "$device_id": "other", "$insert_id": "i", "time": 7});
    let mut visitor = user("42");
    visitor.cookie = Some(cookie(
        &json!({"distinct_id": "42", "$user_id": "42", "$device_id": DEVICE, "Plan": "Pro"}),
    ));
    let translation = said(visitor.clone(), json!([[["track"], ["E", stamps.clone()]]]));
    let properties = &translation.messages[0].body["properties"];
    for (key, value) in stamps.as_object().unwrap() {
        assert_eq!(&properties[key], value);
    }
    assert_eq!(properties.get("Plan"), None);

    let translation = said(visitor, json!([[["track"], ["E", {"$user_id": "41"}]]]));
    let properties = &translation.messages[0].body["properties"];
    assert_eq!(properties["distinct_id"], "41");
    assert_eq!(properties.get("$device_id"), None);
}

#[test]
fn context_decides_who_it_is_and_says_nothing() {
    let mut parcel = parcel(anonymous(), json!([[["track"], ["E"]]]));
    parcel.context = serde_json::from_value(json!([
        [["people", "set"], ["a", 1]],
        [["identify"], ["42"]],
        [["register"], [{"Plan": "Pro"}]],
        [["track_links"], ["a", "E"]],
        [["track"], ["F"]]
    ]))
    .unwrap();
    let translation = translate("t", &parcel);
    let expected = json!({"distinct_id": "42", "$user_id": "42", "Plan": "Pro"});
    assert_eq!(bodies(&translation), [event("E", expected)]);
    assert_eq!(translation.refused, []);
}
