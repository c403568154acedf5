use serde_json::json;

use super::*;
use crate::call::Calls;
use crate::server::message::Endpoint;
use crate::visitor::Visitor;

const CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";

/// mixpanel-js's cookie, as a browser sends it.
fn cookie(stored: &Value) -> Option<String> {
    let json = stored.to_string();
    Some(percent_encoding::utf8_percent_encode(&json, percent_encoding::NON_ALPHANUMERIC).to_string())
}

fn anonymous() -> Visitor {
    Visitor {
        cookie: cookie(&json!({"distinct_id": "$device:d1", "$device_id": "d1", "Plan": "Pro"})),
        ..Visitor::default()
    }
}

fn known(user: &str) -> Visitor {
    let stored = json!({"distinct_id": user, "$user_id": user, "$device_id": "d1"});
    Visitor { cookie: cookie(&stored), ..Visitor::default() }
}

/// Calls in tracking mode, as `[["track"], ["Buy"]]`.
fn parcel(visitor: Visitor, calls: Value) -> Parcel {
    let tracking = serde_json::from_value(calls).unwrap();
    Parcel::new(visitor, Calls { tracking, ..Calls::default() })
}

/// What is said, each as its endpoint and its body.
fn said(parcel: &Parcel) -> Vec<(Endpoint, Value)> {
    let translation = translate("token", parcel);
    assert_eq!(translation.refused, []);
    translation.messages.into_iter().map(|message| (message.endpoint, message.body)).collect()
}

fn refused(visitor: Visitor, calls: Value) -> String {
    let translation = translate("token", &parcel(visitor, calls));
    assert_eq!(translation.messages, []);
    translation.refused[0].1.clone()
}

fn events(parcel: &Parcel) -> Vec<Value> {
    said(parcel).into_iter().filter(|(endpoint, _)| *endpoint == Endpoint::Events).map(|(_, body)| body).collect()
}

/// The one profile operation that calls of user 7 come to.
fn operation(call: Value) -> Value {
    let (endpoint, body) = said(&parcel(known("7"), json!([call]))).remove(0);
    assert_eq!(endpoint, Endpoint::People);
    assert_eq!((&body["$token"], &body["$distinct_id"]), (&json!("token"), &json!("7")));
    let name = body
        .as_object()
        .unwrap()
        .keys()
        .find(|key| !["$token", "$distinct_id", "$device_id", "$user_id", "$time", "$ip"].contains(&key.as_str()));
    let name = name.unwrap().clone();
    json!({name.as_str(): body[name.as_str()]})
}

#[test]
fn an_event_carries_who_the_browser_is_and_what_it_registered() {
    let event =
        &events(&parcel(anonymous(), json!([[["track"], ["Buy", {"Amount": 5, "$insert_id": "i", "time": 9}]]])))[0];
    let properties = &event["properties"];
    for (name, value) in [
        ("distinct_id", json!("$device:d1")),
        ("$device_id", json!("d1")),
        ("Plan", json!("Pro")),
        ("Amount", json!(5)),
        ("$insert_id", json!("i")),
        ("time", json!(9)),
        ("token", json!("token")),
        ("mp_lib", json!("mengpaneel")),
    ] {
        assert_eq!(properties[name], value, "{name}");
    }
    assert_eq!(properties.get("$user_id"), None);
}

#[test]
fn an_event_of_a_known_visitor_carries_all_three_ids() {
    let event = &events(&parcel(known("7"), json!([[["track"], ["Buy"]]])))[0];
    let ids = ["distinct_id", "$user_id", "$device_id"].map(|name| event["properties"][name].clone());
    assert_eq!(ids, [json!("7"), json!("7"), json!("d1")]);
}

#[test]
fn an_event_of_nobody_has_an_empty_id() {
    let event = &events(&parcel(Visitor::default(), json!([[["track"], ["Buy"]]])))[0];
    assert_eq!(event["properties"]["distinct_id"], "");
}

#[test]
fn what_the_caller_says_wins_over_all_but_the_token() {
    let own = json!({"distinct_id": "x", "$user_id": "x", "Plan": "Free", "token": "theirs", "mp_lib": "own"});
    let event = &events(&parcel(anonymous(), json!([[["track"], ["Buy", own]]])))[0];
    let said = ["distinct_id", "$user_id", "Plan", "token", "mp_lib"].map(|name| event["properties"][name].clone());
    assert_eq!(said, [json!("x"), json!("x"), json!("Free"), json!("token"), json!("own")]);
}

