//! Properties that the request adds: browser, address, page and campaign.

use std::cell::OnceCell;
use std::sync::Arc;

use serde_json::Value;
use url::{Url, form_urlencoded};

use crate::call::Properties;
use crate::call::json::Known;
use crate::record::envelope::codec::VisitorRef;
use crate::record::visitor::Browser;
use crate::settings::js_options::{CAMPAIGN, CLICK_IDS, OmittedProperties};
use crate::translate::user_agent_cache::{CachedUserAgent, UserAgentCache};

/// Returns whether mixpanel-js makes a property of a URL parameter.
fn is_campaign(name: &str) -> bool {
    CAMPAIGN.contains(&name) || CLICK_IDS.contains(&name)
}

/// Properties that one request adds. Empty for `via(server)` calls if a machine sent the request:
/// its address, browser and URL are not those of a user.
#[derive(Debug, Default)]
pub(crate) struct RequestProperties<'a> {
    user_agent: Option<Arc<CachedUserAgent>>,
    pub(crate) ip: Option<&'a str>,
    referrer: Option<&'a str>,
    url: Option<&'a str>,
    /// True if mixpanel-js drops the events of this browser.
    pub(crate) is_robot: bool,
    /// Properties that must be omitted from events.
    pub(crate) omitted: OmittedProperties,
    /// Made on first use: most events do not need all properties.
    all: OnceCell<AllProperties>,
    /// Value of mixpanel-js's cookie.
    cookie: Option<&'a str>,
    /// Decoded cookie, made on first use.
    browser: OnceCell<Box<Browser>>,
}

/// Properties as values, for events that have some of the names already, and for profiles.
#[derive(Debug, Default)]
pub(crate) struct AllProperties {
    /// Properties of each event. Properties of the caller have precedence.
    pub(crate) event: Properties,
    /// Properties that `people.set` adds.
    pub(crate) profile: Properties,
    /// Properties that `track_pageview` adds.
    pub(crate) page: Properties,
}

impl<'a> RequestProperties<'a> {
    /// Collects the properties of a visitor's request.
    pub(crate) fn new(visitor: &VisitorRef<'a>, user_agents: &UserAgentCache) -> Self {
        let omitted = visitor
            .omitted
            .map(OmittedProperties::from_text)
            .unwrap_or_default();
        if visitor.via_server && visitor.is_server_to_server() {
            return Self {
                omitted,
                ..Self::default()
            };
        }
        let user_agent = visitor.user_agent.map(|text| user_agents.parse(text));
        Self {
            is_robot: !visitor.via_server
                && user_agent.as_ref().is_some_and(|agent| agent.is_robot),
            user_agent,
            ip: visitor.ip,
            referrer: visitor.referrer.filter(|text| !text.is_empty()),
            url: visitor.url,
            omitted,
            all: OnceCell::new(),
            cookie: visitor.cookie,
            browser: OnceCell::new(),
        }
    }

    /// Returns the properties of the browser as members of a JSON object, and their number.
    pub(crate) fn encoded_user_agent(&self) -> (usize, &[u8]) {
        self.user_agent
            .as_ref()
            .map_or((0, &[]), |agent| (agent.event.len(), &agent.encoded))
    }

    /// Returns the host in the referrer, as mixpanel-js finds it.
    fn referring_domain(&self) -> Option<&'a str> {
        self.referrer?
            .split('/')
            .nth(2)
            .filter(|text| !text.is_empty())
    }

    /// Returns whether the URL may contain parameters of a campaign.
    pub(crate) fn may_have_campaign(&self) -> bool {
        let Some(url) = self.url else { return false };
        let Some((_, query)) = url.split_once('?') else {
            return false;
        };
        // URL parsing skips such characters, so a name may consist of two parts.
        url.bytes().any(|byte| byte <= b' ')
            || form_urlencoded::parse(query.as_bytes()).any(|(key, _)| is_campaign(&key))
    }

    /// Returns the properties of an event that are texts of the request.
    #[inline]
    pub(crate) fn texts(&self) -> [(Known, Option<&'a str>); 4] {
        [
            (Known::Referrer, self.referrer),
            (Known::ReferringDomain, self.referring_domain()),
            (Known::Ip, self.ip),
            (Known::CurrentUrl, self.url),
        ]
    }

    /// Returns the properties as values.
    pub(crate) fn all(&self) -> &AllProperties {
        self.all.get_or_init(|| {
            let mut all = AllProperties::default();
            if let Some(agent) = &self.user_agent {
                all.profile.clone_from(&agent.profile);
                all.event.clone_from(&agent.event);
            }
            for (known, text) in self.texts() {
                if let Some(text) = text {
                    all.event.insert(known.name().into(), text.into());
                }
            }
            if let Some(Ok(url)) = self.url.map(Url::parse) {
                all.add_url(&url, &self.omitted);
            }
            all
        })
    }

    /// Returns whether the request adds this property with this value.
    pub(crate) fn has(&self, key: &str, value: &Value) -> bool {
        let all = self.all();
        [&all.event, &all.page, &all.profile]
            .iter()
            .any(|properties| properties.get(key) == Some(value))
    }

    /// Returns whether a property comes from the visitor's browser: from the request or the cookie.
    /// Changes to such properties are not reported, since a visitor could fill the log.
    pub(crate) fn is_from_visitor(&self, key: &str, value: &Value) -> bool {
        self.has(key, value) || {
            let browser = self.browser();
            let ids = [&browser.distinct_id, &browser.user_id, &browser.device_id];
            browser.super_properties.get(key) == Some(value)
                || value
                    .as_str()
                    .is_some_and(|text| ids.iter().any(|id| id.as_deref() == Some(text)))
        }
    }

    /// Returns whether a property is a super property of the visitor's cookie.
    pub(crate) fn is_from_cookie(&self, key: &str, value: &Value) -> bool {
        self.browser().super_properties.get(key) == Some(value)
    }

    fn browser(&self) -> &Browser {
        self.browser
            .get_or_init(|| Box::new(self.cookie.and_then(Browser::parse).unwrap_or_default()))
    }
}

impl AllProperties {
    fn add_url(&mut self, url: &Url, omitted: &OmittedProperties) {
        for (key, value) in url.query_pairs() {
            // The first parameter of a name counts, as in mixpanel-js.
            if is_campaign(&key)
                && !omitted.has_parameter(&key)
                && !value.is_empty()
                && !self.event.contains_key(key.as_ref())
            {
                self.event.insert(key.into_owned(), value.as_ref().into());
            }
        }
        let page = [
            (
                "current_domain",
                url.host_str().unwrap_or_default().to_owned(),
            ),
            ("current_url_path", url.path().to_owned()),
            ("current_url_protocol", format!("{}:", url.scheme())),
            (
                "current_url_search",
                url.query()
                    .filter(|query| !query.is_empty())
                    .map(|query| format!("?{query}"))
                    .unwrap_or_default(),
            ),
        ];
        for (key, value) in page {
            if !value.is_empty() {
                self.page.insert(key.into(), value.into());
            }
        }
    }
}
