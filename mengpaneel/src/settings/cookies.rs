//! Cookies of mixpanel-js, derived from the configuration of mixpanel-js: names, attributes, and
//! the device cookie that the server sets for first-time visitors.

use actix_web::cookie::time::{Duration, OffsetDateTime};
use actix_web::cookie::{Cookie, SameSite};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::call::Properties;

/// Default of mixpanel-js's `cookie_expiration`.
const DEFAULT_EXPIRATION_DAYS: i64 = 365;
const SECONDS_PER_DAY: u32 = 24 * 60 * 60;

/// Characters that `encodeURIComponent` encodes. mixpanel-js encodes its cookie like that.
const URI_COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// Names of mixpanel-js's cookies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CookieNames {
    /// Identity and super properties: `mp_<token>_mixpanel`.
    pub persistence: String,
    /// `0` when the visitor opted out: `__mp_opt_in_out_<token>`.
    pub opt_out: String,
}

impl CookieNames {
    /// Returns the names for a token and a configuration of `mixpanel.init`.
    #[must_use]
    pub(crate) fn new(token: &str, js_config: &Properties) -> Self {
        let text = |key: &str| {
            js_config
                .get(key)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
        };
        let persistence = match text("persistence_name").or(text("cookie_name")) {
            Some(name) => format!("mp_{name}"),
            None => format!("mp_{token}_mixpanel"),
        };
        let prefix = text("opt_out_tracking_cookie_prefix").unwrap_or("__mp_opt_in_out_");
        Self {
            persistence,
            opt_out: format!("{prefix}{token}"),
        }
    }
}

/// Attributes with which mixpanel-js writes cookies. A cookie with other attributes would exist
/// beside mixpanel-js's own and hide it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CookieAttributes {
    domain: Option<String>,
    is_for_subdomains: bool,
    is_secure: bool,
    is_cross_site: bool,
    /// `None` for a cookie that lasts until the browser is closed.
    max_age: Option<Duration>,
}

impl CookieAttributes {
    /// Returns the attributes for a configuration of `mixpanel.init`.
    #[must_use]
    pub(crate) fn new(js_config: &Properties) -> Self {
        let default = Self {
            is_for_subdomains: true,
            max_age: Some(Duration::days(DEFAULT_EXPIRATION_DAYS)),
            ..Self::default()
        };
        default.with(js_config)
    }

    /// Returns the attributes with those of `options` in place of the present ones.
    #[must_use]
    pub(crate) fn with(&self, options: &Properties) -> Self {
        let flag =
            |key: &str, default| options.get(key).and_then(Value::as_bool).unwrap_or(default);
        let domain = match options.get("cookie_domain") {
            Some(domain) => domain
                .as_str()
                .filter(|domain| !domain.is_empty())
                .map(str::to_owned),
            None => self.domain.clone(),
        };
        let max_age = match options.get("cookie_expiration") {
            Some(days) => days
                .as_f64()
                .filter(|days| *days != 0.0)
                .map(|days| Duration::saturating_seconds_f64(days * f64::from(SECONDS_PER_DAY))),
            None => self.max_age,
        };
        Self {
            domain,
            is_for_subdomains: flag("cross_subdomain_cookie", self.is_for_subdomains),
            is_secure: flag("secure_cookie", self.is_secure),
            is_cross_site: flag("cross_site_cookie", self.is_cross_site),
            max_age,
        }
    }

    /// Makes a cookie with these attributes, for a request to `host`.
    #[must_use]
    pub(crate) fn cookie(&self, name: &str, value: &str, host: &str) -> Cookie<'static> {
        let mut cookie = self.scoped(
            name,
            utf8_percent_encode(value, URI_COMPONENT).to_string(),
            host,
        );
        if let Some(max_age) = self.max_age {
            cookie.set_max_age(max_age);
        }
        if self.is_cross_site {
            cookie.set_same_site(SameSite::None);
        }
        if self.is_secure || self.is_cross_site {
            cookie.set_secure(true);
        }
        cookie
    }

    /// Makes a cookie that removes the cookie with this name.
    #[must_use]
    pub(crate) fn removal(&self, name: &str, host: &str) -> Cookie<'static> {
        let mut cookie = self.scoped(name, String::new(), host);
        cookie.set_max_age(Duration::ZERO);
        cookie.set_expires(OffsetDateTime::UNIX_EPOCH);
        cookie
    }

    fn scoped(&self, name: &str, value: String, host: &str) -> Cookie<'static> {
        let mut cookie = Cookie::new(name.to_owned(), value);
        cookie.set_path("/");
        let registered = || {
            self.is_for_subdomains
                .then(|| registered_domain(host))
                .flatten()
                .map(str::to_owned)
        };
        if let Some(domain) = self.domain.clone().or_else(registered) {
            cookie.set_domain(domain);
        }
        cookie
    }
}

/// Cookie of mixpanel-js that the server sets for a first-time visitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceCookie {
    name: String,
    attributes: CookieAttributes,
}

