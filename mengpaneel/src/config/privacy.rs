//! Options of consent, addresses and proxies.

use std::sync::Arc;

use actix_web::HttpRequest;

use crate::config::Builder;
use crate::settings::consent::Consent;
use crate::settings::proxies::ProxyHeaders;

/// # Consent and addresses
impl Builder {
    /// Sets the application's own consent rule, which precedes all others. It can use the session,
    /// the cookie of a consent banner, or the visitor's country.
    ///
    /// On [`Consent::Unknown`] the next rules decide: mixpanel-js's opt-in and opt-out cookies,
    /// then `DNT` and `Sec-GPC`, then mixpanel-js's `opt_out_tracking_by_default`.
    ///
    /// The rule runs once per request, before anything is recorded. A panic of the rule is a panic
    /// of the request. A visitor without consent leaves no trace: see the guide's page on
    /// [privacy](crate::guide::privacy).
    ///
    /// ```
    /// use mengpaneel::{Consent, Mengpaneel};
    ///
    /// let builder = Mengpaneel::builder("token").consent(|request| match request.cookie("analytics") {
    ///     Some(cookie) if cookie.value() == "yes" => Consent::Granted,
    ///     Some(_) => Consent::Denied,
    ///     None => Consent::Unknown,
    /// });
    /// # let _ = builder;
    /// ```
    pub fn consent(self, rule: impl Fn(&HttpRequest) -> Consent + Send + Sync + 'static) -> Self {
        Self {
            consent: Some(Arc::new(rule)),
            ..self
        }
    }

    /// Sets whether `DNT: 1` denies consent, as in mixpanel-js. Default: yes. With `false`,
    /// mixpanel-js in the page ignores it too (`ignore_dnt`).
    pub fn respect_dnt(self, respect: bool) -> Self {
        Self {
            respect_dnt: respect,
            ..self
        }
    }

    /// Sets whether `Sec-GPC: 1`, the signal of [Global Privacy
    /// Control](https://globalprivacycontrol.org), denies consent. Default: yes. mixpanel-js does
    /// not evaluate the signal: a page whose request sent it does not load mixpanel-js.
    pub fn respect_gpc(self, respect: bool) -> Self {
        Self {
            respect_gpc: respect,
            ..self
        }
    }

    /// Sets whether Mixpanel may locate visitors by their IP address. Default: yes.
    ///
    /// With `false` the server sends no address, and mixpanel-js in the page is configured with
    /// `ip: false`. The option `ip: false` in [`js_config`](Self::js_config) has the same effect.
    pub fn ip(self, send: bool) -> Self {
        Self { ip: send, ..self }
    }

    /// Sets the proxies whose [`ProxyHeaders`] are trusted: addresses, networks such as
    /// `10.0.0.0/8`, or `unix:` for every peer on a Unix socket. Default: none.
    pub fn trusted_proxies<I: IntoIterator<Item: Into<String>>>(self, proxies: I) -> Self {
        Self {
            trusted_proxies: proxies.into_iter().map(Into::into).collect(),
            ..self
        }
    }

    /// Sets the headers that the trusted proxies send. The other family is ignored. Default:
    /// [`ProxyHeaders::XForwarded`].
    pub fn proxy_headers(self, headers: ProxyHeaders) -> Self {
        Self {
            proxy_headers: headers,
            ..self
        }
    }
}
