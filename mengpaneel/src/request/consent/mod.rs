//! Consent decision: made once per request, and the same for the page and the server.
//!
//! The first rule with a result decides. The order is: the application's rule, mixpanel-js's opt-in
//! and opt-out cookies, the signals `DNT` and `Sec-GPC`, the configured default.

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap, HeaderName};

use crate::record::consent::{ConsentStatus, Decision};
use crate::request::cookies::opt_in_out;
use crate::settings::consent::{Consent, ConsentPolicy};
use crate::settings::cookies::CookieNames;

static SEC_GPC: HeaderName = HeaderName::from_static("sec-gpc");

impl ConsentPolicy {
    /// Decides whether the sender of a request may be tracked.
    pub(crate) fn decide(&self, request: &HttpRequest, cookies: &CookieNames) -> Decision {
        let rule = self
            .rule
            .as_ref()
            .map_or(Consent::Unknown, |rule| rule(request));
        let by_rule = match rule {
            Consent::Granted => Some(true),
            Consent::Denied => Some(false),
            Consent::Unknown => None,
        };
        let headers = request.headers();
        let by_default = || !self.is_denied_by_signal(headers) && !self.is_denied_by_default;
        let status = |explicit: Option<bool>, overrules_cookie| ConsentStatus {
            is_granted: explicit.unwrap_or_else(by_default),
            is_explicit: explicit.is_some(),
            overrules_cookie,
        };
        let by_cookie = opt_in_out(headers, cookies);
        let overrules_cookie = by_rule == Some(true) && by_cookie == Some(false);
        Decision {
            now: status(by_rule.or(by_cookie), overrules_cookie),
            without_cookie: status(by_rule, false),
        }
    }

    fn is_denied_by_signal(&self, headers: &HeaderMap) -> bool {
        let is_set = |name: &HeaderName| {
            headers
                .get(name)
                .is_some_and(|value| value.as_bytes().trim_ascii() == b"1")
        };
        (self.respect_dnt && is_set(&header::DNT)) || (self.respect_gpc && is_set(&SEC_GPC))
    }
}

#[cfg(test)]
mod tests;
