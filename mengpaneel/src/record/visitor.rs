//! Visitor: facts about the client of a request, and the content of mixpanel-js's cookie.

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::call::{Properties, is_blank, is_placeholder, is_placeholder_device, is_reserved};
use crate::settings::Settings;

/// Visitor as one request describes it.
///
/// Values are stored as received and parsed on use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Visitor {
    /// Value of mixpanel-js's cookie, as the browser sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
    /// IP address of the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// `User-Agent` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Full URL of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `Referer` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrer: Option<String>,
    /// True if the request carried a session that is not empty.
    pub has_session: bool,
    /// Properties that mixpanel-js's configuration removes from events, as JSON.
    ///
    /// They travel with the visitor, so that every process that sends the events omits them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub omitted: Option<String>,
}

/// Content of mixpanel-js's cookie.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Browser {
    /// `$user_id`: the identified user.
    pub(crate) user_id: Option<String>,
    /// `distinct_id`, which remains the anonymous ID after `alias`.
    pub(crate) distinct_id: Option<String>,
    /// `$device_id`: ID of the browser.
    pub(crate) device_id: Option<String>,
    /// Properties of each event: super properties, campaign, first referrer.
    pub(crate) super_properties: Properties,
    /// `__timers`: time of each event's `time_event` call, in milliseconds since 1970.
    pub(crate) timers: Properties,
}

impl Visitor {
    /// Removes the facts that the configuration withholds from Mixpanel.
    pub(crate) fn restricted(self, settings: &Settings) -> Self {
        Self {
            ip: self.ip.filter(|_| settings.sends_ip),
            omitted: settings.omitted.clone(),
            ..self
        }
    }

    /// Returns the content of mixpanel-js's cookie.
    ///
    /// The content is empty without a cookie and for a malformed one, which mixpanel-js itself
    /// ignores too.
    pub(crate) fn browser(&self) -> Browser {
        self.cookie
            .as_deref()
            .and_then(Browser::parse)
            .unwrap_or_default()
    }

    /// Returns whether the request has neither mixpanel-js's cookie nor a session.
    ///
    /// Another server sent it then, so its IP address, browser and URL describe no visitor.
    #[must_use]
    pub fn is_server_to_server(&self) -> bool {
        self.cookie.is_none() && !self.has_session
    }
}

impl Browser {
    /// Parses the cookie's value, percent-encoded JSON. `None` if it has no `distinct_id`.
    #[must_use]
    pub(crate) fn parse(cookie: &str) -> Option<Self> {
        let decoded = percent_decode_str(cookie).decode_utf8().ok()?;
        let Ok(Value::Object(mut stored)) = serde_json::from_str(&decoded) else {
            return None;
        };
        let mut id = |key: &str| match stored.remove(key) {
            Some(Value::String(id)) if !is_blank(&id) => Some(id),
            Some(Value::Number(id)) => Some(id.to_string()),
            _ => None,
        };
        // A placeholder ID was set by a page that had no user: the real user is unknown.
        let is_real = |id: &String| !is_placeholder(id.as_bytes()) && !is_placeholder_device(id);
        let distinct_id = id("distinct_id")?;
        let (user_id, device_id) = (
            id("$user_id").filter(is_real),
            id("$device_id").filter(is_real),
        );
        let device = || device_id.as_ref().map(|device| format!("$device:{device}"));
        let distinct_id = Some(distinct_id).filter(is_real).or_else(device);
        let timers = match stored.remove("__timers") {
            Some(Value::Object(timers)) => timers,
            _ => Properties::new(),
        };
        stored.retain(|key, _| !is_reserved(key));
        Some(Self {
            user_id,
            distinct_id,
            device_id,
            super_properties: stored,
            timers,
        })
    }

    /// Returns the ID that mixpanel-js uses now: `$user_id`, or else `distinct_id`.
    #[must_use]
    pub(crate) fn current_id(&self) -> Option<&str> {
        self.user_id.as_deref().or(self.distinct_id.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COOKIE: &str = "%7B%22distinct_id%22%3A%22%24device%3Aabc%22%2C%22%24device_id%22%3A%22abc%22%2C\
                          %22Plan%22%3A%22Pro%22%2C%22__timers%22%3A%7B%22Play%22%3A5%7D%2C%22__mps%22%3A%7B%7D%7D";

    #[test]
    fn current_id_is_distinct_id_without_user_id() {
        let browser = Browser::parse(COOKIE).unwrap();
        assert_eq!(browser.current_id(), Some("$device:abc"));
        assert_eq!(browser.device_id.as_deref(), Some("abc"));
        assert_eq!(
            Value::Object(browser.super_properties),
            json!({"Plan": "Pro"})
        );
        assert_eq!(Value::Object(browser.timers), json!({"Play": 5}));
    }

    #[test]
    fn placeholder_id_in_cookie_falls_back_to_device() {
        let parse = |stored: Value| {
            let text = stored.to_string();
            let cookie =
                percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC);
            let browser = Browser::parse(&cookie.to_string()).unwrap();
            assert_eq!(
                browser.super_properties.get("Plan"),
                Some(&json!("Pro")),
                "{text}"
            );
            (browser.user_id, browser.distinct_id, browser.device_id)
        };
        let device = || Some("abc".to_owned());
        for id in [
            "undefined",
            "Undefined",
            "NULL",
            "anonymous",
            "0",
            " null ",
            "$device:undefined",
        ] {
            let stored =
                json!({"distinct_id": id, "$user_id": id, "$device_id": "abc", "Plan": "Pro"});
            assert_eq!(
                parse(stored),
                (None, Some("$device:abc".to_owned()), device()),
                "{id}"
            );
            let stored = json!({"distinct_id": "$device:abc", "$user_id": id, "$device_id": "abc", "Plan": "Pro"});
            assert_eq!(
                parse(stored),
                (None, Some("$device:abc".to_owned()), device()),
                "{id}"
            );
            let stored =
                json!({"distinct_id": id, "$user_id": "7", "$device_id": "abc", "Plan": "Pro"});
            assert_eq!(
                parse(stored),
                (
                    Some("7".to_owned()),
                    Some("$device:abc".to_owned()),
                    device()
                ),
                "{id}"
            );
            assert_eq!(
                parse(json!({"distinct_id": id, "$device_id": id, "Plan": "Pro"})),
                (None, None, None),
                "{id}"
            );
        }
        assert_eq!(
            parse(json!({"distinct_id": 0, "$device_id": "abc", "Plan": "Pro"}))
                .1
                .as_deref(),
            Some("$device:abc")
        );
    }

    #[test]
    fn malformed_cookie_is_ignored() {
        for cookie in ["", "%", "%FF", "[]", "%7B%7D", "null"] {
            assert_eq!(Browser::parse(cookie), None, "{cookie}");
        }
    }
}
