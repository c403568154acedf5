//! Cache of parsed `User-Agent` headers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::call::Properties;
use crate::translate::user_agent::{UserAgent, is_robot};

/// Number of cached headers; the full cache is cleared. An application sees a few hundred in a day.
const CAPACITY: usize = 1_000;

/// Longest header that is cached, in bytes. No browser sends a longer one.
const MAX_LEN: usize = 1_024;

/// Properties of a `User-Agent` header.
#[derive(Debug, Default)]
pub(crate) struct CachedUserAgent {
    /// Properties that `people.set` adds.
    pub(crate) profile: Properties,
    /// Properties of an event.
    pub(crate) event: Properties,
    /// Properties of an event as members of a JSON object, each after a comma.
    pub(crate) encoded: Vec<u8>,
    /// True if mixpanel-js drops the events of this browser.
    pub(crate) is_robot: bool,
}

/// Cache of parsed `User-Agent` headers.
#[derive(Debug, Default)]
pub(crate) struct UserAgentCache(Mutex<HashMap<String, Arc<CachedUserAgent>>>);

impl UserAgentCache {
    /// Parses a header, or returns the cached result.
    pub(crate) fn parse(&self, text: &str) -> Arc<CachedUserAgent> {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = cache.get(text) {
            return Arc::clone(agent);
        }
        let agent = Arc::new(CachedUserAgent::parse(text));
        if text.len() <= MAX_LEN {
            if cache.len() >= CAPACITY {
                cache.clear();
            }
            cache.insert(text.to_owned(), Arc::clone(&agent));
        }
        agent
    }
}

impl CachedUserAgent {
    fn parse(text: &str) -> Self {
        let parsed = UserAgent::parse(text);
        let properties = [
            ("$browser", parsed.browser.map(Value::from)),
            ("$browser_version", parsed.version),
            ("$os", parsed.os.map(Value::from)),
        ];
        let profile: Properties = properties
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)))
            .collect();
        let mut event = profile.clone();
        if let Some(device) = parsed.device {
            event.insert("$device".into(), device.into());
        }
        let members = event
            .iter()
            .map(|(key, value)| format!(",{}:{value}", Value::from(key.as_str())));
        let encoded = members.collect::<String>().into_bytes();
        Self {
            profile,
            event,
            encoded,
            is_robot: is_robot(text),
        }
    }
}
