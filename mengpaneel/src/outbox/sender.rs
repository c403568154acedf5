//! Sending: from parcels to answers, and what to tell where the answer is no.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thiserror::Error;
use uuid::Uuid;

use crate::failure::{Failure, Failures, Reason};
use crate::parcel::Parcel;
use crate::recorder::now_ms;
use crate::server::{Backoff, Delivery, Message, Outcome, translate};
use crate::stats;

use super::circuit::Circuit;
use super::last_sets::LastSets;

/// The application's word on each message before it is sent: whether it is, and how.
pub(crate) type BeforeSend = Arc<dyn Fn(&mut Message) -> bool + Send + Sync>;

/// As many parcels are kept translated at once.
const MAX_TRANSLATED: usize = 1_000;

/// What it takes to send.
pub(super) struct Sender {
    pub(super) token: String,
    pub(super) delivery: Delivery,
    pub(super) failures: Failures,
    pub(super) max_age: Duration,
    pub(super) before_send: Option<BeforeSend>,
    pub(super) circuit: Circuit,
    pub(super) last_sets: LastSets,
    /// What was tried at once and waits in the outbox now: it was told of and looked at already.
    translated: Mutex<HashMap<Uuid, Vec<Message>>>,
    /// When the oldest of what waits was recorded, in milliseconds since 1970; 0 where none waits.
    pub(super) oldest: AtomicU64,
}

/// What did not reach Mixpanel in one attempt.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{} not delivered; the first: {}", count(.0.len()), .0.first().map(ToString::to_string).unwrap_or_default())]
pub struct Undelivered(pub Vec<Failure>);

fn count(messages: usize) -> String {
    if messages == 1 { "a message was".to_owned() } else { format!("{messages} messages were") }
}

impl Sender {
    pub(super) fn new(
        token: String,
        delivery: Delivery,
        failures: Failures,
        max_age: Duration,
        before_send: Option<BeforeSend>,
    ) -> Self {
        let circuit = Circuit::new(Backoff::default());
        let (last_sets, oldest) = (LastSets::default(), AtomicU64::new(0));
        let translated = Mutex::default();
        Self { token, delivery, failures, max_age, before_send, circuit, last_sets, translated, oldest }
    }

    /// Translates; what cannot be said is told, and the application looks at what can.
    pub(super) fn messages(&self, parcel: &Parcel) -> Vec<Message> {
        let translated = self.translated().remove(&parcel.id);
        let mut messages = translated.unwrap_or_else(|| self.translate(parcel));
        messages.retain(|message| !self.last_sets.is_repeated(message));
        messages
    }

    /// Keeps what a parcel came to, for when it comes back from the outbox. Where it does not come
    /// back to this process it is translated once more.
    pub(super) fn keep(&self, id: Uuid, messages: Vec<Message>) {
        let mut translated = self.translated();
        if translated.len() < MAX_TRANSLATED {
            translated.insert(id, messages);
        }
    }

    /// The outbox did not take that parcel.
    pub(super) fn forget(&self, id: Uuid) {
        self.translated().remove(&id);
    }

    fn translated(&self) -> MutexGuard<'_, HashMap<Uuid, Vec<Message>>> {
        self.translated.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn translate(&self, parcel: &Parcel) -> Vec<Message> {
        let translation = translate(&self.token, parcel);
        for (call, why) in translation.refused {
            self.tell(&Failure::of_calls(Reason::Untranslatable(why), vec![call]));
        }
        for (call, what) in translation.cut {
            self.failures.tell(&Failure::of_calls(Reason::Cut(what), vec![call]));
        }
        let mut messages = translation.messages;
        if let Some(hook) = &self.before_send {
            messages.retain_mut(|message| self.is_wanted(hook, message));
        }
        messages
    }

    fn is_wanted(&self, hook: &BeforeSend, message: &mut Message) -> bool {
        match catch_unwind(AssertUnwindSafe(|| hook(message))) {
            Ok(true) => true,
            Ok(false) => {
                stats::dropped("before_send", 1);
                false
            }
            // What it would have taken out must not leave.
            Err(_) => {
                let reason = Reason::GivenUp("the `before_send` hook panicked on it".into());
                self.tell(&failure(message.clone(), reason));
                false
            }
        }
    }

