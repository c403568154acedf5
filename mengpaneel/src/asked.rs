//! What was asked: the facts of a request that decide how its calls can leave.

mod address;

use std::fmt::Write as _;
use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::http::uri::Authority;
use url::Url;

use self::address::Address;
use crate::settings::Settings;
use crate::visitor::{Visitor, persistence_cookie};

/// The facts of one request.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "facts, each its own")]
pub struct Asked {
    /// `GET`, `POST` …
    pub method: Method,
    /// The path, for logs.
    pub path: String,
    /// The URL that was asked for, where the request says enough for one.
    address: Option<Address>,
    /// A browser shows the answer to a person: what is replayed can run there.
    pub is_navigation: bool,
    /// The answer may never be shown.
    pub is_prefetch: bool,
    /// The client runs calls from a header: `X-Mengpaneel-Flush-Capable`.
    pub is_capable: bool,
    /// A script asked, or a page for one of its parts (an image, a style): the answer is no page,
    /// whatever its type.
    pub is_ajax: bool,
    /// The client may keep cookies: it sent one, or asks for pages.
    pub keeps_cookies: bool,
    /// A script of another origin asked.
    pub is_cross_origin: bool,
    /// The setup that the client has run already, by the name that we gave it.
    pub setup_name: Option<String>,
}

impl Asked {
    /// Reads a request.
    pub fn new(request: &HttpRequest, settings: &Settings) -> Self {
        let headers = request.headers();
        let address = target(request, settings);
        let is_capable = matches!(text(headers, &settings.names.capable), Some("true" | "1"));
        let (accepts_html, is_prefetch) = (accepts_html(headers), is_prefetch(headers));
        let mode = text(headers, &SEC_FETCH_MODE);
        let is_ajax = is_ajax(headers, mode);
        let navigates =
            mode.map_or(accepts_html && !is_ajax && !headers.contains_key(&SEC_FETCH_DEST), |mode| mode == "navigate");
        Self {
            method: request.method().clone(),
            path: request.path().to_owned(),
            is_navigation: navigates && !is_prefetch && !is_speculative_method(request.method()),
            is_prefetch,
            is_ajax: is_capable || is_ajax,
            is_capable,
            keeps_cookies: accepts_html || headers.contains_key(header::COOKIE),
            is_cross_origin: is_cross_origin(headers, address.as_ref()),
            setup_name: text(headers, &settings.names.setup).map(str::to_owned),
            address,
        }
    }

    /// The URL that was asked for, where the request says enough for one.
    pub fn url(&self) -> Option<&Url> {
        self.address.as_ref()?.url()
    }

    /// Whether the client can run what the last request left.
    pub fn can_replay(&self) -> bool {
        let by_script = self.is_capable && !self.is_cross_origin && !self.is_prefetch;
        self.is_navigation || (by_script && !is_speculative_method(&self.method))
    }

    /// Whether a `Location` stays on this origin, as a browser resolves it. A proxy may speak TLS
    /// for us, hence `https` where we were asked by `http`.
    pub fn is_same_origin(&self, location: &str) -> bool {
        let Some(url) = self.url() else { return false };
        url.join(location).is_ok_and(|to| same_origin(url, &to))
    }
}

/// Who is there, as the request says it that asked this.
pub fn visitor(request: &HttpRequest, asked: &Asked, settings: &Settings, has_session: bool) -> Visitor {
    let headers = request.headers();
    Visitor {
        cookie: persistence_cookie(headers, &settings.cookies),
        ip: client_ip(request, settings).map(written),
        user_agent: text(headers, &header::USER_AGENT).map(str::to_owned),
        url: asked.address.as_ref().and_then(Address::text),
        referrer: text(headers, &header::REFERER).map(str::to_owned),
        has_session,
    }
}