#[test]
fn the_surroundings_are_in_mixpanel_js_own_words() {
    let visitor = Visitor {
        user_agent: Some(CHROME.into()),
        url: Some("https://blog.example/posts?utm_source=mail&gclid=g".into()),
        referrer: Some("https://search.example:8443/?q=blog".into()),
        ip: Some("203.0.113.7".into()),
        ..anonymous()
    };
    let event = &events(&parcel(visitor, json!([[["track"], ["Buy"]]])))[0];
    for (name, value) in [
        ("$browser", json!("Chrome")),
        ("$browser_version", json!(130)),
        ("$os", json!("Linux")),
        ("$current_url", json!("https://blog.example/posts?utm_source=mail&gclid=g")),
        ("$referring_domain", json!("search.example:8443")),
        ("utm_source", json!("mail")),
        ("gclid", json!("g")),
        ("ip", json!("203.0.113.7")),
    ] {
        assert_eq!(event["properties"][name], value, "{name}");
    }
    assert_eq!(event["properties"].get("$device"), None);
}

#[test]
fn identify_tells_that_two_are_one_before_the_events_that_follow() {
    let calls = json!([[["identify"], ["7"]], [["track"], ["Sign In", {"time": 1_700_000_000_000_u64}]]]);
    let said = events(&parcel(anonymous(), calls));
    assert_eq!(said[0]["event"], "$identify");
    let properties = &said[0]["properties"];
    let ids =
        ["distinct_id", "$identified_id", "$anon_id", "$anon_distinct_id", "time"].map(|name| properties[name].clone());
    assert_eq!(ids, [json!("7"), json!("7"), json!("d1"), json!("$device:d1"), json!(1_700_000_000_000_u64)]);
    assert_eq!(said[1]["properties"]["distinct_id"], "7");
    assert_eq!(said[1]["properties"]["$device_id"], "d1");
}

#[test]
fn who_is_known_already_is_not_identified_again() {
    assert_eq!(said(&parcel(known("7"), json!([[["identify"], ["7"]]]))), []);
    assert_eq!(said(&parcel(Visitor::default(), json!([[["identify"], ["7"]]]))), []);
}

#[test]
fn an_alias_joins_the_anonymous_visitor_to_the_user() {
    let calls = json!([[["alias"], ["7"]], [["identify"], ["7"]], [["track"], ["Sign Up"]]]);
    let said = events(&parcel(anonymous(), calls));
    let names: Vec<_> = said.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["$create_alias", "$identify", "Sign Up"]);
    assert_eq!(said[0]["properties"]["alias"], "7");
    assert_eq!(said[0]["properties"]["distinct_id"], "$device:d1");
    assert_eq!(said[2]["properties"]["$user_id"], "7");
    assert_eq!(said[2]["properties"]["distinct_id"], "$device:d1", "as in the browser, for ever");
}

#[test]
fn where_nobody_is_known_an_alias_names_the_user() {
    let said = events(&parcel(Visitor::default(), json!([[["alias"], ["7"]], [["track"], ["Sign Up"]]])));
    assert_eq!(said.len(), 1);
    assert_eq!(said[0]["properties"]["distinct_id"], "7");
}

#[test]
fn after_a_reset_nobody_is_there() {
    let event = &events(&parcel(known("7"), json!([[["reset"], []], [["track"], ["Visit"]]])))[0];
    assert_eq!(event["properties"]["distinct_id"], "");
    assert_eq!(event["properties"].get("$user_id"), None);
}

#[test]
fn super_properties_are_registered_once_again_and_taken_back() {
    let calls = json!([
        [["register"], [{"A": 1, "B": 1}]],
        [["register_once"], [{"A": 2, "C": 2}]],
        [["unregister"], ["B"]],
        [["track"], ["Buy"]],
    ]);
    let properties = events(&parcel(anonymous(), calls)).remove(0)["properties"].clone();
    assert_eq!((&properties["A"], properties.get("B"), &properties["C"]), (&json!(1), None, &json!(2)));
    let calls = json!([[["register_once"], [{"Plan": "Free"}, "Pro"]], [["track"], ["Buy"]]]);
    assert_eq!(events(&parcel(anonymous(), calls))[0]["properties"]["Plan"], "Free");
}

#[test]
fn disabled_events_are_not_sent() {
    let calls = json!([[["disable"], [["Quiet"]]], [["track"], ["Quiet"]], [["track"], ["Loud"]]]);
    let said = events(&parcel(anonymous(), calls));
    assert_eq!(said.len(), 1);
    assert_eq!(said[0]["event"], "Loud");
    assert_eq!(said[0]["properties"]["Plan"], "Pro");
    assert_eq!(events(&parcel(anonymous(), json!([[["disable"], []], [["track"], ["Any"]]]))), Vec::<Value>::new());
}

