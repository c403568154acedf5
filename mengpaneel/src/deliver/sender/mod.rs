//! Sender: translates envelopes, sends their messages once, and reports the failures.

pub(crate) mod outage;
#[cfg(test)]
mod tests;
pub(crate) mod undelivered;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::deliver::circuit_breaker::CircuitBreaker;
use crate::deliver::http::HttpClient;
use crate::deliver::http::retry::Backoff;
use crate::deliver::http::send_error::{SendError, SendErrorKind};
use crate::deliver::partitions::Partitions;
use crate::deliver::profile_dedup::ProfileDedup;
use crate::deliver::retry_delay::RetryDelay;
use crate::deliver::sender::outage::Outage;
use crate::deliver::sender::undelivered::{bounded_failures, failure_reason, message_failure};
use crate::error::{ErrorReporter, Failure, Reason};
use crate::id::now_ms;
use crate::metrics;
use crate::outbox::{Record, RecordError};
use crate::record::envelope::codec;
use crate::translate::message::{Endpoint, Message};
use crate::translate::outgoing::Outgoing;
use crate::translate::problems::Problems;
use crate::translate::translator::Translator;

pub(crate) use crate::deliver::sender::outage::Unavailable;
pub use crate::deliver::sender::undelivered::UndeliveredError;
pub(crate) use crate::deliver::sender::undelivered::select_failed;

/// Hook of the application that may change a message before it is sent, or drop it with `false`.
pub(crate) type BeforeSend = Arc<dyn Fn(&mut Message) -> bool + Send + Sync>;

/// Translator, HTTP client and delivery state of one `Mengpaneel`.
pub(crate) struct Sender {
    pub(crate) translator: Translator,
    pub(crate) http: HttpClient,
    pub(crate) reporter: ErrorReporter,
    pub(crate) retry_for: Duration,
    pub(crate) before_send: Option<BeforeSend>,
    pub(crate) circuit_breaker: CircuitBreaker,
    pub(crate) profile_dedup: ProfileDedup,
    /// Time at which the oldest pending record was recorded, in milliseconds since 1970; 0 if no
    /// record is late.
    oldest_ms: AtomicU64,
    outage: Mutex<Outage>,
}

impl Sender {
    pub(crate) fn new(
        token: String,
        http: HttpClient,
        reporter: ErrorReporter,
        retry_for: Duration,
        before_send: Option<BeforeSend>,
    ) -> Self {
        Self {
            translator: Translator::new(token),
            http,
            reporter,
            retry_for,
            before_send,
            circuit_breaker: CircuitBreaker::new(Backoff::default()),
            profile_dedup: ProfileDedup::default(),
            oldest_ms: AtomicU64::new(0),
            outage: Mutex::default(),
        }
    }

    /// Adds the messages of a record to `partitions`, and passes each to `emit`.
    ///
    /// A record that was tried has its messages, which are returned. Another one is translated: calls
    /// without a translation are reported, and `before_send` is called. Repeated `people.set` calls
    /// are dropped.
    ///
    /// # Errors
    /// [`RecordError`] if the record cannot be decoded.
    pub(crate) fn add_messages(
        &self,
        record: &Record,
        partitions: &mut Partitions,
        mut emit: impl FnMut(Outgoing),
    ) -> Result<Vec<Message>, RecordError> {
        let (progress, envelope) = record.parts()?;
        if !progress.is_empty()
            && let Some(remaining) = record.progress()?.remaining
        {
            for (index, message) in remaining.iter().enumerate() {
                let message = partitions.add_message(message, index);
                if !self.is_repeated(&message, partitions) {
                    emit(message);
                }
            }
            return Ok(remaining);
        }
        let mut text = std::mem::take(&mut partitions.staging);
        let add = |mut message: Outgoing, text: &mut Vec<u8>| {
            if let Some(hook) = &self.before_send {
                match self.apply_hook(hook, envelope, &message, text) {
                    Some(changed) => message = changed,
                    None => return,
                }
            }
            let message = partitions.add(message, text);
            text.clear();
            if !self.is_repeated(&message, partitions) {
                emit(message);
            }
        };
        let problems = self
            .translator
            .translate((record.id(), envelope), &mut text, add);
        text.clear();
        partitions.staging = text;
        if !problems.is_empty() {
            self.report_problems(problems);
        }
        Ok(Vec::new())
    }

