//! Delivery of one batch: translation, HTTP requests, and the return of the records to the outbox.

use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::deliver::http::send_error::SendError;
use crate::deliver::partitions::Partitions;
use crate::deliver::retry_delay::RetryDelay;
use crate::deliver::sender::undelivered::{failure_reason, message_failure};
use crate::deliver::sender::{DecodePolicy, Retranslator, Sender, Unavailable, select_failed};
use crate::deliver::worker::{BatchResult, COALESCE_BELOW, WorkerLoop};
use crate::error::{Failure, Reason};
use crate::id::{now_ms, timestamp_ms};
use crate::metrics;
use crate::outbox::Lease;
use crate::outbox::leased::LeasedRecord;
use crate::record::envelope::Envelope;
use crate::translate::message::Endpoint;
use crate::translate::outgoing::Outgoing;

/// Number of failed acknowledgements before an error is logged: a few minutes.
const LOG_AFTER_ATTEMPTS: u32 = 30;

/// Shortest outage after which records older than `retry_for` expire.
///
/// Otherwise a worker that was stopped for a month would drop all records at the first error.
const MIN_OUTAGE_TO_EXPIRE: Duration = Duration::from_secs(60 * 60);

/// Message with the index of its record in the batch.
type IndexedMessage = (usize, Outgoing);

/// Messages of a set of leased records.
struct OutgoingBatch<'a> {
    sender: &'a Sender,
    decode_policy: DecodePolicy,
    /// Messages, each with the index of its record.
    messages: Vec<(usize, Outgoing)>,
    /// Buffers of the encoded messages.
    partitions: Partitions,
    /// ID of the oldest record: IDs sort by time.
    oldest_id: Option<Uuid>,
}

impl<'a> OutgoingBatch<'a> {
    /// Creates an empty batch for that number of records, which reuses the buffers of `partitions`.
    pub(crate) fn new(sender: &'a Sender, records: usize, mut partitions: Partitions) -> Self {
        partitions.reset(records, Endpoint::Events);
        Self {
            sender,
            decode_policy: sender.decode_policy(),
            messages: Vec::with_capacity(records),
            partitions,
            oldest_id: None,
        }
    }

    /// Adds the messages of a record. If the record is in doubt, its non-idempotent messages are
    /// reported instead.
    pub(crate) fn add(&mut self, record_index: usize, record: &mut LeasedRecord) {
        let id = record.envelope_id();
        if self.oldest_id.is_none() || id < self.oldest_id {
            self.oldest_id = id;
        }
        if self.try_add_encoded(record_index, record).is_some() {
            return;
        }
        let Some(lease) = record.decode() else { return };
        lease.attempts += 1;
        let mut outgoing = match lease.remaining.take() {
            Some(remaining) => remaining
                .into_iter()
                .map(|message| Outgoing::Message(Box::new(message)))
                .collect(),
            None => self.sender.translate(&lease.envelope, &mut self.partitions),
        };
        lease.remaining = Some(Vec::new());
        if std::mem::take(&mut lease.in_doubt) {
            let mut retranslator = Retranslator::new(&self.sender.translator);
            for message in outgoing.extract_if(.., |message| !message.is_idempotent()) {
                let reason =
                    Reason::InDoubt("the process that sent it ended before a response came".into());
                self.sender
                    .report(&retranslator.failure(&lease.envelope, message, reason));
            }
        }
        self.messages
            .extend(outgoing.into_iter().map(|message| (record_index, message)));
    }

    /// Adds the messages of an encoded record without decoding it. `None` if it must be decoded.
    fn try_add_encoded(&mut self, record_index: usize, record: &LeasedRecord) -> Option<()> {
        let LeasedRecord::Encoded(encoded) = record else {
            return None;
        };
        if self.decode_policy.must_decode(encoded.as_bytes()) {
            return None;
        }
        let count = self.messages.len();
        let push = |event| {
            self.messages.push((record_index, Outgoing::Encoded(event)));
        };
        let added = self.sender.translator.translate_record(
            encoded.as_bytes(),
            self.partitions.staging(),
            push,
        );
        if added.is_none() {
            self.messages.truncate(count);
        }
        self.partitions.distribute(
            self.messages
                .iter_mut()
                .skip(count)
                .filter_map(|(_, message)| message.as_encoded_mut()),
        );
        added
    }
}

