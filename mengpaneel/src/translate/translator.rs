//! Translator: envelopes to messages, as the visitors' browsers would send them.

use crate::call::Call;
use crate::id::timestamp_ms;
use crate::record::envelope::Envelope;
use crate::record::envelope::codec::VisitorRef;
use crate::translate::TranslationRun;
use crate::translate::event_writer;
use crate::translate::message::Message;
use crate::translate::outgoing::Outgoing;
use crate::translate::request_properties::RequestProperties;
use crate::translate::state::State;
use crate::translate::user_agent_cache::UserAgentCache;

/// Result of the translation of an envelope.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Translation<T = Message> {
    /// Messages for Mixpanel, in order.
    pub messages: Vec<T>,
    /// Calls that the server cannot send, and the reasons.
    pub refused: Vec<(Call, String)>,
    /// Calls that are sent incompletely, and the parts beyond a limit of Mixpanel.
    pub truncated: Vec<(Call, String)>,
    /// Number of events that are not sent because mixpanel-js ignores the visitor's browser, a
    /// robot.
    pub ignored: usize,
}

impl<T> Default for Translation<T> {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            refused: Vec::new(),
            truncated: Vec::new(),
            ignored: 0,
        }
    }
}

/// Messages of each call of an envelope.
#[cfg(feature = "sidekiq")]
#[derive(Clone, Debug)]
pub(crate) struct MessagesByCall {
    /// Messages of each call, in the order in which the calls run. A call that waits for
    /// `identify` has none; its message is among those of the `identify`.
    pub messages: Vec<Vec<Message>>,
    /// First call that is not sent completely, and the reason. `None` if all are.
    pub problem: Option<(Call, String)>,
    /// True if mixpanel-js drops the events of the visitor's browser.
    pub is_robot: bool,
}

/// Translator of envelopes for one project.
#[derive(Debug)]
pub(crate) struct Translator {
    pub(crate) token: String,
    /// Encoded start of the properties of an event, with the token.
    pub(crate) opening: Vec<u8>,
    pub(crate) user_agents: UserAgentCache,
    /// State of a visitor of whom nothing is known.
    pub(crate) anonymous: State,
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
            anonymous: State::default(),
        }
    }

    /// Translates an envelope to messages.
    #[must_use]
    pub(crate) fn translate(&self, envelope: &Envelope) -> Translation<Message> {
        let Translation {
            messages,
            refused,
            truncated,
            ignored,
        } = self.run(envelope, None, |_| {});
        Translation {
            messages: messages
                .into_iter()
                .filter_map(Outgoing::into_message)
                .collect(),
            refused,
            truncated,
            ignored,
        }
    }

    /// Translates an envelope, and encodes events at the end of `text` where the fast path allows
    /// that. The message of an encoded event is at its index in the result of
    /// [`translate`](Self::translate).
    #[must_use]
    pub(crate) fn translate_encoded(
        &self,
        envelope: &Envelope,
        text: &mut Vec<u8>,
    ) -> Translation<Outgoing> {
        self.run(envelope, Some(text), |_| {})
    }

    /// Translates an envelope call by call, for an outbox whose calls another program translates.
    #[cfg(feature = "sidekiq")]
    #[must_use]
    pub(crate) fn translate_by_call(&self, envelope: &Envelope) -> MessagesByCall {
        let visitor = VisitorRef::from_envelope(envelope);
        let is_robot = RequestProperties::new(&visitor, &self.user_agents).is_robot;
        let mut ends = Vec::new();
        let Translation {
            messages,
            refused,
            truncated,
            ..
        } = self.run(envelope, None, |end| ends.push(end));
        let mut messages = messages.into_iter().filter_map(Outgoing::into_message);
        let mut start = 0;
        let messages = ends.into_iter().map(|end| {
            let count = end - std::mem::replace(&mut start, end);
            messages.by_ref().take(count).collect()
        });
        let problem = refused.into_iter().chain(truncated).next();
        MessagesByCall {
            messages: messages.collect(),
            problem,
            is_robot,
        }
    }

    /// Translates an envelope. After each call, `after_each` gets the number of messages so far.
    fn run<'a>(
        &'a self,
        envelope: &'a Envelope,
        text: Option<&'a mut Vec<u8>>,
        mut after_each: impl FnMut(usize),
    ) -> Translation<Outgoing> {
        let visitor = VisitorRef::from_envelope(envelope);
        let mut run = TranslationRun {
            token: &self.token,
            opening: &self.opening,
            envelope_id: envelope.id,
            time_ms: timestamp_ms(envelope.id),
            request: RequestProperties::new(&visitor, &self.user_agents),
            state: State::new(&visitor),
            pending_operations: Vec::new(),
            is_silent: true,
            text,
            translation: Translation::default(),
        };
        for call in &envelope.context {
            // The envelope with the call itself reports its errors.
            let _ = run.apply(call);
        }
        run.is_silent = false;
        for call in envelope.calls.iter() {
            if let Err(reason) = run.apply(call) {
                run.translation.refused.push((call.clone(), reason));
            }
            after_each(run.translation.messages.len());
        }
        run.refuse_pending_operations();
        run.translation
    }
}
