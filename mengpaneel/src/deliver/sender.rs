//! Sending: from parcels to answers, and what to tell where the answer is no.

use std::collections::{HashMap, HashSet};
use std::mem::{Discriminant, discriminant};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use thiserror::Error;
use uuid::Uuid;

use crate::call::Call;
use crate::deliver::http::HttpClient;
use crate::deliver::http::retry::Backoff;
use crate::deliver::http::send_error::SendError;
use crate::deliver::partitions::Partitions;
use crate::error::{ErrorReporter, Failure, Reason};
use crate::id::now_ms;
use crate::metrics;
use crate::record::envelope::Envelope;
use crate::record::envelope::codec;
use crate::translate::interpreter::{Translation, Translator};
use crate::translate::message::Message;
use crate::translate::outgoing::{EncodedEvent, Outgoing};

use crate::deliver::circuit_breaker::CircuitBreaker;
use crate::deliver::profile_dedup::ProfileDedup;

/// The application's word on each message before it is sent: whether it is, and how.
pub(crate) type BeforeSend = Arc<dyn Fn(&mut Message) -> bool + Send + Sync>;

/// As many parcels are kept at once that were tried.
const MAX_CACHED: usize = 1_000;

/// What it takes to send.
pub(crate) struct Sender {
    pub(crate) translator: Translator,
    pub(crate) http: HttpClient,
    pub(crate) reporter: ErrorReporter,
    pub(crate) retry_for: Duration,
    pub(crate) before_send: Option<BeforeSend>,
    pub(crate) circuit_breaker: CircuitBreaker,
    pub(crate) profile_dedup: ProfileDedup,
    /// What was tried at once and waits in the outbox now: it was told of and looked at already.
    cached: Mutex<HashMap<Uuid, Vec<Message>>>,
    /// When the oldest of what waits was recorded, in milliseconds since 1970; 0 where none waits.
    pub(crate) oldest: AtomicU64,
    standstill: Mutex<Standstill>,
}

/// True if nothing gets through until a person changes something.
#[derive(Debug, Default)]
struct Standstill {
    /// Kind of refusal that was reported, and is not over.
    reported: Option<Discriminant<SendError>>,
    /// When Mixpanel took something last.
    worked: Option<Instant>,
    /// Since when Mixpanel has been away, other than by refusing the credentials.
    away_since: Option<Instant>,
}

/// Mixpanel takes nothing for now.
pub(crate) struct Unavailable {
    /// Time to leave it alone.
    pub(crate) delay: Duration,
    /// True if Mixpanel named that time itself.
    pub(crate) is_asked_for: bool,
    pub(crate) why: String,
    /// Time since it went away. `None` where records do not grow old by it: the credentials are
    /// refused, or it is the outbox that failed.
    pub(crate) lasts: Option<Duration>,
}

impl Standstill {
    /// Time since Mixpanel went away, as far as records grow old by it.
    fn lasts(&mut self, ages: bool) -> Option<Duration> {
        self.away_since = if ages {
            self.away_since.or_else(|| Some(Instant::now()))
        } else {
            None
        };
        self.away_since.map(|since| since.elapsed())
    }
}

/// Which records must be taken apart to be said.
pub(crate) enum DecodePolicy {
    /// The application looks at each message.
    All,
    /// They were tried before, and it is known what they came to.
    Cached(HashSet<Uuid>),
}

impl DecodePolicy {
    /// Whether this compact parcel must.
    pub(crate) fn must_decode(&self, parcel: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Cached(ids) => {
                !ids.is_empty() && codec::id(parcel).is_none_or(|id| ids.contains(&id))
            }
        }
    }
}

/// Calls that did not reach Mixpanel in one attempt.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{} not delivered; the first: {}", count(.0.len()), .0.first().map(ToString::to_string).unwrap_or_default())]
pub struct UndeliveredError(pub(crate) Vec<Failure>);

impl UndeliveredError {
    /// Returns why each message was not delivered, with its calls.
    pub fn failures(&self) -> &[Failure] {
        &self.0
    }
}

fn count(messages: usize) -> String {
    if messages == 1 {
        "a message was".to_owned()
    } else {
        format!("{messages} messages were")
    }
}

