//! Writer: appends records to the stream in batches, one batch after the other.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot::Sender;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::outbox::Record;
use crate::outbox::redis::connection::{LastRefusal, QueryError};
use crate::outbox::redis::database::Database;
use crate::outbox::redis::scripts::APPEND;

/// Most records per batch.
const MAX_BATCH: usize = 500;

/// Longest time that a request waits for the outcome of an append whose response was lost.
const APPEND_TIMEOUT: Duration = Duration::from_secs(1);

/// Interval between retries of an append whose response was lost.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// Record to append.
pub(crate) struct Append {
    pub(crate) record: Record,
    /// Sender of the result. `None` after it was used.
    pub(crate) reply: Option<Sender<Result<(), String>>>,
}

/// Task that appends the records of one process.
pub(crate) struct Writer {
    database: Arc<Database>,
    appends: UnboundedReceiver<Append>,
    max_records: u64,
    batch_number: u64,
    last_refusal: LastRefusal,
}

impl Writer {
    pub(crate) fn new(
        database: Arc<Database>,
        appends: UnboundedReceiver<Append>,
        max_records: u64,
    ) -> Self {
        Self {
            database,
            appends,
            max_records,
            batch_number: 0,
            last_refusal: LastRefusal::default(),
        }
    }

    /// Appends records until all senders are dropped.
    pub(crate) async fn run(mut self) {
        let mut batch = Vec::new();
        while self.appends.recv_many(&mut batch, MAX_BATCH).await > 0 {
            if let Some(refusal) = self.last_refusal.current() {
                self.reply(&mut batch, Err(refusal));
            } else {
                self.batch_number += 1;
                match self.try_append(&batch).await {
                    Err(QueryError::Unknown(_)) => {
                        self.resolve_unknown(std::mem::take(&mut batch)).await;
                    }
                    result => self.reply(&mut batch, result),
                }
            }
            batch.clear();
        }
    }

    /// Appends a batch under the current batch number. Returns the number of stored records: all,
    /// or 0 if the outbox is full.
    async fn try_append(&self, batch: &[Append]) -> Result<usize, QueryError> {
        let (connection, keys) = (&self.database.connection, &self.database.keys);
        let records: Vec<&[u8]> = batch
            .iter()
            .map(|append| append.record.as_bytes())
            .collect();
        let key_names = [&keys.stream, &keys.scheduled, &keys.writer];
        let args = (self.batch_number, self.max_records, records);
        let result = APPEND.run(connection, &key_names, args).await;
        self.last_refusal.record(&result, connection.address());
        result
    }

    /// Sends the result of [`try_append`](Self::try_append) to the callers. An append whose caller
    /// was cancelled continues in another task, which receives the result.
    fn reply(&self, batch: &mut [Append], result: Result<usize, QueryError>) {
        let result = match result {
            Ok(0) => Err(format!(
                "Redis at {} stores its maximum of {} records",
                self.database.connection.address(),
                self.max_records
            )),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        for reply in batch.iter_mut().filter_map(|append| append.reply.take()) {
            drop(reply.send(result.clone()));
        }
    }

    /// Retries a batch whose response was lost, by its number, until its outcome is known.
    ///
    /// Callers wait for [`APPEND_TIMEOUT`] at most. After that, idempotent records are declined, so
    /// that the next strategy sends them. The others stay here until their outcome is known.
    async fn resolve_unknown(&mut self, mut batch: Vec<Append>) {
        let deadline = Instant::now() + APPEND_TIMEOUT;
        while Instant::now() < deadline {
            match self.try_append(&batch).await {
                Err(QueryError::Unreachable(_) | QueryError::Unknown(_)) => self.pause().await,
                result => return self.reply(&mut batch, result),
            }
        }
        let (mut idempotent, mut unresolved): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .partition(|append| append.record.is_idempotent());
        let reason = format!(
            "{}: the outcome of the append is not known yet",
            self.database.connection.address()
        );
        self.reply(&mut idempotent, Err(QueryError::Unknown(reason)));
        let count = unresolved.len();
        self.reply(&mut unresolved, Ok(count));
        while !unresolved.is_empty() {
            self.pause().await;
            match self.try_append(&unresolved).await {
                Ok(0) => self.batch_number += 1,
                Ok(_) => return,
                Err(_) if self.appends.is_closed() => {
                    tracing::error!(
                        target: "mengpaneel",
                        address = self.database.connection.address(),
                        records = unresolved.len(),
                        "lost connection to Redis while appending records; their outcome is unknown, and they will not be retried"
                    );
                    return;
                }
                Err(_) => {}
            }
        }
    }

    /// Waits for [`RETRY_INTERVAL`], and declines further records meanwhile.
    async fn pause(&mut self) {
        let end = Instant::now() + RETRY_INTERVAL;
        while let Ok(next) = timeout_at(end, self.appends.recv()).await {
            let Some(append) = next else {
                return sleep_until(end).await;
            };
            let reason = format!("{}: lost connection", self.database.connection.address());
            self.reply(&mut [append], Err(QueryError::Unreachable(reason)));
        }
    }
}
