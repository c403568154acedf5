//! Caching rules: a snippet belongs to one page view, so no shared cache may keep a response that
//! carries one.
//!
//! Every response header that a shared cache may obey is checked. Each of them must forbid storing;
//! an absent header is ignored. The values that forbid storing are those of the header's
//! documentation; any other value counts as "may be shared".
//!
//! | header | read by | values that forbid storing |
//! | --- | --- | --- |
//! | every name that ends in `cache-control`: `Cache-Control`, `CDN-Cache-Control`, `Cloudflare-CDN-Cache-Control`, `Vercel-CDN-Cache-Control`, `Netlify-CDN-Cache-Control`, `Akamai-Cache-Control`, `X-LiteSpeed-Cache-Control` … | caches of [RFC 9111](https://www.rfc-editor.org/rfc/rfc9111) and [RFC 9213](https://www.rfc-editor.org/rfc/rfc9213) | `private`, or `no-store` without `must-understand`; beside no `public`, `s-maxage` or `shared` |
//! | [`Surrogate-Control`](https://www.w3.org/TR/edge-arch/) | Fastly, Akamai, Varnish, Squid | `no-store`; beside no lifetime |
//! | [`Edge-Control`](https://http.dev/edge-control) | Akamai | `no-store` or `bypass-cache`; beside no lifetime and no `!no-store` |
//! | [`X-Accel-Expires`](https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_cache_valid) | nginx and its derivatives; overrides `Cache-Control: private` | `0` or `off`, never a time such as `@1700000000` |
//! | [`X-Reverse-Proxy-TTL`](https://foshttpcache.readthedocs.io/en/stable/varnish-configuration.html), `X-VC-TTL` | Varnish in common configurations | `0` |
//! | `Expires`, without `Cache-Control` or beside `X-Accel-Expires` | every cache; nginx 1.22 prefers it to `Cache-Control: private` beside `X-Accel-Expires: off` | a time in the past, or a value that is not a time |

use std::str::FromStr as _;
use std::time::SystemTime;

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue, HttpDate};

/// Rule of one header: returns whether its lines forbid shared caches to store the response.
type Rule = fn(&[&str]) -> bool;

const X_ACCEL_EXPIRES: &str = "x-accel-expires";

/// Headers that only shared caches read, in addition to those that end in `cache-control`.
const VENDOR_HEADERS: [(&str, Rule); 5] = [
    ("surrogate-control", is_surrogate_unstored),
    ("edge-control", is_edge_unstored),
    (X_ACCEL_EXPIRES, is_accel_off),
    ("x-reverse-proxy-ttl", is_zero),
    ("x-vc-ttl", is_zero),
];

/// Headers that describe the bytes of one body.
static BODY_HEADERS: [HeaderName; 10] = [
    header::ETAG,
    header::LAST_MODIFIED,
    header::ACCEPT_RANGES,
    header::CONTENT_RANGE,
    header::CONTENT_LENGTH,
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("unencoded-digest"),
    HeaderName::from_static("content-md5"),
];

/// Returns whether a cache that several visitors share may keep the response.
///
/// A header that is not visible ASCII counts as "may be shared". A response without any of these
/// headers does not, since every insertion makes such a response [`private`](make_private).
pub(crate) fn may_be_shared(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| {
        rule_of(name, headers).is_some_and(|rule| {
            let lines: Option<Vec<&str>> = headers
                .get_all(name)
                .map(|value| value.to_str().ok())
                .collect();
            !lines.is_some_and(|lines| rule(&lines))
        })
    })
}

/// Returns the rule for a header. `None` if no cache obeys the header in this response.
fn rule_of(name: &HeaderName, headers: &HeaderMap) -> Option<Rule> {
    if name == header::EXPIRES {
        let is_overridden =
            headers.contains_key(header::CACHE_CONTROL) && !headers.contains_key(X_ACCEL_EXPIRES);
        return (!is_overridden).then_some(is_expired as Rule);
    }
    if name.as_str().ends_with("cache-control") {
        return Some(is_private);
    }
    VENDOR_HEADERS
        .iter()
        .find(|(known, _)| *known == name.as_str())
        .map(|(_, rule)| *rule)
}

/// One directive of a header such as `Cache-Control`.
struct Directive {
    /// In lower case.
    name: String,
    /// True if an argument follows. `private="Set-Cookie"` restricts one header, not the response.
    has_argument: bool,
}

/// Directives of all lines of one header.
struct Directives(Vec<Directive>);

