//! Size of a response's head, which reverse proxies limit.
//!
//! nginx answers 502 if the head is larger than its `proxy_buffer_size` (one memory page, 4 or 8
//! KB, by default).

use actix_session::{Session, SessionStatus};
use actix_web::cookie::Cookie;
use actix_web::dev::ServiceResponse;

/// Bytes of the status line without its reason, and of the headers that Actix adds: date, length,
/// connection.
const FIXED_BYTES: usize = 128;
/// Bytes of the name and the attributes of actix-session's cookie.
const SESSION_ATTRIBUTE_BYTES: usize = 128;
/// Bytes of a session cookie that holds the key of a state in a store, or removes the cookie.
const SESSION_KEY_BYTES: usize = 320;
/// Maximum state in bytes of actix-session's cookie store. A larger state is in another store.
const MAX_COOKIE_STATE_BYTES: usize = 4_064;

/// Upper bound of the bytes in the response's head, with the session cookie that an outer
/// `SessionMiddleware` may add.
pub(crate) fn max_bytes(
    response: &ServiceResponse<()>,
    session: Option<&Session>,
    request_cookie_bytes: usize,
) -> usize {
    let reason = response.status().canonical_reason().map_or(0, str::len);
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| line_bytes(name.as_str().len(), value.len()));
    let session = session.map_or(0, |session| {
        session_cookie_bytes(session, request_cookie_bytes)
    });
    FIXED_BYTES + reason + headers.sum::<usize>() + session
}

/// Bytes of one header line.
pub(crate) fn line_bytes(name: usize, value: usize) -> usize {
    name + ": \r\n".len() + value
}

/// Bytes of the `Set-Cookie` line that actix-session may add to the response.
///
/// An unchanged session can be written too, to prolong it. The kind of the session's store is not
/// known here. A state that is longer than all cookies of the request, or than a cookie can be, is
/// not in a cookie.
fn session_cookie_bytes(session: &Session, request_cookie_bytes: usize) -> usize {
    let status = session.status();
    if status == SessionStatus::Purged {
        return SESSION_KEY_BYTES;
    }
    let entries = session.entries();
    if entries.is_empty() && status == SessionStatus::Unchanged {
        return 0;
    }
    let state = serde_json::to_string(&*entries).unwrap_or_default();
    let is_in_store = status == SessionStatus::Unchanged && request_cookie_bytes < state.len();
    if is_in_store || state.len() > MAX_COOKIE_STATE_BYTES {
        return SESSION_KEY_BYTES;
    }
    (cookie_value_bytes(&state) + SESSION_ATTRIBUTE_BYTES).max(SESSION_KEY_BYTES)
}

/// Bytes of the cookie's value for the longer of actix-session's two kinds: signed and
/// percent-encoded, or encrypted in Base64.
fn cookie_value_bytes(state: &str) -> usize {
    const SIGNATURE: usize = 72;
    const NONCE_AND_TAG: usize = 28;
    let signed = SIGNATURE + Cookie::new("id", state).encoded().to_string().len();
    let encrypted = (state.len() + NONCE_AND_TAG).div_ceil(3) * 4;
    // Two of Base64's 64 letters are percent-encoded, each with two more bytes.
    let percent_encoding = encrypted / 16 + 64;
    signed.max(encrypted + percent_encoding)
}

#[cfg(test)]
mod tests {
    use actix_session::SessionExt as _;
    use actix_web::HttpResponse;
    use actix_web::cookie::{CookieJar, Key};
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn head_size_includes_status_headers_and_session_cookie() {
        let request = TestRequest::default().to_http_request();
        let session = request.get_session();
        let response = HttpResponse::SeeOther()
            .insert_header(("location", "/"))
            .finish()
            .drop_body();
        let response = ServiceResponse::new(request, response);
        let without_session = max_bytes(&response, Some(&session), 0);
        assert_eq!(
            without_session,
            FIXED_BYTES + "See Other".len() + "location: /\r\n".len()
        );
        session.insert("app", "x".repeat(2_000)).unwrap();
        assert!(max_bytes(&response, Some(&session), 0) > without_session + 2_600);
        session.insert("app", "x".repeat(9_000)).unwrap();
        assert_eq!(
            max_bytes(&response, Some(&session), 0),
            without_session + SESSION_KEY_BYTES
        );
        session.purge();
        assert_eq!(
            max_bytes(&response, Some(&session), 0),
            without_session + SESSION_KEY_BYTES
        );
    }

    #[test]
    fn estimate_is_at_least_the_actix_session_cookie() {
        let states = [
            "x".repeat(2_900),
            "{\"a\":1}".repeat(200),
            "ü".repeat(900),
            "Sign In, ".repeat(300),
        ];
        let key = Key::generate();
        for state in states {
            let estimate = cookie_value_bytes(&state);
            for _ in 0..50 {
                let mut jar = CookieJar::new();
                jar.private_mut(&key).add(Cookie::new("id", state.clone()));
                assert!(jar.get("id").unwrap().encoded().to_string().len() <= estimate);
            }
            let mut jar = CookieJar::new();
            jar.signed_mut(&key).add(Cookie::new("id", state));
            assert!(jar.get("id").unwrap().encoded().to_string().len() <= estimate);
        }
    }
}
