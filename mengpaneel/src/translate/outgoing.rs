//! What is to be said to Mixpanel: a message, or an event that stands written already.

use std::hash::BuildHasher as _;
use std::ops::Range;

use crate::translate::message::Message;

/// What is to be said.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outgoing {
    /// As values, for whoever looks at it before it leaves.
    Message(Box<Message>),
    /// As text: nobody looks at it.
    Encoded(EncodedEvent),
}

/// A plain event as JSON.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EncodedEvent {
    /// Where the record stands: on the desk, and then in its [lane](super::Lanes).
    pub json: Range<usize>,
    /// The same for all that is of one user.
    pub partition_key: u64,
    /// Its place in the translation of its parcel, by which the message is found again.
    pub index: usize,
}

impl Outgoing {
    /// The message, where it is one.
    #[must_use]
    pub(crate) fn into_message(self) -> Option<Message> {
        match self {
            Self::Message(message) => Some(*message),
            Self::Encoded(_) => None,
        }
    }

    /// The event, where it stands written.
    pub(crate) fn as_encoded_mut(&mut self) -> Option<&mut EncodedEvent> {
        match self {
            Self::Message(_) => None,
            Self::Encoded(event) => Some(event),
        }
    }

    /// Whether sending it once more changes nothing.
    #[must_use]
    pub(crate) fn is_idempotent(&self) -> bool {
        match self {
            Self::Message(message) => message.is_idempotent(),
            Self::Encoded(_) => true,
        }
    }
}

/// Whose it is, as a number: of a user's or a group's ID.
pub(crate) fn partition_key(id: Option<&[u8]>) -> u64 {
    foldhash::fast::FixedState::default().hash_one(id)
}
