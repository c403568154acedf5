//! Payload that an earlier version stored in the application's session. This version only reads and
//! removes it.

use actix_session::{Session, SessionExt as _, SessionStatus};
use actix_web::HttpMessage as _;
use actix_web::dev::ServiceRequest;
use sha2::{Digest as _, Sha256};

use crate::delayed::{DecodeError, DelayedPayload};

/// Returns whether a `SessionMiddleware` is wrapped outside of this middleware. Only the version of
/// actix-session that this crate is built with is detected.
///
/// The probe: a session is created in empty extensions, then the request's extensions are put back.
/// The session of an outer middleware replaces the probe session. Without one, the probe remains,
/// and the request is marked for a second Mengpaneel inside. That one finds a session only if a
/// session middleware between the two has loaded its state into the probe.
pub(crate) fn is_present(request: &ServiceRequest) -> bool {
    if request.extensions().contains::<Absent>() {
        return !request.get_session().entries().is_empty();
    }
    let extensions = std::mem::take(&mut *request.extensions_mut());
    let probe = request.get_session();
    request.extensions_mut().extend(extensions);
    let session = request.get_session();
    let is_present = !std::ptr::eq(&raw const *probe.entries(), &raw const *session.entries());
    if !is_present {
        request.extensions_mut().insert(Absent);
    }
    is_present
}

/// Marks a request without a session middleware outside.
struct Absent;

/// Decodes a payload.
///
/// A payload of the original gem has no ID, and gets one that is derived from its content. Such a
/// payload remains in the session, and each request that brings it must claim the same ID.
///
/// # Errors
/// Same as [`DelayedPayload::decode`].
pub(crate) fn decode(encoded: &str) -> Result<DelayedPayload, DecodeError> {
    let mut payload = DelayedPayload::decode(encoded)?;
    if payload.id.is_nil() {
        let hash: [u8; 32] = Sha256::digest(encoded.as_bytes()).into();
        let bytes = hash.first_chunk().copied().unwrap_or_default();
        payload.id = uuid::Builder::from_random_bytes(bytes).into_uuid();
    }
    Ok(payload)
}

/// Removes a replayed payload from the session, if the application writes the session in this
/// request anyway.
///
/// An additional write would overwrite the changes of a parallel request with the state that this
/// request loaded. A payload that remains is not replayed again, because its claim is remembered.
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
    fn outer_session_middleware_is_detected() {
        let request = TestRequest::default().to_srv_request();
        assert!(!is_present(&request) && !is_present(&request));
        request.get_session().insert("app", 1).unwrap();
        assert!(is_present(&request));
        let request = TestRequest::default().to_srv_request();
        request.get_session().insert("app", 1).unwrap();
        assert!(is_present(&request));
        assert_eq!(request.get_session().get::<u8>("app").unwrap(), Some(1));
    }

    #[test]
    fn payload_without_id_has_the_same_id_each_time() {
        let (first, second) = (
            r#"{"tracking":[[["track"],["A"]]]}"#,
            r#"{"tracking":[[["track"],["B"]]]}"#,
        );
        assert_eq!(decode(first).unwrap().id, decode(first).unwrap().id);
        assert_ne!(decode(first).unwrap().id, decode(second).unwrap().id);
    }

    #[test]
    fn payload_is_removed_only_if_application_writes() {
        let request = TestRequest::default().to_srv_request();
        let session = request.get_session();
        remove_if_written(&session, "key");
        assert_eq!(session.status(), SessionStatus::Unchanged);
        session.insert("key", 1).unwrap();
        remove_if_written(&session, "key");
        assert!(session.entries().is_empty());
    }
}
