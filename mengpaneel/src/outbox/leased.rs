//! A record in the worker's hands: taken apart, or as it stands written.

use std::ops::Range;
use std::sync::Arc;

use uuid::Uuid;

#[cfg(any(feature = "file", feature = "redis"))]
use crate::outbox::record;
use crate::outbox::{Lease, LeaseId};
use crate::record::envelope::codec;

/// A record in the worker's hands. Most are never taken apart: what is plain is said as it stands.
#[derive(Debug)]
pub enum LeasedRecord {
    /// Taken apart.
    Decoded(Box<Lease>),
    /// As it stands written, for the first time.
    Encoded(EncodedRecord),
}

/// A record as it stands written, among others.
#[derive(Debug)]
pub struct EncodedRecord {
    id: LeaseKey,
    bytes: Arc<Vec<u8>>,
    range: Range<usize>,
}

/// What a lease is called: a number is made a text only where somebody asks.
#[derive(Clone, Debug)]
pub(crate) enum LeaseKey {
    /// In memory.
    Number(u64),
    /// Elsewhere.
    #[cfg(any(feature = "file", feature = "redis"))]
    Text(LeaseId),
}

impl LeaseKey {
    fn into_id(self) -> LeaseId {
        match self {
            Self::Number(number) => LeaseId(number.to_string()),
            #[cfg(any(feature = "file", feature = "redis"))]
            Self::Text(id) => id,
        }
    }
}

impl EncodedRecord {
    /// What stands at `own` must be a compact parcel.
    pub(crate) fn new(id: LeaseKey, all: &Arc<Vec<u8>>, own: Range<usize>) -> Self {
        Self {
            id,
            bytes: Arc::clone(all),
            range: own,
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(self.range.clone()).unwrap_or_default()
    }
}

/// Records that were found written, on their way to the worker.
#[cfg(any(feature = "file", feature = "redis"))]
#[derive(Debug, Default)]
pub(crate) struct LeaseBatch {
    /// The sealed ones, one behind the other.
    bytes: Vec<u8>,
    records: Vec<Result<(LeaseId, Range<usize>), Lease>>,
}

#[cfg(any(feature = "file", feature = "redis"))]
impl LeaseBatch {
    #[cfg(feature = "file")]
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    #[cfg(feature = "file")]
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Adds one, sealed if it is new and can be.
    pub(crate) fn add(
        &mut self,
        id: LeaseId,
        written: &[u8],
        abandoned: u32,
        in_doubt: bool,
    ) -> Result<(), serde_json::Error> {
        let one = if let Some(parcel) =
            record::as_encoded_envelope(written).filter(|_| abandoned == 0 && !in_doubt)
        {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(parcel);
            Ok((id, start..self.bytes.len()))
        } else {
            let lease = record::decode(id, written)?;
            Err(Lease {
                redeliveries: abandoned,
                in_doubt: in_doubt || lease.in_doubt,
                ..lease
            })
        };
        self.records.push(one);
        Ok(())
    }

    pub(crate) fn into_records(self) -> Vec<LeasedRecord> {
        let all = Arc::new(self.bytes);
        let taken = |one| match one {
            Ok((id, own)) => {
                LeasedRecord::Encoded(EncodedRecord::new(LeaseKey::Text(id), &all, own))
            }
            Err(lease) => LeasedRecord::from(lease),
        };
        self.records.into_iter().map(taken).collect()
    }
}

impl LeasedRecord {
    pub(crate) fn into_leases(records: Vec<Self>) -> Vec<Lease> {
        records.into_iter().filter_map(Self::into_lease).collect()
    }

    pub(crate) fn id(&self) -> LeaseId {
        match self {
            Self::Decoded(lease) => lease.id.clone(),
            Self::Encoded(sealed) => sealed.id.clone().into_id(),
        }
    }

    /// Its number, where it was leased from memory.
    pub(crate) fn number(&self) -> Option<u64> {
        match self {
            Self::Decoded(lease) => lease.id.0.parse().ok(),
            Self::Encoded(EncodedRecord {
                id: LeaseKey::Number(number),
                ..
            }) => Some(*number),
            #[cfg(any(feature = "file", feature = "redis"))]
            Self::Encoded(_) => None,
        }
    }

    pub(crate) fn redeliveries(&self) -> u32 {
        match self {
            Self::Decoded(lease) => lease.redeliveries,
            Self::Encoded(_) => 0,
        }
    }

    /// The name of its parcel.
    pub(crate) fn envelope_id(&self) -> Option<Uuid> {
        match self {
            Self::Decoded(lease) => Some(lease.envelope.id),
            Self::Encoded(sealed) => codec::id(sealed.as_bytes()),
        }
    }

    /// Takes it apart; `None` only where it was no record.
    pub(crate) fn decode(&mut self) -> Option<&mut Lease> {
        if let Self::Encoded(sealed) = self {
            let parcel = codec::decode(sealed.as_bytes())?;
            *self = Self::Decoded(Box::new(Lease::new(sealed.id.clone().into_id(), parcel)));
        }
        match self {
            Self::Decoded(lease) => Some(lease),
            Self::Encoded(_) => None,
        }
    }

    /// The memory that it stands in, if nothing else does any more.
    pub(crate) fn into_buffer(self) -> Option<Vec<u8>> {
        match self {
            Self::Decoded(_) => None,
            Self::Encoded(sealed) => Arc::into_inner(sealed.bytes),
        }
    }

    /// Whether something of it is to be sent again.
    pub(crate) fn is_unfinished(&self) -> bool {
        match self {
            Self::Decoded(lease) => lease
                .remaining
                .as_ref()
                .is_some_and(|left| !left.is_empty()),
            Self::Encoded(_) => false,
        }
    }

    pub(crate) fn into_lease(mut self) -> Option<Lease> {
        self.decode()?;
        match self {
            Self::Decoded(lease) => Some(*lease),
            Self::Encoded(_) => None,
        }
    }
}

impl From<Lease> for LeasedRecord {
    fn from(lease: Lease) -> Self {
        Self::Decoded(Box::new(lease))
    }
}
