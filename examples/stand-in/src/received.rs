//! What arrives: the endpoint, the head of its request, and one record of its body.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::Value;

use crate::rules;

/// One of Mixpanel's endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `/track`: events, as a browser sends them.
    Track,
    /// `/import`: events, as a server sends them.
    Import,
    /// `/engage`: profiles of people.
    Engage,
    /// `/groups`: profiles of groups.
    Groups,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Track, Self::Import, Self::Engage, Self::Groups];

    /// Its path under the base URL.
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

/// Who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// mixpanel-js, in the visitor's browser.
    Browser,
    /// A program.
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

/// What a request says before its body.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Head {
    /// The address that the request came from.
    pub ip: Option<String>,
    /// The query string, decoded.
    pub params: BTreeMap<String, String>,
    /// The headers, names in lower case. The last of those with one name.
    pub headers: BTreeMap<String, String>,
}

impl Head {
    /// A header by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// A parameter of the query string.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(String::as_str)
    }

    /// Who sends to `endpoint` with such a head. Only servers import; elsewhere a browser is known
    /// by its name, or by the form that mixpanel-js sends.
    #[must_use]
    pub fn via(&self, endpoint: Endpoint) -> Via {
        let browser = self
            .header("user-agent")
            .is_some_and(|agent| agent.starts_with("Mozilla/"));
        let json = self
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/json"));
        let server = endpoint == Endpoint::Import || (json && !browser);
        if server { Via::Server } else { Via::Browser }
    }
}

/// One request, whatever became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Where it was sent.
    pub endpoint: Endpoint,
    /// What it said before its body.
    pub head: Arc<Head>,
    /// How many bytes its body had on the wire.
    pub bytes: usize,
    /// When it came, in milliseconds since 1970.
    pub at: u64,
    /// The status of the answer. `None` where there was none: stalled, closed, lost.
    pub status: Option<u16>,
}

/// One record that was taken: an event, or an operation on a profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// Where it was sent.
    pub endpoint: Endpoint,
    /// Who sent it.
    pub via: Via,
    /// The record itself, as it was sent.
    pub body: Value,
    /// When it came, in milliseconds since 1970.
    pub at: u64,
    /// What its request said before the body.
    pub head: Arc<Head>,
}

impl Received {
    /// A record of a request with that head, come now.
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

    /// The event's name. Empty for a profile.
    #[must_use]
    pub fn event(&self) -> &str {
        self.body["event"].as_str().unwrap_or_default()
    }

    /// A property of the event; null where it has none of that name.
    #[must_use]
    pub fn property(&self, name: &str) -> &Value {
        &self.body["properties"][name]
    }

    /// Whom it is about: `distinct_id`, `$distinct_id`, or `$group_id`.
    #[must_use]
    pub fn distinct_id(&self) -> Option<&str> {
        let id = match self.endpoint {
            Endpoint::Track | Endpoint::Import => self.property("distinct_id"),
            Endpoint::Engage => &self.body["$distinct_id"],
            Endpoint::Groups => &self.body["$group_id"],
        };
        id.as_str()
    }

    /// The event's key against double counting.
    #[must_use]
    pub fn insert_id(&self) -> Option<&str> {
        self.property("$insert_id").as_str()
    }

    /// When the event happened, in milliseconds since 1970.
    #[must_use]
    pub fn time(&self) -> Option<i64> {
        rules::milliseconds(self.property("time"))
    }

    /// What Mixpanel compares to see that two events are one: event, time, distinct ID and insert
    /// ID. A project with Simplified ID Merge takes the distinct ID from `$user_id` or
    /// `$device_id`; copies count once here only if both kinds of project would say so.
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

/// A record that was refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// Where it was sent.
    pub endpoint: Endpoint,
    /// The record itself, as it was sent.
    pub body: Value,
    /// Why.
    pub message: String,
}

/// What the application says of one of its requests: by which strategy its calls left, or which
/// declined. Mixpanel cannot know; the live page shows it beside what arrived.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Note {
    /// The request's method.
    pub method: String,
    /// The request's path.
    pub path: String,
    /// The strategy.
    pub strategy: String,
    /// Why it declined. `None` where it took the calls.
    pub declined: Option<String>,
    /// How many calls there were.
    pub calls: u64,
    /// The names of the events among them, by which a note finds its events.
    pub events: Vec<String>,
}

/// Now, in milliseconds since 1970.
#[must_use]
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
