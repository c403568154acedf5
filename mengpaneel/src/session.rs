//! Delayed calls: how they lie in the session, or in a cookie of our own, between two requests.

use actix_session::{Session, SessionExt as _, SessionStatus};
use actix_web::cookie::{Cookie, CookieJar, Key, SameSite, time::Duration};
use actix_web::dev::ServiceRequest;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpMessage as _, HttpResponse};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::call::Calls;

/// Calls that wait for the next request.
///
/// Its JSON is the calls by mode, as the original gem stores them, and the payload's ID.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delayed {
    /// Names the payload, so that two tabs that bring it do not both run it.
    #[serde(default = "Uuid::new_v4")]
    pub id: Uuid,
    /// The calls.
    #[serde(flatten)]
    pub calls: Calls,
}

/// Why calls cannot wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoRoom {
    /// The handler purged the session, which takes nothing after that.
    #[error("the session was purged: give the builder a `cookie_key(…)`, and a cookie carries the calls instead")]
    Purged,
    /// The session would outgrow the cookie, or the bound that was configured.
    #[error("the session would take {0} bytes as a cookie, more than `max_session`")]
    Full(usize),
    /// The cookie of our own would be too large.
    #[error("a cookie of {0} bytes is more than a browser keeps")]
    CookieFull(usize),
}

/// The most that a browser keeps of a cookie, name and attributes included.
const MAX_COOKIE: usize = 4096;
/// What is left of it for the value, once name and attributes are off.
const COOKIE_ATTRIBUTES: usize = 160;
/// actix-session refuses more than this of plain state, with a 500.
const MAX_STATE: usize = 4064;

/// Whether a `SessionMiddleware` stands outside of ours: the session that it put in place survives
/// having the request's extensions swapped, the one that `get_session` would make does not.
pub fn is_present(request: &ServiceRequest) -> bool {
    let outside = std::mem::take(&mut *request.extensions_mut());
    let made = request.get_session();
    request.extensions_mut().extend(outside);
    let session = request.get_session();
    !std::ptr::eq(&raw const *made.entries(), &raw const *session.entries())
}

