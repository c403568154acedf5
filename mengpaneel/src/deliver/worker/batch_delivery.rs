//! Delivery of one batch: translation, HTTP requests, and the return of the records to the outbox.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::deliver::http::send_error::{SendError, SendErrorKind};
use crate::deliver::partitions::Partitions;
use crate::deliver::retry_delay::RetryDelay;
use crate::deliver::sender::undelivered::{failure_reason, message_failure, record_failures};
use crate::deliver::sender::{Sender, Unavailable, decode_message, select_failed};
use crate::deliver::worker::{BatchResult, COALESCE_BELOW, WorkerLoop};
use crate::error::Reason;
use crate::id::{now_ms, timestamp_ms};
#[cfg(feature = "metrics")]
use crate::metrics;
use crate::outbox::{Lease, Record, RecordError};
use crate::translate::message::Message;
use crate::translate::outgoing::Outgoing;

/// Number of failed acknowledgements before an error is logged: a few minutes.
const LOG_AFTER_ATTEMPTS: u32 = 30;

/// Shortest outage after which records older than `retry_for` expire.
///
/// Otherwise a worker that was stopped for a month would drop all records at the first error.
const MIN_OUTAGE_TO_EXPIRE: Duration = Duration::from_secs(60 * 60);

/// Message with the index of its record in the batch.
type IndexedMessage = (usize, Outgoing);

/// Leased records, and the messages of one attempt to deliver them.
struct Batch {
    leases: Vec<Lease>,
    messages: Vec<IndexedMessage>,
    /// Buffers of the messages.
    partitions: Partitions,
    /// Messages that records had from an earlier attempt, by the index of the record.
    tried: BTreeMap<usize, Vec<Message>>,
    /// Messages to send again, by the index of their record. An error if the record cannot be decoded.
    undelivered: BTreeMap<usize, Result<Vec<Message>, RecordError>>,
}

impl Batch {
    /// Translates leased records, into the buffers of `partitions`. `must_check` is true if the
    /// records come from outside of this process.
    fn translate(
        sender: &Sender,
        leases: Vec<Lease>,
        must_check: bool,
        mut partitions: Partitions,
    ) -> Self {
        partitions.reset(leases.len());
        let mut batch = Self {
            messages: Vec::with_capacity(leases.len()),
            partitions,
            tried: BTreeMap::new(),
            undelivered: BTreeMap::new(),
            leases: Vec::new(),
        };
        for (index, lease) in leases.iter().enumerate() {
            let checked = if must_check {
                lease.record.check()
            } else {
                Ok(())
            };
            if let Err(error) = checked.and_then(|()| batch.add(sender, index, &lease.record)) {
                batch.undelivered.insert(index, Err(error));
            }
        }
        Self { leases, ..batch }
    }

    /// Adds the messages of a record. If the record is in doubt, its non-idempotent messages are
    /// reported instead.
    fn add(&mut self, sender: &Sender, index: usize, record: &Record) -> Result<(), RecordError> {
        let start = self.messages.len();
        let push = |message| self.messages.push((index, message));
        let tried = sender.add_messages(record, &mut self.partitions, push)?;
        if record.is_in_doubt() {
            let in_doubt = |(_, message): &mut IndexedMessage| !message.is_idempotent;
            for (_, message) in self.messages.extract_if(start.., in_doubt) {
                let reason =
                    Reason::InDoubt("the process that sent it ended before a response came".into());
                let decoded = decode_message(record, &tried, &message, &self.partitions);
                if let Some(message) = decoded {
                    sender.report(&message_failure(message, reason));
                }
            }
        }
        if !tried.is_empty() {
            self.tried.insert(index, tried);
        }
        Ok(())
    }

    /// Returns the ID of the oldest record: the oldest are leased first.
    fn oldest_id(&self) -> Option<Uuid> {
        self.leases.first().map(|lease| lease.record.id())
    }

    /// Decodes a message of the record at an index.
    fn message(&self, index: usize, message: &Outgoing) -> Option<Message> {
        let tried = self.tried.get(&index).map(Vec::as_slice);
        let record = &self.leases.get(index)?.record;
        decode_message(record, tried.unwrap_or_default(), message, &self.partitions)
    }

    /// Adds a message that was not delivered to those that are sent again.
    fn retain(&mut self, index: usize, message: &Outgoing) {
        let message = self.message(index, message);
        let messages = self.undelivered.entry(index).or_insert(Ok(Vec::new()));
        if let Ok(messages) = messages {
            messages.extend(message);
        }
    }
}

