//! A record in the worker's hands: taken apart, or as it stands written.

use std::ops::Range;
use std::sync::Arc;

use super::sender::Again;
use super::{Lease, LeaseId};
use crate::call::Call;
use crate::compact;
use crate::server::Said;

/// A record in the worker's hands. Most are never taken apart: what is plain is said as it stands.
#[derive(Debug)]
pub enum Taken {
    /// Taken apart.
    Open(Box<Lease>),
    /// As it stands written, for the first time.
    Sealed(Sealed),
}

/// A record as it stands written, among others.
#[derive(Debug)]
pub struct Sealed {
    id: LeaseId,
    all: Arc<Vec<u8>>,
    own: Range<usize>,
}

impl Sealed {
    /// What stands at `own` must be a compact parcel.
    pub(super) fn new(id: LeaseId, all: &Arc<Vec<u8>>, own: Range<usize>) -> Self {
        Self { id, all: Arc::clone(all), own }
    }

    pub(super) fn written(&self) -> &[u8] {
        self.all.get(self.own.clone()).unwrap_or_default()
    }
}

impl Taken {
    pub(super) fn into_id(self) -> LeaseId {
        match self {
            Self::Open(lease) => lease.id,
            Self::Sealed(sealed) => sealed.id,
        }
    }

    pub(super) fn abandoned(&self) -> u32 {
        match self {
            Self::Open(lease) => lease.abandoned,
            Self::Sealed(_) => 0,
        }
    }

    /// When it was closed, in milliseconds since 1970.
    pub(super) fn born_ms(&self) -> u64 {
        let id = match self {
            Self::Open(lease) => Some(lease.parcel.id),
            Self::Sealed(sealed) => compact::id(sealed.written()),
        };
        id.and_then(|id| id.get_timestamp()).map_or(0, |at| at.to_unix().0 * 1_000)
    }

    /// Takes it apart; `None` only where it was no record.
    pub(super) fn open(&mut self) -> Option<&mut Lease> {
        if let Self::Sealed(sealed) = self {
            let parcel = compact::read(sealed.written())?;
            *self = Self::Open(Box::new(Lease::new(sealed.id.clone(), parcel)));
        }
        match self {
            Self::Open(lease) => Some(lease),
            Self::Sealed(_) => None,
        }
    }

    /// Whether something of it is to be sent again.
    pub(super) fn is_unfinished(&self) -> bool {
        match self {
            Self::Open(lease) => lease.remaining.as_ref().is_some_and(|left| !left.is_empty()),
            Self::Sealed(_) => false,
        }
    }

    pub(super) fn into_lease(mut self) -> Option<Lease> {
        self.open()?;
        match self {
            Self::Open(lease) => Some(*lease),
            Self::Sealed(_) => None,
        }
    }
}

impl From<Lease> for Taken {
    fn from(lease: Lease) -> Self {
        Self::Open(Box::new(lease))
    }
}

/// The calls that are left of a record.
pub(super) fn calls_of(lease: &Lease) -> Vec<Call> {
    match &lease.remaining {
        Some(left) => left.iter().map(|message| message.call.clone()).collect(),
        None => lease.parcel.calls.iter().cloned().collect(),
    }
}

/// It was tried, and is left of its record.
pub(super) fn keep(records: &mut [Taken], owner: usize, said: Said, again: &mut Again<'_>) {
    let Some(record) = records.get_mut(owner) else { return };
    let is_first = matches!(record, Taken::Sealed(_));
    let Some(lease) = record.open() else { return };
    lease.attempts += u32::from(is_first);
    let message = again.message(&lease.parcel, said);
    lease.remaining.get_or_insert_default().extend(message);
}
