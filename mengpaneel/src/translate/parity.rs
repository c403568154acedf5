//! Translation beside mixpanel-js itself: `parity.json` holds what the real library sent for each
//! sequence of calls, recorded by `tests/js-parity/record.mjs`.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::{Call, Calls};
use crate::record::envelope::Envelope;
use crate::record::visitor::Visitor;
use crate::translate::message::{Endpoint, Message};
use crate::translate::translate;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Scenario {
    name: String,
    stored: Value,
    user_agent: Option<String>,
    url: Option<String>,
    referrer: Option<String>,
    calls: Vec<Call>,
    sent: Vec<Sent>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Sent {
    endpoint: String,
    body: Value,
}

/// What `record.mjs` takes where a scenario does not say.
const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36";

/// What each side has its own value for, or only the server says.
const OWN: [&str; 9] = [
    "$insert_id",
    "time",
    "mp_lib",
    "$lib_version",
    "ip",
    "$ip",
    "$time",
    "$identified_id",
    "$anon_id",
];

impl Scenario {
    fn parcel(&self) -> Envelope {
        let cookie = self.stored.to_string();
        let visitor = Visitor {
            cookie: Some(utf8_percent_encode(&cookie, NON_ALPHANUMERIC).to_string()),
            ip: Some("203.0.113.7".into()),
            user_agent: self.user_agent.clone().or(Some(CHROME.into())),
            url: self
                .url
                .clone()
                .or(Some("https://example.com/posts?a=b".into())),
            referrer: self.referrer.clone(),
            ..Visitor::default()
        };
        let tracking = self.calls.clone();
        Envelope::new(
            visitor,
            Calls {
                tracking,
                ..Calls::default()
            },
        )
    }
}

fn properties(sent: &mut Sent) -> &mut serde_json::Map<String, Value> {
    match sent.body.get("properties") {
        Some(_) => sent.body["properties"].as_object_mut().unwrap(),
        None => sent.body.as_object_mut().unwrap(),
    }
}

/// Our message, without what only one side says.
fn comparable(message: &Message, theirs: Option<&Sent>) -> Sent {
    let endpoint = match message.endpoint {
        Endpoint::Events => "track",
        Endpoint::People => "engage",
        Endpoint::Groups => "groups",
    };
    let mut ours = Sent {
        endpoint: endpoint.into(),
        body: message.body.clone(),
    };
    let said = theirs
        .cloned()
        .map(|mut theirs| properties(&mut theirs).clone());
    properties(&mut ours).retain(|key, _| {
        !OWN.contains(&key.as_str()) || said.as_ref().is_some_and(|said| said.contains_key(key))
    });
    ours
}

/// Null and absent are one to Mixpanel.
fn without_nulls(value: &mut Value) {
    if let Value::Object(entries) = value {
        entries.retain(|_, value| !value.is_null());
        entries.values_mut().for_each(without_nulls);
    }
}

#[test]
fn the_server_says_what_mixpanel_js_says() {
    let scenarios: Vec<Scenario> = serde_json::from_str(include_str!("parity.json")).unwrap();
    assert!(scenarios.len() > 30);
    for mut scenario in scenarios {
        for sent in &mut scenario.sent {
            without_nulls(&mut sent.body);
        }
        let translation = translate("t", &scenario.parcel());
        let ours: Vec<Sent> = translation
            .messages
            .iter()
            .enumerate()
            .map(|(at, message)| comparable(message, scenario.sent.get(at)))
            .collect();
        assert_eq!(
            json!(ours.iter().map(|sent| &sent.body).collect::<Vec<_>>()),
            json!(
                scenario
                    .sent
                    .iter()
                    .map(|sent| &sent.body)
                    .collect::<Vec<_>>()
            ),
            "{}",
            scenario.name
        );
        assert_eq!(ours, scenario.sent, "{}", scenario.name);
        assert_eq!(translation.refused, [], "{}", scenario.name);
    }
}
