//! Consent cookies: an opt-in or opt-out that a request recorded, stored as mixpanel-js stores it.

use actix_web::http::header::{self, HeaderValue};

use crate::error::log_text::Quoted;
use crate::error::setup_mistake::SetupMistake;
use crate::error::{Failure, Reason};
use crate::flush::{Exchange, caching};
use crate::record::consent::{ConsentChange, ConsentChangeKind};

/// Sets or removes mixpanel-js's consent cookie.
///
/// The application requested the change, so the cookie is set on every response. A response that a
/// shared cache may keep becomes uncacheable, since the cookie is one visitor's.
pub(crate) fn set_cookie<B>(exchange: &mut Exchange<B>, change: &ConsentChange) {
    let settings = &exchange.services.settings;
    let attributes = settings.cookie_attributes.with(&change.options);
    let prefix = change
        .options
        .get("cookie_prefix")
        .and_then(serde_json::Value::as_str);
    let name = match prefix.filter(|prefix| !prefix.is_empty()) {
        Some(prefix) => format!("{prefix}{}", settings.token),
        None => settings.cookies.opt_out.clone(),
    };
    let host = exchange
        .info
        .url()
        .and_then(|url| url.host_str())
        .unwrap_or_default();
    let cookie = match change.kind {
        ConsentChangeKind::OptIn => attributes.cookie(&name, "1", host),
        ConsentChangeKind::OptOut => attributes.cookie(&name, "0", host),
        ConsentChangeKind::Clear => attributes.removal(&name, host),
    };
    let Ok(value) = HeaderValue::try_from(cookie.to_string()) else {
        let (method, path) = (
            &exchange.info.method,
            Quoted(exchange.response.request().path()),
        );
        let text = format!(
            "{method} {path}: {} cannot be the name of a cookie, so the visitor's choice was not stored: set another cookie_prefix",
            Quoted(&name)
        );
        exchange
            .recorder
            .report(&Failure::for_calls(Reason::Unsupported(text), vec![]));
        return;
    };
    let headers = exchange.response.headers_mut();
    headers.append(header::SET_COOKIE, value);
    if caching::may_be_shared(headers) {
        caching::forbid_storing(headers);
        exchange.report_mistake(&SetupMistake::ConsentInSharedResponse);
    } else {
        caching::make_private(headers);
    }
}
