//! A record: how a lease is written down, by every outbox that writes.

use serde::de::Error as _;
use serde::{Deserialize, Serialize};

use crate::outbox::{Lease, LeaseId};
use crate::record::envelope::Envelope;
use crate::record::envelope::codec;
use crate::translate::message::Message;

#[derive(Serialize)]
struct RecordRef<'a> {
    parcel: &'a Envelope,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<&'a [Message]>,
    #[serde(skip_serializing_if = "is_zero")]
    attempts: u32,
    /// A record that is given back before anybody looked at it stays in doubt.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    in_doubt: bool,
}

#[derive(Deserialize)]
struct RecordOwned {
    parcel: Envelope,
    #[serde(default)]
    remaining: Option<Vec<Message>>,
    #[serde(default)]
    attempts: u32,
    #[serde(default)]
    in_doubt: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(attempts: &u32) -> bool {
    *attempts == 0
}

/// The first byte of a record that is a compact parcel; one of JSON begins with a brace.
const VERSION_BINARY: u8 = 1;

/// A parcel as it is first written.
pub(crate) fn encode_envelope(parcel: &Envelope) -> Vec<u8> {
    let mut written = Vec::with_capacity(512);
    written.push(VERSION_BINARY);
    codec::write(parcel, &mut written);
    written
}

/// The compact parcel that a record is, where it is a whole one.
pub(crate) fn as_encoded_envelope(written: &[u8]) -> Option<&[u8]> {
    written
        .strip_prefix(&[VERSION_BINARY])
        .filter(|parcel| codec::validate(parcel))
}

/// A lease as it is written again: with what is left of it.
pub(crate) fn encode_lease(lease: &Lease) -> serde_json::Result<Vec<u8>> {
    let Lease {
        envelope: parcel,
        remaining,
        attempts,
        in_doubt,
        ..
    } = lease;
    let (attempts, in_doubt) = (*attempts, *in_doubt);
    serde_json::to_vec(&RecordRef {
        parcel,
        remaining: remaining.as_deref(),
        attempts,
        in_doubt,
    })
}

/// What was written, as a lease of that name.
pub(crate) fn decode(id: LeaseId, written: &[u8]) -> serde_json::Result<Lease> {
    if let Some(parcel) = written.strip_prefix(&[VERSION_BINARY]) {
        let parcel =
            codec::decode(parcel).ok_or_else(|| serde_json::Error::custom("it is cut off"))?;
        return Ok(Lease::new(id, parcel));
    }
    let RecordOwned {
        parcel,
        remaining,
        attempts,
        in_doubt,
    } = serde_json::from_slice(written)?;
    Ok(Lease {
        remaining,
        attempts,
        in_doubt,
        ..Lease::new(id, parcel)
    })
}

/// Returns an encoded envelope with only what may be delivered twice; see
/// [`retain_deduplicable`](Envelope::retain_deduplicable).
#[cfg(feature = "file")]
pub(crate) fn retain_deduplicable(written: &[u8]) -> Option<Vec<u8>> {
    let lease = decode(LeaseId(String::new()), written).ok()?;
    lease
        .envelope
        .retain_deduplicable()
        .map(|parcel| encode_envelope(&parcel))
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
        let parcel = Envelope::new(
            Visitor::default(),
            Calls {
                tracking: vec![call],
                ..Calls::default()
            },
        );
        Lease::new(LeaseId("1".into()), parcel)
    }

    #[test]
    fn what_was_not_tried_is_compact_and_what_was_is_json() {
        let lease = lease();
        let first = encode_envelope(&lease.envelope);
        assert!(as_encoded_envelope(&first).is_some());
        assert_eq!(decode(lease.id.clone(), &first).unwrap(), lease);

        let tried = Lease {
            attempts: 2,
            remaining: Some(vec![]),
            in_doubt: true,
            ..lease
        };
        let again = encode_lease(&tried).unwrap();
        assert!(again.starts_with(b"{") && as_encoded_envelope(&again).is_none());
        assert_eq!(decode(tried.id.clone(), &again).unwrap(), tried);
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let written = encode_envelope(&lease().envelope);
        for end in 0..written.len() {
            assert!(as_encoded_envelope(&written[..end]).is_none());
            assert!(decode(LeaseId("1".into()), &written[..end]).is_err());
        }
    }
}