/// Why what was left cannot be replayed.
#[derive(Debug, Error)]
pub enum Unreadable {
    /// It is no calls by mode, or names what is no method of mixpanel-js.
    #[error("{0}")]
    Form(#[from] serde_json::Error),
    /// It is another format's, or an empty one.
    #[error("it holds no calls")]
    Empty,
    /// It was tampered with, or encrypted with another key.
    #[error("the cookie is not ours: it was changed, or `cookie_key` was")]
    Foreign,
}

/// What lies in the session under that key, as it was written.
pub fn peek(session: &Session, key: &str) -> Option<String> {
    session.entries().get(key).cloned()
}

/// Reads what was left.
pub fn read(raw: &str) -> Result<Delayed, Unreadable> {
    let delayed: Delayed = serde_json::from_str(raw)?;
    if delayed.calls.is_empty() { Err(Unreadable::Empty) } else { Ok(delayed) }
}

/// Puts calls in the session, if it still takes them and stays within `max_session` bytes as a
/// cookie, whatever its store.
pub fn put(session: &Session, key: &str, delayed: &Delayed, max_session: usize) -> Result<(), NoRoom> {
    if session.status() == SessionStatus::Purged {
        return Err(NoRoom::Purged);
    }
    let state = state_with(session, key, delayed);
    let size = cookie_size(&state);
    if size > max_session || (max_session <= MAX_COOKIE && state.len() > MAX_STATE) {
        return Err(NoRoom::Full(size));
    }
    session.insert(key, delayed).map_err(|_| NoRoom::Full(size))
}

/// Puts back what was taken out to be replayed.
pub fn put_back(session: &Session, key: &str, delayed: &Delayed) {
    if session.insert(key, delayed).is_err() {
        tracing::error!(target: "mengpaneel", id = %delayed.id, "delayed calls cannot be put back in the session");
    }
}

/// The whole session as actix-session writes it, with the calls in it.
fn state_with(session: &Session, key: &str, delayed: &Delayed) -> String {
    let mut entries = session.entries().clone();
    entries.insert(key.to_owned(), serde_json::to_string(delayed).unwrap_or_default());
    serde_json::to_string(&entries).unwrap_or_default()
}

/// The bytes of a cookie of that value, whichever of actix-session's two is longer: the signed one,
/// percent-encoded, or for a long plain text the encrypted one, in Base64.
fn cookie_size(state: &str) -> usize {
    const SIGNATURE: usize = 72;
    const NONCE_AND_TAG: usize = 28;
    let signed = SIGNATURE + Cookie::new("id", state).encoded().to_string().len();
    let encrypted = (state.len() + NONCE_AND_TAG).div_ceil(3) * 4;
    // Two of 64 letters are percent-encoded, as chance has it: by two bytes more each.
    let escaped = encrypted / 16 + 64;
    signed.max(encrypted + escaped)
}

/// Reads the calls in a cookie of our own.
pub fn open(cookie: Cookie<'static>, key: &Key) -> Result<Delayed, Unreadable> {
    let name = cookie.name().to_owned();
    let mut jar = CookieJar::new();
    jar.add_original(cookie);
    let opened = jar.private(key).get(&name).ok_or(Unreadable::Foreign)?;
    read(opened.value())
}

/// Puts calls in an encrypted cookie of our own, for the next request only.
pub fn put_cookie(
    response: &mut HttpResponse<()>,
    name: &str,
    key: &Key,
    delayed: &Delayed,
    secure: bool,
) -> Result<(), NoRoom> {
    let value = serde_json::to_string(delayed).unwrap_or_default();
    let mut jar = CookieJar::new();
    jar.private_mut(key).add(Cookie::new(name.to_owned(), value));
    let Some(mut cookie) = jar.get(name).cloned() else { return Err(NoRoom::CookieFull(0)) };
    cookie.set_path("/");
    cookie.set_http_only(true);
    cookie.set_same_site(SameSite::Lax);
    cookie.set_secure(secure);
    cookie.set_max_age(Duration::days(4));
    let header = cookie.encoded().to_string();
    if header.len() > MAX_COOKIE - COOKIE_ATTRIBUTES {
        return Err(NoRoom::CookieFull(header.len()));
    }
    let header = HeaderValue::from_str(&header).map_err(|_| NoRoom::CookieFull(header.len()))?;
    response.headers_mut().append(header::SET_COOKIE, header);
    Ok(())
}

/// Takes the cookie of our own from the browser.
pub fn clear(response: &mut HttpResponse<()>, name: &str) {
    let header = format!("{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    if let Ok(header) = HeaderValue::from_str(&header) {
        response.headers_mut().append(header::SET_COOKIE, header);
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use serde_json::json;

    use super::*;
    use crate::call::{Call, Method};

    fn delayed(events: usize) -> Delayed {
        let call = Call::new(Method::Track, vec![json!("Sign In"), json!({"</script>": "ü \u{2028}"})]);
        Delayed { id: Uuid::now_v7(), calls: Calls { tracking: vec![call; events], ..Calls::default() } }
    }

    fn session() -> Session {
        TestRequest::default().to_http_request().get_session()
    }

    #[test]
    fn calls_come_out_of_the_session_as_they_went_in() {
        let (session, delayed) = (session(), delayed(2));
        put(&session, "key", &delayed, 3800).unwrap();
        assert_eq!(read(&peek(&session, "key").unwrap()).unwrap(), delayed);
    }

    #[test]
    fn the_wire_form_is_the_calls_by_mode_and_an_id() {
        let wire = serde_json::to_value(delayed(1)).unwrap();
        let keys: Vec<&String> = wire.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["id", "tracking"]);
        let without_id: Delayed = serde_json::from_value(json!({"setup": [[["identify"], ["1"]]]})).unwrap();
        assert_eq!(without_id.calls.identity(), Some("1"));
    }

    #[test]
    fn a_purged_session_takes_nothing() {
        let session = session();
        session.purge();
        assert_eq!(put(&session, "key", &delayed(1), 3800), Err(NoRoom::Purged));
    }

    #[test]
    fn a_session_that_would_outgrow_its_cookie_takes_nothing_and_keeps_what_it_has() {
        let session = session();
        session.insert("own", "x".repeat(3000)).unwrap();
        assert!(matches!(put(&session, "key", &delayed(20), 3800), Err(NoRoom::Full(_))));
        assert_eq!(session.entries().len(), 1);
    }

    #[test]
    fn what_is_old_cut_deep_or_names_what_is_no_method_is_refused() {
        let deep = format!("{{\"tracking\": [[[\"track\"], [{}1{}]]]}}", "[".repeat(500), "]".repeat(500));
        let written = serde_json::to_string(&delayed(1)).unwrap();
        let bad = [
            r#"{"tracking": 1}"#,
            "[]",
            "",
            "null",
            r#"{"version": 2, "later": []}"#,
            r#"{"tracking": [[["constructor"], []]]}"#,
            r#"{"id": "7", "tracking": [[["track"], ["Sign In"]]]}"#,
            &written[..written.len() - 1],
            &deep,
        ];
        for bad in bad {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_session_middleware_outside_of_ours_is_told_from_none() {
        assert!(!is_present(&TestRequest::default().to_srv_request()));
        let request = TestRequest::default().to_srv_request();
        request.get_session().insert("own", 1).unwrap();
        assert!(is_present(&request));
        assert_eq!(request.get_session().get::<u8>("own").unwrap(), Some(1));
    }

    #[test]
    fn calls_come_back_from_a_cookie_that_only_we_can_read() {
        let (key, delayed) = (Key::generate(), delayed(2));
        let mut response = HttpResponse::Ok().finish().drop_body();
        put_cookie(&mut response, "mp", &key, &delayed, true).unwrap();
        let cookie = response.cookies().next().unwrap().into_owned();
        assert_eq!(open(cookie.clone(), &key).unwrap(), delayed);
        assert!(matches!(open(cookie, &Key::generate()), Err(Unreadable::Foreign)));
    }

    #[test]
    fn no_cookie_of_actix_session_is_longer_than_was_measured() {
        let states = ["x".repeat(2_900), "{\"a\":1}".repeat(200), "ü".repeat(900), "Sign In, ".repeat(300)];
        let key = Key::generate();
        for state in states {
            let size = cookie_size(&state);
            for _ in 0..50 {
                let mut jar = CookieJar::new();
                jar.private_mut(&key).add(Cookie::new("id", state.clone()));
                assert!(jar.get("id").unwrap().encoded().to_string().len() <= size);
            }
            let mut jar = CookieJar::new();
            jar.signed_mut(&key).add(Cookie::new("id", state));
            assert!(jar.get("id").unwrap().encoded().to_string().len() <= size);
        }
    }
}