impl Sender {
    pub(crate) fn new(
        token: String,
        delivery: HttpClient,
        failures: ErrorReporter,
        retry_for: Duration,
        before_send: Option<BeforeSend>,
    ) -> Self {
        let circuit = CircuitBreaker::new(Backoff::default());
        let (last_sets, oldest) = (ProfileDedup::default(), AtomicU64::new(0));
        let interpreter = Translator::new(token);
        let (tried, standstill) = (Mutex::default(), Mutex::default());
        Self {
            translator: interpreter,
            http: delivery,
            reporter: failures,
            retry_for,
            before_send,
            circuit_breaker: circuit,
            profile_dedup: last_sets,
            cached: tried,
            oldest,
            standstill,
        }
    }

    /// Translates; what cannot be said is told, and the application looks at what can. Where it
    /// does not, what is plain is written in `lanes`.
    pub(crate) fn translate(&self, parcel: &Envelope, lanes: &mut Partitions) -> Vec<Outgoing> {
        let as_messages = |messages: Vec<Message>| {
            messages
                .into_iter()
                .map(|one| Outgoing::Message(Box::new(one)))
                .collect()
        };
        let tried = self.cached().remove(&parcel.id);
        let mut said: Vec<Outgoing> = match (tried, &self.before_send) {
            (Some(tried), _) => as_messages(tried),
            (None, None) => {
                self.translated(self.translator.translate_encoded(parcel, lanes.staging()))
            }
            (None, Some(hook)) => {
                let mut messages = self.translated(self.translator.translate(parcel));
                messages.retain_mut(|message| self.is_wanted(hook, message));
                as_messages(messages)
            }
        };
        lanes.distribute(said.iter_mut().filter_map(Outgoing::as_encoded_mut));
        said.retain(
            |one| !matches!(one, Outgoing::Message(message) if self.profile_dedup.is_repeated(message)),
        );
        said
    }

    /// Which of the records that are in hand by now must be taken apart to be said.
    pub(crate) fn decode_policy(&self) -> DecodePolicy {
        match self.before_send {
            Some(_) => DecodePolicy::All,
            None => DecodePolicy::Cached(self.cached().keys().copied().collect()),
        }
    }

    /// What a compact parcel comes to, where it need not be taken apart for that; else `None`, and
    /// what `say` was given does not count.
    pub(crate) fn translate_record(
        &self,
        parcel: &[u8],
        text: &mut Vec<u8>,
        say: impl FnMut(EncodedEvent),
    ) -> Option<()> {
        self.translator.translate_record(parcel, text, say)
    }

    /// Keeps what a parcel came to, for when it comes back from the outbox. Where it does not come
    /// back to this process it is translated once more.
    pub(crate) fn cache_messages(&self, id: Uuid, messages: Vec<Message>) {
        let mut tried = self.cached();
        // Another process may have what does not come back.
        if tried.len() >= MAX_CACHED {
            tried.clear();
        }
        tried.insert(id, messages);
    }

    /// The outbox did not take that parcel.
    pub(crate) fn forget_messages(&self, id: Uuid) {
        self.cached().remove(&id);
    }

