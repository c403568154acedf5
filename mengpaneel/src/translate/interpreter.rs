//! The interpreter: what a parcel comes to, for whoever delivers it.

use crate::translate::TranslationRun;

use crate::translate::agents::UserAgentCache;
use crate::translate::event_writer;
use crate::translate::facts::RequestProperties;
use crate::translate::state::State;

use crate::call::Call;
use crate::id::timestamp_ms;
use crate::record::envelope::Envelope;
use crate::record::envelope::codec::VisitorRef;
use crate::translate::message::Message;
use crate::translate::outgoing::Outgoing;

/// What a parcel comes to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Translation<T = Message> {
    /// What Mixpanel is to be told, in order.
    pub messages: Vec<T>,
    /// Calls that cannot be said by a server, and why.
    pub refused: Vec<(Call, String)>,
    /// Calls that are said, but not whole, and what of them was past a limit of Mixpanel's.
    pub cut: Vec<(Call, String)>,
    /// Number of events that are not sent because mixpanel-js ignores the visitor's browser, a
    /// robot.
    pub ignored: usize,
}

impl<T> Default for Translation<T> {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            refused: Vec::new(),
            cut: Vec::new(),
            ignored: 0,
        }
    }
}

/// Messages that each call of a parcel comes to.
#[cfg(feature = "sidekiq")]
#[derive(Clone, Debug)]
pub(crate) struct ByCall {
    /// The messages of each call, in the order in which the calls run. A call that waits for
    /// `identify` has none; its message is among those of that.
    pub messages: Vec<Vec<Message>>,
    /// The first call that is not sent as it is, and why.
    pub problem: Option<(Call, String)>,
    /// True if the visitor's browser is one whose events mixpanel-js drops.
    pub is_robot: bool,
}

/// Says parcels' calls as the visitors' own browsers would have.
#[derive(Debug)]
pub(crate) struct Translator {
    pub(crate) token: String,
    /// What begins the properties of an event that is written.
    pub(crate) opening: Vec<u8>,
    pub(crate) agents: UserAgentCache,
    /// Whoever is there of whom nothing is known.
    pub(crate) nobody: State,
}

impl Translator {
    /// Says them to the project of this token.
    #[must_use]
    pub(crate) fn new(token: String) -> Self {
        let opening = event_writer::opening(&token);
        Self {
            token,
            opening,
            agents: UserAgentCache::default(),
            nobody: State::default(),
        }
    }

    /// As messages, for whoever looks at them.
    #[must_use]
    pub(crate) fn translate(&self, parcel: &Envelope) -> Translation<Message> {
        let Translation {
            messages,
            refused,
            cut,
            ignored,
        } = self.run(parcel, None, |_| {});
        Translation {
            messages: messages
                .into_iter()
                .filter_map(Outgoing::into_message)
                .collect(),
            refused,
            cut,
            ignored,
        }
    }

    /// As little as has to be said: what is plain is written at the end of `text`. The message of
    /// what is written already stands in [`messages`](Self::messages), at its index.
    #[must_use]
    pub(crate) fn translate_encoded(
        &self,
        parcel: &Envelope,
        text: &mut Vec<u8>,
    ) -> Translation<Outgoing> {
        self.run(parcel, Some(text), |_| {})
    }

    /// As messages, call by call: for an outbox whose calls another program translates.
    #[cfg(feature = "sidekiq")]
    #[must_use]
    pub(crate) fn translate_by_call(&self, parcel: &Envelope) -> ByCall {
        let is_robot =
            RequestProperties::of(&VisitorRef::from_envelope(parcel), &self.agents).is_robot;
        let mut ends = Vec::new();
        let Translation {
            messages,
            refused,
            cut,
            ..
        } = self.run(parcel, None, |end| ends.push(end));
        let mut messages = messages.into_iter().filter_map(Outgoing::into_message);
        let mut start = 0;
        let messages = ends.into_iter().map(|end| {
            let count = end - std::mem::replace(&mut start, end);
            messages.by_ref().take(count).collect()
        });
        let problem = refused.into_iter().chain(cut).next();
        ByCall {
            messages: messages.collect(),
            problem,
            is_robot,
        }
    }

    /// Calls `after_each` with the number of messages there are after each call.
    fn run<'a>(
        &'a self,
        parcel: &'a Envelope,
        text: Option<&'a mut Vec<u8>>,
        mut after_each: impl FnMut(usize),
    ) -> Translation<Outgoing> {
        let visit = VisitorRef::from_envelope(parcel);
        let mut translator = TranslationRun {
            token: &self.token,
            opening: &self.opening,
            parcel: parcel.id,
            time: timestamp_ms(parcel.id),
            facts: RequestProperties::of(&visit, &self.agents),
            state: State::new(&visit),
            waiting: Vec::new(),
            is_silent: true,
            text,
            done: Translation::default(),
        };
        for call in &parcel.context {
            // What becomes of it is told where it is delivered.
            let _ = translator.apply(call);
        }
        translator.is_silent = false;
        for call in parcel.calls.iter() {
            if let Err(reason) = translator.apply(call) {
                translator.done.refused.push((call.clone(), reason));
            }
            after_each(translator.done.messages.len());
        }
        translator.reject_pending();
        translator.done
    }
}
