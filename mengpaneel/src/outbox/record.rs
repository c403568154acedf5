//! A record: how a lease is written down, by every outbox that writes.

use serde::{Deserialize, Serialize};

use super::{Lease, LeaseId};
#[cfg(feature = "file")]
use crate::claims;
use crate::parcel::Parcel;
use crate::server::Message;

#[derive(Serialize)]
struct Written<'a> {
    parcel: &'a Parcel,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<&'a [Message]>,
    #[serde(skip_serializing_if = "is_zero")]
    attempts: u32,
}

#[derive(Deserialize)]
struct Read {
    parcel: Parcel,
    #[serde(default)]
    remaining: Option<Vec<Message>>,
    #[serde(default)]
    attempts: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(attempts: &u32) -> bool {
    *attempts == 0
}

/// A parcel as it is first written.
pub(super) fn of_parcel(parcel: &Parcel) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Written { parcel, remaining: None, attempts: 0 })
}

/// A lease as it is written again: with what is left of it.
pub(super) fn of_lease(lease: &Lease) -> serde_json::Result<Vec<u8>> {
    let Lease { parcel, remaining, attempts, .. } = lease;
    serde_json::to_vec(&Written { parcel, remaining: remaining.as_deref(), attempts: *attempts })
}

/// What was written, as a lease of that name.
pub(super) fn read(id: LeaseId, written: &[u8]) -> serde_json::Result<Lease> {
    let Read { parcel, remaining, attempts } = serde_json::from_slice(written)?;
    Ok(Lease { remaining, attempts, ..Lease::new(id, parcel) })
}

/// Of a parcel as it was first written, what may be said twice: see [`told_apart`](claims::told_apart).
#[cfg(feature = "file")]
pub(super) fn told_apart(written: &[u8]) -> Option<Vec<u8>> {
    let Read { parcel, .. } = serde_json::from_slice(written).ok()?;
    of_parcel(&claims::told_apart(parcel)?).ok()
}
