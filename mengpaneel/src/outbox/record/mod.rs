//! Record: an envelope in the form in which outboxes store it.
//!
//! Head: format, flags, ID of the envelope, checksum of the payload. Payload: length of the
//! progress, the progress as JSON, and the encoded envelope.

#[cfg(test)]
mod tests;

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::ser::{SerializeStruct as _, Serializer};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::call::Call;
use crate::record::envelope::codec;
use crate::record::envelope::{Envelope, EnvelopeRef};
use crate::translate::message::Message;

/// Format of the records that this version writes and reads. Earlier formats were 1, and JSON,
/// whose first byte is a brace.
const FORMAT: u8 = 2;

/// Flag of a record that may have been sent already.
const IN_DOUBT: u8 = 1;

/// Flag of a record with a call that counts twice if it is delivered twice.
const NON_IDEMPOTENT: u8 = 2;

/// Range of the ID in a record.
const ID: Range<usize> = 2..18;

/// Range of the checksum in a record.
const CHECKSUM: Range<usize> = 18..HEAD_LEN;

/// Bytes in place of a checksum.
const NO_CHECKSUM: [u8; 4] = [0; 4];

/// Length of the head in bytes.
const HEAD_LEN: usize = 22;

/// Capacity for a new record, sufficient for most.
const CAPACITY: usize = 512;

/// Envelope in the form in which an [`Outbox`](crate::outbox::Outbox) stores it, with the progress
/// of its delivery.
///
/// An engine stores [`as_bytes`](Self::as_bytes), and restores the record by
/// [`from_bytes`](Self::from_bytes). Nothing is decoded until
/// [`envelope`](Self::envelope) is called. Cloning copies no bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Record(Bytes);

/// Progress of a delivery. `M` is a list of messages, in a form that the user needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress<M = Vec<Message>> {
    /// Number of delivery attempts.
    pub(crate) attempts: u32,
    /// Messages that remain after a partial delivery. `None` before the first attempt.
    pub(crate) remaining: Option<M>,
}

/// Reason why a record cannot be decoded. Its calls are not delivered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Another version wrote the record.
    #[error(
        "the record has format {found}, this version reads {FORMAT}: drain the outbox with the version that \
         wrote the record"
    )]
    Format {
        /// First byte of the record.
        found: u8,
    },
    /// The record is truncated or damaged.
    #[error("the record is damaged: check the storage of the outbox")]
    Damaged,
}

impl Record {
    /// Encodes an envelope.
    #[must_use]
    pub fn new(envelope: &Envelope) -> Self {
        Self(encode(envelope.into()).into())
    }

    /// Restores a record from stored bytes. Bytes that are no record are refused when the record is
    /// decoded.
    #[must_use]
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// Returns the bytes to store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the ID of the envelope; the nil UUID if the bytes are no record.
    #[must_use]
    pub fn id(&self) -> Uuid {
        RecordRef::from(self).id()
    }

