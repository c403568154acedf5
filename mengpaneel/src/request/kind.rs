//! Kind of request: tells whether a browser shows the response as a page. The kind decides on both
//! replay and injection.

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderName, HeaderValue};

use crate::request::headers;

/// Kind of request, by the use of its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A browser shows the response as a page, and runs its scripts.
    Page,
    /// A browser stores the response as a page, and may never show it.
    Prefetch,
    /// The response is not shown as a page, for this reason.
    Other(&'static str),
}

const BY_SCRIPT: &str = "a script requested it";
const BY_PARTIAL_PAGE_LIBRARY: &str = "a script requested it, to replace a part of its page";

/// Headers that determine the kind of a request.
#[derive(Debug, Default)]
pub(crate) struct Signals<'a> {
    mode: Option<&'a HeaderValue>,
    dest: Option<&'a HeaderValue>,
    by_script: Option<&'static str>,
    is_prefetch: bool,
    accepts_html: bool,
}

impl<'a> Signals<'a> {
    /// Evaluates one header.
    pub(crate) fn observe(&mut self, name: &HeaderName, value: &'a HeaderValue) {
        if *name == header::ACCEPT {
            self.accepts_html |= accepts_html(value);
            return;
        }
        match name.as_str() {
            "sec-fetch-mode" => self.mode = self.mode.or(Some(value)),
            "sec-fetch-dest" => self.dest = self.dest.or(Some(value)),
            // Turbo sends `X-Sec-Purpose`, since scripts may not set `Sec-Purpose`.
            "sec-purpose" | "x-sec-purpose" | "purpose" | "x-moz" | "x-purpose" => {
                self.is_prefetch |= is_prefetch(value);
            }
            "x-requested-with" if names_a_script(value) => {
                self.by_script = self.by_script.or(Some(BY_SCRIPT));
            }
            name if is_partial_page_header(name) => self.by_script = Some(BY_PARTIAL_PAGE_LIBRARY),
            _ => {}
        }
    }

    /// Returns whether the client accepts HTML.
    pub(crate) fn accepts_html(&self) -> bool {
        self.accepts_html
    }

    /// Returns whether the request is a prefetch, whose response may never be shown.
    pub(crate) fn is_prefetch(&self) -> bool {
        self.is_prefetch
    }

    /// Returns the kind of the request.
    ///
    /// Browsers send fetch metadata (`Sec-Fetch-*`) only to `https` and to `localhost`. Without it,
    /// a client that accepts `text/html` navigates. A request of another origin is excepted: a
    /// script may read its response.
    pub(crate) fn kind(&self, method: &Method, is_cross_origin: bool) -> Kind {
        let (mode, dest) = (self.mode.map(headers::text), self.dest.map(headers::text));
        let shows = |dest: &str| matches!(dest, "document" | "iframe" | "frame");
        let reason = if matches!(
            *method,
            Method::HEAD | Method::OPTIONS | Method::TRACE | Method::CONNECT
        ) {
            Some("browsers show no response to this method")
        } else if self.by_script.is_some() {
            self.by_script
        } else {
            match (mode.as_deref(), dest.as_deref()) {
                // A service worker that passes a navigation on has no destination of its own.
                (Some("navigate"), None | Some("empty")) => None,
                (Some("navigate") | None, Some(dest)) if shows(dest) => None,
                (None, None) if self.accepts_html && !is_cross_origin => None,
                (None, None) if self.accepts_html => Some("another origin requested it"),
                (None, None) => Some("the client does not accept text/html"),
                (Some("navigate"), _) => Some("the response is embedded in a page"),
                (_, Some("empty") | None) => Some(BY_SCRIPT),
                _ => Some("the response is a part of a page"),
            }
        };
        match reason {
            Some(reason) => Kind::Other(reason),
            None if self.is_prefetch => Kind::Prefetch,
            None => Kind::Page,
        }
    }
}

