use serde_json::json;

use super::*;
use crate::call::Calls;
use crate::mengpaneel::Mengpaneel;
use crate::record::envelope::Envelope;
use crate::record::visitor::Visitor;
use crate::settings::Settings;
use crate::translate::tests::translate;

const URL: &str = "https://blog.example/reset?token=x&utm_source=ads&gclid=7";

fn settings(config: Value) -> Settings {
    Mengpaneel::builder("t")
        .js_config(config)
        .settings()
        .unwrap()
}

/// Returns a visitor with a cookie, a URL and a referrer, restricted by the configuration.
fn visitor(settings: &Settings) -> Visitor {
    let stored = json!({"distinct_id": "d", "Plan": "Pro", "utm_medium": "mail", "$initial_referrer": "$direct"});
    let visitor = Visitor {
        cookie: Some(
            percent_encoding::utf8_percent_encode(
                &stored.to_string(),
                percent_encoding::NON_ALPHANUMERIC,
            )
            .to_string(),
        ),
        ip: Some("203.0.113.7".into()),
        url: Some(URL.into()),
        referrer: Some("https://search.example/".into()),
        ..Visitor::default()
    };
    visitor.restricted(settings)
}

/// Returns the properties of the event and the profile operation that the server sends.
fn sent_bodies(config: Value) -> (Properties, Properties) {
    let calls = json!({"tracking": [
        [["identify"], ["d"]],
        [["track"], ["E", {"Secret": 1, "Title": "x", "$insert_id": "1", "time": 1_700_000_000_000_u64}]],
        [["people", "set"], [{"Secret": 1}]],
    ]});
    let calls: Calls = serde_json::from_value(calls).unwrap();
    let envelope = Envelope::new(visitor(&settings(config)), calls);
    let translation = translate("t", &envelope);
    assert!(translation.refused.is_empty(), "{:?}", translation.refused);
    let mut bodies = translation
        .messages
        .into_iter()
        .map(|message| message.body.as_object().cloned().unwrap());
    let event = bodies.next().unwrap()["properties"]
        .as_object()
        .cloned()
        .unwrap();
    (event, bodies.next().unwrap())
}

fn event(config: Value) -> Properties {
    sent_bodies(config).0
}

fn has(properties: &Properties, names: &[&str]) -> Vec<bool> {
    names
        .iter()
        .map(|name| properties.contains_key(*name))
        .collect()
}

fn cookie(config: Value) -> String {
    settings(config)
        .cookie_attributes
        .cookie("c", "0", "www.blog.example")
        .to_string()
}

fn sets_device_cookie(config: Value) -> bool {
    Mengpaneel::builder("t")
        .set_device_cookie(true)
        .js_config(config)
        .settings()
        .is_ok()
}

