//! What was asked: the facts of a request that decide how its calls can leave.

use std::borrow::Cow;
use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::record::visitor::Visitor;
use crate::request::connection::Connection;
use crate::request::cookies::persistence_cookie;
use crate::request::headers;
use crate::request::kind::{Kind, Signals};
use crate::request::url::RequestUrl;
use crate::settings::Settings;
use crate::settings::cookies::CookieNames;

/// The facts of one request.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "facts, each its own")]
pub(crate) struct RequestInfo {
    /// `GET`, `POST` …
    pub method: Method,
    /// The URL that was asked for, where the request says enough for one.
    request_url: Option<RequestUrl>,
    /// Kind of request: it decides what becomes of the response.
    pub kind: Kind,
    /// The response may never be shown.
    is_prefetch: bool,
    /// The client runs calls from a header: `X-Mengpaneel-Flush-Capable`.
    pub is_capable: bool,
    /// The client may keep cookies: it sent one, or asks for pages.
    pub supports_cookies: bool,
    /// A script of another origin asked.
    pub is_cross_origin: bool,
    /// True if a browser says that this origin asked, and the request names another host: a proxy
    /// in front hides the one that the browser sees.
    pub is_origin_hidden: bool,
    /// A page of another site caused the request: a browser then holds `SameSite` cookies back.
    pub is_cross_site: bool,
    /// The setup that the client has run already, by the name that we gave it.
    pub setup_id: Option<String>,
    /// Who asked, as it was sent: looked into only where somebody wants to know.
    visitor_headers: VisitorHeaders,
}

/// What a request says of who is there.
#[derive(Clone, Debug)]
struct VisitorHeaders {
    cookies: Vec<HeaderValue>,
    ip: Option<IpAddr>,
    user_agent: Option<HeaderValue>,
    referrer: Option<HeaderValue>,
}

impl RequestInfo {
    /// Reads a request.
    pub(crate) fn new(request: &HttpRequest, settings: &Settings) -> Self {
        let said = RequestHeaders::parse(request.headers(), settings);
        let Connection { ip, scheme, host } =
            Connection::from_request(request, &settings.trusted_proxies);
        let address =
            host.map(|host| RequestUrl::new(scheme, host, request.uri().path_and_query().cloned()));
        let is_cross_origin = said.is_cross_origin(address.as_ref());
        let signals = &said.signals;
        Self {
            method: request.method().clone(),
            kind: signals.kind(request.method(), is_cross_origin),
            is_prefetch: signals.is_prefetch(),
            is_capable: said.is_capable == Some(true),
            supports_cookies: signals.accepts_html() || !said.cookies.is_empty(),
            is_cross_origin,
            is_origin_hidden: is_cross_origin && said.is_origin_hidden(address.as_ref()),
            is_cross_site: said.is_cross_site(address.as_ref()),
            setup_id: said.setup.map(parse_setup_id),
            visitor_headers: VisitorHeaders {
                ip,
                user_agent: said.user_agent.cloned(),
                referrer: said.referrer.cloned(),
                cookies: said.cookies,
            },
            request_url: address,
        }
    }

    /// Returns whether a browser shows the response now: what is replayed can run there.
    pub(crate) fn is_navigation(&self) -> bool {
        !self.is_capable && self.kind == Kind::Page
    }

    /// The URL that was asked for, where the request says enough for one.
    pub(crate) fn url(&self) -> Option<&Url> {
        self.request_url.as_ref()?.url()
    }

    /// Whether the client can run what the last request left.
    pub(crate) fn can_replay(&self) -> bool {
        let by_script = self.is_capable && !self.is_cross_origin && !self.is_prefetch;
        self.is_navigation() || (by_script && !is_speculative_method(&self.method))
    }

    /// Whether a `Location` stays on this origin, as a browser resolves it. A proxy may speak TLS
    /// for us, hence `https` where we were asked by `http`.
    pub(crate) fn is_same_origin(&self, location: &str) -> bool {
        let Some(url) = self.url() else { return false };
        url.join(location).is_ok_and(|to| same_origin(url, &to))
    }

    /// `Cookie` headers, as sent.
    pub(crate) fn cookies(&self) -> &[HeaderValue] {
        &self.visitor_headers.cookies
    }

    /// mixpanel-js's cookie.
    pub(crate) fn cookie(&self, names: &CookieNames) -> Option<String> {
        persistence_cookie(&self.visitor_headers.cookies, names)
    }