/// An address as text, in one piece of memory.
fn written(ip: IpAddr) -> String {
    let mut text = String::with_capacity(40);
    // Writing to memory does not fail.
    let _ = write!(text, "{ip}");
    text
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
static SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
static X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");
static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static HX_REQUEST: HeaderName = HeaderName::from_static("hx-request");

/// What says that the answer may never be shown. Turbo's is `X-Sec-Purpose`: scripts may not set the
/// other.
static PURPOSES: [HeaderName; 5] = [
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("x-sec-purpose"),
    HeaderName::from_static("purpose"),
    HeaderName::from_static("x-moz"),
    HeaderName::from_static("x-purpose"),
];

fn accepts_html(headers: &HeaderMap) -> bool {
    text(headers, &header::ACCEPT).is_some_and(|accept| accept.to_ascii_lowercase().contains("text/html"))
}

/// `HEAD` and `OPTIONS` answers are seen by nobody.
fn is_speculative_method(method: &Method) -> bool {
    matches!(*method, Method::HEAD | Method::OPTIONS)
}

fn is_prefetch(headers: &HeaderMap) -> bool {
    PURPOSES.iter().any(|name| {
        // A page that is prerendered runs its calls when it is shown; a prefetched one may never be.
        text(headers, name).is_some_and(|purpose| {
            let purpose = purpose.to_ascii_lowercase();
            (purpose.contains("prefetch") || purpose.contains("preview")) && !purpose.contains("prerender")
        })
    })
}

fn is_ajax(headers: &HeaderMap, mode: Option<&str>) -> bool {
    text(headers, &X_REQUESTED_WITH).is_some_and(|with| with.eq_ignore_ascii_case("XMLHttpRequest"))
        || text(headers, &SEC_FETCH_DEST) == Some("empty")
        || mode.is_some_and(|mode| mode != "navigate")
        || text(headers, &HX_REQUEST) == Some("true")
}

fn is_cross_origin(headers: &HeaderMap, address: Option<&Address>) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let url = address.and_then(Address::url);
    let origin = origin.to_str().ok().and_then(|origin| Url::parse(origin).ok());
    !matches!((origin, url), (Some(origin), Some(url)) if same_origin(url, &origin))
}

fn same_origin(ours: &Url, other: &Url) -> bool {
    let secured = ours.scheme() == "http" && other.scheme() == "https";
    let same_port = ours.port_or_known_default() == other.port_or_known_default()
        || (secured && ours.port().is_none() && other.port().is_none())
        || (secured && ours.port().is_some() && ours.port() == other.port());
    (ours.scheme() == other.scheme() || secured) && ours.host() == other.host() && same_port
}

/// The URL that was asked for. What a proxy says of it counts only where the proxy is trusted.
fn target(request: &HttpRequest, settings: &Settings) -> Option<Address> {
    let from_proxy = peer(request).is_some_and(|peer| settings.trusts(peer));
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    if from_proxy {
        let connection = request.connection_info();
        return Some(Address::new(connection.scheme(), connection.host(), path));
    }
    let scheme = if request.app_config().secure() { "https" } else { "http" };
    let host = text(request.headers(), &header::HOST);
    let host = host.or_else(|| request.uri().authority().map(Authority::as_str))?;
    Some(Address::new(scheme, host, path))
}

fn peer(request: &HttpRequest) -> Option<IpAddr> {
    request.peer_addr().map(|address| address.ip())
}

/// The client's address: the nearest one that is no trusted proxy's.
fn client_ip(request: &HttpRequest, settings: &Settings) -> Option<IpAddr> {
    let mut client = peer(request)?;
    if !settings.trusts(client) {
        return Some(client);
    }
    let forwarded = forwarded_for(request.headers());
    for hop in forwarded.into_iter().rev() {
        if !settings.trusts(client) {
            break;
        }
        match hop {
            Some(hop) => client = hop,
            None => break,
        }
    }
    Some(client)
}

/// The addresses of `Forwarded`, else of `X-Forwarded-For`, nearest last; `None` for one that is
/// hidden or broken.
fn forwarded_for(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let standard: Vec<_> = headers
        .get_all(header::FORWARDED)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|hop| {
            hop.split(';').find_map(|pair| {
                let (key, value) = pair.trim().split_once('=')?;
                key.eq_ignore_ascii_case("for").then(|| address(value.trim_matches('"')))?
            })
        })
        .collect();
    if !standard.is_empty() {
        return standard;
    }
    headers
        .get_all(&X_FORWARDED_FOR)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|hop| address(hop.trim()))
        .collect()
}

/// An address with or without a port, IPv6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests;
