//! The settings: what the builder was told, checked, for every module that acts on it.

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

/// When the page gets the code that loads mixpanel-js.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loader {
    /// On every HTML page, calls or not, as the gem does. mixpanel-js then has its cookie from the
    /// first page on. It sends nothing by itself, unless `js_config` asks for it
    /// (`track_pageview`, `autocapture`).
    #[default]
    Always,
    /// Only on pages that carry calls.
    WithCalls,
    /// Never: the application loads mixpanel-js itself, and the calls wait for it.
    Never,
}

/// What a Mengpaneel was built with.
pub(crate) struct Settings {
    /// The project's token; never empty.
    pub token: String,
    /// The names that travel, which a second Mengpaneel on one app suffixes.
    pub names: KeyNames,
    /// What the page is told.
    pub page: PageSettings,
    /// Under which names mixpanel-js keeps its cookies.
    pub cookies: CookieNames,
    /// How a first-time visitor is given mixpanel-js's cookie, if that is wanted.
    pub device_cookie: Option<DeviceCookie>,
    /// Most bytes that a response's head may have, all headers counted.
    pub max_header_bytes: usize,
    /// Whether a body that is streamed is injected into.
    pub inject_into_streams: bool,
    /// The rules by which a visitor may be tracked.
    pub consent: ConsentPolicy,
    /// True if visitors' addresses are sent.
    pub sends_ip: bool,
    /// The properties that the server leaves out of events; see [`Visitor::omitted`](crate::Visitor::omitted).
    pub omitted: Option<String>,
    /// Attributes of mixpanel-js's cookies, as its configuration implies them.
    pub cookie_attributes: CookieAttributes,
    /// The proxies whose headers are believed, and which headers those are.
    pub trusted_proxies: TrustedProxies,
    /// How long delayed calls wait for their page before the server says them.
    pub fallback_after: Duration,
    /// Wrong set-ups of the application that were reported.
    pub mistakes: SetupMistakes,
}

/// What the page is told.
#[derive(Clone, Debug)]
pub(crate) struct PageSettings {
    /// When it gets the loader.
    pub loader: Loader,
    /// Where mixpanel-js is loaded from.
    pub lib_url: String,
    /// What `mixpanel.init` is configured with.
    pub config: Value,
}

impl PageSettings {
    /// Where mixpanel-js in the page delivers.
    pub(crate) fn api_host(&self) -> &str {
        self.config
            .get("api_host")
            .and_then(Value::as_str)
            .unwrap_or("https://api-js.mixpanel.com")
    }
}

/// The names under which things travel.
#[derive(Clone, Debug)]
pub(crate) struct KeyNames {
    /// The suffix of a second Mengpaneel, if this is one.
    pub name: Option<String>,
    /// Key under which an earlier version left delayed calls in the session.
    pub session_key: String,
    /// Beginning of the names of carrier cookies.
    pub cookie: String,
    /// `X-Mengpaneel-Flush-Capable`.
    pub capable: HeaderName,
    /// `X-Mengpaneel-Calls`.
    pub calls: HeaderName,
    /// `X-Mengpaneel-Setup`.
    pub setup: HeaderName,
}

impl KeyNames {
    /// The names of the only Mengpaneel, or of the one of that name: lower-case letters, digits
    /// and `-`. `None` where the name cannot be part of a header's.
    pub(crate) fn new(name: Option<&str>) -> Option<Self> {
        let suffix = |separator: &str| {
            name.map(|name| format!("{separator}{name}"))
                .unwrap_or_default()
        };
        let fits = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if !name.is_none_or(fits) {
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
