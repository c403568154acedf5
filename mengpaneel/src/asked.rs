//! What was asked: the facts of a request that decide how its calls can leave.

mod address;

use std::borrow::Cow;
use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use self::address::Address;
use crate::request::headers;
use crate::settings::Settings;
use crate::visitor::{CookieNames, Visitor, persistence_cookie};

/// The facts of one request.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "facts, each its own")]
pub struct Asked {
    /// `GET`, `POST` …
    pub method: Method,
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
    /// A page of another site caused the request: a browser then holds `SameSite` cookies back.
    pub is_cross_site: bool,
    /// The setup that the client has run already, by the name that we gave it.
    pub setup_name: Option<String>,
    /// Who asked, as it was sent: looked into only where somebody wants to know.
    client: Client,
}

/// What a request says of who is there.
#[derive(Clone, Debug)]
struct Client {
    cookies: Vec<HeaderValue>,
    ip: Option<IpAddr>,
    user_agent: Option<HeaderValue>,
    referrer: Option<HeaderValue>,
}

impl Asked {
    /// Reads a request.
    pub fn new(request: &HttpRequest, settings: &Settings) -> Self {
        let said = Said::by(request.headers(), settings);
        let address = target(request, &said, settings);
        let is_capable = said.is_capable == Some(true);
        let (accepts_html, mode) = (said.accepts_html, text(said.mode));
        let (is_ajax, is_prefetch) = (said.is_ajax(mode.as_deref()), said.is_prefetch);
        let navigates = mode.map_or(accepts_html && !is_ajax && said.dest.is_none(), |mode| mode == "navigate");
        Self {
            method: request.method().clone(),
            is_navigation: navigates && !is_prefetch && !is_speculative_method(request.method()),
            is_prefetch,
            is_ajax: is_capable || is_ajax,
            is_capable,
            keeps_cookies: accepts_html || !said.cookies.is_empty(),
            is_cross_origin: said.is_cross_origin(address.as_ref()),
            is_cross_site: said.is_cross_site(address.as_ref()),
            setup_name: said.setup.map(setup_name),
            client: Client {
                ip: client_ip(request, settings),
                user_agent: said.user_agent.cloned(),
                referrer: said.referrer.cloned(),
                cookies: said.cookies,
            },
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

    /// `Cookie` headers, as sent.
    pub fn cookies(&self) -> &[HeaderValue] {
        &self.client.cookies
    }

    /// mixpanel-js's cookie.
    pub fn cookie(&self, names: &CookieNames) -> Option<String> {
        persistence_cookie(&self.client.cookies, names)
    }

    /// Who is there, as the request says it that asked this.
    pub fn visitor(&self, cookies: &CookieNames, has_session: bool) -> Visitor {
        let client = &self.client;
        let owned = |value: &Option<HeaderValue>| text(value.as_ref()).map(Cow::into_owned);
        Visitor {
            cookie: self.cookie(cookies),
            ip: client.ip.map(|ip| ip.to_string()),
            user_agent: owned(&client.user_agent),
            url: self.address.as_ref().and_then(Address::text),
            referrer: owned(&client.referrer),
            has_session,
        }
    }
}

static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
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

/// The headers that matter, found in one pass: of each its first value.
#[derive(Default)]
struct Said<'a> {
    accepts_html: bool,
    is_capable: Option<bool>,
    dest: Option<&'a HeaderValue>,
    host: Option<&'a HeaderValue>,
    htmx: Option<&'a HeaderValue>,
    mode: Option<&'a HeaderValue>,
    origin: Option<&'a HeaderValue>,
    referrer: Option<&'a HeaderValue>,
    requested_with: Option<&'a HeaderValue>,
    setup: Option<&'a HeaderValue>,
    site: Option<&'a HeaderValue>,
    user_agent: Option<&'a HeaderValue>,
    is_prefetch: bool,
    cookies: Vec<HeaderValue>,
}

impl<'a> Said<'a> {
    fn by(headers: &'a HeaderMap, settings: &Settings) -> Self {
        let mut said = Self::default();
        for (name, value) in headers {
            if let Some(place) = said.place(name, settings) {
                place.get_or_insert(value);
            } else if *name == header::COOKIE {
                said.cookies.push(value.clone());
            } else if *name == header::ACCEPT {
                said.accepts_html |= accepts_html(value);
            } else if *name == settings.names.capable {
                said.is_capable = Some(said.is_capable.unwrap_or(true) && is_capable(value));
            } else if PURPOSES.contains(name) {
                said.is_prefetch |= is_prefetch(value);
            }
        }
        said
    }

