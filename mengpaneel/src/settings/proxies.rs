//! Trusted proxies in front of the application, and the headers in which they report the client.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// Headers in which the trusted proxies report the client's address, and the requested host and
/// scheme. The headers of the other variant are ignored, since a client can send them itself.
///
/// ```
/// use mengpaneel::{Mengpaneel, ProxyHeaders};
///
/// let builder = Mengpaneel::builder("token").trusted_proxies(["10.0.0.0/8"]).proxy_headers(ProxyHeaders::Forwarded);
/// # let _ = builder;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyHeaders {
    /// `X-Forwarded-For`, `X-Forwarded-Host`, `X-Forwarded-Proto` and `X-Forwarded-Port`, which
    /// most proxies send.
    #[default]
    XForwarded,
    /// `Forwarded` of RFC 7239.
    Forwarded,
}

/// Peers whose [`ProxyHeaders`] are trusted.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedProxies {
    networks: Vec<IpNet>,
    trusts_unix: bool,
    headers: ProxyHeaders,
}

impl TrustedProxies {
    /// Parses addresses, networks, and `unix:` for every peer on a Unix socket.
    ///
    /// # Errors
    /// Returns the first entry that is none of these.
    pub(crate) fn new(entries: &[String], headers: ProxyHeaders) -> Result<Self, &str> {
        let mut proxies = Self {
            headers,
            ..Self::default()
        };
        for entry in entries {
            let text = entry.trim();
            if text == "unix:" {
                proxies.trusts_unix = true;
                continue;
            }
            let network = text
                .parse::<IpAddr>()
                .map(IpNet::from)
                .or_else(|_| text.parse());
            proxies
                .networks
                .push(canonical(network.map_err(|_| &**entry)?));
        }
        Ok(proxies)
    }

    /// Returns the kind of headers that the proxies send.
    pub(crate) fn headers(&self) -> ProxyHeaders {
        self.headers
    }

    /// Returns whether a peer is trusted. `address` must be canonical; `None` is a peer on a Unix
    /// socket.
    pub(crate) fn trusts(&self, address: Option<IpAddr>) -> bool {
        match address {
            Some(address) => self
                .networks
                .iter()
                .any(|network| network.contains(&address)),
            None => self.trusts_unix,
        }
    }
}

/// Converts an IPv4-mapped IPv6 network to the IPv4 network; returns any other unchanged.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else {
        return network;
    };
    let mapped = v6
        .addr()
        .to_ipv4_mapped()
        .zip(v6.prefix_len().checked_sub(96));
    mapped
        .and_then(|(address, length)| Ipv4Net::new(address, length).ok())
        .map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusts(entry: &str, address: Option<&str>) -> bool {
        let entries = [entry.to_owned()];
        let proxies = TrustedProxies::new(&entries, ProxyHeaders::default()).unwrap();
        proxies.trusts(address.map(|address| address.parse().unwrap()))
    }

    #[test]
    fn proxy_is_trusted_by_address_network_or_socket() {
        assert!(trusts("10.0.0.1", Some("10.0.0.1")));
        assert!(trusts(" 10.0.0.0/8 ", Some("10.1.2.3")));
        assert!(trusts("::ffff:10.0.0.0/104", Some("10.1.2.3")));
        assert!(trusts("::ffff:10.0.0.1", Some("10.0.0.1")));
        assert!(trusts("fd00::/8", Some("fd00::1")));
        assert!(trusts("unix:", None));
        assert!(!trusts("10.0.0.0/8", Some("11.0.0.1")));
        assert!(!trusts("0.0.0.0/0", None));
        assert!(!trusts("unix:", Some("127.0.0.1")));
    }

    #[test]
    fn entry_of_another_form_is_rejected() {
        for entry in [
            "",
            "unix",
            "10.0.0",
            "localhost",
            "10.0.0.0/33",
            "unix:/run/app.sock",
        ] {
            assert_eq!(
                TrustedProxies::new(&[entry.to_owned()], ProxyHeaders::default()).unwrap_err(),
                entry
            );
        }
    }
}
