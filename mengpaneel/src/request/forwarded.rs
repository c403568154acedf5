//! The `Forwarded` header of RFC 7239.

use std::borrow::Cow;

use actix_web::http::header::{self, HeaderMap};

use crate::request::headers;
use crate::request::proxy_chain::{Chain, Report, address, scheme};

/// Returns the elements of all `Forwarded` headers, the nearest proxy's first.
pub(crate) fn chain(all: &HeaderMap) -> Chain<'_> {
    let mut chain = Chain::default();
    for line in all.get_all(header::FORWARDED) {
        let line = headers::text(line);
        for element in split(&line, ',')
            .into_iter()
            .filter(|element| !element.trim().is_empty())
        {
            let (mut peer, mut report) = (None, Report::default());
            for pair in split(element, ';') {
                let Some((name, value)) = pair.split_once('=') else {
                    continue;
                };
                let (name, value) = (name.trim(), unquoted(value.trim()));
                if name.eq_ignore_ascii_case("for") {
                    peer = peer.or_else(|| address(&value));
                } else if name.eq_ignore_ascii_case("proto") {
                    report.scheme = report.scheme.or_else(|| scheme(&value));
                } else if name.eq_ignore_ascii_case("host") && report.host.is_none() {
                    report.host = Some(Cow::Owned(value));
                }
            }
            chain.peers.push(peer);
            chain.reports.push(report);
        }
    }
    chain.peers.reverse();
    chain.reports.reverse();
    chain
}

/// Splits outside of quotes. A client can open a quote and leave it open, so that it would swallow
/// what proxies add behind it: a line whose quotes do not close is split as if it had none.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut from) = (Vec::new(), 0);
    let (mut in_quotes, mut is_escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if in_quotes => is_escaped = true,
            '"' => in_quotes = !in_quotes,
            _ if c == separator && !in_quotes => {
                parts.push(text.get(from..at).unwrap_or_default());
                from = at + 1;
            }
            _ => {}
        }
    }
    if in_quotes {
        return text.split(separator).collect();
    }
    parts.push(text.get(from..).unwrap_or_default());
    parts
}

/// Removes the quotes around a value, and the backslashes in it.
fn unquoted(value: &str) -> String {
    let Some(inside) = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return value.to_owned();
    };
    let mut is_escaped = false;
    let mut kept = inside.to_owned();
    kept.retain(|c| {
        is_escaped = c == '\\' && !is_escaped;
        !is_escaped
    });
    kept
}
