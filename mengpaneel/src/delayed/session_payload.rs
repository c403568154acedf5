//! Payload that an earlier version left in the application's session. Nothing is written there any
//! more.

use actix_session::{Session, SessionExt as _, SessionStatus};
use actix_web::HttpMessage as _;
use actix_web::dev::ServiceRequest;
use sha2::{Digest as _, Sha256};

use crate::delayed::{DecodeError, DelayedPayload};

/// Returns whether a `SessionMiddleware` of the actix-session that we are built with stands outside
/// of ours.
///
/// The session that such a middleware put in place survives having the request's extensions
/// swapped; the empty one that `get_session` makes does not. That one stays in the request, so that
/// a second Mengpaneel goes by what the first one found; a session middleware between the two would
/// load its state into it.
pub(crate) fn is_present(request: &ServiceRequest) -> bool {
    if request.extensions().contains::<Absent>() {
        return !request.get_session().entries().is_empty();
    }
    let outside = std::mem::take(&mut *request.extensions_mut());
    let made = request.get_session();
    request.extensions_mut().extend(outside);
    let session = request.get_session();
    let is_present = !std::ptr::eq(&raw const *made.entries(), &raw const *session.entries());
    if !is_present {
        request.extensions_mut().insert(Absent);
    }
    is_present
}

/// Marks a request that came without a session.
struct Absent;

/// Encoded payload under that session key. `None` where there is none.
pub(crate) fn encoded(session: &Session, key: &str) -> Option<String> {
    session.entries().get(key).cloned()
}

/// Decodes a payload. One without an ID, as the original gem writes it, has an ID that follows from
/// its content: it stays in the session, and each request that brings it must claim the same
/// payload.
///
/// # Errors
/// As [`DelayedPayload::decode`].
pub(crate) fn decode(encoded: &str) -> Result<DelayedPayload, DecodeError> {
    let mut payload = DelayedPayload::decode(encoded)?;
    if payload.id.is_nil() {
        let hash = Sha256::digest(encoded.as_bytes());
        let mut bytes = [0; 16];
        bytes
            .iter_mut()
            .zip(hash)
            .for_each(|(byte, of_hash)| *byte = of_hash);
        payload.id = uuid::Builder::from_random_bytes(bytes).into_uuid();
    }
    Ok(payload)
}

/// Removes a payload that was replayed, if the application writes the session in this request
/// anyway.
///
/// A write of our own would store the state that this request loaded over what a parallel request
/// stored since. A payload that stays is not replayed again: its claim is remembered.
pub(crate) fn remove_if_written(session: &Session, key: &str) {
    if matches!(
        session.status(),
        SessionStatus::Changed | SessionStatus::Renewed
    ) {
        session.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn session_of_an_outer_middleware_differs_from_an_empty_one() {
        let request = TestRequest::default().to_srv_request();
        assert!(!is_present(&request) && !is_present(&request));
        request.get_session().insert("own", 1).unwrap();
        assert!(is_present(&request));
        let request = TestRequest::default().to_srv_request();
        request.get_session().insert("own", 1).unwrap();
        assert!(is_present(&request));
        assert_eq!(request.get_session().get::<u8>("own").unwrap(), Some(1));
    }

    #[test]
    fn payload_without_an_id_has_the_same_id_each_time() {
        let (one, other) = (
            r#"{"tracking":[[["track"],["A"]]]}"#,
            r#"{"tracking":[[["track"],["B"]]]}"#,
        );
        assert_eq!(decode(one).unwrap().id, decode(one).unwrap().id);
        assert_ne!(decode(one).unwrap().id, decode(other).unwrap().id);
    }

    #[test]
    fn payload_is_removed_only_where_the_application_writes() {
        let request = TestRequest::default().to_srv_request();
        let session = request.get_session();
        remove_if_written(&session, "key");
        assert_eq!(session.status(), SessionStatus::Unchanged);
        session.insert("key", 1).unwrap();
        remove_if_written(&session, "key");
        assert!(session.entries().is_empty());
    }
}
