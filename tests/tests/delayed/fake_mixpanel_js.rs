//! Model of mixpanel-js, as far as counting needs it: identity and sent events.

use std::collections::BTreeMap;

use mengpaneel::{Call, Method};
use mengpaneel_tests::TestResponse;
use serde_json::{Value, json};
use stand_in::Received;

/// Values by which Mixpanel recognises duplicates, under both of its identity systems.
pub(crate) type DedupKey = String;

/// Event as Mixpanel counts it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sent {
    pub(crate) name: String,
    /// Number of the event among those of one name and request.
    pub(crate) at: Value,
    pub(crate) distinct_id: String,
    pub(crate) user_id: Option<String>,
}

/// mixpanel-js of one browser.
#[derive(Clone, Debug)]
pub(crate) struct FakeMixpanelJs {
    device_id: String,
    user_id: Option<String>,
    alias: Option<String>,
    distinct_id: String,
    /// Sent events, without duplicates.
    pub(crate) sent: BTreeMap<DedupKey, Sent>,
    /// User of each increment.
    pub(crate) increments: Vec<String>,
}

impl FakeMixpanelJs {
    pub(crate) fn new(device_id: &str) -> Self {
        Self {
            device_id: device_id.into(),
            user_id: None,
            alias: None,
            distinct_id: format!("$device:{device_id}"),
            sent: BTreeMap::new(),
            increments: vec![],
        }
    }

    /// Runs the calls of a response, whether in the page or in the header.
    pub(crate) fn run(&mut self, response: &TestResponse) {
        for call in response.calls() {
            self.run_call(&call);
        }
    }

    fn run_call(&mut self, call: &Call) {
        match call.method() {
            Method::Alias => self.alias = call.str_arg(0).map(str::to_owned),
            Method::Identify => {
                self.user_id = call.str_arg(0).map(str::to_owned);
                if self.user_id != self.alias {
                    self.distinct_id = self.user_id.clone().unwrap();
                }
            }
            // mixpanel-js keeps profile operations back until somebody is identified.
            Method::PeopleIncrement => self.increments.extend(self.user_id.clone()),
            Method::Track => {
                let mut properties = serde_json::Map::new();
                properties.insert("distinct_id".into(), json!(self.distinct_id));
                properties.insert("$device_id".into(), json!(self.device_id));
                let user_id = self.user_id.iter();
                properties.extend(user_id.map(|id| ("$user_id".to_owned(), json!(id))));
                properties.extend(call.properties().cloned().unwrap_or_default());
                let (key, sent) = counted(call.str_arg(0).unwrap(), &Value::Object(properties));
                self.sent.insert(key, sent);
            }
            _ => {}
        }
    }

    /// Value of the cookie of mixpanel-js.
    pub(crate) fn cookie(&self) -> String {
        let mut stored = json!({"distinct_id": self.distinct_id, "$device_id": self.device_id});
        if let Some(id) = &self.user_id {
            stored["$user_id"] = json!(id);
        }
        url::form_urlencoded::byte_serialize(stored.to_string().as_bytes()).collect()
    }
}

fn counted(name: &str, properties: &Value) -> (DedupKey, Sent) {
    let property = |name: &str| properties[name].clone();
    let merged_id = if property("$user_id").is_null() {
        property("$device_id")
    } else {
        property("$user_id")
    };
    let key = json!([
        name,
        property("time"),
        property("distinct_id"),
        merged_id,
        property("$insert_id")
    ]);
    let text = |name: &str| properties[name].as_str().map(str::to_owned);
    let sent = Sent {
        name: name.into(),
        at: property("At"),
        distinct_id: text("distinct_id").unwrap_or_default(),
        user_id: text("$user_id"),
    };
    (key.to_string(), sent)
}

/// Returns the events of browsers and server, without duplicates.
pub(crate) fn all_sent<'a>(
    browsers: impl IntoIterator<Item = &'a FakeMixpanelJs>,
    server: &[Received],
) -> Vec<Sent> {
    let mut sent: BTreeMap<DedupKey, Sent> = BTreeMap::new();
    sent.extend(browsers.into_iter().flat_map(|js| js.sent.clone()));
    let events = server
        .iter()
        .filter(|event| !event.event().starts_with('$'));
    sent.extend(events.map(|event| counted(event.event(), &event.body["properties"])));
    sent.into_values().collect()
}

/// Returns the sorted names of events.
pub(crate) fn sent_names(sent: &[Sent]) -> Vec<&str> {
    let mut names: Vec<_> = sent.iter().map(|sent| sent.name.as_str()).collect();
    names.sort_unstable();
    names
}