    /// Who is there, as the request says it that asked this.
    pub(crate) fn visitor(&self, cookies: &CookieNames, has_session: bool) -> Visitor {
        let client = &self.visitor_headers;
        let owned = |value: &Option<HeaderValue>| text(value.as_ref()).map(Cow::into_owned);
        Visitor {
            cookie: self.cookie(cookies),
            ip: client.ip.map(|ip| ip.to_string()),
            user_agent: owned(&client.user_agent),
            url: self.request_url.as_ref().and_then(RequestUrl::text),
            referrer: owned(&client.referrer),
            has_session,
            omitted: None,
        }
    }
}

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The headers that matter, found in one pass: of each its first value.
#[derive(Default)]
struct RequestHeaders<'a> {
    signals: Signals<'a>,
    is_capable: Option<bool>,
    origin: Option<&'a HeaderValue>,
    referrer: Option<&'a HeaderValue>,
    setup: Option<&'a HeaderValue>,
    site: Option<&'a HeaderValue>,
    user_agent: Option<&'a HeaderValue>,
    cookies: Vec<HeaderValue>,
}

impl<'a> RequestHeaders<'a> {
    fn parse(headers: &'a HeaderMap, settings: &Settings) -> Self {
        let mut said = Self::default();
        for (name, value) in headers {
            if let Some(place) = said.slot_of(name, settings) {
                place.get_or_insert(value);
            } else if *name == header::COOKIE {
                said.cookies.push(value.clone());
            } else if *name == settings.names.capable {
                said.is_capable = Some(said.is_capable.unwrap_or(true) && parse_capable(value));
            } else {
                said.signals.observe(name, value);
            }
        }
        said
    }

    fn slot_of(
        &mut self,
        name: &HeaderName,
        settings: &Settings,
    ) -> Option<&mut Option<&'a HeaderValue>> {
        Some(match *name {
            header::ORIGIN => &mut self.origin,
            header::REFERER => &mut self.referrer,
            header::USER_AGENT => &mut self.user_agent,
            _ if *name == SEC_FETCH_SITE => &mut self.site,
            _ if *name == settings.names.setup => &mut self.setup,
            _ => return None,
        })
    }

    fn is_cross_site(&self, address: Option<&RequestUrl>) -> bool {
        match text(self.site) {
            Some(site) => site.eq_ignore_ascii_case("cross-site"),
            None => self.is_cross_origin(address),
        }
    }

    /// Returns whether a browser, which alone can send `Sec-Fetch-Site`, sees another host than the
    /// request names. An opaque origin (`null`) names none.
    fn is_origin_hidden(&self, address: Option<&RequestUrl>) -> bool {
        let is_own = text(self.site).is_some_and(|site| site.eq_ignore_ascii_case("same-origin"));
        let origin = self
            .origin
            .and_then(|origin| Url::parse(&headers::text(origin)).ok());
        is_own
            && origin.is_some_and(|origin| origin.has_host())
            && address.and_then(RequestUrl::url).is_some()
    }

    fn is_cross_origin(&self, address: Option<&RequestUrl>) -> bool {
        let Some(origin) = self.origin else {
            return false;
        };
        let url = address.and_then(RequestUrl::url);
        let origin = Url::parse(&headers::text(origin)).ok();
        !matches!((origin, url), (Some(origin), Some(url)) if same_origin(url, &origin))
    }
}

fn text(value: Option<&HeaderValue>) -> Option<Cow<'_, str>> {
    value.map(headers::text)
}

/// Returns whether every element is `true` or `1`: two scripts that both mark an `XMLHttpRequest`
/// send `true, true`.
fn parse_capable(value: &HeaderValue) -> bool {
    let mut elements = headers::list([value]).peekable();
    elements.peek().is_some() && elements.all(|element| matches!(&*element, "true" | "1"))
}

/// Returns the setup that a client has run; where two scripts send the same one, that.
fn parse_setup_id(value: &HeaderValue) -> String {
    let names: Vec<_> = headers::list([value]).collect();
    match names.split_first() {
        Some((first, others)) if others.iter().all(|other| other == first) => {
            first.clone().into_owned()
        }
        _ => headers::text(value).into_owned(),
    }
}

/// `HEAD` and `OPTIONS` answers are seen by nobody.
fn is_speculative_method(method: &Method) -> bool {
    matches!(*method, Method::HEAD | Method::OPTIONS)
}

fn same_origin(ours: &Url, other: &Url) -> bool {
    let secured = ours.scheme() == "http" && other.scheme() == "https";
    let same_port = ours.port_or_known_default() == other.port_or_known_default()
        || (secured && ours.port().is_none() && other.port().is_none())
        || (secured && ours.port().is_some() && ours.port() == other.port());
    (ours.scheme() == other.scheme() || secured) && ours.host() == other.host() && same_port
}

#[cfg(test)]
mod tests;
