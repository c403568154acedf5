//! Translator: envelopes to messages, as the visitors' browsers would send them.

use uuid::Uuid;

use crate::call::Call;
use crate::translate::event_writer;
use crate::translate::outgoing::Outgoing;
use crate::translate::run::TranslationRun;
use crate::translate::user_agent_cache::UserAgentCache;

/// Calls of an envelope that are not sent, or not sent completely.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Problems {
    /// Calls that the server cannot send, and the reasons.
    pub(crate) refused: Vec<(Call, String)>,
    /// Calls that are sent incompletely, and the parts beyond a limit of Mixpanel.
    pub(crate) truncated: Vec<(Call, String)>,
    /// Number of events that are not sent because mixpanel-js ignores the visitor's browser, a
    /// robot.
    pub(crate) ignored: usize,
    /// True if mixpanel-js drops the events of the visitor's browser.
    pub(crate) is_robot: bool,
}

impl Problems {
    /// Returns whether all calls are sent.
    pub(crate) fn is_empty(&self) -> bool {
        self.refused.is_empty() && self.truncated.is_empty() && self.ignored == 0
    }
}

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
pub(crate) struct Translator {
    pub(crate) token: String,
    /// Encoded start of the properties of an event, with the token.
    pub(crate) opening: Vec<u8>,
    pub(crate) user_agents: UserAgentCache,
}

impl Translator {
    /// Creates a translator for the project of a token.
    #[must_use]
    pub(crate) fn new(token: String) -> Self {
        let opening = event_writer::opening(&token);
        Self {
            token,
            opening,
            user_agents: UserAgentCache::default(),
        }
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
        TranslationRun::run(self, envelope, text, emit)
    }

    /// Translates an envelope call by call, for an outbox whose calls another program translates.
    #[cfg(feature = "sidekiq")]
    #[must_use]
    pub(crate) fn translate_by_call(
        &self,
        envelope: &crate::record::envelope::Envelope,
    ) -> MessagesByCall {
        let (mut encoded, mut text, mut emitted) = (Vec::new(), Vec::new(), Vec::new());
        crate::record::envelope::codec::write(envelope, &mut encoded);
        let emit = |running, outgoing, _: &mut Vec<u8>| emitted.push((running, outgoing));
        let envelope_parts = (envelope.id, encoded.as_slice());
        let problems = TranslationRun::run(self, envelope_parts, &mut text, emit);
        let calls: Vec<&Call> = envelope.calls.iter().collect();
        let mut messages = vec![Vec::new(); calls.len()];
        for (running, outgoing) in emitted {
            let json = text.get(outgoing.json.clone()).unwrap_or_default();
            if let (Some(messages), Some(call)) =
                (messages.get_mut(running), calls.get(outgoing.call))
            {
                messages.extend(outgoing.to_message(json, (*call).clone()));
            }
        }
        MessagesByCall { messages, problems }
    }
}
