//! Delayed calls: calls of a redirect that wait for the visitor's next page.
//!
//! ```text
//!              redirect                      page or capable response
//!  recorded ───────────▶ carrier cookie ───────────────────────────────▶ claimed
//!                 │       (browser)                                     │       │
//!                 │                                     body is read ◀──┘       └──▶ body is dropped
//!                 ▼                                          │                            │
//!           fallback copy                                    ▼                            ▼
//!       (outbox or memory) ◀──────── done ─────────────  committed                     released
//!                 │                                                            (waits again)
//!                 └── nobody claimed it in time ──▶ delivered by the server
//! ```
//!
//! * [`carrier`] encrypts a payload into a one-shot cookie and reads the cookies that come back.
//! * [`session_payload`] reads a payload that an earlier version left in the application's session.
//! * `claims.rs` decides which request may replay a payload, and holds the fallback copies.

pub(crate) mod carrier;
pub(crate) mod claims;
pub(crate) mod fallback;
pub(crate) mod session_payload;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::call::Calls;

/// Calls that wait for the next page, with the ID that claims are made on.
///
/// The JSON form is the calls by mode, as the original gem stores them, and the payload's ID.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DelayedPayload {
    /// ID of the payload. Two requests that bring the same payload are told apart from two
    /// payloads by it.
    #[serde(default = "Uuid::nil")]
    pub(crate) id: Uuid,
    /// Calls by mode.
    #[serde(flatten)]
    pub(crate) calls: Calls,
}

/// Reason why a payload that came back cannot be replayed.
#[derive(Debug, Error)]
pub(crate) enum DecodeError {
    /// Not the calls by mode, or a name that is no method of mixpanel-js.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// Valid JSON without a call: another format, or an empty payload.
    #[error("it holds no calls")]
    Empty,
    /// Changed on the way, or encrypted with another key.
    #[error("the cookie cannot be decrypted: it was changed, or `cookie_key` was")]
    Undecryptable,
    /// Older than its cookie may live.
    #[error("it is older than a carrier cookie lives")]
    Expired,
}

impl DelayedPayload {
    /// Decodes the JSON form.
    ///
    /// # Errors
    /// [`DecodeError::Json`] or [`DecodeError::Empty`].
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
        let wire = serde_json::to_value(payload(1)).unwrap();
        let keys: Vec<&String> = wire.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["id", "tracking"]);
        let without_id: DelayedPayload =
            serde_json::from_value(json!({"setup": [[["identify"], ["1"]]]})).unwrap();
        assert_eq!(without_id.calls.identity(), Some("1"));
    }

    proptest! {
        /// A payload that was changed anywhere is refused, or holds nothing but calls by mode.
        #[test]
        fn decode_survives_any_change(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
            let mut written = serde_json::to_vec(&payload(2)).unwrap();
            let at = at.index(written.len());
            if cut { written.truncate(at) } else { written[at] = byte }
            let Ok(text) = String::from_utf8(written) else { return Ok(()) };
            if let Ok(read) = DelayedPayload::decode(&text) {
                prop_assert!(!read.calls.is_empty());
                let again = DelayedPayload::decode(&serde_json::to_string(&read).unwrap()).unwrap();
                prop_assert_eq!(again, read);
            }
        }

        #[test]
        fn decode_survives_any_text(text in "\\PC{0,60}|[\\[\\]{}\",:a-z0-9]{0,60}") {
            let _ = DelayedPayload::decode(&text);
        }
    }

    #[test]
    fn decode_refuses_other_formats_and_unknown_methods() {
        let deep = format!(
            "{{\"tracking\": [[[\"track\"], [{}1{}]]]}}",
            "[".repeat(500),
            "]".repeat(500)
        );
        let written = serde_json::to_string(&payload(1)).unwrap();
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
            assert!(DelayedPayload::decode(bad).is_err(), "{bad}");
        }
    }
}
