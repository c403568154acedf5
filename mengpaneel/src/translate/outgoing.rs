//! Results of the translation: messages, or events that are already encoded.

use std::hash::BuildHasher as _;
use std::ops::Range;

use crate::translate::message::Message;

/// Result of the translation of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outgoing {
    /// A message with a body that can be inspected.
    Message(Box<Message>),
    /// An event that is already encoded as JSON.
    Encoded(EncodedEvent),
}

/// Event that is encoded as JSON.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EncodedEvent {
    /// Range of the JSON: in the staging buffer, then in the buffer of the partition.
    pub json: Range<usize>,
    /// Key that is equal for all events of one user.
    pub partition_key: u64,
    /// Index in the translation of the envelope.
    pub index: usize,
}

impl Outgoing {
    /// Returns the message. `None` for an encoded event.
    #[must_use]
    pub(crate) fn into_message(self) -> Option<Message> {
        match self {
            Self::Message(message) => Some(*message),
            Self::Encoded(_) => None,
        }
    }

    /// Returns the encoded event. `None` for a message.
    pub(crate) fn as_encoded_mut(&mut self) -> Option<&mut EncodedEvent> {
        match self {
            Self::Message(_) => None,
            Self::Encoded(event) => Some(event),
        }
    }

    /// Returns whether sending the message again changes nothing.
    #[must_use]
    pub(crate) fn is_idempotent(&self) -> bool {
        match self {
            Self::Message(message) => message.is_idempotent(),
            Self::Encoded(_) => true,
        }
    }
}

/// Returns the partition key of a user's or a group's ID.
pub(crate) fn partition_key(id: Option<&[u8]>) -> u64 {
    foldhash::fast::FixedState::default().hash_one(id)
}
