//! What goes with each event because of the request: browser, address, page, campaign.

use std::cell::OnceCell;
use std::sync::Arc;

use serde_json::Value;
use url::{Url, form_urlencoded};

use crate::call::Properties;
use crate::record::envelope::codec::VisitorRef;
use crate::record::visitor::Browser;
use crate::settings::js_options::{CAMPAIGN, CLICK_IDS, Omitted};
use crate::translate::agents::{CachedUserAgent, UserAgentCache};

/// Returns whether mixpanel-js makes a parameter of the URL a property.
fn is_campaign(name: &str) -> bool {
    CAMPAIGN.contains(&name) || CLICK_IDS.contains(&name)
}

/// The facts of one request. Empty where the application called on behalf of somebody who is not
/// there: a machine's address, browser and URL are nobody's.
#[derive(Debug, Default)]
pub(crate) struct RequestProperties<'a> {
    agent: Option<Arc<CachedUserAgent>>,
    pub(crate) ip: Option<&'a str>,
    pub(crate) referrer: Option<&'a str>,
    pub(crate) url: Option<&'a str>,
    /// mixpanel-js drops the events of such a browser.
    pub(crate) is_robot: bool,
    /// Properties that events do not have.
    pub(crate) omitted: Omitted,
    whole: OnceCell<AllProperties>,
    /// The value of mixpanel-js's cookie.
    cookie: Option<&'a str>,
    brought: OnceCell<Box<Browser>>,
}

/// What only those events need that are not plain.
#[derive(Debug, Default)]
struct AllProperties {
    event: Properties,
    profile: Properties,
    page: Properties,
}

impl<'a> RequestProperties<'a> {
    pub(crate) fn of(visit: &VisitorRef<'a>, agents: &UserAgentCache) -> Self {
        let omitted = visit.omitted.map(Omitted::from_text).unwrap_or_default();
        if visit.via_server && visit.is_server_to_server() {
            return Self {
                omitted,
                ..Self::default()
            };
        }
        let agent = visit.user_agent.map(|text| agents.read(text));
        Self {
            is_robot: !visit.via_server && agent.as_ref().is_some_and(|agent| agent.is_robot),
            agent,
            ip: visit.ip,
            referrer: visit.referrer.filter(|text| !text.is_empty()),
            url: visit.url,
            omitted,
            whole: OnceCell::new(),
            cookie: visit.cookie,
            brought: OnceCell::new(),
        }
    }

    /// What each event has, low in rank: what the caller says wins.
    pub(crate) fn event(&self) -> &Properties {
        &self.whole().event
    }

    /// What `people.set` adds.
    pub(crate) fn profile(&self) -> &Properties {
        &self.whole().profile
    }

    /// What `track_pageview` adds.
    pub(crate) fn page(&self) -> &Properties {
        &self.whole().page
    }

    /// What the browser says of itself, as members of a JSON object.
    pub(crate) fn written_agent(&self) -> (usize, &[u8]) {
        self.agent
            .as_ref()
            .map_or((0, &[]), |agent| (agent.event.len(), &agent.written))
    }

    /// The host in the referrer, as mixpanel-js finds it.
    pub(crate) fn referring_domain(&self) -> Option<&'a str> {
        self.referrer?
            .split('/')
            .nth(2)
            .filter(|text| !text.is_empty())
    }

    /// Whether the URL can name a campaign.
    pub(crate) fn may_have_campaign(&self) -> bool {
        let Some(url) = self.url else { return false };
        let Some((_, query)) = url.split_once('?') else {
            return false;
        };
        // In a URL such characters are skipped, so that a name may be put together from two parts.
        url.bytes().any(|byte| byte <= b' ')
            || form_urlencoded::parse(query.as_bytes()).any(|(key, _)| is_campaign(&key))
    }

    fn whole(&self) -> &AllProperties {
        self.whole.get_or_init(|| {
            let mut whole = AllProperties::default();
            if let Some(agent) = &self.agent {
                whole.profile.clone_from(&agent.profile);
                whole.event.clone_from(&agent.event);
            }
            let texts = [
                ("$referrer", self.referrer),
                ("$referring_domain", self.referring_domain()),
                ("ip", self.ip),
                ("$current_url", self.url),
            ];
            for (key, text) in texts {
                if let Some(text) = text {
                    whole.event.insert(key.into(), text.into());
                }
            }
            if let Some(Ok(url)) = self.url.map(Url::parse) {
                whole.add_url(&url, &self.omitted);
            }
            whole
        })
    }

    /// Whether a property is what the request adds, and not what the application says.
    pub(crate) fn has(&self, key: &str, value: &Value) -> bool {
        [self.event(), self.page(), self.profile()]
            .iter()
            .any(|facts| facts.get(key) == Some(value))
    }

    /// Returns whether a property is what the visitor's own browser says: what the request adds, or
    /// what their cookie brought. Nobody needs to be told of that, and whoever writes a cookie
    /// could fill the log.
    pub(crate) fn is_visitors(&self, key: &str, value: &Value) -> bool {
        self.has(key, value) || {
            let brought = self.brought();
            let ids = [&brought.distinct_id, &brought.user_id, &brought.device_id];
            brought.super_properties.get(key) == Some(value)
                || value
                    .as_str()
                    .is_some_and(|text| ids.iter().any(|id| id.as_deref() == Some(text)))
        }
    }

    /// Returns whether a property is a super property of the visitor's cookie.
    pub(crate) fn is_stored(&self, key: &str, value: &Value) -> bool {
        self.brought().super_properties.get(key) == Some(value)
    }

    fn brought(&self) -> &Browser {
        self.brought
            .get_or_init(|| Box::new(self.cookie.and_then(Browser::parse).unwrap_or_default()))
    }

    /// Returns whether a property is what the request adds, where the value may have been cut
    /// since.
    pub(crate) fn is_added(&self, key: &str, properties: &Properties) -> bool {
        let is_cut = |value: &Value| value.as_str().is_some_and(|text| text.len() >= 255);
        properties.get(key).is_some_and(|value| {
            self.has(key, value) || (is_cut(value) && self.event().contains_key(key))
        })
    }
}

impl AllProperties {
    fn add_url(&mut self, url: &Url, omitted: &Omitted) {
        for (key, value) in url.query_pairs() {
            // The first of a name counts, as in mixpanel-js.
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
