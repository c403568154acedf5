//! Client address, host and scheme of a request: the one place that decides what a proxy's headers
//! count for.
//!
//! Each trusted proxy adds an element at the end of the headers of its family. Walking back from
//! the connection's peer, the first address that is no trusted proxy's is the client's; the proxy
//! that reported it is the outermost trusted one. Host, scheme and port are those of its element.
//! Where it reports none, the next proxy inwards counts, and at last the request itself. Everything
//! farther out was sent by the client, and is ignored; so is the family that is not configured.

use std::borrow::Cow;
use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap, HeaderName};

use crate::request::proxy_chain::{Chain, Report, address, scheme};
use crate::request::{forwarded, headers};
use crate::settings::proxies::{ProxyHeaders, TrustedProxies};

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// The connection of a client to the outermost trusted proxy, or to the application itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connection {
    /// The client's canonical address. `None` where a proxy hides it, or on a Unix socket.
    pub ip: Option<IpAddr>,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host and port that were asked for. `None` where they are missing or malformed.
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
                host: own_host(request),
            };
        }
        let chain = match proxies.headers() {
            ProxyHeaders::XForwarded => x_forwarded(request.headers()),
            ProxyHeaders::Forwarded => forwarded::chain(request.headers()),
        };
        let (mut ip, mut outermost) = (peer, 0);
        for (place, peer) in chain.peers.iter().enumerate() {
            (ip, outermost) = (*peer, place);
            if !peer.is_some_and(|peer| proxies.trusts(Some(peer))) {
                break;
            }
        }
        let believed = || chain.reports.iter().take(outermost + 1).rev();
        let scheme = believed()
            .find_map(|report| report.scheme)
            .unwrap_or(scheme);
        let host = match believed().find_map(|report| report.host.as_deref()) {
            Some(host) => valid(host),
            None => own_host(request),
        };
        let port = believed().find_map(|report| report.port);
        Self {
            ip,
            scheme,
            host: host.map(|host| with_port(host, port)),
        }
    }
}

/// Returns the elements of `X-Forwarded-*`, aligned at their ends.
fn x_forwarded(all: &HeaderMap) -> Chain<'_> {
    let nearest_first = |name: &HeaderName| {
        let mut elements: Vec<Cow<'_, str>> = headers::list(all.get_all(name)).collect();
        elements.reverse();
        elements
    };
    let peers = nearest_first(&X_FORWARDED_FOR)
        .iter()
        .map(|peer| address(peer))
        .collect();
    let (hosts, schemes) = (
        nearest_first(&X_FORWARDED_HOST),
        nearest_first(&X_FORWARDED_PROTO),
    );
    let ports = nearest_first(&X_FORWARDED_PORT);
    let count = hosts.len().max(schemes.len()).max(ports.len());
    let mut hosts = hosts.into_iter();
    let reports = (0..count).map(|place| Report {
        host: hosts.next(),
        scheme: schemes.get(place).and_then(|name| scheme(name)),
        port: ports.get(place).and_then(|port| port.parse().ok()),
    });
    Chain {
        peers,
        reports: reports.collect(),
    }
}

/// Returns the host of the request itself. The authority of its target comes first (RFC 9112,
/// 3.2.2); several `Host` headers are an error (RFC 9112, 3.2).
fn own_host(request: &HttpRequest) -> Option<String> {
    if let Some(authority) = request.uri().authority() {
        return valid(authority.as_str());
    }
    let mut hosts = request.headers().get_all(header::HOST);
    let host = hosts.next()?;
    if hosts.next().is_some() {
        None
    } else {
        valid(&headers::text(host))
    }
}

/// Returns a host that a browser could have written: ASCII letters, digits and the signs of names,
/// addresses and ports. What remains malformed is refused when the URL is parsed.
fn valid(host: &str) -> Option<String> {
    let fits = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
    };
    (!host.is_empty() && host.bytes().all(fits)).then(|| host.to_owned())
}

/// Adds the port to a host that has none. 80 and 443 are left to the scheme: behind a proxy that
/// speaks TLS, an inner one often reports its own port 80 together with `https`.
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