/// Returns whether a list of media types includes HTML.
fn accepts_html(accept: &HeaderValue) -> bool {
    headers::list([accept]).any(|range| {
        let (name, parameters) = range.split_once(';').unwrap_or((&range, ""));
        let is_excluded = parameters.split(';').any(|parameter| {
            let weight = parameter
                .trim()
                .strip_prefix("q=")
                .and_then(|weight| weight.trim().parse::<f32>().ok());
            weight.is_some_and(|weight| weight <= 0.0)
        });
        let is_html = |html: &str| name.trim().eq_ignore_ascii_case(html);
        (is_html("text/html") || is_html("application/xhtml+xml")) && !is_excluded
    })
}

/// Returns whether `X-Requested-With` names a script (`XMLHttpRequest`, `swup`). Android's
/// `WebView` sends the name of its application, such as `com.example.app`, with navigations too.
fn names_a_script(value: &HeaderValue) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    headers::list([value]).any(|name| name.bytes().all(is_letter))
}

/// Returns whether a library that replaces parts of a page sends this header.
///
/// Some libraries fetch a fragment (Turbo frames, htmx, Livewire). Others fetch a whole page and
/// use its body (boosted htmx, Barba, `wire:navigate`, Turbo Drive). None shows the response as a
/// new document, and most run no script of its head.
///
/// Sources: Turbo `src/http/fetch.js`, <https://htmx.org/reference/#request_headers>,
/// <https://unpoly.com/up.protocol>, <https://barba.js.org/docs/advanced/recipes>, and the
/// documentation of the others.
fn is_partial_page_header(name: &str) -> bool {
    matches!(
        name,
        "turbo-frame"
            | "x-turbo-request-id"
            | "turbolinks-referrer"
            | "x-xhr-referer"
            | "x-pjax"
            | "x-pjax-container"
            | "hx-request"
            | "hx-boosted"
            | "hx-history-restore-request"
            | "x-up-version"
            | "x-up-target"
            | "x-up-validate"
            | "x-livewire"
            | "x-livewire-navigate"
            | "x-inertia"
            | "x-barba"
            | "x-alpine-request"
            | "x-alpine-target"
            | "datastar-request"
            | "x-ic-request"
            | "x-splade"
            | "x-october-request-handler"
            | "x-winter-request-handler"
            | "faces-request"
            | "wicket-ajax"
    )
}

