//! Persisted form of a record, shared by the outboxes that store bytes.

use serde::de::Error as _;
use serde::{Deserialize, Serialize};

use crate::outbox::{Lease, LeaseId};
use crate::record::envelope::Envelope;
use crate::record::envelope::codec;
use crate::translate::message::Message;

#[derive(Serialize)]
struct RecordRef<'a> {
    #[serde(rename = "parcel")]
    envelope: &'a Envelope,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<&'a [Message]>,
    #[serde(skip_serializing_if = "is_zero")]
    attempts: u32,
    /// Stored so that a record in doubt stays so if the worker returns it untouched.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    in_doubt: bool,
}

#[derive(Deserialize)]
struct RecordOwned {
    #[serde(rename = "parcel")]
    envelope: Envelope,
    #[serde(default)]
    remaining: Option<Vec<Message>>,
    #[serde(default)]
    attempts: u32,
    #[serde(default)]
    in_doubt: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(attempts: &u32) -> bool {
    *attempts == 0
}

/// First byte of a record in binary form. A record in JSON begins with a brace.
const VERSION_BINARY: u8 = 1;

/// Encodes a new record in binary form.
pub(crate) fn encode_envelope(envelope: &Envelope) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(512);
    encoded.push(VERSION_BINARY);
    codec::write(envelope, &mut encoded);
    encoded
}

/// Returns the encoded envelope of a record in binary form; `None` for JSON or a truncated record.
pub(crate) fn as_encoded_envelope(record: &[u8]) -> Option<&[u8]> {
    record
        .strip_prefix(&[VERSION_BINARY])
        .filter(|envelope| codec::validate(envelope))
}

/// Encodes a record after a lease, with its remaining messages, as JSON.
pub(crate) fn encode_lease(lease: &Lease) -> serde_json::Result<Vec<u8>> {
    let Lease {
        envelope,
        remaining,
        attempts,
        in_doubt,
        ..
    } = lease;
    let (attempts, in_doubt) = (*attempts, *in_doubt);
    serde_json::to_vec(&RecordRef {
        envelope,
        remaining: remaining.as_deref(),
        attempts,
        in_doubt,
    })
}

/// Decodes a record in either form, as a lease with this ID.
pub(crate) fn decode(id: LeaseId, record: &[u8]) -> serde_json::Result<Lease> {
    if let Some(envelope) = record.strip_prefix(&[VERSION_BINARY]) {
        let envelope = codec::decode(envelope)
            .ok_or_else(|| serde_json::Error::custom("the record is truncated"))?;
        return Ok(Lease::new(id, envelope));
    }
    let RecordOwned {
        envelope,
        remaining,
        attempts,
        in_doubt,
    } = serde_json::from_slice(record)?;
    Ok(Lease {
        remaining,
        attempts,
        in_doubt,
        ..Lease::new(id, envelope)
    })
}

/// Returns a record with only what may be delivered twice; see
/// [`retain_deduplicable`](Envelope::retain_deduplicable).
#[cfg(feature = "file")]
pub(crate) fn retain_deduplicable(record: &[u8]) -> Option<Vec<u8>> {
    let lease = decode(LeaseId(String::new()), record).ok()?;
    lease
        .envelope
        .retain_deduplicable()
        .map(|envelope| encode_envelope(&envelope))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::call::{Call, Calls, Method};
    use crate::record::visitor::Visitor;

    fn lease() -> Lease {
        let call = Call::new(
            Method::Track,
            vec![json!("Sign In"), json!({"Plan": "Pro"})],
        );
        let envelope = Envelope::new(
            Visitor::default(),
            Calls {
                tracking: vec![call],
                ..Calls::default()
            },
        );
        Lease::new(LeaseId("1".into()), envelope)
    }

    #[test]
    fn new_record_is_binary_and_retried_record_is_json() {
        let lease = lease();
        let new = encode_envelope(&lease.envelope);
        assert!(as_encoded_envelope(&new).is_some());
        assert_eq!(decode(lease.id.clone(), &new).unwrap(), lease);

        let retried = Lease {
            attempts: 2,
            remaining: Some(vec![]),
            in_doubt: true,
            ..lease
        };
        let encoded = encode_lease(&retried).unwrap();
        assert!(encoded.starts_with(b"{") && as_encoded_envelope(&encoded).is_none());
        assert_eq!(decode(retried.id.clone(), &encoded).unwrap(), retried);
    }

    #[test]
    fn truncated_record_is_refused() {
        let encoded = encode_envelope(&lease().envelope);
        for end in 0..encoded.len() {
            assert!(as_encoded_envelope(&encoded[..end]).is_none());
            assert!(decode(LeaseId("1".into()), &encoded[..end]).is_err());
        }
    }
}
