//! Sender: translates envelopes, sends their messages once, and reports the failures.

pub(crate) mod outage;
pub(crate) mod retranslator;
pub(crate) mod undelivered;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::deliver::circuit_breaker::CircuitBreaker;
use crate::deliver::http::HttpClient;
use crate::deliver::http::retry::Backoff;
use crate::deliver::http::send_error::SendError;
use crate::deliver::partitions::Partitions;
use crate::deliver::profile_dedup::ProfileDedup;
use crate::deliver::sender::outage::Outage;
use crate::deliver::sender::undelivered::{bounded_failures, failure_reason, message_failure};
use crate::error::{ErrorReporter, Failure, Reason};
use crate::id::now_ms;
use crate::metrics;
use crate::outbox::Record;
use crate::outbox::record::Progress;
use crate::record::envelope::Envelope;
use crate::translate::message::Message;
use crate::translate::outgoing::Outgoing;
use crate::translate::translator::{Translation, Translator};

pub(crate) use crate::deliver::sender::outage::Unavailable;
pub(crate) use crate::deliver::sender::retranslator::Retranslator;
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

    /// Translates an envelope, reports calls that have no translation, and calls `before_send`.
    ///
    /// Without `before_send`, simple events are encoded into `partitions`.
    pub(crate) fn translate(
        &self,
        envelope: &Envelope,
        partitions: &mut Partitions,
    ) -> Vec<Outgoing> {
        let as_outgoing = |messages: Vec<Message>| {
            messages
                .into_iter()
                .map(|message| Outgoing::Message(Box::new(message)))
                .collect()
        };
        let mut outgoing: Vec<Outgoing> = match &self.before_send {
            None => {
                let translation = self
                    .translator
                    .translate_encoded(envelope, partitions.staging());
                self.report_translation(translation)
            }
            Some(hook) => {
                let mut messages = self.report_translation(self.translator.translate(envelope));
                messages.retain_mut(|message| self.passes_hook(hook, message));
                as_outgoing(messages)
            }
        };
        partitions.distribute(outgoing.iter_mut().filter_map(Outgoing::as_encoded_mut));
        outgoing.retain(|outgoing| {
            !matches!(outgoing, Outgoing::Message(message) if self.profile_dedup.check_and_remember(message))
        });
        outgoing
    }

    /// Reports the failures of a translation and returns its messages.
    fn report_translation<T>(&self, translation: Translation<T>) -> Vec<T> {
        for failure in bounded_failures(translation.refused, Reason::Unsupported) {
            self.report(&failure);
        }
        // Truncated calls are sent, so they do not count as dropped in the metrics.
        for failure in bounded_failures(translation.truncated, Reason::Truncated) {
            self.reporter.report(&failure);
        }
        metrics::count_dropped("bot", translation.ignored);
        translation.messages
    }

    /// Calls `before_send`. Returns whether the message is to be sent.
    fn passes_hook(&self, hook: &BeforeSend, message: &mut Message) -> bool {
        match catch_unwind(AssertUnwindSafe(|| hook(message))) {
            Ok(true) => true,
            Ok(false) => {
                metrics::count_dropped("before_send", 1);
                false
            }
            // Data that the hook would have removed must not be sent.
            Err(_) => {
                let reason = Reason::Abandoned("the `before_send` hook panicked on it".into());
                self.report(&message_failure(message.clone(), reason));
                false
            }
        }
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
        let envelope = &match record.envelope() {
            Ok(envelope) => envelope,
            Err(error) => {
                let reason = Reason::Abandoned(error.to_string());
                return (vec![Failure::for_calls(reason, Vec::new())], None);
            }
        };
        let (failures, undelivered) = self.send_envelope(envelope).await;
        let undelivered = undelivered.and_then(|messages| {
            let progress = Progress {
                attempts: 1,
                remaining: Some(messages),
            };
            record.with_progress(&progress).ok()
        });
        (failures, undelivered)
    }

    async fn send_envelope(&self, envelope: &Envelope) -> (Vec<Failure>, Option<Vec<Message>>) {
        let mut partitions = Partitions::default();
        let outgoing = self.translate(envelope, &mut partitions);
        if outgoing.is_empty() {
            return (Vec::new(), None);
        }
        let permit = match self.circuit_breaker.try_acquire() {
            Ok(permit) => permit,
            Err(error) => {
                for message in &outgoing {
                    self.forget_undelivered(message);
                }
                let reason = Reason::Abandoned(format!("Mixpanel is unavailable: {error}"));
                let failed = outgoing
                    .into_iter()
                    .map(|message| (message, reason.clone()));
                return self.all_undelivered(envelope, failed);
            }
        };
        let errors = self.http.send(outgoing.iter(), &mut partitions).await;
        self.record_result(outgoing.len(), &errors);
        drop(permit);
        #[cfg(feature = "metrics")]
        if errors.is_empty() {
            metrics::record_delivery_latency(crate::id::timestamp_ms(envelope.id));
        }
        let is_undelivered = errors.len() == outgoing.len()
            && errors.iter().all(|(_, error)| {
                matches!(error, SendError::Retry { .. } | SendError::NotServed { .. })
            });
        let failed = select_failed(outgoing, errors).map(|(message, error)| {
            self.forget_undelivered(&message);
            (message, failure_reason(error))
        });
        if is_undelivered {
            return self.all_undelivered(envelope, failed);
        }
        let mut retranslator = Retranslator::new(&self.translator);
        (
            failed
                .map(|(message, reason)| retranslator.failure(envelope, message, reason))
                .collect(),
            None,
        )
    }

    /// Returns the failures of messages of which none was delivered, and the messages themselves.
    fn all_undelivered(
        &self,
        envelope: &Envelope,
        failed: impl Iterator<Item = (Outgoing, Reason)>,
    ) -> (Vec<Failure>, Option<Vec<Message>>) {
        let mut retranslator = Retranslator::new(&self.translator);
        let failed: Vec<_> = failed
            .filter_map(|(outgoing, reason)| {
                Some((retranslator.message(envelope, outgoing)?, reason))
            })
            .collect();
        let messages = failed.iter().map(|(message, _)| message.clone()).collect();
        (
            failed
                .into_iter()
                .map(|(message, reason)| message_failure(message, reason))
                .collect(),
            Some(messages),
        )
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
        let unavailable = errors.iter().find_map(|(_, error)| match error {
            SendError::Retry {
                retry_after,
                reason,
            }
            | SendError::NotServed {
                retry_after,
                reason,
            } => Some((*retry_after, reason)),
            SendError::Unauthorized(reason) => Some((None, reason)),
            _ => None,
        });
        let Some((retry_after, reason)) = unavailable else {
            if sent > 0 {
                self.circuit_breaker.record_success();
                self.lock_outage().record_success();
            }
            return None;
        };
        let is_unauthorized = errors
            .iter()
            .any(|(_, error)| matches!(error, SendError::Unauthorized(_)));
        let delay = self.circuit_breaker.record_failure(retry_after, reason);
        let outage_duration = self.lock_outage().record_failure(!is_unauthorized);
        Some(Unavailable {
            delay,
            is_retry_after: retry_after.is_some(),
            reason: reason.clone(),
            outage_duration,
        })
    }

    /// Reports, once, an error that lasts until a person changes something.
    ///
    /// `sent_at` is the time of the request: an error that is older than the last success is
    /// ignored.
    pub(crate) fn report_persistent_error(&self, error: &SendError, sent_at: Instant) {
        let must_report = self.lock_outage().must_report(error, sent_at);
        if must_report {
            self.report(&Failure::for_calls(failure_reason(error.clone()), vec![]));
        }
    }

    fn lock_outage(&self) -> MutexGuard<'_, Outage> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets a message that was not delivered, so that the next equal one is sent.
    pub(crate) fn forget_undelivered(&self, outgoing: &Outgoing) {
        if let Outgoing::Message(message) = outgoing {
            self.profile_dedup.forget(message);
        }
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
