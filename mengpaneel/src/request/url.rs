//! Requested URL, parsed on first use: few requests need its parts.

use std::borrow::Cow;
use std::net::Ipv4Addr;
use std::sync::OnceLock;

use actix_web::http::uri::PathAndQuery;
use url::Url;

/// Requested URL, not validated yet.
#[derive(Clone, Debug)]
pub(crate) struct RequestUrl {
    scheme: Cow<'static, str>,
    host: String,
    path: Option<PathAndQuery>,
    url: OnceLock<Option<Url>>,
}

impl RequestUrl {
    /// Creates a URL of scheme, host, and path with query. Without a path the URL ends in `/`.
    pub(crate) fn new(
        scheme: impl Into<Cow<'static, str>>,
        host: String,
        path: Option<PathAndQuery>,
    ) -> Self {
        Self {
            scheme: scheme.into(),
            host,
            path,
            url: OnceLock::new(),
        }
    }

    /// Returns the parsed URL. `None` if it is malformed.
    pub(crate) fn url(&self) -> Option<&Url> {
        self.url.get_or_init(|| self.parse()).as_ref()
    }

    /// Returns the URL as a browser writes it. `None` if it is malformed.
    pub(crate) fn text(&self) -> Option<String> {
        let (host, path) = self.parts();
        let is_normalized = is_normalized_origin(&self.scheme, host) && is_normalized_path(path);
        if is_normalized {
            Some(self.joined())
        } else {
            self.url().map(ToString::to_string)
        }
    }

    fn parts(&self) -> (&str, &str) {
        (
            &self.host,
            self.path.as_ref().map_or("/", PathAndQuery::as_str),
        )
    }

    fn joined(&self) -> String {
        let (host, path) = self.parts();
        [&*self.scheme, "://", host, path].concat()
    }

    fn parse(&self) -> Option<Url> {
        let (host, path) = self.parts();
        if path.starts_with('/') && !host.ends_with(['/', '?', '#']) {
            return Url::parse(&self.joined()).ok();
        }
        Url::parse(&[&*self.scheme, "://", host].concat())
            .ok()?
            .join(path)
            .ok()
    }
}

/// Returns whether a parser would write scheme and host in the same way, as for most requests.
fn is_normalized_origin(scheme: &str, host: &str) -> bool {
    let default = match scheme {
        "http" => "80",
        "https" => "443",
        _ => return false,
    };
    let (host, port) = match host.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (host, None),
    };
    let is_port = |port: &str| {
        port != default && !port.starts_with(['0', '+']) && port.parse::<u16>().is_ok()
    };
    let is_letter = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-')
    };
    let last_label = host.rsplit('.').next().unwrap_or_default();
    // A host that ends in a number is an address or invalid. Punycode (`xn--`) must be validated.
    let is_name = !last_label.is_empty()
        && !last_label.starts_with(|c: char| c.is_ascii_digit())
        && !host.contains("xn--");
    host.bytes().all(is_letter)
        && port.is_none_or(is_port)
        && (is_name || host.parse::<Ipv4Addr>().is_ok())
}

/// Returns whether a parser would write path and query in the same way, as for most requests.
fn is_normalized_path(path: &str) -> bool {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let is_letter =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~' | b'.' | b'/');
    let is_query_byte = |byte: u8| is_letter(byte) || matches!(byte, b'=' | b'&' | b'%' | b'+');
    let is_resolved = path.starts_with('/') && !path.contains("/.");
    is_resolved && path.bytes().all(is_letter) && query.bytes().all(is_query_byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request_url(scheme: &str, host: &str, path: &str) -> RequestUrl {
        RequestUrl::new(scheme.to_owned(), host.to_owned(), path.parse().ok())
    }

    proptest! {
        #[test]
        fn text_equals_the_parsed_url(
            scheme in "(http|https|ftp)",
            host in "[a-z0-9.:-]{0,3}(xn--|localhost|0x|127\\.0\\.0\\.1|EN)?[a-z0-9.-]{0,3}(:(80|443|0?[0-9]{1,5}))?",
            path in "/?[a-zA-Z0-9._~/%?&=+#\\\\ü-]{0,12}",
        ) {
            let url = request_url(&scheme, &host, &path);
            let parsed = url.parse().map(|url| url.to_string());
            prop_assert_eq!(url.text(), parsed);
        }
    }

    #[test]
    fn usual_urls_are_not_parsed() {
        for (scheme, host, path) in [
            ("https", "blog.example", "/"),
            ("http", "localhost:8080", "/posts/1?page=2&sort=new"),
            ("http", "127.0.0.1:3000", "/a.b/c-d_e~f?q=%C3%BC+1"),
        ] {
            let url = request_url(scheme, host, path);
            assert_eq!(url.text(), Some(format!("{scheme}://{host}{path}")));
            assert!(url.url.get().is_none(), "{host}{path}");
        }
    }
}