/// Checks the effect of an option on the server.
#[expect(clippy::too_many_lines, reason = "one arm per option")]
fn check_effect(option: &str) {
    const UTM: [&str; 3] = ["utm_source", "utm_medium", "gclid"];
    match option {
        "cookie_domain" => {
            assert!(cookie(json!({option: "b.example"})).contains("Domain=b.example"));
        }
        "cookie_expiration" => {
            assert!(cookie(json!({option: 2})).contains("Max-Age=172800"));
            assert!(!cookie(json!({option: 0})).contains("Max-Age"));
        }
        "cookie_name" | "persistence_name" => {
            assert_eq!(
                settings(json!({option: "own"})).cookies.persistence,
                "mp_own"
            );
            let both = json!({"cookie_name": "second", "persistence_name": "first"});
            assert_eq!(settings(both).cookies.persistence, "mp_first");
        }
        "cross_site_cookie" => {
            assert!(cookie(json!({option: true})).contains("SameSite=None; Secure"));
        }
        "cross_subdomain_cookie" => assert!(!cookie(json!({option: false})).contains("Domain")),
        "secure_cookie" => assert!(cookie(json!({option: true})).contains("Secure")),
        "disable_cookie" | "disable_persistence" => {
            assert!(!sets_device_cookie(json!({option: true})));
        }
        "persistence" => assert!(
            sets_device_cookie(json!({option: "cookie"}))
                && !sets_device_cookie(json!({option: "localStorage"}))
        ),
        "ignore_dnt" => assert!(!settings(json!({option: true})).consent.respect_dnt),
        "ip" => {
            let (event, profile) = sent_bodies(json!({option: false}));
            assert_eq!(
                (event.get("ip"), profile.get("$ip")),
                (None, Some(&json!("0")))
            );
            let (event, profile) = sent_bodies(json!({option: true}));
            assert_eq!(
                (&event["ip"], &profile["$ip"]),
                (&json!("203.0.113.7"), &json!("203.0.113.7"))
            );
        }
        "opt_out_tracking_by_default" => {
            assert!(settings(json!({option: true})).consent.is_denied_by_default);
        }
        "opt_out_tracking_cookie_prefix" => {
            assert_eq!(settings(json!({option: "own_"})).cookies.opt_out, "own_t");
            assert_eq!(
                settings(json!({option: null})).cookies.opt_out,
                "__mp_opt_in_out_t"
            );
        }
        "opt_out_tracking_persistence_type" => {
            let builder = || Mengpaneel::builder("t").js_config(json!({option: "localStorage"}));
            assert!(builder().build().unwrap_err().to_string().contains(option));
            assert!(
                builder()
                    .consent(|_| crate::settings::consent::Consent::Granted)
                    .settings()
                    .is_ok()
            );
        }
        "property_blacklist" => {
            let names = [
                "$current_url",
                "$referrer",
                "Secret",
                "Plan",
                "token",
                "time",
                "$insert_id",
                "distinct_id",
            ];
            let (event, profile) = sent_bodies(json!({option: names}));
            assert_eq!(
                has(&event, &names),
                [false, false, false, false, true, true, true, true]
            );
            assert_eq!(has(&event, &["Title", "$referring_domain"]), [true, true]);
            assert_eq!(
                profile["$set"]["Secret"], 1,
                "mixpanel-js checks events only"
            );
            assert_eq!(has(&self::event(json!({option: []})), &names), [true; 8]);
        }
        "save_referrer" => assert_eq!(
            has(
                &event(json!({option: false})),
                &["$referrer", "$initial_referrer"]
            ),
            [true, true],
            "mixpanel-js sends both too"
        ),
        "stop_utm_persistence" => {
            assert_eq!(
                has(&event(json!({option: false})), &UTM),
                [true, true, true]
            );
            assert_eq!(
                has(&event(json!({option: true})), &UTM),
                [true, false, true]
            );
        }
        "store_google" => {
            assert_eq!(
                has(
                    &event(json!({option: false, "stop_utm_persistence": true})),
                    &UTM
                ),
                [true, true, true]
            );
            assert_eq!(
                has(
                    &event(json!({option: false, "track_marketing": false})),
                    &UTM
                ),
                [false, true, false]
            );
        }
        "track_marketing" => {
            assert_eq!(
                has(&event(json!({option: false})), &UTM),
                [true, true, false]
            );
            let stopped = json!({option: false, "stop_utm_persistence": true});
            assert_eq!(has(&event(stopped), &UTM), [false, false, false]);
        }
        option => panic!("{option} has an effect on the server: add a check"),
    }
}

#[test]
fn server_follows_each_option_with_a_server_type() {
    for option in OPTIONS.iter().filter(|option| option.server_type.is_some()) {
        check_effect(option.name);
    }
}

#[test]
fn options_of_the_page_are_passed_on() {
    for option in OPTIONS.iter().filter(|option| option.server_type.is_none()) {
        let settings = settings(json!({option.name: "unchanged"}));
        assert_eq!(
            settings.page.config[option.name], "unchanged",
            "{}",
            option.name
        );
        assert_eq!(
            (settings.omitted, settings.sends_ip),
            (None, true),
            "{}",
            option.name
        );
    }
}

#[test]
fn value_of_the_wrong_type_fails_at_build() {
    for option in OPTIONS.iter().filter(|option| option.server_type.is_some()) {
        for wrong in [json!("x"), json!(1), json!(true), json!([1]), json!({})] {
            if option
                .server_type
                .is_some_and(|option_type| option_type.accepts(&wrong))
            {
                continue;
            }
            let error = Mengpaneel::builder("t")
                .js_config(json!({option.name: wrong}))
                .build()
                .unwrap_err();
            let error = error.to_string();
            assert!(
                error.contains(option.name) && error.contains(&wrong.to_string()),
                "{error}"
            );
        }
    }
}

#[test]
fn ip_of_the_builder_applies_to_the_page() {
    let settings = Mengpaneel::builder("t")
        .ip(false)
        .js_config(json!({"ip": true}))
        .settings()
        .unwrap();
    assert_eq!(
        (settings.sends_ip, &settings.page.config["ip"]),
        (false, &json!(false))
    );
}

#[test]
fn jobs_omit_the_same_properties_as_requests() {
    let settings = settings(json!({"property_blacklist": ["Secret"], "ip": false}));
    assert!(Visitor::default().restricted(&settings).omitted.is_some());
}

#[test]
fn guide_lists_each_option_once() {
    let rows: Vec<String> = OPTIONS
        .iter()
        .map(
            |JsOption {
                 name,
                 server_type,
                 effect,
             }| {
                format!(
                    "| `{name}` | {} | {effect} |",
                    if server_type.is_some() {
                        "does the same"
                    } else {
                        "page only"
                    }
                )
            },
        )
        .collect();
    assert!(OPTIONS.is_sorted_by(|a, b| a.name < b.name));
    let guide = include_str!("../../guide/privacy.md");
    let listed: Vec<&str> = guide
        .lines()
        .filter(|line| line.contains("| does the same |") || line.contains("| page only |"))
        .collect();
    assert_eq!(
        listed,
        rows,
        "the table in guide/privacy.md:\n{}",
        rows.join("\n")
    );
}