    fn cached(&self) -> MutexGuard<'_, HashMap<Uuid, Vec<Message>>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn translated<T>(&self, translation: Translation<T>) -> Vec<T> {
        for failure in bounded(translation.refused, Reason::Unsupported) {
            self.report(&failure);
        }
        // These are sent, so that they do not count as dropped.
        for failure in bounded(translation.cut, Reason::Truncated) {
            self.reporter.report(&failure);
        }
        metrics::dropped("bot", translation.ignored);
        translation.messages
    }

    fn is_wanted(&self, hook: &BeforeSend, message: &mut Message) -> bool {
        match catch_unwind(AssertUnwindSafe(|| hook(message))) {
            Ok(true) => true,
            Ok(false) => {
                metrics::dropped("before_send", 1);
                false
            }
            // What it would have taken out must not leave.
            Err(_) => {
                let reason = Reason::Abandoned("the `before_send` hook panicked on it".into());
                self.report(&failure(message.clone(), reason));
                false
            }
        }
    }

    /// One attempt; what did not arrive is told.
    pub(crate) async fn send_or_report(&self, parcel: &Envelope) {
        for failure in self.send_once(parcel).await {
            self.report(&failure);
        }
    }

    /// One attempt; gives what did not arrive.
    pub(crate) async fn send_once(&self, parcel: &Envelope) -> Vec<Failure> {
        self.attempt(parcel).await.0
    }

    /// One attempt; gives what did not arrive, and where that is all of it, what it was, so that
    /// the parcel can be tried again as it is. While Mixpanel is away nothing is sent.
    pub(crate) async fn attempt(&self, parcel: &Envelope) -> (Vec<Failure>, Option<Vec<Message>>) {
        let mut lanes = Partitions::default();
        let said = self.translate(parcel, &mut lanes);
        if said.is_empty() {
            return (Vec::new(), None);
        }
        let leave = match self.circuit_breaker.try_acquire() {
            Ok(leave) => leave,
            Err(why) => {
                for one in &said {
                    self.forget(one);
                }
                let reason = Reason::Abandoned(format!("Mixpanel is away: {why}"));
                return self
                    .all_undelivered(parcel, said.into_iter().map(|one| (one, reason.clone())));
            }
        };
        let not_taken = self.http.deliver(said.iter(), &mut lanes).await;
        self.record_result(said.len(), &not_taken);
        drop(leave);
        #[cfg(feature = "metrics")]
        if not_taken.is_empty() {
            metrics::delivery_latency(crate::id::timestamp_ms(parcel.id));
        }
        let is_retry = |(_, why): &(usize, SendError)| {
            matches!(why, SendError::Retry { .. } | SendError::NotServed { .. })
        };
        let is_untouched = not_taken.len() == said.len() && not_taken.iter().all(is_retry);
        let failed = select_failed(said, not_taken).map(|(one, why)| {
            self.forget(&one);
            (one, reason(why))
        });
        if is_untouched {
            return self.all_undelivered(parcel, failed);
        }
        let mut again = Retranslator::new(self);
        (
            failed
                .map(|(one, reason)| again.failure(parcel, one, reason))
                .collect(),
            None,
        )
    }

    fn all_undelivered(
        &self,
        parcel: &Envelope,
        failed: impl Iterator<Item = (Outgoing, Reason)>,
    ) -> (Vec<Failure>, Option<Vec<Message>>) {
        let mut again = Retranslator::new(self);
        let failed: Vec<_> = failed
            .filter_map(|(one, reason)| Some((again.message(parcel, one)?, reason)))
            .collect();
        let messages = failed.iter().map(|(message, _)| message.clone()).collect();
        (
            failed
                .into_iter()
                .map(|(message, reason)| failure(message, reason))
                .collect(),
            Some(messages),
        )
    }

    /// Keeps the circuit and the counters, once so many were sent. Answers how long to leave
    /// Mixpanel alone, and why.
    pub(crate) fn record_result(
        &self,
        sent: usize,
        not_taken: &[(usize, SendError)],
    ) -> Option<Unavailable> {
        metrics::delivered(sent.saturating_sub(not_taken.len()));
        let away = not_taken.iter().find_map(|(_, why)| match why {
            SendError::Retry { after, reason } | SendError::NotServed { after, reason } => {
                Some((*after, reason))
            }
            SendError::Unauthorized(why) => Some((None, why)),
            _ => None,
        });
        let Some((after, why)) = away else {
            if sent > 0 {
                self.circuit_breaker.record_success();
                *self.standstill() = Standstill {
                    worked: Some(Instant::now()),
                    ..Standstill::default()
                };
            }
            return None;
        };
        let is_unauthorized = not_taken
            .iter()
            .any(|(_, why)| matches!(why, SendError::Unauthorized(_)));
        let delay = self.circuit_breaker.record_failure(after, why);
        let lasts = self.standstill().lasts(!is_unauthorized);
        Some(Unavailable {
            delay,
            is_asked_for: after.is_some(),
            why: why.clone(),
            lasts,
        })
    }

    /// Tells once that nothing gets through until a person changes something, as an answer says to
    /// what was sent at that time. The answer to a request of before may come after Mixpanel
    /// took another: that tells nothing any more.
    pub(crate) fn report_standstill(&self, why: &SendError, sent: Instant) {
        let mut standstill = self.standstill();
        let is_over = standstill.worked.is_some_and(|worked| worked >= sent);
        if is_over || standstill.reported.replace(discriminant(why)) == Some(discriminant(why)) {
            return;
        }
        drop(standstill);
        self.report(&Failure::for_calls(reason(why.clone()), vec![]));
    }

    fn standstill(&self) -> MutexGuard<'_, Standstill> {
        self.standstill
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// It did not arrive: the next that says the same is no repetition.
    pub(crate) fn forget(&self, said: &Outgoing) {
        if let Outgoing::Message(message) = said {
            self.profile_dedup.forget(message);
        }
    }

    /// Tells of what is lost.
    pub(crate) fn report(&self, failure: &Failure) {
        metrics::dropped(failure.reason.name(), failure.calls.len());
        self.reporter.report(failure);
    }

    /// How long the oldest of what waits has waited.
    pub(crate) fn oldest_age(&self) -> Option<Duration> {
        let oldest = self.oldest.load(Ordering::Relaxed);
        (oldest > 0).then(|| Duration::from_millis(now_ms().saturating_sub(oldest)))
    }
}