    fn is_repeated(&self, message: &Outgoing, partitions: &Partitions) -> bool {
        message.endpoint == Endpoint::People
            && self
                .profile_dedup
                .check_and_remember(message, partitions.json(message))
    }

    /// Reports the calls that are not sent, or not sent completely.
    #[cold]
    fn report_problems(&self, problems: Problems) {
        for failure in bounded_failures(problems.refused, Reason::Unsupported) {
            self.report(&failure);
        }
        // Truncated calls are sent, so they do not count as dropped in the metrics.
        for failure in bounded_failures(problems.truncated, Reason::Truncated) {
            self.reporter.report(&failure);
        }
        metrics::count_dropped("bot", problems.ignored);
    }

    /// Calls `before_send`, and encodes the message again. `None` if it must not be sent.
    fn apply_hook(
        &self,
        hook: &BeforeSend,
        envelope: &[u8],
        message: &Outgoing,
        text: &mut Vec<u8>,
    ) -> Option<Outgoing> {
        let json = text.get(message.json.clone()).unwrap_or_default();
        let call = codec::call_at(envelope, message.call)?;
        let mut decoded = message.to_message(json, call)?;
        match catch_unwind(AssertUnwindSafe(|| hook(&mut decoded))) {
            Ok(true) => return Some(Outgoing::encode(&decoded, message.call, text)),
            Ok(false) => metrics::count_dropped("before_send", 1),
            // Data that the hook would have removed must not be sent.
            Err(_) => {
                let reason = Reason::Abandoned("the `before_send` hook panicked on it".into());
                self.report(&message_failure(decoded, reason));
            }
        }
        None
    }

    /// Sends a record once and reports the failures.
    pub(crate) async fn send_or_report(&self, record: &Record) {
        let (failures, _) = self.send_once(record).await;
        for failure in failures {
            self.report(&failure);
        }
    }

    /// Sends a record once and returns the failures. Sends nothing while the circuit is open.
    ///
    /// If nothing was delivered and all of it can be sent again, the second value is the record
    /// with its messages. Otherwise it is `None`.
    pub(crate) async fn send_once(&self, record: &Record) -> (Vec<Failure>, Option<Record>) {
        let (mut messages, mut partitions) = (Vec::new(), Partitions::default());
        let push = |message| messages.push(message);
        let tried = match self.add_messages(record, &mut partitions, push) {
            Ok(tried) => tried,
            Err(error) => {
                let reason = Reason::Abandoned(error.to_string());
                return (vec![Failure::for_calls(reason, Vec::new())], None);
            }
        };
        if messages.is_empty() {
            return (Vec::new(), None);
        }
        let to_failed = |message: Outgoing, reason| {
            self.profile_dedup.forget(&message);
            let message = decode_message(record, &tried, &message, &partitions)?;
            Some((message, reason))
        };
        let permit = match self.circuit_breaker.try_acquire() {
            Ok(permit) => permit,
            Err(error) => {
                let reason = Reason::Abandoned(format!("Mixpanel is unavailable: {error}"));
                let failed = messages
                    .into_iter()
                    .filter_map(|message| to_failed(message, reason.clone()));
                return undelivered(record, failed, true);
            }
        };
        let errors = self.http.send(messages.iter(), &partitions).await;
        self.record_result(messages.len(), &errors);
        drop(permit);
        #[cfg(feature = "metrics")]
        if errors.is_empty() {
            metrics::record_delivery_latency(crate::id::timestamp_ms(record.id()));
        }
        let can_retry = errors.len() == messages.len()
            && errors.iter().all(|(_, error)| {
                matches!(error.kind, SendErrorKind::Retry | SendErrorKind::NotServed)
            });
        let failed = select_failed(messages, errors)
            .filter_map(|(message, error)| to_failed(message, failure_reason(error)));
        undelivered(record, failed, can_retry)
    }

