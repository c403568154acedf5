//! Leased records on their way to the worker, decoded or still encoded.

use std::ops::Range;
use std::sync::Arc;

use uuid::Uuid;

#[cfg(any(feature = "file", feature = "redis"))]
use crate::outbox::record;
use crate::outbox::{Lease, LeaseId};
use crate::record::envelope::codec;

/// Record that the worker has leased. Most are never decoded: plain events are translated straight
/// from the encoded form.
#[derive(Debug)]
pub enum LeasedRecord {
    /// Decoded record.
    Decoded(Box<Lease>),
    /// Encoded record, leased for the first time.
    Encoded(EncodedRecord),
}

/// Encoded record in a buffer that it shares with others.
#[derive(Debug)]
pub struct EncodedRecord {
    key: LeaseKey,
    buffer: Arc<Vec<u8>>,
    range: Range<usize>,
}

/// Key of a lease. A number becomes the text of a [`LeaseId`] only on request.
#[derive(Clone, Debug)]
pub(crate) enum LeaseKey {
    /// Number of a record in memory.
    Number(u64),
    /// ID of a record in another outbox.
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
    /// Creates a record from a range of a buffer, which must be an envelope in binary form.
    pub(crate) fn new(key: LeaseKey, buffer: &Arc<Vec<u8>>, range: Range<usize>) -> Self {
        Self {
            key,
            buffer: Arc::clone(buffer),
            range,
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.buffer.get(self.range.clone()).unwrap_or_default()
    }
}

/// Collects records that were read in encoded form, for one lease.
#[cfg(any(feature = "file", feature = "redis"))]
#[derive(Debug, Default)]
pub(crate) struct LeaseBatch {
    /// Records that stay encoded, one after the other.
    buffer: Vec<u8>,
    records: Vec<BatchRecord>,
}

/// Record of a [`LeaseBatch`].
#[cfg(any(feature = "file", feature = "redis"))]
#[derive(Debug)]
enum BatchRecord {
    /// Record that stays encoded, with its range of the batch's buffer.
    Encoded(LeaseId, Range<usize>),
    Decoded(Box<Lease>),
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

    /// Adds a record. A record in binary form that was never orphaned stays encoded.
    ///
    /// # Errors
    /// The record cannot be decoded.
    pub(crate) fn add(
        &mut self,
        id: LeaseId,
        encoded: &[u8],
        redeliveries: u32,
        in_doubt: bool,
    ) -> Result<(), serde_json::Error> {
        let record = if let Some(envelope) =
            record::as_encoded_envelope(encoded).filter(|_| redeliveries == 0 && !in_doubt)
        {
            let start = self.buffer.len();
            self.buffer.extend_from_slice(envelope);
            BatchRecord::Encoded(id, start..self.buffer.len())
        } else {
            let lease = record::decode(id, encoded)?;
            BatchRecord::Decoded(Box::new(Lease {
                redeliveries,
                in_doubt: in_doubt || lease.in_doubt,
                ..lease
            }))
        };
        self.records.push(record);
        Ok(())
    }

    pub(crate) fn into_records(self) -> Vec<LeasedRecord> {
        let buffer = Arc::new(self.buffer);
        let to_leased = |record| match record {
            BatchRecord::Encoded(id, range) => {
                LeasedRecord::Encoded(EncodedRecord::new(LeaseKey::Text(id), &buffer, range))
            }
            BatchRecord::Decoded(lease) => LeasedRecord::Decoded(lease),
        };
        self.records.into_iter().map(to_leased).collect()
    }
}

impl LeasedRecord {
    pub(crate) fn into_leases(records: Vec<Self>) -> Vec<Lease> {
        records.into_iter().filter_map(Self::into_lease).collect()
    }

    pub(crate) fn id(&self) -> LeaseId {
        match self {
            Self::Decoded(lease) => lease.id.clone(),
            Self::Encoded(encoded) => encoded.key.clone().into_id(),
        }
    }

    /// Returns the number of a record that was leased from memory; `None` for other outboxes.
    pub(crate) fn number(&self) -> Option<u64> {
        match self {
            Self::Decoded(lease) => lease.id.0.parse().ok(),
            Self::Encoded(EncodedRecord {
                key: LeaseKey::Number(number),
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

    /// Returns the ID of the envelope; `None` only if the encoded record is no envelope.
    pub(crate) fn envelope_id(&self) -> Option<Uuid> {
        match self {
            Self::Decoded(lease) => Some(lease.envelope.id),
            Self::Encoded(encoded) => codec::id(encoded.as_bytes()),
        }
    }

    /// Decodes the record in place; `None` only if the encoded record is no envelope.
    pub(crate) fn decode(&mut self) -> Option<&mut Lease> {
        if let Self::Encoded(encoded) = self {
            let envelope = codec::decode(encoded.as_bytes())?;
            let id = encoded.key.clone().into_id();
            *self = Self::Decoded(Box::new(Lease::new(id, envelope)));
        }
        match self {
            Self::Decoded(lease) => Some(lease),
            Self::Encoded(_) => None,
        }
    }

    /// Returns the buffer of the record; `None` if it was decoded or another record shares it.
    pub(crate) fn into_buffer(self) -> Option<Vec<u8>> {
        match self {
            Self::Decoded(_) => None,
            Self::Encoded(encoded) => Arc::into_inner(encoded.buffer),
        }
    }

    /// Returns whether messages remain to be sent again.
    pub(crate) fn is_unfinished(&self) -> bool {
        match self {
            Self::Decoded(lease) => lease
                .remaining
                .as_ref()
                .is_some_and(|messages| !messages.is_empty()),
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
