//! Size of a response's head, which a reverse proxy bounds: nginx answers 502 where the head is
//! larger than its `proxy_buffer_size` (one memory page, 4 or 8 KB, by default).

use actix_session::{Session, SessionStatus};
use actix_web::cookie::Cookie;
use actix_web::dev::ServiceResponse;

/// Status line without its reason, and the headers that Actix adds: date, length, connection.
const FIXED_BYTES: usize = 128;
/// Name and attributes of actix-session's cookie.
const SESSION_ATTRIBUTE_BYTES: usize = 128;
/// Whole session cookie that only names a state which a store keeps, or that takes the cookie away.
const SESSION_KEY_BYTES: usize = 320;
/// Most state that actix-session's cookie store takes. More of it is in another store.
const MAX_COOKIE_STATE: usize = 4_064;

/// Upper bound of the bytes in the response's head, as it is now and with the session cookie that
/// an outer `SessionMiddleware` may add.
pub(crate) fn bytes(
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

/// Bytes of the `Set-Cookie` line that actix-session may write after us.
///
/// A session that nobody changed can be written too, to prolong it. Which store holds the state is
/// not known here; a state that is longer than all cookies of the request, or than a cookie can be,
/// is not in a cookie.
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
    let was_elsewhere = status == SessionStatus::Unchanged && request_cookie_bytes < state.len();
    if was_elsewhere || state.len() > MAX_COOKIE_STATE {
        return SESSION_KEY_BYTES;
    }
    (cookie_value_bytes(&state) + SESSION_ATTRIBUTE_BYTES).max(SESSION_KEY_BYTES)
}

/// Bytes of a cookie with that state, for the longer of actix-session's two kinds: signed and
/// percent-encoded, or encrypted in Base64.
fn cookie_value_bytes(state: &str) -> usize {
    const SIGNATURE: usize = 72;
    const NONCE_AND_TAG: usize = 28;
    let signed = SIGNATURE + Cookie::new("id", state).encoded().to_string().len();
    let encrypted = (state.len() + NONCE_AND_TAG).div_ceil(3) * 4;
    // Two of the 64 letters are percent-encoded, by two bytes more each.
    let escaped = encrypted / 16 + 64;
    signed.max(encrypted + escaped)
}

#[cfg(test)]
mod tests {
    use actix_session::SessionExt as _;
    use actix_web::HttpResponse;
    use actix_web::cookie::{CookieJar, Key};
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn head_counts_status_headers_and_the_session_cookie() {
        let request = TestRequest::default().to_http_request();
        let session = request.get_session();
        let response = HttpResponse::SeeOther()
            .insert_header(("location", "/"))
            .finish()
            .drop_body();
        let response = ServiceResponse::new(request, response);
        let alone = bytes(&response, Some(&session), 0);
        assert_eq!(
            alone,
            FIXED_BYTES + "See Other".len() + "location: /\r\n".len()
        );
        session.insert("own", "x".repeat(2_000)).unwrap();
        assert!(bytes(&response, Some(&session), 0) > alone + 2_600);
        session.insert("own", "x".repeat(9_000)).unwrap();
        assert_eq!(
            bytes(&response, Some(&session), 0),
            alone + SESSION_KEY_BYTES
        );
        session.purge();
        assert_eq!(
            bytes(&response, Some(&session), 0),
            alone + SESSION_KEY_BYTES
        );
    }

    #[test]
    fn estimate_is_never_below_a_cookie_of_actix_session() {
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
