//! Translation of encoded events back to messages, for events that were not delivered.

use uuid::Uuid;

use crate::deliver::sender::undelivered::message_failure;
use crate::error::{Failure, Reason};
use crate::record::envelope::Envelope;
use crate::translate::message::Message;
use crate::translate::outgoing::Outgoing;
use crate::translate::translator::Translator;

/// Recreates the messages of encoded events. Consecutive events of one envelope share one
/// translation.
pub(crate) struct Retranslator<'a> {
    translator: &'a Translator,
    last: Option<(Uuid, Vec<Option<Message>>)>,
}

impl<'a> Retranslator<'a> {
    pub(crate) fn new(translator: &'a Translator) -> Self {
        Self {
            translator,
            last: None,
        }
    }

    /// Returns the message of an envelope's event. `None` if the translation has no such event.
    pub(crate) fn message(&mut self, envelope: &Envelope, outgoing: Outgoing) -> Option<Message> {
        let index = match outgoing {
            Outgoing::Message(message) => return Some(*message),
            Outgoing::Encoded(event) => event.index,
        };
        let last = self.last.take().filter(|(id, _)| *id == envelope.id);
        let translate = || {
            self.translator
                .translate(envelope)
                .messages
                .into_iter()
                .map(Some)
                .collect()
        };
        let (_, messages) = self
            .last
            .insert(last.unwrap_or_else(|| (envelope.id, translate())));
        messages.get_mut(index)?.take()
    }

    /// Returns the failure of an envelope's event.
    pub(crate) fn failure(
        &mut self,
        envelope: &Envelope,
        outgoing: Outgoing,
        reason: Reason,
    ) -> Failure {
        match self.message(envelope, outgoing) {
            Some(message) => message_failure(message, reason),
            None => Failure::for_calls(reason, envelope.calls.iter().cloned().collect()),
        }
    }
}
