//! mixpanel-js, as far as it takes to count: who the browser takes itself for, and what it sends.

use std::collections::BTreeMap;

use mengpaneel::{Call, Method};
use mengpaneel_tests::TestResponse;
use serde_json::{Value, json};
use stand_in::Received;

/// What Mixpanel tells copies by, under both of its identity systems.
pub(crate) type Key = String;

/// An event as Mixpanel counts it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sent {
    pub(crate) name: String,
    pub(crate) at: Value,
    pub(crate) distinct_id: String,
    pub(crate) user_id: Option<String>,
}

/// One browser's mixpanel-js.
#[derive(Clone, Debug)]
pub(crate) struct FakeMixpanelJs {
    device: String,
    user: Option<String>,
    alias: Option<String>,
    distinct: String,
    /// What it sent, copies dropped.
    pub(crate) sent: BTreeMap<Key, Sent>,
    /// Operations that count twice, made by whom.
    pub(crate) increments: Vec<String>,
}

impl FakeMixpanelJs {
    pub(crate) fn new(device: &str) -> Self {
        let distinct = format!("$device:{device}");
        Self {
            device: device.into(),
            user: None,
            alias: None,
            distinct,
            sent: BTreeMap::new(),
            increments: vec![],
        }
    }

    /// Runs the calls of a page, or of a header.
    pub(crate) fn run(&mut self, page: &TestResponse) {
        for call in page.calls() {
            self.make(&call);
        }
    }

    fn make(&mut self, call: &Call) {
        match call.method() {
            Method::Alias => self.alias = call.str_arg(0).map(str::to_owned),
            Method::Identify => {
                self.user = call.str_arg(0).map(str::to_owned);
                if self.user != self.alias {
                    self.distinct = self.user.clone().unwrap();
                }
            }
            // Of nobody's, mixpanel-js keeps what it is told until somebody is identified.
            Method::PeopleIncrement => self.increments.extend(self.user.clone()),
            Method::Track => {
                let mut properties = serde_json::Map::new();
                properties.insert("distinct_id".into(), json!(self.distinct));
                properties.insert("$device_id".into(), json!(self.device));
                properties.extend(
                    self.user
                        .iter()
                        .map(|user| ("$user_id".to_owned(), json!(user))),
                );
                properties.extend(call.properties().cloned().unwrap_or_default());
                let (key, sent) = counted(call.str_arg(0).unwrap(), &Value::Object(properties));
                self.sent.insert(key, sent);
            }
            _ => {}
        }
    }

    /// Its cookie.
    pub(crate) fn cookie(&self) -> String {
        let mut kept = json!({"distinct_id": self.distinct, "$device_id": self.device});
        if let Some(user) = &self.user {
            kept["$user_id"] = json!(user);
        }
        url::form_urlencoded::byte_serialize(kept.to_string().as_bytes()).collect()
    }
}

fn counted(name: &str, properties: &Value) -> (Key, Sent) {
    let of = |name: &str| properties[name].clone();
    let merged = if of("$user_id").is_null() {
        of("$device_id")
    } else {
        of("$user_id")
    };
    let key = json!([
        name,
        of("time"),
        of("distinct_id"),
        merged,
        of("$insert_id")
    ])
    .to_string();
    let text = |name: &str| properties[name].as_str().map(str::to_owned);
    let distinct_id = text("distinct_id").unwrap_or_default();
    (
        key,
        Sent {
            name: name.into(),
            at: of("At"),
            distinct_id,
            user_id: text("$user_id"),
        },
    )
}

/// Everything that is counted: what browsers sent, and what the server did.
pub(crate) fn all<'a>(
    browsers: impl IntoIterator<Item = &'a FakeMixpanelJs>,
    server: &[Received],
) -> Vec<Sent> {
    let mut sent: BTreeMap<Key, Sent> = BTreeMap::new();
    sent.extend(browsers.into_iter().flat_map(|js| js.sent.clone()));
    let events = server
        .iter()
        .filter(|event| !event.event().starts_with('$'));
    sent.extend(events.map(|event| counted(event.event(), &event.body["properties"])));
    sent.into_values().collect()
}

/// The names of what is counted, sorted.
pub(crate) fn names(sent: &[Sent]) -> Vec<&str> {
    let mut names: Vec<_> = sent.iter().map(|sent| sent.name.as_str()).collect();
    names.sort_unstable();
    names
}
