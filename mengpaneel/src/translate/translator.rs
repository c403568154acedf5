//! Translator: envelopes to messages, as the visitors' browsers would send them.

use uuid::Uuid;

#[cfg(feature = "sidekiq")]
use crate::record::envelope::codec;
use crate::translate::outgoing::Outgoing;
use crate::translate::problems::Problems;
use crate::translate::project::Project;
use crate::translate::run::TranslationRun;

/// Messages of each call of an envelope.
#[cfg(feature = "sidekiq")]
#[derive(Clone, Debug)]
pub(crate) struct MessagesByCall {
    /// Messages of each call, in the order in which the calls run. A call that waits for
    /// `identify` has none; its message is among those of the `identify`.
    pub messages: Vec<Vec<crate::translate::message::Message>>,
    pub problems: Problems,
}

/// Translator of envelopes for one project.
#[derive(Debug)]
pub(crate) struct Translator(Project);

impl Translator {
    /// Creates a translator for the project of a token.
    #[must_use]
    pub(crate) fn new(token: String) -> Self {
        Self(Project::new(token))
    }

    /// Translates an encoded envelope with its ID. Writes each message at the end of `text`, and
    /// passes it to `emit`, which may clear `text`.
    pub(crate) fn translate(
        &self,
        envelope: (Uuid, &[u8]),
        text: &mut Vec<u8>,
        mut emit: impl FnMut(Outgoing, &mut Vec<u8>),
    ) -> Problems {
        let emit = |_: usize, outgoing, text: &mut Vec<u8>| emit(outgoing, text);
        TranslationRun::run(&self.0, envelope, text, emit)
    }

    /// Translates an envelope call by call, for an outbox whose calls another program translates.
    #[cfg(feature = "sidekiq")]
    #[must_use]
    pub(crate) fn translate_by_call(
        &self,
        envelope: &crate::record::envelope::Envelope,
    ) -> MessagesByCall {
        let (mut encoded, mut text, mut emitted) = (Vec::new(), Vec::new(), Vec::new());
        codec::write(envelope, &mut encoded);
        let emit = |running, outgoing, _: &mut Vec<u8>| emitted.push((running, outgoing));
        let envelope_parts = (envelope.id, encoded.as_slice());
        let problems = TranslationRun::run(&self.0, envelope_parts, &mut text, emit);
        let mut messages = vec![Vec::new(); envelope.calls.iter().count()];
        for (running, outgoing) in emitted {
            let json = text.get(outgoing.json.clone()).unwrap_or_default();
            let call = codec::call_at(&encoded, outgoing.call);
            let message = call.and_then(|call| outgoing.to_message(json, call));
            if let Some(messages) = messages.get_mut(running) {
                messages.extend(message);
            }
        }
        MessagesByCall { messages, problems }
    }
}
