//! `Forwarded` header of RFC 7239.

use std::borrow::Cow;

use actix_web::http::header::{self, HeaderMap};

use crate::request::headers::text;
use crate::request::proxy_chain::{ProxyChain, ProxyReport, parse_address, parse_scheme};

/// Returns the elements of all `Forwarded` headers, beginning with the nearest proxy.
pub(crate) fn parse_chain(headers: &HeaderMap) -> ProxyChain<'_> {
    let mut chain = ProxyChain::default();
    for value in headers.get_all(header::FORWARDED) {
        let value = text(value);
        for element in split(&value, ',')
            .into_iter()
            .filter(|element| !element.trim().is_empty())
        {
            let (mut peer, mut report) = (None, ProxyReport::default());
            for pair in split(element, ';') {
                let Some((name, value)) = pair.split_once('=') else {
                    continue;
                };
                let (name, value) = (name.trim(), unquote(value.trim()));
                if name.eq_ignore_ascii_case("for") {
                    peer = peer.or_else(|| parse_address(&value));
                } else if name.eq_ignore_ascii_case("proto") {
                    report.scheme = report.scheme.or_else(|| parse_scheme(&value));
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

/// Splits a text outside of quotes. An unclosed quote of a client would hide the elements that
/// proxies append. Therefore a text with an unclosed quote is split as if it had none.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut in_quotes, mut is_escaped) = (false, false);
    for (index, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if in_quotes => is_escaped = true,
            '"' => in_quotes = !in_quotes,
            _ if c == separator && !in_quotes => {
                parts.push(text.get(start..index).unwrap_or_default());
                start = index + 1;
            }
            _ => {}
        }
    }
    if in_quotes {
        return text.split(separator).collect();
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

/// Removes the quotes around a value, and the backslashes of its escapes.
fn unquote(value: &str) -> String {
    let Some(inside) = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return value.to_owned();
    };
    let mut is_escaped = false;
    let mut unescaped = inside.to_owned();
    unescaped.retain(|c| {
        is_escaped = c == '\\' && !is_escaped;
        !is_escaped
    });
    unescaped
}