    /// One attempt; what did not arrive is told.
    pub(super) async fn send_or_tell(&self, parcel: &Parcel) {
        for failure in self.send_once(parcel).await {
            self.tell(&failure);
        }
    }

    /// One attempt; gives what did not arrive.
    pub(super) async fn send_once(&self, parcel: &Parcel) -> Vec<Failure> {
        failures(self.attempt(parcel).await.0)
    }

    /// One attempt; gives what did not arrive, and whether that is all of it, so that the parcel can
    /// be tried again as it is. While Mixpanel is away nothing is sent.
    pub(super) async fn attempt(&self, parcel: &Parcel) -> (Vec<(Message, Reason)>, bool) {
        let messages = self.messages(parcel);
        if messages.is_empty() {
            return (Vec::new(), false);
        }
        let leave = match self.circuit.enter() {
            Ok(leave) => leave,
            Err(why) => {
                for message in &messages {
                    self.last_sets.forget(message);
                }
                let reason = Reason::GivenUp(format!("Mixpanel is away: {why}"));
                return (messages.into_iter().map(|message| (message, reason.clone())).collect(), true);
            }
        };
        let sent = self.delivery.deliver(messages).await;
        self.note(&sent);
        drop(leave);
        let is_untouched = sent.iter().all(|(_, outcome)| matches!(outcome, Outcome::Retry { .. }));
        let failed = sent.into_iter().filter_map(|(message, outcome)| Some((message, reason(outcome)?)));
        (failed.collect(), is_untouched)
    }

    /// Keeps the circuit and the counters. Answers how long to leave Mixpanel alone, and why.
    pub(super) fn note(&self, sent: &[(Message, Outcome)]) -> Option<(Duration, String)> {
        let count = |is: fn(&Outcome) -> bool| sent.iter().filter(|(_, outcome)| is(outcome)).count();
        stats::delivered(count(|outcome| matches!(outcome, Outcome::Delivered)));
        for (message, _) in sent.iter().filter(|(_, outcome)| *outcome != Outcome::Delivered) {
            self.last_sets.forget(message);
        }
        let away = sent.iter().find_map(|(_, outcome)| match outcome {
            Outcome::Retry { after, reason } => Some((*after, reason)),
            Outcome::Unauthorized(why) => Some((None, why)),
            _ => None,
        });
        let Some((after, why)) = away else {
            if !sent.is_empty() {
                self.circuit.worked();
            }
            return None;
        };
        Some((self.circuit.failed(after, why), why.clone()))
    }

    /// Tells of what is lost.
    pub(super) fn tell(&self, failure: &Failure) {
        stats::dropped(failure.reason.name(), failure.calls.len());
        self.failures.tell(failure);
    }

    /// How long the oldest of what waits has waited.
    pub(super) fn oldest_age(&self) -> Option<Duration> {
        let oldest = self.oldest.load(Ordering::Relaxed);
        (oldest > 0).then(|| Duration::from_millis(now_ms().saturating_sub(oldest)))
    }
}

/// Why a message is not delivered, where it is not.
pub(super) fn reason(outcome: Outcome) -> Option<Reason> {
    match outcome {
        Outcome::Delivered => None,
        Outcome::Refused(why) => Some(Reason::Refused(why)),
        Outcome::Retry { reason, .. } => Some(Reason::GivenUp(reason)),
        Outcome::InDoubt(why) => Some(Reason::InDoubt(why)),
        Outcome::Unauthorized(why) => Some(Reason::Unauthorized(why)),
    }
}

/// What is to be told of these.
pub(super) fn failures(failed: Vec<(Message, Reason)>) -> Vec<Failure> {
    failed.into_iter().map(|(message, reason)| failure(message, reason)).collect()
}

pub(super) fn failure(message: Message, reason: Reason) -> Failure {
    Failure { reason, calls: vec![message.call], messages: vec![message.body] }
}