    fn place(&mut self, name: &HeaderName, settings: &Settings) -> Option<&mut Option<&'a HeaderValue>> {
        Some(match *name {
            header::HOST => &mut self.host,
            header::ORIGIN => &mut self.origin,
            header::REFERER => &mut self.referrer,
            header::USER_AGENT => &mut self.user_agent,
            _ if *name == SEC_FETCH_DEST => &mut self.dest,
            _ if *name == SEC_FETCH_MODE => &mut self.mode,
            _ if *name == SEC_FETCH_SITE => &mut self.site,
            _ if *name == X_REQUESTED_WITH => &mut self.requested_with,
            _ if *name == HX_REQUEST => &mut self.htmx,
            _ if *name == settings.names.setup => &mut self.setup,
            _ => return None,
        })
    }

    fn is_ajax(&self, mode: Option<&str>) -> bool {
        text(self.requested_with).is_some_and(|with| with.eq_ignore_ascii_case("XMLHttpRequest"))
            || text(self.dest).as_deref() == Some("empty")
            || mode.is_some_and(|mode| mode != "navigate")
            || text(self.htmx).as_deref() == Some("true")
    }

    fn is_cross_site(&self, address: Option<&Address>) -> bool {
        match text(self.site) {
            Some(site) => site.eq_ignore_ascii_case("cross-site"),
            None => self.is_cross_origin(address),
        }
    }

    fn is_cross_origin(&self, address: Option<&Address>) -> bool {
        let Some(origin) = self.origin else { return false };
        let url = address.and_then(Address::url);
        let origin = Url::parse(&headers::text(origin)).ok();
        !matches!((origin, url), (Some(origin), Some(url)) if same_origin(url, &origin))
    }
}

fn text(value: Option<&HeaderValue>) -> Option<Cow<'_, str>> {
    value.map(headers::text)
}

fn accepts_html(accept: &HeaderValue) -> bool {
    headers::text(accept).to_ascii_lowercase().contains("text/html")
}

/// Whether every element is `true` or `1`: two scripts that both mark an `XMLHttpRequest` send
/// `true, true`.
fn is_capable(value: &HeaderValue) -> bool {
    let mut elements = headers::list([value]).peekable();
    elements.peek().is_some() && elements.all(|element| matches!(&*element, "true" | "1"))
}

/// Returns the setup that a client has run; where two scripts send the same one, that.
fn setup_name(value: &HeaderValue) -> String {
    let names: Vec<_> = headers::list([value]).collect();
    match names.split_first() {
        Some((first, others)) if others.iter().all(|other| other == first) => first.clone().into_owned(),
        _ => headers::text(value).into_owned(),
    }
}

/// `HEAD` and `OPTIONS` answers are seen by nobody.
fn is_speculative_method(method: &Method) -> bool {
    matches!(*method, Method::HEAD | Method::OPTIONS)
}

/// A page that is prerendered runs its calls when it is shown; a prefetched one may never be.
fn is_prefetch(purpose: &HeaderValue) -> bool {
    let purpose = headers::text(purpose).to_ascii_lowercase();
    (purpose.contains("prefetch") || purpose.contains("preview")) && !purpose.contains("prerender")
}

fn same_origin(ours: &Url, other: &Url) -> bool {
    let secured = ours.scheme() == "http" && other.scheme() == "https";
    let same_port = ours.port_or_known_default() == other.port_or_known_default()
        || (secured && ours.port().is_none() && other.port().is_none())
        || (secured && ours.port().is_some() && ours.port() == other.port());
    (ours.scheme() == other.scheme() || secured) && ours.host() == other.host() && same_port
}

/// The URL that was asked for. What a proxy says of it counts only where the proxy is trusted.
fn target(request: &HttpRequest, said: &Said<'_>, settings: &Settings) -> Option<Address> {
    let from_proxy = peer(request).is_some_and(|peer| settings.trusts(peer));
    let path = request.uri().path_and_query().cloned();
    if from_proxy {
        let connection = request.connection_info();
        let host = HeaderValue::from_str(connection.host()).ok()?;
        return Some(Address::new(connection.scheme().to_owned(), host, path));
    }
    let scheme = if request.app_config().secure() { "https" } else { "http" };
    let host = said.host.filter(|host| host.to_str().is_ok()).cloned();
    let host = host.or_else(|| HeaderValue::from_str(request.uri().authority()?.as_str()).ok())?;
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
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|hop| {
            let hop = String::from_utf8_lossy(hop);
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
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|hop| address(String::from_utf8_lossy(hop).trim()))
        .collect()
}

/// An address with or without a port, IPv6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests;
