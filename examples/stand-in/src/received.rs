//! Received data: endpoint, request head, and one record of the body.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::Value;

use crate::rules;

/// Endpoint of Mixpanel's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `/track`: events from browsers.
    Track,
    /// `/import`: events from servers.
    Import,
    /// `/engage`: user profiles.
    Engage,
    /// `/groups`: group profiles.
    Groups,
}

impl Endpoint {
    /// All endpoints.
    pub const ALL: [Self; 4] = [Self::Track, Self::Import, Self::Engage, Self::Groups];

    /// Path under the base URL.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Track => "/track",
            Self::Import => "/import",
            Self::Engage => "/engage",
            Self::Groups => "/groups",
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path())
    }
}

/// Sender of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// mixpanel-js in the visitor's browser.
    Browser,
    /// Server.
    Server,
}

impl Via {
    /// Name on the live page.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Server => "server",
        }
    }
}

/// Head of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Head {
    /// IP address of the client.
    pub ip: Option<String>,
    /// Decoded parameters of the query string.
    pub params: BTreeMap<String, String>,
    /// Headers, with names in lower case. Of repeated headers, the last value.
    pub headers: BTreeMap<String, String>,
}

impl Head {
    /// Returns a header by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Returns a parameter of the query string.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(String::as_str)
    }

    /// Guesses the sender of a request to `endpoint`. Only servers use `/import`. At other endpoints,
    /// browsers are recognised by the user agent, or by the form encoding of mixpanel-js.
    #[must_use]
    pub fn via(&self, endpoint: Endpoint) -> Via {
        let is_browser = self
            .header("user-agent")
            .is_some_and(|agent| agent.starts_with("Mozilla/"));
        let is_json = self
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/json"));
        let is_server = endpoint == Endpoint::Import || (is_json && !is_browser);
        if is_server { Via::Server } else { Via::Browser }
    }
}

/// Request to an endpoint, with any outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Endpoint.
    pub endpoint: Endpoint,
    /// Head of the request.
    pub head: Arc<Head>,
    /// Size of the body on the wire, in bytes.
    pub bytes: usize,
    /// Time of arrival, in milliseconds since 1970.
    pub at: u64,
    /// Status of the response. `None` if an injected fault closed the connection.
    pub status: Option<u16>,
}

/// Accepted record: an event, or an operation on a profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// Endpoint.
    pub endpoint: Endpoint,
    /// Sender of the request.
    pub via: Via,
    /// Record, as sent.
    pub body: Value,
    /// Time of arrival, in milliseconds since 1970.
    pub at: u64,
    /// Head of the request.
    pub head: Arc<Head>,
}

impl Received {
    /// Creates a record that arrives now, in a request with this head.
    #[must_use]
    pub fn new(endpoint: Endpoint, head: &Arc<Head>, body: Value) -> Self {
        Self {
            endpoint,
            via: head.via(endpoint),
            body,
            at: now(),
            head: Arc::clone(head),
        }
    }

    /// Name of the event. Empty for a profile operation.
    #[must_use]
    pub fn event(&self) -> &str {
        self.body["event"].as_str().unwrap_or_default()
    }

    /// Returns a property of the event, or null.
    #[must_use]
    pub fn property(&self, name: &str) -> &Value {
        &self.body["properties"][name]
    }

    /// ID of the user or group: `distinct_id`, `$distinct_id`, or `$group_id`.
    #[must_use]
    pub fn distinct_id(&self) -> Option<&str> {
        let id = match self.endpoint {
            Endpoint::Track | Endpoint::Import => self.property("distinct_id"),
            Endpoint::Engage => &self.body["$distinct_id"],
            Endpoint::Groups => &self.body["$group_id"],
        };
        id.as_str()
    }

    /// ID that identifies copies of the event.
    #[must_use]
    pub fn insert_id(&self) -> Option<&str> {
        self.property("$insert_id").as_str()
    }

    /// Time of the event, in milliseconds since 1970.
    #[must_use]
    pub fn time(&self) -> Option<i64> {
        rules::milliseconds(self.property("time"))
    }

    /// Key by which Mixpanel drops copies: event, time, distinct ID and insert ID.
    ///
    /// A project with Simplified ID Merge gets the distinct ID from `$user_id` or `$device_id`. The
    /// key holds both distinct IDs, so that only copies in both kinds of project count as copies.
    pub(crate) fn dedupe_key(&self) -> Option<String> {
        let insert_id = self.insert_id()?;
        let merged = [self.property("$user_id"), self.property("$device_id")]
            .into_iter()
            .find(|id| !id.is_null())
            .unwrap_or(&Value::Null);
        let time = self.property("time");
        let distinct_id = self.property("distinct_id");
        let key = serde_json::json!([self.event(), time, distinct_id, merged, insert_id]);
        Some(key.to_string())
    }
}

/// Rejected record.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// Endpoint.
    pub endpoint: Endpoint,
    /// Record, as sent.
    pub body: Value,
    /// Reason.
    pub message: String,
}

/// Application's note about one of its requests: the strategy that accepted or declined its calls.
///
/// Mixpanel does not receive such notes. The live page shows them next to the received events.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Note {
    /// Method of the request.
    pub method: String,
    /// Path of the request.
    pub path: String,
    /// Name of the strategy.
    pub strategy: String,
    /// Reason why the strategy declined. `None` if it accepted the calls.
    pub declined: Option<String>,
    /// Number of calls.
    pub calls: u64,
    /// Names of the events among the calls. The live page matches notes and events by name.
    pub events: Vec<String>,
}

/// Current time, in milliseconds since 1970.
#[must_use]
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