#[test]
fn a_timed_event_has_its_duration_in_seconds() {
    let calls = json!([[["time_event"], ["Play", 1_000]], [["track"], ["Play", {"time": 3_500}]], [["track"], ["Play", {"time": 9_000}]]]);
    let said = events(&parcel(anonymous(), calls));
    assert_eq!(said[0]["properties"]["$duration"], 2.5);
    assert_eq!(said[1]["properties"].get("$duration"), None);
}

#[test]
fn a_page_view_is_told_by_its_url() {
    let visitor = Visitor { url: Some("https://blog.example/a?b=c".into()), ..anonymous() };
    let event = &events(&parcel(visitor, json!([[["track_pageview"], [{"Kind": "home"}]]])))[0];
    assert_eq!(event["event"], "$mp_web_page_view");
    let said = ["current_domain", "current_url_path", "current_url_protocol", "current_url_search", "Kind"]
        .map(|name| event["properties"][name].clone());
    assert_eq!(said, [json!("blog.example"), json!("/a"), json!("https:"), json!("?b=c"), json!("home")]);
}

#[test]
fn groups_go_with_the_event_and_with_the_profile() {
    let event = &events(&parcel(
        known("7"),
        json!([[["track_with_groups"], ["Buy", {"a": 1}, {"company": ["acme"], "none": null}]]]),
    ))[0];
    assert_eq!(event["properties"]["company"], json!(["acme"]));
    assert_eq!(event["properties"].get("none"), None);

    let calls = json!([
        [["set_group"], ["company", "acme"]],
        [["add_group"], ["company", "umbrella"]],
        [["remove_group"], ["company", "acme"]],
        [["track"], ["Buy"]],
    ]);
    let said = said(&parcel(known("7"), calls));
    assert_eq!(said[0].1["$set"], json!({"company": ["acme"]}));
    assert_eq!(said[1].1["$union"], json!({"company": ["umbrella"]}));
    assert_eq!(said[2].1["$remove"], json!({"company": "acme"}));
    assert_eq!(said[3].1["properties"]["company"], json!(["umbrella"]));
}

#[test]
fn each_operation_on_a_profile_has_its_own_form() {
    for (call, expected) in [
        (json!([["people", "set"], [{"Plan": "Pro", "$token": "x"}]]), json!({"$set": {"Plan": "Pro"}})),
        (json!([["people", "set"], ["Plan", "Pro"]]), json!({"$set": {"Plan": "Pro"}})),
        (json!([["people", "set_once"], [{"Plan": "Pro"}]]), json!({"$set_once": {"Plan": "Pro"}})),
        (json!([["people", "unset"], ["Plan"]]), json!({"$unset": ["Plan"]})),
        (json!([["people", "unset"], [["Plan"]]]), json!({"$unset": ["Plan"]})),
        (
            json!([["people", "increment"], [{"Posts": 2, "Bad": "x", "Text": "3"}]]),
            json!({"$add": {"Posts": 2, "Text": "3"}}),
        ),
        (json!([["people", "increment"], ["Posts"]]), json!({"$add": {"Posts": 1}})),
        (json!([["people", "append"], [{"Tags": "a"}]]), json!({"$append": {"Tags": "a"}})),
        (json!([["people", "remove"], [{"Tags": "a"}]]), json!({"$remove": {"Tags": "a"}})),
        (json!([["people", "union"], [{"Tags": "a"}]]), json!({"$union": {"Tags": ["a"]}})),
        (json!([["people", "clear_charges"], []]), json!({"$set": {"$transactions": []}})),
        (
            json!([["people", "track_charge"], [9.5, {"$time": 1}]]),
            json!({"$append": {"$transactions": {"$amount": 9.5, "$time": 1}}}),
        ),
        (json!([["people", "delete_user"], []]), json!({"$delete": ""})),
    ] {
        assert_eq!(operation(call.clone()), expected, "{call}");
    }
}

#[test]
fn a_profile_says_where_the_visitor_is_and_never_where_the_server_is() {
    let set = json!([[["people", "set"], [{"Plan": "Pro"}]]]);
    let visitor = Visitor { ip: Some("203.0.113.7".into()), user_agent: Some(CHROME.into()), ..known("7") };
    let body = said(&parcel(visitor, set.clone())).remove(0).1;
    assert_eq!(body["$ip"], "203.0.113.7");
    assert_eq!(body["$set"], json!({"$os": "Linux", "$browser": "Chrome", "$browser_version": 130, "Plan": "Pro"}));
    assert_eq!(said(&parcel(known("7"), set)).remove(0).1["$ip"], "0");
}