impl DeviceCookie {
    /// Creates the cookie for a configuration of `mixpanel.init`. `None` if mixpanel-js uses no
    /// cookie.
    #[must_use]
    pub(crate) fn new(name: &str, js_config: &Properties) -> Option<Self> {
        let is_on = |key: &str| js_config.get(key).and_then(Value::as_bool) == Some(true);
        let uses_cookie = js_config
            .get("persistence")
            .is_none_or(|persistence| persistence == "cookie")
            && !is_on("disable_persistence")
            && !is_on("disable_cookie");
        uses_cookie.then(|| Self {
            name: name.to_owned(),
            attributes: CookieAttributes::new(js_config),
        })
    }

    /// Makes the cookie of a new device, for a request to `host`.
    #[must_use]
    pub(crate) fn cookie(&self, host: &str) -> Cookie<'static> {
        let device = Uuid::new_v4().to_string();
        let stored = json!({"distinct_id": format!("$device:{device}"), "$device_id": device});
        self.attributes
            .cookie(&self.name, &stored.to_string(), host)
    }
}

/// Returns the domain that mixpanel-js guesses for a host: often, but not always, the registered
/// domain.
fn registered_domain(host: &str) -> Option<&str> {
    let last = host.rsplit('.').next()?;
    let is_simple =
        last.len() > 4 || last.eq_ignore_ascii_case("com") || last.eq_ignore_ascii_case("org");
    let min_label_len = if is_simple { 1 } else { 2 };
    let is_suffix = |rest: &str| {
        if is_simple {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphabetic())
        } else {
            (2..=6).contains(&rest.len())
                && rest
                    .bytes()
                    .all(|byte| byte.is_ascii_alphabetic() || byte == b'.')
        }
    };
    host.match_indices('.').find_map(|(dot, _)| {
        let (before, rest) = (host.get(..dot)?, host.get(dot + 1..)?);
        let label = before
            .rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
            .next()?
            .trim_start_matches('-');
        (label.len() >= min_label_len && is_suffix(rest)).then(|| host.get(dot - label.len()..))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::visitor::Browser;

    fn device_cookie(config: Value) -> Option<DeviceCookie> {
        let Value::Object(config) = config else {
            panic!("a configuration is an object")
        };
        DeviceCookie::new("mp_t_mixpanel", &config)
    }

    #[test]
    fn device_cookie_is_readable_by_mixpanel_js() {
        let cookie = device_cookie(json!({})).unwrap().cookie("www.blog.example");
        let browser = Browser::parse(cookie.value()).unwrap();
        assert_eq!(
            browser.distinct_id,
            browser.device_id.map(|device| format!("$device:{device}"))
        );
        let attributes = cookie.to_string();
        let attributes = attributes.split_once("; ").unwrap().1;
        assert_eq!(attributes, "Path=/; Domain=blog.example; Max-Age=31536000");
    }

    #[test]
    fn device_cookie_follows_js_config() {
        let attributes = |config: Value| {
            let cookie = device_cookie(config)
                .unwrap()
                .cookie("www.blog.example")
                .to_string();
            cookie.split_once("; ").unwrap().1.to_owned()
        };
        assert_eq!(
            attributes(json!({"cross_subdomain_cookie": false, "cookie_expiration": 0})),
            "Path=/"
        );
        assert_eq!(
            attributes(
                json!({"cookie_domain": "b.example", "cookie_expiration": 1, "cross_site_cookie": true})
            ),
            "SameSite=None; Secure; Path=/; Domain=b.example; Max-Age=86400"
        );
        assert_eq!(device_cookie(json!({"persistence": "localStorage"})), None);
        assert_eq!(device_cookie(json!({"disable_persistence": true})), None);
        assert_eq!(device_cookie(json!({"disable_cookie": true})), None);
        assert_eq!(
            attributes(json!({"cookie_expiration": 0.5})),
            "Path=/; Domain=blog.example; Max-Age=43200",
            "mixpanel-js accepts fractions of a day"
        );
    }

    /// Results of `extract_domain` of mixpanel-js 2.82.
    #[test]
    fn domain_guess_equals_that_of_mixpanel_js() {
        for (host, expected) in [
            ("blog.example", "blog.example"),
            ("www.blog.example", "blog.example"),
            ("localhost", ""),
            ("127.0.0.1", ""),
            ("app.ab.io", "app.ab.io"),
            ("app.xy.net", "app.xy.net"),
            ("foo.herokuapp.com", "herokuapp.com"),
            ("a.com", "a.com"),
            ("www.a-b.org", "a-b.org"),
            ("shop.co.uk", "shop.co.uk"),
            ("www.shop.co.uk", "shop.co.uk"),
            ("x.de", ""),
            ("www.x.de", "www.x.de"),
            ("deep.er.shop.de", "shop.de"),
            ("a_b.shop.com", "shop.com"),
            ("-a.com", "a.com"),
            ("www.shop.travel", "shop.travel"),
            ("h1.museum", "h1.museum"),
            ("[::1]", ""),
            ("", ""),
            ("com", ""),
            ("x.y.z.com.au", "com.au"),
        ] {
            assert_eq!(
                registered_domain(host).unwrap_or_default(),
                expected,
                "{host}"
            );
        }
    }
}
