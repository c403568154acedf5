//! Client address, host and scheme of a request, resolved through trusted proxies.
//!
//! Each trusted proxy appends an element to the headers of its family. The search runs backwards
//! from the connection's peer: the first address that is not a trusted proxy is the client's. The
//! proxy that reported this address is the outermost trusted one.
//!
//! Host, scheme and port are those of its element. If it reports none, the next inner proxy counts,
//! and finally the request itself. Elements farther out were sent by the client, and are ignored.
//! The header family that is not configured is ignored too.

use std::borrow::Cow;
use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap, HeaderName};

use crate::request::forwarded;
use crate::request::headers::{list, text};
use crate::request::proxy_chain::{ProxyChain, ProxyReport, parse_address, parse_scheme};
use crate::settings::proxies::{ProxyHeaders, TrustedProxies};

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// Connection of a client to the outermost trusted proxy, or to the application itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connection {
    /// Canonical address of the client. `None` if a proxy hides it, or on a Unix socket.
    pub ip: Option<IpAddr>,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Requested host and port. `None` if they are missing or malformed.
    pub host: Option<String>,
}

impl Connection {
    /// Reads the connection of a request.
    #[must_use]
    pub(crate) fn from_request(request: &HttpRequest, proxies: &TrustedProxies) -> Self {
        let peer = request
            .peer_addr()
            .map(|address| address.ip().to_canonical());
        let scheme = if request.app_config().secure() {
            "https"
        } else {
            "http"
        };
        if !proxies.trusts(peer) {
            return Self {
                ip: peer,
                scheme,
                host: requested_host(request),
            };
        }
        let chain = match proxies.headers() {
            ProxyHeaders::XForwarded => x_forwarded(request.headers()),
            ProxyHeaders::Forwarded => forwarded::parse_chain(request.headers()),
        };
        let (mut ip, mut outermost) = (peer, 0);
        for (index, peer) in chain.peers.iter().enumerate() {
            (ip, outermost) = (*peer, index);
            if !peer.is_some_and(|peer| proxies.trusts(Some(peer))) {
                break;
            }
        }
        let trusted_reports = || chain.reports.iter().take(outermost + 1).rev();
        let scheme = trusted_reports()
            .find_map(|report| report.scheme)
            .unwrap_or(scheme);
        let host = match trusted_reports().find_map(|report| report.host.as_deref()) {
            Some(host) => validate_host(host),
            None => requested_host(request),
        };
        let port = trusted_reports().find_map(|report| report.port);
        Self {
            ip,
            scheme,
            host: host.map(|host| with_port(host, port)),
        }
    }
}

/// Returns the elements of `X-Forwarded-*`. The last elements of all headers belong together.
fn x_forwarded(headers: &HeaderMap) -> ProxyChain<'_> {
    let nearest_first = |name: &HeaderName| {
        let mut elements: Vec<Cow<'_, str>> = list(headers.get_all(name)).collect();
        elements.reverse();
        elements
    };
    let peers = nearest_first(&X_FORWARDED_FOR)
        .iter()
        .map(|peer| parse_address(peer))
        .collect();
    let (hosts, schemes) = (
        nearest_first(&X_FORWARDED_HOST),
        nearest_first(&X_FORWARDED_PROTO),
    );
    let ports = nearest_first(&X_FORWARDED_PORT);
    let count = hosts.len().max(schemes.len()).max(ports.len());
    let mut hosts = hosts.into_iter();
    let reports = (0..count).map(|index| ProxyReport {
        host: hosts.next(),
        scheme: schemes.get(index).and_then(|name| parse_scheme(name)),
        port: ports.get(index).and_then(|port| port.parse().ok()),
    });
    ProxyChain {
        peers,
        reports: reports.collect(),
    }
}

/// Returns the host of the request itself. The authority of the request target precedes the `Host`
/// header (RFC 9112, 3.2.2). `None` for several `Host` headers, which are an error (RFC 9112, 3.2).
fn requested_host(request: &HttpRequest) -> Option<String> {
    if let Some(authority) = request.uri().authority() {
        return validate_host(authority.as_str());
    }
    let mut hosts = request.headers().get_all(header::HOST);
    let host = hosts.next()?;
    if hosts.next().is_some() {
        None
    } else {
        validate_host(&text(host))
    }
}

/// Returns the host if it consists of characters that browsers send: ASCII letters, digits, and the
/// punctuation of names, addresses and ports. URL parsing rejects a host that is still malformed.
fn validate_host(host: &str) -> Option<String> {
    let is_allowed = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
    };
    (!host.is_empty() && host.bytes().all(is_allowed)).then(|| host.to_owned())
}

/// Adds the port to a host that has none. 80 and 443 are omitted. Behind a proxy that terminates
/// TLS, an inner one often reports its own port 80 together with `https`.
fn with_port(host: String, port: Option<u16>) -> String {
    let has_port = host
        .rsplit(']')
        .next()
        .is_some_and(|rest| rest.contains(':'));
    match port {
        Some(port) if !has_port && !matches!(port, 0 | 80 | 443) => format!("{host}:{port}"),
        _ => host,
    }
}

#[cfg(test)]
mod tests;