    /// Updates circuit breaker, outage and metrics after `sent` messages were sent.
    ///
    /// Returns the delay before the next attempt. `None` if Mixpanel is available.
    pub(crate) fn record_result(
        &self,
        sent: usize,
        errors: &[(usize, SendError)],
    ) -> Option<Unavailable> {
        metrics::count_delivered(sent.saturating_sub(errors.len()));
        let unavailable = errors
            .iter()
            .map(|(_, error)| error)
            .find(|error| error.kind != SendErrorKind::Rejected);
        let Some(error) = unavailable else {
            if sent > 0 {
                self.circuit_breaker.record_success();
                self.lock_outage().record_success();
            }
            return None;
        };
        let is_unauthorized = errors
            .iter()
            .any(|(_, error)| error.kind == SendErrorKind::Unauthorized);
        let delay = self
            .circuit_breaker
            .record_failure(error.retry_after, &error.reason);
        let outage_duration = self.lock_outage().record_failure(!is_unauthorized);
        Some(Unavailable {
            retry_delay: RetryDelay {
                delay,
                is_retry_after: error.retry_after.is_some(),
            },
            reason: error.reason.clone(),
            outage_duration,
        })
    }

    /// Reports, once, an error that lasts until a person changes something.
    ///
    /// `sent_at` is the time of the request: an error that is older than the last success is
    /// ignored.
    pub(crate) fn report_persistent_error(&self, error: &SendError, sent_at: Instant) {
        let must_report = self.lock_outage().must_report(error.kind, sent_at);
        if must_report {
            self.report(&Failure::for_calls(failure_reason(error.clone()), vec![]));
        }
    }

    fn lock_outage(&self) -> MutexGuard<'_, Outage> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports a failure to `on_error` and counts its calls as dropped.
    pub(crate) fn report(&self, failure: &Failure) {
        metrics::count_dropped(failure.reason.name(), failure.calls.len());
        self.reporter.report(failure);
    }

    /// Stores when the oldest late record was recorded, in milliseconds since 1970. `None` if no
    /// record is late.
    pub(crate) fn record_oldest(&self, recorded_at_ms: Option<u64>) {
        self.oldest_ms
            .store(recorded_at_ms.unwrap_or_default(), Ordering::Relaxed);
    }

    /// Age of the oldest late record. `None` if no record is late.
    pub(crate) fn oldest_age(&self) -> Option<Duration> {
        let oldest_ms = self.oldest_ms.load(Ordering::Relaxed);
        (oldest_ms > 0).then(|| Duration::from_millis(now_ms().saturating_sub(oldest_ms)))
    }
}

/// Decodes a message of a record. `tried` are the messages that the record had. `None` only if the
/// record cannot be decoded.
pub(crate) fn decode_message(
    record: &Record,
    tried: &[Message],
    message: &Outgoing,
    partitions: &Partitions,
) -> Option<Message> {
    if !tried.is_empty() {
        return tried.get(message.call).cloned();
    }
    let call = codec::call_at(record.parts().ok()?.1, message.call)?;
    message.to_message(partitions.json(message), call)
}

/// Returns the failures of messages that were not delivered, and the record with its messages if all
/// can be sent again.
fn undelivered(
    record: &Record,
    failed: impl Iterator<Item = (Message, Reason)>,
    can_retry: bool,
) -> (Vec<Failure>, Option<Record>) {
    let (messages, reasons): (Vec<_>, Vec<_>) = failed.unzip();
    let tried = can_retry.then(|| record.after_attempt(&messages).ok());
    let failures = messages
        .into_iter()
        .zip(reasons)
        .map(|(message, reason)| message_failure(message, reason));
    (failures.collect(), tried.flatten())
}
