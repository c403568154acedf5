//! Keys of records in the file, and the lease IDs that stand for them. Both are the envelope's ID.

use uuid::Uuid;

use crate::outbox::LeaseId;

/// Formats a key as a lease ID.
pub(crate) fn lease_id(key: u128) -> LeaseId {
    LeaseId(
        Uuid::from_u128(key)
            .hyphenated()
            .encode_lower(&mut Uuid::encode_buffer())
            .to_owned(),
    )
}

/// Parses a lease ID; `None` for an ID of another outbox.
pub(crate) fn key_of(id: &LeaseId) -> Option<u128> {
    Uuid::parse_str(&id.0).ok().map(|id| id.as_u128())
}
