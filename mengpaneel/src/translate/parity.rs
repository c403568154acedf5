//! Comparison of the translation with mixpanel-js. `parity.json` holds the messages that
//! mixpanel-js sent for sequences of calls, recorded by `tests/js-parity/record.mjs`.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::{Call, Calls};
use crate::record::envelope::Envelope;
use crate::record::visitor::Visitor;
use crate::translate::message::{Endpoint, Message};
use crate::translate::tests::translate;

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

/// Default user agent of `record.mjs`.
const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36";

/// Properties whose values differ between the sides, or that only the server sends.
const IGNORED: [&str; 9] = [
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
    fn envelope(&self) -> Envelope {
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

/// Returns our message, without ignored properties that `theirs` does not have.
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
    let their_properties = theirs
        .cloned()
        .map(|mut theirs| properties(&mut theirs).clone());
    properties(&mut ours).retain(|key, _| {
        !IGNORED.contains(&key.as_str())
            || their_properties
                .as_ref()
                .is_some_and(|properties| properties.contains_key(key))
    });
    ours
}

/// Removes nulls, which Mixpanel treats like absent properties.
fn remove_nulls(value: &mut Value) {
    if let Value::Object(entries) = value {
        entries.retain(|_, value| !value.is_null());
        entries.values_mut().for_each(remove_nulls);
    }
}

#[test]
fn server_sends_the_same_as_mixpanel_js() {
    let scenarios: Vec<Scenario> = serde_json::from_str(include_str!("parity.json")).unwrap();
    assert!(scenarios.len() > 30);
    for mut scenario in scenarios {
        for sent in &mut scenario.sent {
            remove_nulls(&mut sent.body);
        }
        let translation = translate("t", &scenario.envelope());
        let ours: Vec<Sent> = translation
            .messages
            .iter()
            .enumerate()
            .map(|(index, message)| comparable(message, scenario.sent.get(index)))
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