/// Returns whether a page may never be shown. A prerendered page is no prefetch: its calls run when
/// it is shown.
fn is_prefetch(purpose: &HeaderValue) -> bool {
    let purpose = headers::text(purpose).to_ascii_lowercase();
    (purpose.contains("prefetch") || purpose.contains("preview")) && !purpose.contains("prerender")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn kind(method: &Method, is_cross_origin: bool, sent: &[(&str, &str)]) -> Kind {
        let request = sent
            .iter()
            .fold(TestRequest::default(), |request, (name, value)| {
                request.append_header((*name, HeaderValue::from_bytes(value.as_bytes()).unwrap()))
            });
        let request = request.to_http_request();
        let mut signals = Signals::default();
        for (name, value) in request.headers() {
            signals.observe(name, value);
        }
        signals.kind(method, is_cross_origin)
    }

    fn get(sent: &[(&str, &str)]) -> Kind {
        kind(&Method::GET, false, sent)
    }

    const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
    const NAVIGATE: (&str, &str) = ("sec-fetch-mode", "navigate");

    #[test]
    fn navigation_is_a_page() {
        assert_eq!(get(&[NAVIGATE]), Kind::Page);
        for dest in ["document", "empty", "iframe", "frame"] {
            assert_eq!(
                get(&[NAVIGATE, ("sec-fetch-dest", dest)]),
                Kind::Page,
                "{dest}"
            );
        }
        assert_eq!(get(&[("sec-fetch-dest", "document")]), Kind::Page);
        for accept in [
            HTML.1,
            "TEXT/HTML",
            "application/xhtml+xml",
            "*/*, text/html;level=1;q=0.1",
        ] {
            assert_eq!(get(&[("accept", accept)]), Kind::Page, "{accept}");
        }
        assert_eq!(
            get(&[("accept", "*/*"), ("accept", "text/html")]),
            Kind::Page
        );
        assert_eq!(
            get(&[HTML, ("x-requested-with", "com.example.app")]),
            Kind::Page
        );
        assert_eq!(get(&[HTML, ("x-requested-with", "")]), Kind::Page);
        assert_eq!(get(&[HTML, ("x-requested-with", "\u{fc}")]), Kind::Page);
        assert_eq!(kind(&Method::POST, false, &[HTML]), Kind::Page);
        assert_eq!(kind(&Method::POST, true, &[HTML, NAVIGATE]), Kind::Page);
    }

    #[test]
    fn prefetched_navigation_is_a_prefetch() {
        for purpose in [
            "sec-purpose",
            "x-sec-purpose",
            "purpose",
            "x-moz",
            "x-purpose",
        ] {
            assert_eq!(
                get(&[HTML, (purpose, "prefetch")]),
                Kind::Prefetch,
                "{purpose}"
            );
        }
        assert_eq!(
            get(&[NAVIGATE, ("sec-purpose", "prefetch;prerender")]),
            Kind::Page
        );
        assert!(matches!(
            get(&[("accept", "*/*"), ("purpose", "prefetch")]),
            Kind::Other(_)
        ));
    }

    #[test]
    fn script_request_is_not_a_page() {
        for sent in [
            &[][..],
            &[("accept", "*/*")],
            &[("accept", "text/*")],
            &[("accept", "application/json, text/html;q=0")],
            &[("accept", "text/htmlx")],
            &[HTML, ("x-requested-with", "XMLHttpRequest")],
            &[HTML, ("x-requested-with", "swup")],
            &[
                HTML,
                ("sec-fetch-mode", "cors"),
                ("sec-fetch-dest", "empty"),
            ],
            &[HTML, ("sec-fetch-mode", "same-origin")],
            &[
                HTML,
                ("sec-fetch-mode", "no-cors"),
                ("sec-fetch-dest", "image"),
            ],
            &[
                HTML,
                ("sec-fetch-mode", "no-cors"),
                ("sec-fetch-dest", "document"),
            ],
            &[HTML, ("sec-fetch-dest", "empty")],
            &[HTML, NAVIGATE, ("sec-fetch-dest", "object")],
            &[HTML, NAVIGATE, ("sec-fetch-dest", "embed")],
            &[HTML, NAVIGATE, ("sec-fetch-dest", "fencedframe")],
        ] {
            assert!(matches!(get(sent), Kind::Other(_)), "{sent:?}");
        }
        assert!(matches!(kind(&Method::GET, true, &[HTML]), Kind::Other(_)));
        assert!(matches!(kind(&Method::POST, true, &[HTML]), Kind::Other(_)));
    }

    #[test]
    fn partial_page_library_request_is_not_a_page() {
        for header in [
            ("turbo-frame", "cart"),
            ("x-turbo-request-id", "7"),
            ("turbolinks-referrer", "http://blog.example/"),
            ("x-pjax", "true"),
            ("hx-request", "true"),
            ("hx-boosted", "true"),
            ("hx-history-restore-request", "true"),
            ("x-up-version", "3.15.0"),
            ("x-up-target", ".menu"),
            ("x-livewire", ""),
            ("x-livewire-navigate", "1"),
            ("x-inertia", "true"),
            ("x-barba", "yes"),
            ("x-alpine-request", "true"),
            ("datastar-request", "true"),
        ] {
            assert_eq!(
                get(&[HTML, header]),
                Kind::Other(BY_PARTIAL_PAGE_LIBRARY),
                "{header:?}"
            );
        }
    }

    #[test]
    fn method_without_a_shown_body_is_not_a_page() {
        for method in [Method::HEAD, Method::OPTIONS, Method::TRACE] {
            assert!(matches!(
                kind(&method, false, &[HTML, NAVIGATE]),
                Kind::Other(_)
            ));
        }
    }
}
