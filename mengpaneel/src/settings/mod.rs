//! Settings: the checked values of the builder, for every module that needs them.

pub(crate) mod consent;
pub(crate) mod cookies;
pub(crate) mod js_options;
pub(crate) mod proxies;

use std::fmt;
use std::time::Duration;

use actix_web::http::header::HeaderName;
use serde_json::Value;

use crate::error::setup_mistake::SetupMistakes;
use crate::settings::consent::ConsentPolicy;
use crate::settings::cookies::{CookieAttributes, CookieNames, DeviceCookie};
use crate::settings::proxies::TrustedProxies;

/// Pages that get the code that loads mixpanel-js.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loader {
    /// Every HTML page, with or without calls, like the gem. mixpanel-js then has its cookie from
    /// the first page on. mixpanel-js sends nothing by itself, unless `js_config` requests that
    /// (`track_pageview`, `autocapture`).
    #[default]
    Always,
    /// Only pages with calls.
    WithCalls,
    /// No page: the application loads mixpanel-js itself, and the calls wait for that.
    Never,
}

/// Settings of one Mengpaneel.
pub(crate) struct Settings {
    /// Token of the project; never empty.
    pub token: String,
    /// Names of cookies and headers, with a suffix for a second Mengpaneel on one app.
    pub names: KeyNames,
    /// Settings of mixpanel-js in the page.
    pub page: PageSettings,
    /// Names of mixpanel-js's cookies.
    pub cookies: CookieNames,
    /// Cookie of mixpanel-js that the server sets for a first-time visitor. `None` if switched
    /// off.
    pub device_cookie: Option<DeviceCookie>,
    /// Most bytes of a response's head, all headers counted.
    pub max_header_bytes: usize,
    /// True if snippets are inserted in streamed bodies.
    pub inject_into_streams: bool,
    /// Rules of consent.
    pub consent: ConsentPolicy,
    /// True if the IP addresses of visitors are sent.
    pub sends_ip: bool,
    /// Properties that the server omits from events; see
    /// [`Visitor::omitted`](crate::Visitor::omitted).
    pub omitted: Option<String>,
    /// Attributes of mixpanel-js's cookies, as its configuration implies them.
    pub cookie_attributes: CookieAttributes,
    /// Trusted proxies, and the headers that they send.
    pub trusted_proxies: TrustedProxies,
    /// Time for which delayed calls wait for a page before the server delivers them.
    pub fallback_after: Duration,
    /// Setup mistakes of the application that were reported.
    pub mistakes: SetupMistakes,
}

/// Settings of mixpanel-js in the page.
#[derive(Clone, Debug)]
pub(crate) struct PageSettings {
    /// Pages that get the loader.
    pub loader: Loader,
    /// URL that mixpanel-js is loaded from.
    pub lib_url: String,
    /// Configuration of `mixpanel.init`.
    pub config: Value,
}

impl PageSettings {
    /// Returns the host to which mixpanel-js in the page delivers.
    pub(crate) fn api_host(&self) -> &str {
        self.config
            .get("api_host")
            .and_then(Value::as_str)
            .unwrap_or("https://api-js.mixpanel.com")
    }
}

/// Names of the session key, cookies and headers.
#[derive(Clone, Debug)]
pub(crate) struct KeyNames {
    /// Suffix of a second Mengpaneel. `None` for the only one.
    pub name: Option<String>,
    /// Session key under which an earlier version stored delayed calls.
    pub session_key: String,
    /// Prefix of the names of carrier cookies.
    pub cookie: String,
    /// `X-Mengpaneel-Flush-Capable`.
    pub capable: HeaderName,
    /// `X-Mengpaneel-Calls`.
    pub calls: HeaderName,
    /// `X-Mengpaneel-Setup`.
    pub setup: HeaderName,
}

impl KeyNames {
    /// Creates the names for the only Mengpaneel, or for one with a name: lower-case letters,
    /// digits and `-`. `None` if `name` cannot be part of a header name.
    pub(crate) fn new(name: Option<&str>) -> Option<Self> {
        let suffix = |separator: &str| {
            name.map(|name| format!("{separator}{name}"))
                .unwrap_or_default()
        };
        let is_valid = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if !name.is_none_or(is_valid) {
            return None;
        }
        let header =
            |base: &str| HeaderName::from_bytes(format!("{base}{}", suffix("-")).as_bytes()).ok();
        Some(Self {
            name: name.map(str::to_owned),
            session_key: format!("mengpaneel_delayed_calls{}", suffix("_")),
            cookie: format!("mengpaneel_delayed_calls{}", suffix("_")),
            capable: header("x-mengpaneel-flush-capable")?,
            calls: header("x-mengpaneel-calls")?,
            setup: header("x-mengpaneel-setup")?,
        })
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("name", &self.names.name)
            .finish_non_exhaustive()
    }
}
