//! Delayed calls: calls of a redirect that wait for the visitor's next page.
//!
//! A payload is one set of calls with an ID. Each payload has these states:
//!
//! ```text
//!  recorded
//!     │  put: the redirect sets a carrier cookie
//!     │  schedule fallback: a copy of the calls is stored with a due time
//!     ▼
//!  pending ─────────── claim, confirm ───────────▶ claimed
//!     │   ▲                                        │     │
//!     │   └─── release: the response is not sent ──┘     │
//!     │                                                  │
//!     │  due: the server delivers the copy               │  commit: the response is sent
//!     ▼                                                  │
//!   done ◀───────────────────────────────────────────────┘
//! ```
//!
//! 1. *Put.* [`carrier`] encrypts the payload into a one-shot cookie of the redirect.
//! 2. *Schedule fallback.* [`fallback`] stores a copy, in the outbox if the outbox outlives the
//!    process, otherwise in memory. The response waits half a second at most for the outbox.
//! 3. *Claim.* A request brings the payload back, and the browser will run the calls of its
//!    response. [`claims`] grants the claim to one request of this process. A second request leaves
//!    a claimed payload where it is, and drops a done one.
//! 4. *Confirm.* If the outbox outlives the process, it grants the claim against other processes
//!    and the worker. If another process holds the payload, the claim is released here; if the
//!    calls were sent, the payload is done. Without an answer within half a second, or if the
//!    outbox has no copy, the local claim counts.
//! 5. *Commit.* The claim travels with the response's body. The first read of the body commits the
//!    claim, and so does an empty body, which is never read. The copy is removed. If the outbox
//!    cannot be reached, its removal is retried while the outbox upholds the claim.
//! 6. *Release.* A claim that is dropped before (panic, disconnect, a body that is not read) makes
//!    the payload pending again. The cookie was not removed, so the next page can bring it back.
//!
//! *Due.* A pending copy whose time is over is enqueued for delivery by the server; a later claim
//! finds the payload done. A copy in memory whose payload is claimed is checked again after the
//! same delay. A claim in the outbox expires after a minute, because its process may have died.
//!
//! Without a shared outbox, another process may replay a payload whose copy is in this one's
//! memory. Once such a process was seen, and at shutdown, only calls that Mixpanel deduplicates are
//! delivered from copies in memory.
//!
//! [`session_payload`] reads payloads that an earlier version stored in the application's session.
//! They are claimed in the same way. This version stores no fallback copies of them.

pub(crate) mod carrier;
pub(crate) mod claims;
pub(crate) mod fallback;
pub(crate) mod session_payload;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::call::Calls;

/// Calls that wait for the next page, with the ID by which they are claimed.
///
/// The JSON form is the calls by mode, as the original gem stores them, and the payload's ID.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DelayedPayload {
    /// ID of the payload. Shows whether two requests brought the same payload or two equal ones.
    #[serde(default = "Uuid::nil")]
    pub(crate) id: Uuid,
    /// Calls by mode.
    #[serde(flatten)]
    pub(crate) calls: Calls,
}

/// Reason why a payload that a request brought cannot be replayed.
#[derive(Debug, Error)]
pub(crate) enum DecodeError {
    /// The JSON does not hold calls by mode, or names an unknown method of mixpanel-js.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// The JSON is valid and holds no call: another format, or an empty payload.
    #[error("the payload holds no calls")]
    Empty,
    /// The cookie was changed, or encrypted with another key.
    #[error("the cookie cannot be decrypted: the cookie or `cookie_key` was changed")]
    Undecryptable,
    /// The payload is older than a carrier cookie may be.
    #[error("the payload is older than a carrier cookie may be")]
    Expired,
}

impl DelayedPayload {
    /// Decodes the JSON form.
    ///
    /// # Errors
    /// [`DecodeError::Json`] for malformed JSON, [`DecodeError::Empty`] for JSON without calls.
    pub(crate) fn decode(json: &str) -> Result<Self, DecodeError> {
        let payload: Self = serde_json::from_str(json)?;
        if payload.calls.is_empty() {
            Err(DecodeError::Empty)
        } else {
            Ok(payload)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::call::{Call, Method};

    fn payload(events: usize) -> DelayedPayload {
        let call = Call::new(
            Method::Track,
            vec![json!("Sign In"), json!({"</script>": "ü \u{2028}"})],
        );
        DelayedPayload {
            id: Uuid::now_v7(),
            calls: Calls {
                tracking: vec![call; events],
                ..Calls::default()
            },
        }
    }

    #[test]
    fn json_form_is_the_calls_by_mode_and_an_id() {
        let encoded = serde_json::to_value(payload(1)).unwrap();
        let keys: Vec<&String> = encoded.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["id", "tracking"]);
        let without_id: DelayedPayload =
            serde_json::from_value(json!({"setup": [[["identify"], ["1"]]]})).unwrap();
        assert_eq!(without_id.calls.identity(), Some("1"));
    }

    proptest! {
        /// A changed payload is refused, or holds calls by mode.
        #[test]
        fn decode_survives_any_change(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
            let mut encoded = serde_json::to_vec(&payload(2)).unwrap();
            let at = at.index(encoded.len());
            if cut { encoded.truncate(at) } else { encoded[at] = byte }
            let Ok(text) = String::from_utf8(encoded) else { return Ok(()) };
            if let Ok(decoded) = DelayedPayload::decode(&text) {
                prop_assert!(!decoded.calls.is_empty());
                let redecoded = DelayedPayload::decode(&serde_json::to_string(&decoded).unwrap()).unwrap();
                prop_assert_eq!(redecoded, decoded);
            }
        }

        #[test]
        fn decode_survives_any_text(text in "\\PC{0,60}|[\\[\\]{}\",:a-z0-9]{0,60}") {
            let _ = DelayedPayload::decode(&text);
        }
    }

    #[test]
    fn decode_refuses_other_formats_and_unknown_methods() {
        let deeply_nested = format!(
            "{{\"tracking\": [[[\"track\"], [{}1{}]]]}}",
            "[".repeat(500),
            "]".repeat(500)
        );
        let encoded = serde_json::to_string(&payload(1)).unwrap();
        let malformed = [
            r#"{"tracking": 1}"#,
            "[]",
            "",
            "null",
            r#"{"version": 2, "later": []}"#,
            r#"{"tracking": [[["constructor"], []]]}"#,
            r#"{"id": "7", "tracking": [[["track"], ["Sign In"]]]}"#,
            &encoded[..encoded.len() - 1],
            &deeply_nested,
        ];
        for text in malformed {
            assert!(DelayedPayload::decode(text).is_err(), "{text}");
        }
    }
}