impl Directives {
    /// Parses all lines of one header. `None` if a quoted string does not end.
    fn parse(lines: &[&str]) -> Option<Self> {
        let mut directives = Vec::new();
        for line in lines {
            for text in split_unquoted(line)? {
                let (name, argument) = text
                    .split_once('=')
                    .map_or((text, None), |(name, rest)| (name, Some(rest)));
                let name = name.trim_matches([' ', '\t']).to_ascii_lowercase();
                directives.push(Directive {
                    name,
                    has_argument: argument.is_some(),
                });
            }
        }
        Some(Self(directives))
    }

    /// Returns whether the directive is present, with or without an argument.
    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|directive| directive.name == name)
    }

    /// Returns whether the directive is present without an argument.
    fn has_bare(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|directive| directive.name == name && !directive.has_argument)
    }

    /// Returns whether a directive that allows shared caches to keep the response is present.
    fn has_lifetime(&self) -> bool {
        ["public", "shared", "s-maxage", "max-age", "cache-maxage"]
            .iter()
            .any(|name| self.has(name))
    }
}

/// Splits a header at the commas outside of quoted strings. `None` if a quoted string does not end.
fn split_unquoted(line: &str) -> Option<Vec<&str>> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => {
                parts.push(line.get(start..at)?);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(line.get(start..)?);
    (!is_quoted).then_some(parts)
}

/// Rule of `Cache-Control` and its relatives. With `must-understand`, a cache that knows the status
/// ignores `no-store` ([RFC 9111,
/// 5.2.2.3](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.3)).
fn is_private(lines: &[&str]) -> bool {
    Directives::parse(lines).is_some_and(|directives| {
        let is_unstored = directives.has_bare("no-store") && !directives.has("must-understand");
        let is_for_all = ["public", "shared", "s-maxage"]
            .iter()
            .any(|name| directives.has(name));
        (directives.has_bare("private") || is_unstored) && !is_for_all
    })
}

/// Rule of `Surrogate-Control`, which knows no `private`. `no-store;name` addresses one cache only.
fn is_surrogate_unstored(lines: &[&str]) -> bool {
    Directives::parse(lines)
        .is_some_and(|directives| directives.has_bare("no-store") && !directives.has_lifetime())
}

/// Rule of `Edge-Control`, where `!no-store` cancels `no-store`.
fn is_edge_unstored(lines: &[&str]) -> bool {
    Directives::parse(lines).is_some_and(|directives| {
        let is_unstored = directives.has_bare("no-store") || directives.has_bare("bypass-cache");
        let is_cancelled = directives.has("!no-store") || directives.has("!bypass-cache");
        is_unstored && !is_cancelled && !directives.has_lifetime()
    })
}

/// Rule of `X-Accel-Expires`. With `off`, nginx obeys `Cache-Control`. After `@`, even a time in
/// the past overrides `Cache-Control`, and the page may be served stale.
fn is_accel_off(lines: &[&str]) -> bool {
    lines
        .iter()
        .all(|line| line.trim().eq_ignore_ascii_case("off") || is_zero(&[line]))
}

/// Rule of headers that hold a lifetime in seconds.
fn is_zero(lines: &[&str]) -> bool {
    lines
        .iter()
        .all(|line| line.trim().parse::<u64>() == Ok(0) && !line.contains('+'))
}

/// Rule of `Expires`. A value that is not a date counts as past
/// ([RFC 9111, 5.3](https://www.rfc-editor.org/rfc/rfc9111#section-5.3)).
fn is_expired(lines: &[&str]) -> bool {
    let now = SystemTime::now();
    lines.iter().all(|line| {
        HttpDate::from_str(line.trim()).map_or(true, |date| SystemTime::from(date) <= now)
    })
}

/// Adds `Cache-Control: private`, unless the application has set a `Cache-Control` of its own.
pub(crate) fn make_private(headers: &mut HeaderMap) {
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private"));
    }
}

/// Sets `Cache-Control: no-store`, for a response with calls in its header.
pub(crate) fn make_unstored(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Forbids all caches to keep a response, and removes the headers that allow a particular cache to.
pub(crate) fn forbid_storing(headers: &mut HeaderMap) {
    let obeyed = headers
        .keys()
        .filter(|name| rule_of(name, headers).is_some())
        .cloned()
        .collect::<Vec<_>>();
    for name in &obeyed {
        headers.remove(name);
    }
    make_unstored(headers);
}

/// Removes the headers that an insertion made untrue. Without validators the browser cannot
/// revalidate the page, so no 304 restores the snippet of an earlier page view.
pub(crate) fn drop_validators(headers: &mut HeaderMap) {
    // Most pages have none of these headers: checking the names is faster than ten removals.
    if headers.keys().any(|name| BODY_HEADERS.contains(name)) {
        for name in &BODY_HEADERS {
            headers.remove(name);
        }
    }
}

#[cfg(test)]
mod tests;
