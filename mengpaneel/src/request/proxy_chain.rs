//! Reports of the proxies in front of the application, parsed from their headers.

use std::borrow::Cow;
use std::net::IpAddr;

/// Report of one proxy about the request that it received.
#[derive(Debug, Default)]
pub(crate) struct ProxyReport<'a> {
    /// Host, with or without a port.
    pub host: Option<Cow<'a, str>>,
    /// `http` or `https`.
    pub scheme: Option<&'static str>,
    /// Port of the host, if the proxy reports it separately.
    pub port: Option<u16>,
}

/// Reports of the proxies, beginning with the nearest to the application.
#[derive(Debug, Default)]
pub(crate) struct ProxyChain<'a> {
    /// Address of each proxy's peer. `None` if it is hidden or malformed.
    pub peers: Vec<Option<IpAddr>>,
    /// Scheme, host and port that each proxy reports.
    pub reports: Vec<ProxyReport<'a>>,
}

/// Parses a scheme. `ws` and `wss` are the schemes of a page's sockets. `None` for any other
/// scheme.
pub(crate) fn parse_scheme(name: &str) -> Option<&'static str> {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    if is("https") || is("wss") {
        Some("https")
    } else if is("http") || is("ws") {
        Some("http")
    } else {
        None
    }
}

/// Parses an IP address with or without quotes, brackets, zone and port into its canonical form.
/// `None` for `unknown`, an obfuscated identifier such as `_hidden`, and anything else.
pub(crate) fn parse_address(text: &str) -> Option<IpAddr> {
    let text = text.trim_matches('"').trim();
    let is_port =
        |port: &str| port.starts_with('_') || port.bytes().all(|byte| byte.is_ascii_digit());
    let bare = if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']')?;
        let is_end = after.is_empty() || after.strip_prefix(':').is_some_and(is_port);
        is_end.then_some(inside)?
    } else {
        match text.split_once(':') {
            Some((address, port)) if is_port(port) => address,
            _ => text,
        }
    };
    let without_zone = bare.split_once('%').map_or(bare, |(address, _)| address);
    without_zone
        .parse::<IpAddr>()
        .ok()
        .map(|address| address.to_canonical())
}
