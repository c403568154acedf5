//! Caching: calls are one visitor's, so no other may be shown them.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// What speaks to shared caches alone.
static FOR_PROXIES: [HeaderName; 2] =
    [HeaderName::from_static("surrogate-control"), HeaderName::from_static("cdn-cache-control")];

/// What is true of one body only.
static OF_THE_BODY: [HeaderName; 6] = [
    header::ETAG,
    header::CONTENT_LENGTH,
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("content-md5"),
];

/// Whether a cache that several visitors share may keep the response. A page without any
/// `Cache-Control` gets [`private`](make_private) when it carries calls; one with its own must say
/// `private` or `no-store` itself.
pub fn may_be_shared(headers: &HeaderMap) -> bool {
    let for_proxies = FOR_PROXIES.iter().any(|name| !is_private(headers, name));
    for_proxies || (headers.contains_key(header::CACHE_CONTROL) && !is_private(headers, &header::CACHE_CONTROL))
}

/// Whether that header is absent, or keeps shared caches away.
fn is_private(headers: &HeaderMap, name: &HeaderName) -> bool {
    let directives: Vec<String> = headers
        .get_all(name)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|directive| directive.trim().to_ascii_lowercase())
        .collect();
    let shared = |directive: &String| directive == "public" || directive.starts_with("s-maxage");
    let kept_away = |directive: &String| matches!(directive.as_str(), "private" | "no-store");
    directives.is_empty() || (directives.iter().any(kept_away) && !directives.iter().any(shared))
}

/// A page that carries calls is its visitor's alone.
pub fn make_private(headers: &mut HeaderMap) {
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private"));
    }
}

/// A response with calls in its header is not to be kept at all.
pub fn make_unstored(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Takes away what is no longer true of a body that was inserted into.
pub fn drop_validators(headers: &mut HeaderMap) {
    // Mostly none is there, which looking tells faster than removing.
    if headers.keys().any(|name| OF_THE_BODY.contains(name)) {
        for name in &OF_THE_BODY {
            headers.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(name: &'static str, value: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        may_be_shared(&headers)
    }

    #[test]
    fn only_what_says_so_is_kept_from_shared_caches() {
        assert!(!may_be_shared(&HeaderMap::new()));
        for kept_away in ["private", "no-store", "max-age=0, Private"] {
            assert!(!shared("cache-control", kept_away), "{kept_away}");
        }
        for kept in ["public", "max-age=60", "s-maxage=1, private", "no-cache"] {
            assert!(shared("cache-control", kept), "{kept}");
        }
        assert!(shared("surrogate-control", "max-age=60"));
    }
}
