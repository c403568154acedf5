//! Delivery of one batch: translation, HTTP requests, and the return of the records to the outbox.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::deliver::batch::{OutgoingBatch, remaining_calls, requeue};
use crate::deliver::http::send_error::SendError;
use crate::deliver::retry_wait::RetryWait;
use crate::deliver::sender::undelivered::{failure_reason, message_failure};
use crate::deliver::sender::{Retranslator, Unavailable, select_failed};
use crate::deliver::worker::worker_loop::{BatchResult, COALESCE_BELOW, WorkerLoop};
use crate::error::{Failure, Reason};
use crate::id::{now_ms, timestamp_ms};
use crate::metrics;
use crate::outbox::Lease;
use crate::outbox::leased::LeasedRecord;
use crate::record::envelope::Envelope;
use crate::translate::outgoing::Outgoing;

/// Number of failed acknowledgements before an error is logged: a few minutes.
const QUIET_ATTEMPTS: u32 = 30;

/// Shortest outage after which records older than `retry_for` expire.
///
/// Otherwise a worker that was stopped for a month would drop all records at the first error.
const MIN_OUTAGE_TO_EXPIRE: Duration = Duration::from_secs(60 * 60);

impl WorkerLoop<'_> {
    /// Makes one attempt to deliver the leased records.
    pub(crate) async fn deliver(&mut self, mut records: Vec<LeasedRecord>) -> BatchResult {
        let (worker, max) = (self.worker, self.worker.max_redeliveries);
        let poison = records
            .extract_if(.., |record| record.redeliveries() >= max)
            .filter_map(LeasedRecord::into_lease)
            .collect();
        self.dead_letter(poison, |lease| {
            format!(
                "leased {} times by processes that ended before they returned it",
                lease.redeliveries
            )
        })
        .await;
        let mut batch = OutgoingBatch::new(
            &worker.sender,
            records.len(),
            std::mem::take(&mut self.partitions),
        );
        for (record_index, record) in records.iter_mut().enumerate() {
            batch.add(record_index, record);
        }
        let OutgoingBatch {
            mut messages,
            mut partitions,
            oldest,
            ..
        } = batch;
        worker.sender.oldest.store(
            oldest.and_then(timestamp_ms).unwrap_or_default(),
            Ordering::Relaxed,
        );
        let mark_failed = self.mark_sending(&mut records, &mut messages).await;
        let sent_at = std::time::Instant::now();
        let errors = worker
            .sender
            .http
            .deliver(messages.iter().map(|(_, message)| message), &mut partitions)
            .await;
        if records.len() >= COALESCE_BELOW {
            self.partitions = partitions;
        }
        let unavailable = worker
            .sender
            .record_result(messages.len(), &errors)
            .or(mark_failed);
        let mut retranslator = Retranslator::new(&worker.sender.translator);
        for ((record_index, message), error) in select_failed(messages, errors) {
            worker.sender.forget(&message);
            match error {
                SendError::Retry { .. } => {
                    requeue(&mut records, record_index, message, &mut retranslator);
                }
                error @ (SendError::Unauthorized(_) | SendError::NotServed { .. }) => {
                    worker.sender.report_persistent_error(&error, sent_at);
                    requeue(&mut records, record_index, message, &mut retranslator);
                }
                error => {
                    if let Some(lease) =
                        records.get_mut(record_index).and_then(LeasedRecord::decode)
                    {
                        let reason = failure_reason(error);
                        worker.sender.report(&retranslator.failure(
                            &lease.envelope,
                            message,
                            reason,
                        ));
                    }
                }
            }
        }
        self.finish(records, unavailable).await
    }

    /// Returns the records to the outbox: finished ones are acknowledged, the others are due again.
    async fn finish(
        &mut self,
        mut records: Vec<LeasedRecord>,
        unavailable: Option<Unavailable>,
    ) -> BatchResult {
        let worker = self.worker;
        let unfinished = records
            .extract_if(.., |record| record.is_unfinished())
            .filter_map(LeasedRecord::into_lease)
            .collect();
        let count = records.len();
        #[cfg(feature = "metrics")]
        for record in &records {
            metrics::delivery_latency(record.envelope_id().and_then(timestamp_ms));
        }
        self.acknowledge(&records).await;
        self.outbox.recycle(records);
        if unavailable.is_none() {
            worker.sender.oldest.store(0, Ordering::Relaxed);
        }
        let result = self.retry_or_expire(unfinished, unavailable).await;
        worker.shutdown.record_progress(count);
        #[cfg(feature = "metrics")]
        if let Ok(pending) = self.outbox.pending().await {
            metrics::queue(pending, worker.sender.oldest_age().unwrap_or_default());
        }
        result
    }

    /// Marks the records that have non-idempotent messages. If that fails, those messages are not
    /// sent now.
    async fn mark_sending(
        &mut self,
        records: &mut [LeasedRecord],
        messages: &mut Vec<(usize, Outgoing)>,
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
        tracing::error!(target: "mengpaneel", "could not mark records as being sent: {error}; operations that are not idempotent will be sent later");
        let mut retranslator = Retranslator::new(&self.worker.sender.translator);
        for (record_index, message) in
            messages.extract_if(.., |(_, message)| !message.is_idempotent())
        {
            requeue(records, record_index, message, &mut retranslator);
        }
        Some(Unavailable {
            delay: self.backoff.next_delay(None),
            is_requested: false,
            reason: error.to_string(),
            duration: None,
        })
    }

    /// Acknowledges records, and retries until the deadline: a record that is not acknowledged
    /// would be delivered again.
    async fn acknowledge(&mut self, records: &[LeasedRecord]) {
        let mut attempts = 0;
        while let Err(error) = self.outbox.acknowledge_records(records).await {
            attempts += 1;
            let delay = self.backoff.next_delay(None);
            let is_expired = !self.wait(delay).await;
            // The outbox itself, or the next lease, logs at once that the outbox is unavailable.
            if is_expired || attempts == QUIET_ATTEMPTS {
                tracing::error!(target: "mengpaneel", "could not acknowledge delivered records: {error}; they may be delivered again");
            }
            if is_expired {
                return;
            }
        }
        self.backoff.reset();
    }

    /// Makes undelivered records due again, unless they have expired.
    async fn retry_or_expire(
        &mut self,
        unfinished: Vec<Lease>,
        unavailable: Option<Unavailable>,
    ) -> BatchResult {
        let Some(Unavailable {
            delay,
            is_requested,
            reason,
            duration,
        }) = unavailable
        else {
            return BatchResult::Answered;
        };
        let may_expire = duration.is_some_and(|duration| {
            duration >= MIN_OUTAGE_TO_EXPIRE.min(self.worker.sender.retry_for)
        });
        let (expired, pending): (Vec<_>, Vec<_>) = unfinished
            .into_iter()
            .partition(|lease| may_expire && self.is_expired(&lease.envelope));
        self.dead_letter(expired, |_| {
            format!("older than `retry_for`; last error: {reason}")
        })
        .await;
        metrics::retried(
            pending
                .iter()
                .flat_map(|lease| &lease.remaining)
                .map(Vec::len)
                .sum(),
        );
        tracing::warn!(target: "mengpaneel", records = pending.len(), ?delay, "could not deliver records: {reason}; they will be retried");
        self.return_leases(pending).await;
        BatchResult::Unavailable(RetryWait {
            delay,
            is_requested,
        })
    }

    /// Makes records due again at once. The worker waits, not the records.
    pub(crate) async fn return_leases(&self, leases: Vec<Lease>) {
        if let Err(error) = self.outbox.retry_later(leases, Duration::ZERO).await {
            tracing::error!(target: "mengpaneel", "could not return undelivered records to the outbox: {error}; the outbox will redeliver them");
        }
    }

    /// Reports the remaining calls of records and moves the records to the dead letters.
    async fn dead_letter(&self, leases: Vec<Lease>, reason: impl Fn(&Lease) -> String) {
        if leases.is_empty() {
            return;
        }
        for lease in &leases {
            let reason = Reason::Abandoned(reason(lease));
            let failures = match &lease.remaining {
                Some(remaining) => remaining
                    .iter()
                    .map(|message| message_failure(message.clone(), reason.clone()))
                    .collect(),
                None => vec![Failure::for_calls(reason, remaining_calls(lease))],
            };
            for failure in &failures {
                self.worker.sender.report(failure);
            }
        }
        if let Err(error) = self.outbox.dead_letter(leases).await {
            tracing::error!(target: "mengpaneel", "could not move records to the dead letters: {error}; they may be leased again");
        }
    }

    /// Returns whether an envelope is older than `retry_for`.
    fn is_expired(&self, envelope: &Envelope) -> bool {
        let recorded_at = timestamp_ms(envelope.id).unwrap_or_default();
        let retry_for = u64::try_from(self.worker.sender.retry_for.as_millis()).unwrap_or(u64::MAX);
        now_ms().saturating_sub(recorded_at) > retry_for
    }
}
