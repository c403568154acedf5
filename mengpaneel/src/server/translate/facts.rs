//! What goes with each event because of the request: browser, address, page, campaign.

use serde_json::Value;
use url::Url;

use crate::call::Properties;
use crate::parcel::Parcel;
use crate::server::user_agent::{UserAgent, is_robot};

const CAMPAIGN: [&str; 20] = [
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_content",
    "utm_term",
    "utm_id",
    "utm_source_platform",
    "utm_campaign_id",
    "utm_creative_format",
    "utm_marketing_tactic",
    "dclid",
    "fbclid",
    "gclid",
    "ko_click_id",
    "li_fat_id",
    "msclkid",
    "sccid",
    "ttclid",
    "twclid",
    "wbraid",
];

/// The facts of one request. Empty where the application called on behalf of somebody who is not
/// there: a machine's address, browser and URL are nobody's.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Low in rank: what the caller says wins.
    pub(super) event: Properties,
    /// What `people.set` adds.
    pub(super) profile: Properties,
    /// What `track_pageview` adds.
    pub(super) page: Properties,
    pub(super) ip: Option<String>,
    /// mixpanel-js drops the events of such a browser.
    pub(super) is_robot: bool,
}

impl Facts {
    pub(super) fn of(parcel: &Parcel) -> Self {
        let visitor = &parcel.visitor;
        if parcel.via_server && visitor.is_machine() {
            return Self::default();
        }
        let mut facts = Self { ip: visitor.ip.clone(), ..Self::default() };
        if let Some(text) = &visitor.user_agent {
            facts.add_user_agent(text);
            facts.is_robot = !parcel.via_server && is_robot(text);
        }
        let event = &mut facts.event;
        if let Some(referrer) = visitor.referrer.as_ref().filter(|text| !text.is_empty()) {
            event.insert("$referrer".into(), referrer.as_str().into());
            if let Some(domain) = referrer.split('/').nth(2).filter(|text| !text.is_empty()) {
                event.insert("$referring_domain".into(), domain.into());
            }
        }
        if let Some(ip) = &facts.ip {
            event.insert("ip".into(), ip.as_str().into());
        }
        if let Some(url) = &visitor.url {
            event.insert("$current_url".into(), url.as_str().into());
            if let Ok(url) = Url::parse(url) {
                facts.add_url(&url);
            }
        }
        facts
    }

    /// Whether a property is what the request adds, and not what the application says.
    pub(super) fn has(&self, key: &str, value: &Value) -> bool {
        [&self.event, &self.page, &self.profile].iter().any(|facts| facts.get(key) == Some(value))
    }

    /// The same, where the value may have been cut since.
    pub(super) fn is_added(&self, key: &str, properties: &Properties) -> bool {
        let is_cut = |value: &Value| value.as_str().is_some_and(|text| text.len() >= 255);
        properties.get(key).is_some_and(|value| self.has(key, value) || (is_cut(value) && self.event.contains_key(key)))
    }

    fn add_user_agent(&mut self, text: &str) {
        let agent = UserAgent::parse(text);
        let facts = [
            ("$browser", agent.browser.map(Value::from)),
            ("$browser_version", agent.version),
            ("$os", agent.os.map(Value::from)),
        ];
        for (key, value) in facts {
            if let Some(value) = value {
                self.profile.insert(key.into(), value);
            }
        }
        self.event.extend(self.profile.clone());
        if let Some(device) = agent.device {
            self.event.insert("$device".into(), device.into());
        }
    }

    fn add_url(&mut self, url: &Url) {
        for (key, value) in url.query_pairs() {
            // The first of a name counts, as in mixpanel-js.
            if CAMPAIGN.contains(&key.as_ref()) && !value.is_empty() && !self.event.contains_key(key.as_ref()) {
                self.event.insert(key.into_owned(), value.as_ref().into());
            }
        }
        let page = [
            ("current_domain", url.host_str().unwrap_or_default().to_owned()),
            ("current_url_path", url.path().to_owned()),
            ("current_url_protocol", format!("{}:", url.scheme())),
            (
                "current_url_search",
                url.query().filter(|query| !query.is_empty()).map(|query| format!("?{query}")).unwrap_or_default(),
            ),
        ];
        for (key, value) in page {
            if !value.is_empty() {
                self.page.insert(key.into(), value.into());
            }
        }
    }
}