#[test]
fn each_operation_on_a_group_has_its_own_form() {
    for (call, name, expected) in [
        (json!([["get_group", "set"], ["company", "acme", {"Plan": "Pro"}]]), "$set", json!({"Plan": "Pro"})),
        (json!([["get_group", "set_once"], ["company", "acme", {"Plan": "Pro"}]]), "$set_once", json!({"Plan": "Pro"})),
        (json!([["get_group", "unset"], ["company", "acme", "Plan"]]), "$unset", json!(["Plan"])),
        (json!([["get_group", "union"], ["company", "acme", "Tags", "a"]]), "$union", json!({"Tags": ["a"]})),
        (json!([["get_group", "remove"], ["company", "acme", "Tags", "a"]]), "$remove", json!({"Tags": "a"})),
        (json!([["get_group", "delete"], ["company", "acme"]]), "$delete", json!("")),
    ] {
        let (endpoint, body) = said(&parcel(Visitor::default(), json!([call]))).remove(0);
        assert_eq!(
            (endpoint, &body["$group_key"], &body["$group_id"]),
            (Endpoint::Groups, &json!("company"), &json!("acme"))
        );
        assert_eq!(body[name], expected, "{name}");
    }
}

#[test]
fn what_no_server_can_say_is_refused_with_a_reason() {
    assert!(refused(anonymous(), json!([[["people", "set"], [{"a": 1}]]])).contains("nobody is identified"));
    assert!(refused(anonymous(), json!([[["name_tag"], ["x"]]])).contains("browsers alone"));
    assert!(refused(anonymous(), json!([[["track"], []]])).contains("needs a name"));
    assert!(refused(anonymous(), json!([[["identify"], ["$device:d2"]]])).contains("device"));
    assert!(refused(known("7"), json!([[["people", "increment"], [{"Posts": "many"}]]])).contains("number"));
}

#[test]
fn context_decides_who_it_was_and_says_nothing_itself() {
    let context = serde_json::from_value(json!([[["identify"], ["7"]], [["people", "set"], [{"a": 1}]]])).unwrap();
    let parcel = Parcel { context, ..parcel(anonymous(), json!([[["track"], ["Buy"]]])) };
    let said = said(&parcel);
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].1["properties"]["$user_id"], "7");
}

#[test]
fn a_spider_tracks_nothing_unless_the_application_asked_for_the_server() {
    let visitor = || Visitor { user_agent: Some("Googlebot/2.1".into()), ..anonymous() };
    let parcel = parcel(visitor(), json!([[["track"], ["Buy"]]]));
    assert_eq!(said(&parcel), []);
    assert_eq!(said(&Parcel { via_server: true, ..parcel }).len(), 1);
}

#[test]
fn a_machine_lends_no_address_browser_or_url() {
    let machine = Visitor {
        ip: Some("198.51.100.1".into()),
        user_agent: Some("payments/1.0".into()),
        url: Some("https://blog.example/payments/notify".into()),
        ..Visitor::default()
    };
    let parcel = parcel(machine, json!([[["identify"], ["7"]], [["track"], ["Complete Payment"]]]));
    let event = &events(&Parcel { via_server: true, ..parcel })[0];
    for name in ["ip", "$browser", "$browser_version", "$current_url", "$os"] {
        assert_eq!(event["properties"].get(name), None, "{name}");
    }
    assert_eq!(event["properties"]["distinct_id"], "7");
}

#[test]
fn who_opts_out_is_not_heard_from_there_on() {
    let calls =
        json!([[["track"], ["a"]], [["opt_out_tracking"], []], [["track"], ["b"]], [["people", "set"], [{"a": 1}]]]);
    assert_eq!(said(&parcel(known("7"), calls)).len(), 1);
    let calls = json!([[["opt_out_tracking"], []], [["opt_in_tracking"], []]]);
    assert_eq!(events(&parcel(known("7"), calls))[0]["event"], "$opt_in");
}

#[test]
fn a_parcel_says_the_same_each_time() {
    let parcel = parcel(anonymous(), json!([[["alias"], ["7"]], [["track"], ["Buy"]]]));
    assert_eq!(said(&parcel), said(&parcel));
    let ids: std::collections::HashSet<_> =
        events(&parcel).iter().map(|event| event["properties"]["$insert_id"].to_string()).collect();
    assert_eq!(ids.len(), 3);
}
