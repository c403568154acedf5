//! Messages as JSON text, ready to be sent.

use std::hash::BuildHasher as _;
use std::ops::Range;

use serde_json::Value;

use crate::call::json::write_value;
use crate::call::{Call, Method};
use crate::translate::message::{Endpoint, Message};

/// Message whose body is JSON text in a buffer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outgoing {
    /// Endpoint that the message is sent to.
    pub(crate) endpoint: Endpoint,
    /// True if sending the message again changes nothing.
    pub(crate) is_idempotent: bool,
    /// Byte position, in the envelope, of the call that the message was translated from. For a message
    /// that was tried before: its index in the record.
    pub(crate) call: usize,
    /// For a `people.set`: length of the text before `$time`, which is the last member. `None` for
    /// all other messages.
    pub(crate) set_len: Option<usize>,
    /// Range of the text in its buffer.
    pub(crate) json: Range<usize>,
    /// Key that is equal for all messages of one user, or of one group.
    pub(crate) partition_key: u64,
}

impl Outgoing {
    /// Writes a message at the end of `text`. See [`call`](Self::call).
    pub(crate) fn encode(message: &Message, call: usize, text: &mut Vec<u8>) -> Self {
        let (start, mut set_len) = (text.len(), None);
        let id = match message.endpoint {
            Endpoint::Events => "/properties/distinct_id",
            Endpoint::People => "/$distinct_id",
            Endpoint::Groups => "/$group_id",
        };
        let id = message.body.pointer(id).and_then(Value::as_str);
        match &message.body {
            Value::Object(body) if message.call.method() == &Method::PeopleSet && id.is_some() => {
                let mut body = body.clone();
                let time = body.remove("$time");
                write_value(&body, text);
                text.pop();
                set_len = Some(text.len() - start);
                if let Some(time) = time {
                    text.extend_from_slice(b",\"$time\":");
                    write_value(&time, text);
                }
                text.push(b'}');
            }
            body => write_value(body, text),
        }
        Self {
            endpoint: message.endpoint,
            is_idempotent: message.is_idempotent(),
            call,
            set_len,
            json: start..text.len(),
            partition_key: partition_key(id.map(str::as_bytes)),
        }
    }

    /// Decodes the message of a text and a call.
    pub(crate) fn to_message(&self, json: &[u8], call: Call) -> Option<Message> {
        Some(Message {
            endpoint: self.endpoint,
            body: serde_json::from_slice(json).ok()?,
            call,
        })
    }
}

/// Returns the partition key of a user's or a group's ID. Only the part counts that every limit
/// leaves.
pub(crate) fn partition_key(id: Option<&[u8]>) -> u64 {
    let id = id.map(|id| id.get(..255).unwrap_or(id));
    foldhash::fast::FixedState::default().hash_one(id)
}
