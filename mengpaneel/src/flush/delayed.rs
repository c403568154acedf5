//! `delayed`: calls of a redirect wait in a carrier cookie for the page that the browser requests
//! next.
//!
//! The protocol is described in [`crate::delayed`].

use actix_web::body::MessageBody;
use actix_web::http::{StatusCode, header};

use crate::call::Calls;
use crate::delayed::DelayedPayload;
use crate::flush::{DeclineReason, Exchange, StrategyDeclined, caching, head, split};
use crate::record::envelope::Envelope;

/// Bytes of the `Cache-Control` line that accompanies the cookie.
const CACHING_BYTES: usize = 32;

/// Puts the calls in a carrier cookie. Returns the calls that must not wait.
pub(crate) fn flush<B: MessageBody>(
    exchange: &mut Exchange<B>,
    calls: &Calls,
) -> Result<Calls, StrategyDeclined> {
    let calls = &*split::retain_setup_events(calls);
    if calls.is_setup_only() {
        return Err(DeclineReason::SetupOnly.because("there is nothing but setup"));
    }
    check_will_follow(exchange)?;
    let Some(carrier) = &exchange.services.carrier else {
        return Err(DeclineReason::NoCookieKey.because("no cookie_key is configured"));
    };
    let (mut delayed, immediate) =
        split::exclude_non_idempotent(calls, exchange.recorder.visitor());
    if delayed.is_setup_only() {
        return Err(DeclineReason::ServerOnly
            .because("no call may wait: the server delivers them once, without delay"));
    }
    split::add_identity(&mut delayed, exchange.recorder.visitor());
    let payload = DelayedPayload {
        id: uuid::Uuid::now_v7(),
        calls: delayed,
    };
    let is_secure = exchange
        .info
        .url()
        .is_some_and(|url| url.scheme() == "https");
    let cookie = carrier
        .cookie(&payload, exchange.info.cookies(), is_secure)
        .map_err(|error| DeclineReason::TooLarge.because(error.to_string()))?;
    exchange.check_head(head::line_bytes("set-cookie".len(), cookie.len()) + CACHING_BYTES)?;
    exchange.set_cookie(Some(cookie));
    let DelayedPayload { id, calls } = payload;
    exchange.fallback_copy = Some(Box::new(Envelope {
        id,
        ..exchange.recorder.envelope(calls)
    }));
    Ok(immediate)
}

/// Checks that the browser will request a page of this origin next, with the cookie that this
/// response sets.
fn check_will_follow<B>(exchange: &Exchange<B>) -> Result<(), StrategyDeclined> {
    const REDIRECTS: [StatusCode; 5] = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::SEE_OTHER,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    if !REDIRECTS.contains(&exchange.response.status()) {
        return Err(DeclineReason::NoRedirect.because("no redirect"));
    }
    let location = exchange.response.headers().get(header::LOCATION);
    let Some(location) =
        location.and_then(|location| std::str::from_utf8(location.as_bytes()).ok())
    else {
        return Err(DeclineReason::NoRedirect.because("the redirect has no Location"));
    };
    if location.trim().is_empty() {
        return Err(DeclineReason::NoRedirect
            .because("the redirect has an empty Location, which no browser follows"));
    }
    if !exchange.info.is_same_origin(location) {
        return Err(DeclineReason::OtherOrigin.because("the redirect leads to another origin"));
    }
    if !exchange.info.supports_cookies {
        return Err(DeclineReason::NoCookies.because("the client shows no sign of storing cookies"));
    }
    if caching::may_be_shared(exchange.response.headers()) {
        return Err(DeclineReason::SharedCache
            .because("a shared cache may keep the redirect: set Cache-Control: private"));
    }
    if exchange.info.is_cross_site && is_anonymous(exchange) {
        return Err(DeclineReason::CrossSite.because(
            "a page of another site caused the request, and the browser did not send the visitor's cookies",
        ));
    }
    Ok(())
}

/// Returns whether the request has no cookie, or an empty session in an application with sessions.
fn is_anonymous<B>(exchange: &Exchange<B>) -> bool {
    let has_entries = exchange
        .session
        .as_ref()
        .is_some_and(|session| !session.entries().is_empty());
    exchange.info.cookies().is_empty() || (exchange.session.is_some() && !has_entries)
}
