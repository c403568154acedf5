//! Delayed calls: how they lie in the session, or in a cookie of our own, between two requests.

use actix_session::{Session, SessionExt as _, SessionStatus};
use actix_web::cookie::{Cookie, CookieJar, Key, SameSite, time::Duration};
use actix_web::dev::ServiceRequest;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};
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
    #[serde(default = "Uuid::now_v7")]
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
    const PROBE: &str = "mengpaneel_probe";
    let outside = std::mem::take(&mut *request.extensions_mut());
    let probed = request.get_session().insert(PROBE, true);
    request.extensions_mut().extend(outside);
    let session = request.get_session();
    let present = probed.is_ok() && !session.contains_key(PROBE);
    if !present {
        session.remove(PROBE);
    }
    present
}

/// Takes the calls out of the session. What is there but cannot be read is taken out and told in
/// one log line; the rest of the session stays.
pub fn take(session: &Session, key: &str) -> Option<Delayed> {
    let raw = session.remove(key)?;
    read(&raw, "session")
}

fn read(raw: &str, place: &str) -> Option<Delayed> {
    serde_json::from_str(raw)
        .inspect_err(|error| {
            tracing::warn!(target: "mengpaneel", "delayed calls in the {place} cannot be read, and are ignored: {error}");
        })
        .ok()
}

/// Puts calls in the session, if it still takes them and stays within `max_session` bytes as a
/// cookie, whatever its store: measured as the longer of actix-session's two cookies, the signed.
pub fn put(session: &Session, key: &str, delayed: &Delayed, max_session: usize) -> Result<(), NoRoom> {
    if session.status() == SessionStatus::Purged {
        return Err(NoRoom::Purged);
    }
    let state = state_with(session, key, delayed);
    let size = signed_size(&state);
    if size > max_session || (max_session <= MAX_COOKIE && state.len() > MAX_STATE) {
        return Err(NoRoom::Full(size));
    }
    session.insert(key, delayed).map_err(|_| NoRoom::Full(size))
}

/// The whole session as actix-session writes it, with the calls in it.
fn state_with(session: &Session, key: &str, delayed: &Delayed) -> String {
    let mut entries = session.entries().clone();
    entries.insert(key.to_owned(), serde_json::to_string(delayed).unwrap_or_default());
    serde_json::to_string(&entries).unwrap_or_default()
}

/// The bytes of a signed cookie of that value: signature, percent-encoded value.
fn signed_size(state: &str) -> usize {
    const SIGNATURE: usize = 44;
    SIGNATURE + Cookie::new("id", state).encoded().to_string().len()
}

/// Takes the calls out of the cookie of our own; the answer is to [`clear`] it then.
pub fn take_cookie(request: &HttpRequest, name: &str, key: &Key) -> Option<Delayed> {
    let mut jar = CookieJar::new();
    jar.add_original(request.cookie(name)?.into_owned());
    let Some(cookie) = jar.private(key).get(name) else {
        tracing::warn!(target: "mengpaneel", "a cookie of delayed calls was not ours, and is ignored");
        return None;
    };
    read(cookie.value(), "cookie")
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
    use serde_json::{Value, json};

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
        assert_eq!(take(&session, "key"), Some(delayed));
        assert!(!session.contains_key("key"));
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
    fn what_cannot_be_read_is_ignored_and_the_rest_of_the_session_kept() {
        let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
        for bad in
            [json!({"tracking": 1}), json!([]), json!({"tracking": [[["constructor"], []]]}), Value::String(deep)]
        {
            let session = session();
            session.insert("own", 1).unwrap();
            session.insert("key", bad).unwrap();
            assert_eq!(take(&session, "key"), None);
            assert_eq!(session.get::<u8>("own").unwrap(), Some(1));
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
        let request = TestRequest::default().cookie(cookie).to_http_request();
        assert_eq!(take_cookie(&request, "mp", &key), Some(delayed.clone()));
        assert_eq!(take_cookie(&request, "mp", &Key::generate()), None);
    }
}