    /// Returns whether delivering the record twice changes nothing. Otherwise it has a call such as
    /// `people.increment`.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        self.flags() & NON_IDEMPOTENT == 0
    }

    /// Returns whether the record may have been sent already: its process ended while it was being
    /// sent.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.flags() & IN_DOUBT != 0
    }

    /// Returns the content of the record, without its ID and flags.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.0.get(HEAD_LEN..).unwrap_or_default()
    }

    /// Returns the record with a checksum of its payload, for an engine that stores records outside
    /// of this process. The worker checks it, instead of all values in the record. A checksum that
    /// the record has already stays, so that damage is found later too.
    #[must_use]
    pub fn with_checksum(self) -> Self {
        if self.0.get(CHECKSUM) != Some(&NO_CHECKSUM) {
            return self;
        }
        let checksum = crc32fast::hash(self.payload()).to_le_bytes();
        self.change_head(|head| {
            if let Some(bytes) = head.get_mut(CHECKSUM) {
                bytes.copy_from_slice(&checksum);
            }
        })
    }

    /// Returns the record with another payload, for an outbox that encrypts or compresses and stores
    /// its records in another one.
    ///
    /// Encode the payload in `append`, `try_append`, `schedule_fallback`, `retry_later` and
    /// `dead_letter`; decode it in `lease` and `dead_letters`. ID and flags stay readable, and the
    /// flags change: a cipher may authenticate the ID only. If a payload cannot be decoded, return the
    /// record with its own payload, which removes the checksum: the worker then finds that the record
    /// is damaged, and it becomes a dead letter.
    #[must_use]
    pub fn with_payload(&self, payload: &[u8]) -> Self {
        let head = self.0.get(..CHECKSUM.start).unwrap_or_default();
        Self([head, &NO_CHECKSUM, payload].concat().into())
    }

    /// Decodes the envelope.
    ///
    /// # Errors
    /// [`RecordError`] if another version wrote the record, or it is damaged.
    pub fn envelope(&self) -> Result<Envelope, RecordError> {
        let (_, body) = self.parts()?;
        codec::decode(self.id(), body).ok_or(RecordError::Damaged)
    }

    /// Decodes the calls that are not delivered yet; none if the record cannot be decoded.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let remaining = self.progress().ok().and_then(|progress| progress.remaining);
        if let Some(messages) = remaining {
            return messages.into_iter().map(|message| message.call).collect();
        }
        self.envelope().map_or_else(
            |_| Vec::new(),
            |envelope| envelope.calls.iter().cloned().collect(),
        )
    }

    /// Returns the record with only the calls that may be delivered twice: events with a
    /// `$user_id`, of which Mixpanel drops copies. `None` if there is none, or if the record cannot
    /// be decoded.
    #[must_use]
    pub fn deduplicable(&self) -> Option<Self> {
        let envelope = self.envelope().ok()?.retain_deduplicable()?;
        Some(Self::new(&envelope))
    }

    /// Decodes the progress of the delivery.
    ///
    /// # Errors
    /// As [`envelope`](Self::envelope).
    pub(crate) fn progress(&self) -> Result<Progress, RecordError> {
        self.decode_progress()
    }

    fn decode_progress<M>(&self) -> Result<Progress<M>, RecordError>
    where
        Progress<M>: Default + DeserializeOwned,
    {
        match self.parts()? {
            ([], _) => Ok(Progress::default()),
            (progress, _) => serde_json::from_slice(progress).map_err(|_| RecordError::Damaged),
        }
    }

    /// Returns the record after an attempt that left these messages.
    ///
    /// # Errors
    /// As [`envelope`](Self::envelope).
    pub(crate) fn after_attempt(&self, remaining: &[Message]) -> Result<Self, RecordError> {
        let attempts = self.decode_progress::<IgnoredAny>()?.attempts + 1;
        self.with_progress(&Progress {
            attempts,
            remaining: Some(remaining),
        })
    }

    /// Checks that the record can be decoded.
    ///
    /// # Errors
    /// As [`envelope`](Self::envelope).
    pub(crate) fn check(&self) -> Result<(), RecordError> {
        let (_, envelope) = self.parts()?;
        let is_intact = match self.0.get(CHECKSUM) {
            Some(checksum) if checksum == NO_CHECKSUM => {
                self.progress().is_ok() && codec::validate(envelope)
            }
            checksum => checksum == Some(&crc32fast::hash(self.payload()).to_le_bytes()[..]),
        };
        if is_intact {
            Ok(())
        } else {
            Err(RecordError::Damaged)
        }
    }

    /// Returns the record with this progress. It is no longer in doubt.
    ///
    /// # Errors
    /// As [`envelope`](Self::envelope).
    pub(crate) fn with_progress<M: Serialize>(
        &self,
        progress: &Progress<M>,
    ) -> Result<Self, RecordError> {
        let (_, body) = self.parts()?;
        let progress = serde_json::to_vec(progress).map_err(|_| RecordError::Damaged)?;
        let mut payload = Vec::with_capacity(progress.len() + body.len() + 5);
        codec::write_bytes(&progress, &mut payload);
        payload.extend_from_slice(body);
        Ok(self.with_payload(&payload).mark_in_doubt(false))
    }

    /// Sets whether the record may have been sent already.
    pub(crate) fn mark_in_doubt(self, in_doubt: bool) -> Self {
        if self.is_in_doubt() == in_doubt {
            return self;
        }
        self.change_head(|head| {
            if let Some(flags) = head.get_mut(1) {
                *flags ^= IN_DOUBT;
            }
        })
    }

    /// Changes the head. Copies the record if others share its bytes.
    fn change_head(self, change: impl FnOnce(&mut BytesMut)) -> Self {
        let mut bytes = match self.0.try_into_mut() {
            Ok(bytes) => bytes,
            Err(shared) => BytesMut::from(&shared[..]),
        };
        change(&mut bytes);
        Self(bytes.freeze())
    }

    /// Returns the progress as JSON, which is empty before the first attempt, and the encoded
    /// envelope.
    ///
    /// # Errors
    /// As [`envelope`](Self::envelope).
    pub(crate) fn parts(&self) -> Result<(&[u8], &[u8]), RecordError> {
        match self.0.first() {
            Some(&FORMAT) => codec::split_bytes(self.payload()).ok_or(RecordError::Damaged),
            Some(&found) => Err(RecordError::Format { found }),
            None => Err(RecordError::Damaged),
        }
    }

    fn flags(&self) -> u8 {
        self.0.get(1).copied().unwrap_or_default()
    }
}