impl WorkerLoop<'_> {
    /// Makes one attempt to deliver the leased records.
    pub(crate) async fn deliver_batch(&mut self, mut records: Vec<LeasedRecord>) -> BatchResult {
        self.remove_crashing(&mut records).await;
        let (mut messages, mut partitions) = self.translate(&mut records);
        let mark_failure = self.mark_sending(&mut records, &mut messages).await;
        let sender = &self.worker.sender;
        let sent_at = Instant::now();
        let errors = sender
            .http
            .send(messages.iter().map(|(_, message)| message), &mut partitions)
            .await;
        if records.len() >= COALESCE_BELOW {
            self.partitions = partitions;
        }
        let unavailable = sender
            .record_result(messages.len(), &errors)
            .or(mark_failure);
        self.retain_or_report(&mut records, select_failed(messages, errors), sent_at);
        self.return_records(records, unavailable).await
    }

    /// Moves records that were redelivered too often to the dead letters: they may crash
    /// the workers.
    async fn remove_crashing(&self, records: &mut Vec<LeasedRecord>) {
        let max_redeliveries = self.worker.max_redeliveries;
        let crashing = records
            .extract_if(.., |record| record.redeliveries() >= max_redeliveries)
            .filter_map(LeasedRecord::into_lease)
            .collect();
        self.dead_letter(crashing, |lease| {
            format!(
                "leased {} times by processes that ended before they returned it",
                lease.redeliveries
            )
        })
        .await;
    }

    /// Translates the records. Returns their messages, and the buffers of the encoded ones.
    fn translate(&mut self, records: &mut [LeasedRecord]) -> (Vec<IndexedMessage>, Partitions) {
        let sender = &self.worker.sender;
        let buffers = std::mem::take(&mut self.partitions);
        let mut batch = OutgoingBatch::new(sender, records.len(), buffers);
        for (record_index, record) in records.iter_mut().enumerate() {
            batch.add(record_index, record);
        }
        let OutgoingBatch {
            messages,
            partitions,
            oldest_id,
            ..
        } = batch;
        sender.record_oldest(oldest_id.and_then(timestamp_ms));
        (messages, partitions)
    }

    /// Marks the records that have non-idempotent messages. If that fails, those messages are not
    /// sent now.
    async fn mark_sending(
        &mut self,
        records: &mut [LeasedRecord],
        messages: &mut Vec<IndexedMessage>,
    ) -> Option<Unavailable> {
        let mut indexes: Vec<usize> = messages
            .iter()
            .filter(|(_, message)| !message.is_idempotent())
            .map(|(record_index, _)| *record_index)
            .collect();
        indexes.dedup();
        if indexes.is_empty() {
            return None;
        }
        let leases: Vec<Lease> = indexes
            .iter()
            .filter_map(|index| records.get_mut(*index)?.decode().cloned())
            .collect();
        let error = self.outbox.mark_sending(&leases).await.err()?;
        tracing::error!(target: "mengpaneel", %error, "could not mark records as being sent; operations that are not idempotent will be sent later");
        let mut retranslator = Retranslator::new(&self.worker.sender.translator);
        for (record_index, message) in
            messages.extract_if(.., |(_, message)| !message.is_idempotent())
        {
            retain_message(records, record_index, message, &mut retranslator);
        }
        Some(Unavailable {
            delay: self.outbox_backoff.next_delay(None),
            is_retry_after: false,
            reason: error.to_string(),
            outage_duration: None,
        })
    }

    /// Adds the failed messages to their records if they can be sent again; reports the others.
    fn retain_or_report(
        &self,
        records: &mut [LeasedRecord],
        failed: impl Iterator<Item = (IndexedMessage, SendError)>,
        sent_at: Instant,
    ) {
        let sender = &self.worker.sender;
        let mut retranslator = Retranslator::new(&sender.translator);
        for ((record_index, message), error) in failed {
            sender.forget_undelivered(&message);
            match error {
                SendError::Retry { .. } => {
                    retain_message(records, record_index, message, &mut retranslator);
                }
                SendError::Unauthorized(_) | SendError::NotServed { .. } => {
                    sender.report_persistent_error(&error, sent_at);
                    retain_message(records, record_index, message, &mut retranslator);
                }
                SendError::Rejected(_) | SendError::InDoubt(_) => {
                    let record = records.get_mut(record_index);
                    if let Some(lease) = record.and_then(LeasedRecord::decode) {
                        let reason = failure_reason(error);
                        sender.report(&retranslator.failure(&lease.envelope, message, reason));
                    }
                }
            }
        }
    }

    /// Returns the records to the outbox: finished ones are acknowledged, the others are due again.
    async fn return_records(
        &mut self,
        mut records: Vec<LeasedRecord>,
        unavailable: Option<Unavailable>,
    ) -> BatchResult {
        let worker = self.worker;
        let unfinished = records
            .extract_if(.., |record| record.is_unfinished())
            .filter_map(LeasedRecord::into_lease)
            .collect();
        let finished_count = records.len();
        #[cfg(feature = "metrics")]
        for record in &records {
            metrics::record_delivery_latency(record.envelope_id().and_then(timestamp_ms));
        }
        self.acknowledge(&records).await;
        self.outbox.recycle(records);
        let result = if let Some(unavailable) = unavailable {
            BatchResult::Unavailable(self.retry_or_expire(unfinished, unavailable).await)
        } else {
            worker.sender.record_oldest(None);
            BatchResult::Answered
        };
        worker.shutdown.record_progress(finished_count);
        #[cfg(feature = "metrics")]
        if let Ok(pending) = self.outbox.pending().await {
            metrics::set_pending(pending, worker.sender.oldest_age().unwrap_or_default());
        }
        result
    }

    /// Acknowledges records, and retries until the deadline: a record that is not acknowledged
    /// would be delivered again.
    async fn acknowledge(&mut self, records: &[LeasedRecord]) {
        let mut attempts = 0;
        while let Err(error) = self.outbox.acknowledge_records(records).await {
            attempts += 1;
            let delay = self.outbox_backoff.next_delay(None);
            let is_last_attempt = !self.wait(delay).await;
            // The outbox itself, or the next lease, logs at once that the outbox is unavailable.
            if is_last_attempt || attempts == LOG_AFTER_ATTEMPTS {
                tracing::error!(target: "mengpaneel", %error, records = records.len(), "could not acknowledge delivered records; they may be delivered again");
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
            delay,
            is_retry_after,
            reason,
            outage_duration,
        } = unavailable;
        let may_expire = outage_duration.is_some_and(|duration| {
            duration >= MIN_OUTAGE_TO_EXPIRE.min(self.worker.sender.retry_for)
        });
        let (expired, retried): (Vec<_>, Vec<_>) = unfinished
            .into_iter()
            .partition(|lease| may_expire && self.is_expired(&lease.envelope));
        self.dead_letter(expired, |_| {
            format!("older than `retry_for`; last error: {reason}")
        })
        .await;
        metrics::count_retried(
            retried
                .iter()
                .flat_map(|lease| &lease.remaining)
                .map(Vec::len)
                .sum(),
        );
        tracing::warn!(target: "mengpaneel", records = retried.len(), ?delay, reason, "could not deliver records; they will be retried");
        self.return_leases(retried).await;
        RetryDelay {
            delay,
            is_retry_after,
        }
    }

    /// Returns whether an envelope is older than `retry_for`.
    fn is_expired(&self, envelope: &Envelope) -> bool {
        let recorded_at_ms = timestamp_ms(envelope.id).unwrap_or_default();
        let retry_for_ms =
            u64::try_from(self.worker.sender.retry_for.as_millis()).unwrap_or(u64::MAX);
        now_ms().saturating_sub(recorded_at_ms) > retry_for_ms
    }

    /// Makes records due again at once. The worker waits, not the records.
    pub(crate) async fn return_leases(&self, leases: Vec<Lease>) {
        if let Err(error) = self.outbox.retry_later(leases, Duration::ZERO).await {
            tracing::error!(target: "mengpaneel", %error, "could not return undelivered records to the outbox; the outbox will redeliver them");
        }
    }

    /// Reports the remaining calls of records and moves the records to the dead letters.
    async fn dead_letter(&self, leases: Vec<Lease>, reason: impl Fn(&Lease) -> String) {
        if leases.is_empty() {
            return;
        }
        for lease in &leases {
            for failure in lease_failures(lease, &Reason::Abandoned(reason(lease))) {
                self.worker.sender.report(&failure);
            }
        }
        if let Err(error) = self.outbox.dead_letter(leases).await {
            tracing::error!(target: "mengpaneel", %error, "could not move records to the dead letters; they may be leased again");
        }
    }
}

/// Returns a failure for each remaining message of a record, or one for all calls of a record that
/// was never translated.
fn lease_failures(lease: &Lease, reason: &Reason) -> Vec<Failure> {
    match &lease.remaining {
        Some(remaining) => remaining
            .iter()
            .map(|message| message_failure(message.clone(), reason.clone()))
            .collect(),
        None => vec![Failure::for_calls(reason.clone(), lease.remaining_calls())],
    }
}

/// Adds a message that was not delivered to the remaining messages of its record, for the next
/// attempt.
fn retain_message(
    records: &mut [LeasedRecord],
    record_index: usize,
    message: Outgoing,
    retranslator: &mut Retranslator<'_>,
) {
    let Some(record) = records.get_mut(record_index) else {
        return;
    };
    let is_first_attempt = matches!(record, LeasedRecord::Encoded(_));
    let Some(lease) = record.decode() else { return };
    lease.attempts += u32::from(is_first_attempt);
    let message = retranslator.message(&lease.envelope, message);
    lease.remaining.get_or_insert_default().extend(message);
}
