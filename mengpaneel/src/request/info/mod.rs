//! Facts of a request that decide which strategies can deliver its calls.

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

/// Facts of one request.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts")]
pub(crate) struct RequestInfo {
    pub method: Method,
    /// Requested URL. `None` if the host is unknown.
    request_url: Option<RequestUrl>,
    /// Kind of request, by the use of its response.
    pub kind: Kind,
    /// True if the response may never be shown.
    is_prefetch: bool,
    /// True if the client runs the calls of a response header: `X-Mengpaneel-Flush-Capable`.
    pub is_capable: bool,
    /// True if the client may store cookies: it sent one, or accepts pages.
    pub supports_cookies: bool,
    /// True if a script of another origin sent the request.
    pub is_cross_origin: bool,
    /// True if `Sec-Fetch-Site` is `same-origin`, but `Origin` is another host than the requested
    /// one. A proxy in front then hides the host that the browser sees.
    pub is_origin_hidden: bool,
    /// True if a page of another site caused the request: a browser then omits `SameSite` cookies.
    pub is_cross_site: bool,
    /// ID of the setup that the client has run already. `None` if it has run none.
    pub setup_id: Option<String>,
    /// Unparsed headers about the visitor. Most requests need no visitor.
    visitor_headers: VisitorHeaders,
}

/// Unparsed headers and address that describe the visitor.
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
        let headers = RequestHeaders::parse(request.headers(), settings);
        let Connection { ip, scheme, host } =
            Connection::from_request(request, &settings.trusted_proxies);
        let request_url =
            host.map(|host| RequestUrl::new(scheme, host, request.uri().path_and_query().cloned()));
        let is_cross_origin = headers.is_cross_origin(request_url.as_ref());
        let signals = &headers.signals;
        Self {
            method: request.method().clone(),
            kind: signals.kind(request.method(), is_cross_origin),
            is_prefetch: signals.is_prefetch(),
            is_capable: headers.is_capable == Some(true),
            supports_cookies: signals.accepts_html() || !headers.cookies.is_empty(),
            is_cross_origin,
            is_origin_hidden: is_cross_origin && headers.is_origin_hidden(request_url.as_ref()),
            is_cross_site: headers.is_cross_site(request_url.as_ref()),
            setup_id: headers.setup.map(parse_setup_id),
            visitor_headers: VisitorHeaders {
                ip,
                user_agent: headers.user_agent.cloned(),
                referrer: headers.referrer.cloned(),
                cookies: headers.cookies,
            },
            request_url,
        }
    }

    /// Returns whether a browser shows the response now, so that replayed calls can run there.
    pub(crate) fn is_navigation(&self) -> bool {
        !self.is_capable && self.kind == Kind::Page
    }

    /// Returns the requested URL. `None` if the host is unknown or malformed.
    pub(crate) fn url(&self) -> Option<&Url> {
        self.request_url.as_ref()?.url()
    }

    /// Returns whether the client can run a delayed payload.
    pub(crate) fn can_replay(&self) -> bool {
        let is_replayed_by_script = self.is_capable && !self.is_cross_origin && !self.is_prefetch;
        self.is_navigation() || (is_replayed_by_script && !has_unread_response(&self.method))
    }

    /// Returns whether a `Location` is on this origin, as a browser resolves it. `https` also
    /// counts for a request by `http`: a proxy may terminate TLS.
    pub(crate) fn is_same_origin(&self, location: &str) -> bool {
        let Some(url) = self.url() else { return false };
        url.join(location).is_ok_and(|to| same_origin(url, &to))
    }

    /// Returns the unparsed `Cookie` headers.
    pub(crate) fn cookies(&self) -> &[HeaderValue] {
        &self.visitor_headers.cookies
    }

    /// Returns the raw value of mixpanel-js's cookie. `None` if it has no identity or is missing.
    pub(crate) fn cookie(&self, names: &CookieNames) -> Option<String> {
        persistence_cookie(&self.visitor_headers.cookies, names)
    }

    /// Returns the visitor that the request describes.
    pub(crate) fn visitor(&self, cookies: &CookieNames, has_session: bool) -> Visitor {
        let headers = &self.visitor_headers;
        let owned = |value: &Option<HeaderValue>| text(value.as_ref()).map(Cow::into_owned);
        Visitor {
            cookie: self.cookie(cookies),
            ip: headers.ip.map(|ip| ip.to_string()),
            user_agent: owned(&headers.user_agent),
            url: self.request_url.as_ref().and_then(RequestUrl::text),
            referrer: owned(&headers.referrer),
            has_session,
            omitted: None,
        }
    }
}

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// First value of each relevant header, collected in one pass.
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
        let mut parsed = Self::default();
        for (name, value) in headers {
            if let Some(slot) = parsed.slot(name, settings) {
                slot.get_or_insert(value);
            } else if *name == header::COOKIE {
                parsed.cookies.push(value.clone());
            } else if *name == settings.names.capable {
                parsed.is_capable = Some(parsed.is_capable.unwrap_or(true) && parse_capable(value));
            } else {
                parsed.signals.observe(name, value);
            }
        }
        parsed
    }

    /// Returns the field for a header. `None` if the header has no field of this type.
    fn slot(
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

    fn is_cross_site(&self, request_url: Option<&RequestUrl>) -> bool {
        match text(self.site) {
            Some(site) => site.eq_ignore_ascii_case("cross-site"),
            None => self.is_cross_origin(request_url),
        }
    }

    /// Returns whether a browser sees another host than the requested one. Only browsers can send
    /// `Sec-Fetch-Site`. An opaque origin (`null`) has no host.
    fn is_origin_hidden(&self, request_url: Option<&RequestUrl>) -> bool {
        let is_same_origin =
            text(self.site).is_some_and(|site| site.eq_ignore_ascii_case("same-origin"));
        let origin = self
            .origin
            .and_then(|origin| Url::parse(&headers::text(origin)).ok());
        is_same_origin
            && origin.is_some_and(|origin| origin.has_host())
            && request_url.and_then(RequestUrl::url).is_some()
    }

    fn is_cross_origin(&self, request_url: Option<&RequestUrl>) -> bool {
        let Some(origin) = self.origin else {
            return false;
        };
        let url = request_url.and_then(RequestUrl::url);
        let origin = Url::parse(&headers::text(origin)).ok();
        !matches!((origin, url), (Some(origin), Some(url)) if same_origin(url, &origin))
    }
}