/// As an object for people: ID, envelope, attempts, remaining messages; or ID and error.
impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Record", 5)?;
        object.serialize_field("id", &self.id())?;
        match self
            .progress()
            .and_then(|progress| Ok((self.envelope()?, progress)))
        {
            Ok((envelope, progress)) => {
                object.serialize_field("envelope", &envelope)?;
                object.serialize_field("attempts", &progress.attempts)?;
                object.serialize_field("remaining", &progress.remaining)?;
                object.serialize_field("in_doubt", &self.is_in_doubt())?;
            }
            Err(error) => object.serialize_field("error", &error.to_string())?,
        }
        object.end()
    }
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.id())
            .field("len", &self.0.len())
            .finish_non_exhaustive()
    }
}

/// Borrowed [`Record`], for an append that copies the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordRef<'a>(&'a [u8]);

impl<'a> RecordRef<'a> {
    /// Borrows an encoded record.
    pub(crate) fn new(encoded: &'a [u8]) -> Self {
        Self(encoded)
    }

    /// Returns the bytes to store.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Returns the ID of the envelope; the nil UUID if the bytes are no record.
    #[must_use]
    pub fn id(self) -> Uuid {
        let id = self.0.get(ID).unwrap_or_default();
        Uuid::from_slice(id).unwrap_or_default()
    }

    /// Copies the record.
    #[must_use]
    pub fn to_record(self) -> Record {
        Record(Bytes::copy_from_slice(self.0))
    }
}

impl<'a> From<&'a Record> for RecordRef<'a> {
    fn from(record: &'a Record) -> Self {
        Self(&record.0)
    }
}

/// Encodes an envelope as a record that was not tried yet.
pub(crate) fn encode(envelope: EnvelopeRef<'_>) -> Vec<u8> {
    let is_idempotent = envelope
        .calls
        .iter()
        .copied()
        .flatten()
        .all(|call| call.method().is_idempotent());
    let mut record = Vec::with_capacity(CAPACITY);
    record.push(FORMAT);
    record.push(if is_idempotent { 0 } else { NON_IDEMPOTENT });
    record.extend_from_slice(envelope.id.as_bytes());
    record.extend_from_slice(&NO_CHECKSUM);
    record.push(0);
    codec::write(envelope, &mut record);
    record
}
