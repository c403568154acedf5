//! Browsers that were seen before: what their `User-Agent` says is worked out once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::call::Properties;
use crate::translate::user_agent::{UserAgent, is_robot};

/// As many are remembered; then it begins anew. An application sees a few hundred on a day.
const MAX_AGENTS: usize = 1_000;

/// A longer one is nobody's.
const MAX_LEN: usize = 1_024;

/// What a `User-Agent` says.
#[derive(Debug, Default)]
pub(crate) struct CachedUserAgent {
    /// What `people.set` adds.
    pub(crate) profile: Properties,
    /// What an event has.
    pub(crate) event: Properties,
    /// The same, as members of a JSON object, each behind a comma.
    pub(crate) written: Vec<u8>,
    /// mixpanel-js drops the events of such a browser.
    pub(crate) is_robot: bool,
}

/// Agents that were seen before.
#[derive(Debug, Default)]
pub(crate) struct UserAgentCache(Mutex<HashMap<String, Arc<CachedUserAgent>>>);

impl UserAgentCache {
    pub(crate) fn read(&self, text: &str) -> Arc<CachedUserAgent> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = seen.get(text) {
            return Arc::clone(agent);
        }
        let agent = Arc::new(CachedUserAgent::read(text));
        if text.len() <= MAX_LEN {
            if seen.len() >= MAX_AGENTS {
                seen.clear();
            }
            seen.insert(text.to_owned(), Arc::clone(&agent));
        }
        agent
    }
}

impl CachedUserAgent {
    fn read(text: &str) -> Self {
        let read = UserAgent::parse(text);
        let facts = [
            ("$browser", read.browser.map(Value::from)),
            ("$browser_version", read.version),
            ("$os", read.os.map(Value::from)),
        ];
        let profile: Properties = facts
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)))
            .collect();
        let mut event = profile.clone();
        if let Some(device) = read.device {
            event.insert("$device".into(), device.into());
        }
        let members = event
            .iter()
            .map(|(key, value)| format!(",{}:{value}", Value::from(key.as_str())));
        let written = members.collect::<String>().into_bytes();
        Self {
            profile,
            event,
            written,
            is_robot: is_robot(text),
        }
    }
}