fn text(value: Option<&HeaderValue>) -> Option<Cow<'_, str>> {
    value.map(headers::text)
}

/// Returns whether every element is `true` or `1`. Two scripts that both mark an `XMLHttpRequest`
/// send `true, true`.
fn parse_capable(value: &HeaderValue) -> bool {
    let mut elements = headers::list([value]).peekable();
    elements.peek().is_some() && elements.all(|element| matches!(&*element, "true" | "1"))
}

/// Returns the ID of the setup that a client has run. Two scripts may both send the same ID.
fn parse_setup_id(value: &HeaderValue) -> String {
    let ids: Vec<_> = headers::list([value]).collect();
    match ids.split_first() {
        Some((first, others)) if others.iter().all(|other| other == first) => {
            first.clone().into_owned()
        }
        _ => headers::text(value).into_owned(),
    }
}

/// Returns whether no script reads the response to this method.
fn has_unread_response(method: &Method) -> bool {
    matches!(*method, Method::HEAD | Method::OPTIONS)
}

fn same_origin(requested: &Url, other: &Url) -> bool {
    let is_upgrade = requested.scheme() == "http" && other.scheme() == "https";
    let same_port = requested.port_or_known_default() == other.port_or_known_default()
        || (is_upgrade && requested.port().is_none() && other.port().is_none())
        || (is_upgrade && requested.port().is_some() && requested.port() == other.port());
    (requested.scheme() == other.scheme() || is_upgrade)
        && requested.host() == other.host()
        && same_port
}

#[cfg(test)]
mod tests;