/// What was said, as messages again: for what was written and did not arrive. A parcel is
/// translated once for all that is of it.
pub(crate) struct Retranslator<'a> {
    sender: &'a Sender,
    last: Option<(Uuid, Vec<Option<Message>>)>,
}

impl<'a> Retranslator<'a> {
    pub(crate) fn new(sender: &'a Sender) -> Self {
        Self { sender, last: None }
    }

    pub(crate) fn message(&mut self, parcel: &Envelope, said: Outgoing) -> Option<Message> {
        let index = match said {
            Outgoing::Message(message) => return Some(*message),
            Outgoing::Encoded(event) => event.index,
        };
        let last = self.last.take().filter(|(id, _)| *id == parcel.id);
        let translated = || {
            self.sender
                .translator
                .translate(parcel)
                .messages
                .into_iter()
                .map(Some)
                .collect()
        };
        let (_, messages) = self
            .last
            .insert(last.unwrap_or_else(|| (parcel.id, translated())));
        messages.get_mut(index)?.take()
    }

    /// Why it is lost.
    pub(crate) fn failure(&mut self, parcel: &Envelope, said: Outgoing, reason: Reason) -> Failure {
        match self.message(parcel, said) {
            Some(message) => failure(message, reason),
            None => Failure::for_calls(reason, parcel.calls.iter().cloned().collect()),
        }
    }
}

/// Most failures that one request's calls make: the last one is about all that are left.
const MAX_FAILURES: usize = 20;

/// A failure for each call; from a bound on, one for the others.
fn bounded(mut calls: Vec<(Call, String)>, reason: fn(String) -> Reason) -> Vec<Failure> {
    let rest = calls.split_off(calls.len().min(MAX_FAILURES - 1));
    let each = calls
        .into_iter()
        .map(|(call, why)| Failure::for_calls(reason(why), vec![call]));
    let mut failures: Vec<Failure> = each.collect();
    if let Some((_, why)) = rest.first() {
        let why = if rest.len() > 1 {
            format!("{why} (the first of {} such calls)", rest.len())
        } else {
            why.clone()
        };
        failures.push(Failure::for_calls(
            reason(why),
            rest.into_iter().map(|(call, _)| call).collect(),
        ));
    }
    failures
}

/// Those that were not taken, of all that was sent, and why.
pub(crate) fn select_failed<T>(
    sent: Vec<T>,
    not_taken: Vec<(usize, SendError)>,
) -> impl Iterator<Item = (T, SendError)> {
    let (mut sent, mut passed) = (sent.into_iter(), 0);
    not_taken.into_iter().filter_map(move |(place, why)| {
        let one = sent.nth(place - passed)?;
        passed = place + 1;
        Some((one, why))
    })
}

/// Why a message is lost that was not taken.
pub(crate) fn reason(why: SendError) -> Reason {
    match why {
        SendError::Refused(why) => Reason::Rejected(why),
        SendError::Retry { reason, .. } => Reason::Abandoned(reason),
        SendError::InDoubt(why) => Reason::InDoubt(why),
        SendError::NotServed { reason, .. } => Reason::NotServed(reason),
        SendError::Unauthorized(why) => Reason::Unauthorized(why),
    }
}

pub(crate) fn failure(message: Message, reason: Reason) -> Failure {
    Failure {
        reason,
        calls: vec![message.call],
        messages: vec![message.body],
    }
}