impl WorkerLoop<'_> {
    /// Makes one attempt to deliver the leased records.
    pub(crate) async fn deliver_batch(&mut self, mut leases: Vec<Lease>) -> BatchResult {
        self.remove_crashing(&mut leases).await;
        let sender = &self.worker.sender;
        let buffers = std::mem::take(&mut self.partitions);
        let must_check = self.outbox.is_durable();
        let mut batch = Batch::translate(sender, leases, must_check, buffers);
        sender.record_oldest(batch.oldest_id().and_then(timestamp_ms));
        let mark_failure = self.mark_sending(&mut batch).await;
        let sent_at = Instant::now();
        let messages = std::mem::take(&mut batch.messages);
        let errors = sender
            .http
            .send(
                messages.iter().map(|(_, message)| message),
                &batch.partitions,
            )
            .await;
        let unavailable = sender
            .record_result(messages.len(), &errors)
            .or(mark_failure);
        for ((index, message), error) in select_failed(messages, errors) {
            self.retain_or_report(&mut batch, index, &message, error, sent_at);
        }
        if batch.leases.len() >= COALESCE_BELOW {
            self.partitions = std::mem::take(&mut batch.partitions);
        }
        self.end_leases(batch, unavailable).await
    }

    /// Moves records that were redelivered too often to the dead letters: they may crash the
    /// workers.
    async fn remove_crashing(&self, leases: &mut Vec<Lease>) {
        let max_redeliveries = self.worker.max_redeliveries;
        let crashing = leases
            .extract_if(.., |lease| lease.redeliveries >= max_redeliveries)
            .map(|lease| {
                let reason = format!(
                    "leased {} times by processes that ended before they returned it",
                    lease.redeliveries
                );
                (lease, reason)
            });
        self.dead_letter(crashing.collect()).await;
    }

    /// Marks the records that have non-idempotent messages. If that fails, those messages are not
    /// sent now.
    async fn mark_sending(&mut self, batch: &mut Batch) -> Option<Unavailable> {
        let mut indexes: Vec<usize> = batch
            .messages
            .iter()
            .filter(|(_, message)| !message.is_idempotent)
            .map(|(index, _)| *index)
            .collect();
        indexes.dedup();
        if indexes.is_empty() {
            return None;
        }
        let leases: Vec<Lease> = indexes
            .iter()
            .filter_map(|index| batch.leases.get(*index).cloned())
            .collect();
        let error = self.consumer.mark_sending(&leases).await.err()?;
        tracing::error!(target: "mengpaneel", %error, "could not mark records as being sent; operations that are not idempotent will be sent later");
        let unsent: Vec<_> = batch
            .messages
            .extract_if(.., |(_, message)| !message.is_idempotent)
            .collect();
        for (index, message) in unsent {
            batch.retain(index, &message);
        }
        Some(Unavailable {
            retry_delay: self.outbox_backoff.next_delay(None).into(),
            reason: error.to_string(),
            outage_duration: None,
        })
    }

    /// Keeps a failed message for the next attempt if it can be sent again; reports it otherwise.
    fn retain_or_report(
        &self,
        batch: &mut Batch,
        index: usize,
        message: &Outgoing,
        error: SendError,
        sent_at: Instant,
    ) {
        let sender = &self.worker.sender;
        sender.profile_dedup.forget(message);
        match error.kind {
            SendErrorKind::Retry => batch.retain(index, message),
            SendErrorKind::Unauthorized | SendErrorKind::NotServed => {
                sender.report_persistent_error(&error, sent_at);
                batch.retain(index, message);
            }
            SendErrorKind::Rejected | SendErrorKind::InDoubt => {
                if let Some(message) = batch.message(index, message) {
                    sender.report(&message_failure(message, failure_reason(error)));
                }
            }
        }
    }

    /// Ends the leases: delivered records are acknowledged, damaged ones become dead letters, and
    /// the others are due again.
    async fn end_leases(&mut self, batch: Batch, unavailable: Option<Unavailable>) -> BatchResult {
        let (mut finished, mut unfinished, mut damaged) = (batch.leases, Vec::new(), Vec::new());
        let mut indexes = 0..;
        let is_undelivered = |_: &mut Lease| {
            batch
                .undelivered
                .contains_key(&indexes.next().unwrap_or_default())
        };
        let undelivered: Vec<Lease> = finished.extract_if(.., is_undelivered).collect();
        for (mut lease, messages) in undelivered.into_iter().zip(batch.undelivered.into_values()) {
            match messages.and_then(|messages| lease.record.after_attempt(&messages)) {
                Ok(record) => {
                    lease.record = record;
                    unfinished.push(lease);
                }
                Err(error) => damaged.push((lease, error.to_string())),
            }
        }
        let worker = self.worker;
        #[cfg(feature = "metrics")]
        for lease in &finished {
            metrics::record_delivery_latency(timestamp_ms(lease.record.id()));
        }
        self.acknowledge(&finished).await;
        self.dead_letter(damaged).await;
        let result = if let Some(unavailable) = unavailable {
            BatchResult::Unavailable(self.retry_or_expire(unfinished, unavailable).await)
        } else {
            worker.sender.record_oldest(None);
            BatchResult::Answered
        };
        worker
            .shutdown
            .update(|progress| progress.delivered += finished.len());
        #[cfg(feature = "metrics")]
        if let Ok(pending) = self.outbox.pending().await {
            metrics::set_pending(pending, worker.sender.oldest_age().unwrap_or_default());
        }
        result
    }

    /// Acknowledges records, and retries until the deadline: a record that is not acknowledged
    /// would be delivered again.
    async fn acknowledge(&mut self, leases: &[Lease]) {
        let mut attempts = 0;
        while let Err(error) = self.consumer.acknowledge(leases).await {
            attempts += 1;
            let delay = self.outbox_backoff.next_delay(None);
            let is_last_attempt = !self.wait(delay).await;
            // The outbox itself, or the next lease, logs at once that the outbox is unavailable.
            if is_last_attempt || attempts == LOG_AFTER_ATTEMPTS {
                tracing::error!(target: "mengpaneel", %error, records = leases.len(), "could not acknowledge delivered records; they may be delivered again");
            }
            if is_last_attempt {
                return;
            }
        }
        self.outbox_backoff.reset();
    }

    /// Makes undelivered records due again, unless they have expired. Returns the delay before the
    /// next attempt.
    async fn retry_or_expire(
        &self,
        unfinished: Vec<Lease>,
        unavailable: Unavailable,
    ) -> RetryDelay {
        let Unavailable {
            retry_delay,
            reason,
            outage_duration,
        } = unavailable;
        let may_expire = outage_duration.is_some_and(|duration| {
            duration >= MIN_OUTAGE_TO_EXPIRE.min(self.worker.sender.retry_for)
        });
        let (expired, retried): (Vec<_>, Vec<_>) = unfinished
            .into_iter()
            .partition(|lease| may_expire && self.is_expired(lease));
        let expired = expired.into_iter().map(|lease| {
            let reason = format!("older than `retry_for`; last error: {reason}");
            (lease, reason)
        });
        self.dead_letter(expired.collect()).await;
        if retried.is_empty() {
            return retry_delay;
        }
        #[cfg(feature = "metrics")]
        metrics::count_retried(retried.iter().map(|lease| lease.record.calls().len()).sum());
        tracing::warn!(target: "mengpaneel", records = retried.len(), delay = ?retry_delay.delay, reason, "could not deliver records; they will be retried");
        self.return_leases(&retried).await;
        retry_delay
    }

    /// Returns whether a record is older than `retry_for`.
    fn is_expired(&self, lease: &Lease) -> bool {
        let recorded_at_ms = timestamp_ms(lease.record.id()).unwrap_or_default();
        let retry_for_ms =
            u64::try_from(self.worker.sender.retry_for.as_millis()).unwrap_or(u64::MAX);
        now_ms().saturating_sub(recorded_at_ms) > retry_for_ms
    }

    /// Makes records due again at once. The worker waits, not the records.
    pub(crate) async fn return_leases(&self, leases: &[Lease]) {
        if let Err(error) = self.consumer.retry_later(leases, Duration::ZERO).await {
            tracing::error!(target: "mengpaneel", %error, "could not return undelivered records to the outbox; the outbox will redeliver them");
        }
    }

    /// Reports the remaining calls of records with the reasons, and moves the records to the dead
    /// letters.
    async fn dead_letter(&self, records: Vec<(Lease, String)>) {
        if records.is_empty() {
            return;
        }
        let (leases, reasons): (Vec<Lease>, Vec<String>) = records.into_iter().unzip();
        for (lease, reason) in leases.iter().zip(reasons) {
            for failure in record_failures(&lease.record, &Reason::Abandoned(reason)) {
                self.worker.sender.report(&failure);
            }
        }
        if let Err(error) = self.consumer.dead_letter(&leases).await {
            tracing::error!(target: "mengpaneel", %error, "could not move records to the dead letters; they may be leased again");
        }
    }
}
