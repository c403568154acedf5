//! Seeding: a first-time visitor is given mixpanel-js's cookie by the server, so that browser and
//! server name the same device from the first request on.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::call::Properties;

/// What `encodeURIComponent` leaves as it is, as mixpanel-js writes its cookie.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// How mixpanel-js would write its cookie. One of other attributes would stand beside its own, and
/// hide from it what it keeps there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeding {
    name: String,
    domain: Option<String>,
    is_for_subdomains: bool,
    is_secure: bool,
    is_cross_site: bool,
    days: i64,
}

impl Seeding {
    /// As `mixpanel.init` is configured. `None` where mixpanel-js keeps no cookie.
    #[must_use]
    pub fn new(name: &str, js_config: &Properties) -> Option<Self> {
        let flag = |key: &str, default| js_config.get(key).and_then(Value::as_bool).unwrap_or(default);
        let keeps_cookie = js_config.get("persistence").is_none_or(|kept| kept == "cookie");
        let domain = js_config.get("cookie_domain").and_then(Value::as_str).filter(|domain| !domain.is_empty());
        (keeps_cookie && !flag("disable_persistence", false)).then(|| Self {
            name: name.to_owned(),
            domain: domain.map(str::to_owned),
            is_for_subdomains: flag("cross_subdomain_cookie", true),
            is_secure: flag("secure_cookie", false),
            is_cross_site: flag("cross_site_cookie", false),
            days: js_config.get("cookie_expiration").and_then(Value::as_i64).unwrap_or(365),
        })
    }

    /// The cookie of a new device, for who asked this host.
    #[must_use]
    pub fn cookie(&self, host: &str) -> Cookie<'static> {
        let device = Uuid::new_v4().to_string();
        let stored = json!({"distinct_id": format!("$device:{device}"), "$device_id": device});
        let value = utf8_percent_encode(&stored.to_string(), ESCAPED).to_string();
        let mut cookie = Cookie::new(self.name.clone(), value);
        cookie.set_path("/");
        let guessed = || self.is_for_subdomains.then(|| domain(host)).flatten().map(str::to_owned);
        if let Some(domain) = self.domain.clone().or_else(guessed) {
            cookie.set_domain(domain);
        }
        if self.days > 0 {
            cookie.set_max_age(Duration::days(self.days));
        }
        if self.is_cross_site {
            cookie.set_same_site(SameSite::None);
        }
        if self.is_secure || self.is_cross_site {
            cookie.set_secure(true);
        }
        cookie
    }
}

/// The domain that mixpanel-js guesses for a host: often, not always, the one that was registered.
fn domain(host: &str) -> Option<&str> {
    let last = host.rsplit('.').next()?;
    let is_simple = last.len() > 4 || last.eq_ignore_ascii_case("com") || last.eq_ignore_ascii_case("org");
    let shortest = if is_simple { 1 } else { 2 };
    let fits = |rest: &str| {
        if is_simple {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphabetic())
        } else {
            (2..=6).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'.')
        }
    };
    host.match_indices('.').find_map(|(dot, _)| {
        let (before, rest) = (host.get(..dot)?, host.get(dot + 1..)?);
        let label = before.rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).next()?.trim_start_matches('-');
        (label.len() >= shortest && fits(rest)).then(|| host.get(dot - label.len()..))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visitor::Browser;

    fn seeding(config: Value) -> Option<Seeding> {
        let Value::Object(config) = config else { panic!("a configuration is an object") };
        Seeding::new("mp_t_mixpanel", &config)
    }

    #[test]
    fn the_cookie_is_one_that_mixpanel_js_could_have_written() {
        let cookie = seeding(json!({})).unwrap().cookie("www.blog.example");
        let browser = Browser::parse(cookie.value()).unwrap();
        assert_eq!(browser.distinct_id, browser.device_id.map(|device| format!("$device:{device}")));
        let attributes = cookie.to_string();
        let attributes = attributes.split_once("; ").unwrap().1;
        assert_eq!(attributes, "Path=/; Domain=blog.example; Max-Age=31536000");
    }

    #[test]
    fn it_is_written_as_mixpanel_js_is_configured() {
        let attributes = |config: Value| {
            let cookie = seeding(config).unwrap().cookie("www.blog.example").to_string();
            cookie.split_once("; ").unwrap().1.to_owned()
        };
        assert_eq!(attributes(json!({"cross_subdomain_cookie": false, "cookie_expiration": 0})), "Path=/");
        assert_eq!(
            attributes(json!({"cookie_domain": "b.example", "cookie_expiration": 1, "cross_site_cookie": true})),
            "SameSite=None; Secure; Path=/; Domain=b.example; Max-Age=86400"
        );
        assert_eq!(seeding(json!({"persistence": "localStorage"})), None);
        assert_eq!(seeding(json!({"disable_persistence": true})), None);
    }

    /// As `extract_domain` of mixpanel-js 2.82 answered for these.
    #[test]
    fn the_domain_is_guessed_as_mixpanel_js_guesses_it() {
        for (host, guessed) in [
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
            assert_eq!(domain(host).unwrap_or_default(), guessed, "{host}");
        }
    }
}
