//! Writer: appends records to the stream in batches, one batch after the other.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot::Sender;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::outbox::Record;
use crate::outbox::redis::connection::{LastRefusal, QueryError, RedisConnection};
use crate::outbox::redis::keys::Keys;
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
    pub(crate) reply: Sender<Result<(), String>>,
}

impl Append {
    fn reply(self, result: Result<(), String>) {
        // An append whose caller was cancelled continues in another task, which receives the
        // result.
        drop(self.reply.send(result));
    }
}

/// Task that appends the records of one process.
pub(crate) struct Writer {
    connection: Arc<RedisConnection>,
    keys: Arc<Keys>,
    appends: UnboundedReceiver<Append>,
    key: String,
    max_records: u64,
    batch_number: u64,
    last_refusal: LastRefusal,
}

impl Writer {
    pub(crate) fn new(
        connection: Arc<RedisConnection>,
        keys: Arc<Keys>,
        appends: UnboundedReceiver<Append>,
        max_records: u64,
    ) -> Self {
        let key = keys.writer(Uuid::new_v4());
        Self {
            connection,
            keys,
            appends,
            key,
            max_records,
            batch_number: 0,
            last_refusal: LastRefusal::default(),
        }
    }

    /// Appends records until all senders are dropped.
    pub(crate) async fn run(mut self) {
        while let Some(first) = self.appends.recv().await {
            let mut batch = vec![first];
            while batch.len() < MAX_BATCH
                && let Ok(next) = self.appends.try_recv()
            {
                batch.push(next);
            }
            if let Some(refusal) = self.last_refusal.current() {
                decline(batch, &refusal);
                continue;
            }
            self.batch_number += 1;
            match self.try_append(&batch).await {
                Ok(count) => self.reply(batch, count),
                Err(QueryError::Unknown(_)) => self.resolve_unknown(batch).await,
                Err(error) => decline(batch, &error),
            }
        }
    }

    /// Appends a batch under the current batch number. Returns the number of stored records: all,
    /// or 0 if the outbox is full.
    async fn try_append(&self, batch: &[Append]) -> Result<usize, QueryError> {
        let (number, max_records) = (self.batch_number.to_string(), self.max_records.to_string());
        let mut args = vec![number.as_bytes(), max_records.as_bytes()];
        args.extend(batch.iter().map(|append| append.record.as_bytes()));
        let keys = [self.keys.stream.as_str(), &self.keys.scheduled, &self.key];
        let result = APPEND.run(&self.connection, &keys, &args).await;
        self.last_refusal.record(&result, self.connection.address());
        result
    }

    fn reply(&self, batch: Vec<Append>, count: usize) {
        for append in batch {
            append.reply(if count > 0 {
                Ok(())
            } else {
                Err(self.full_reason())
            });
        }
    }

    fn full_reason(&self) -> String {
        format!(
            "Redis at {} stores its maximum of {} records",
            self.connection.address(),
            self.max_records
        )
    }

    /// Retries a batch whose response was lost, by its number, until its outcome is known.
    ///
    /// Callers wait for [`APPEND_TIMEOUT`] at most. After that, idempotent records are declined, so
    /// that the next strategy sends them. The others stay here until their outcome is known.
    async fn resolve_unknown(&mut self, batch: Vec<Append>) {
        let deadline = Instant::now() + APPEND_TIMEOUT;
        while Instant::now() < deadline {
            match self.try_append(&batch).await {
                Ok(count) => return self.reply(batch, count),
                Err(error @ QueryError::Refused(_)) => return decline(batch, &error),
                Err(_) => self.pause().await,
            }
        }
        let (idempotent, others): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .partition(|append| append.record.is_idempotent());
        decline(
            idempotent,
            &QueryError::Unknown(format!(
                "{}: the outcome of the append is not known yet",
                self.connection.address()
            )),
        );
        let mut unresolved = Vec::new();
        for append in others {
            let (reply, _) = tokio::sync::oneshot::channel();
            unresolved.push(Append {
                record: append.record,
                reply,
            });
            drop(append.reply.send(Ok(())));
        }
        while !unresolved.is_empty() {
            self.pause().await;
            match self.try_append(&unresolved).await {
                Ok(0) => self.batch_number += 1,
                Ok(_) => return,
                Err(_) if self.appends.is_closed() => {
                    tracing::error!(
                        target: "mengpaneel",
                        address = self.connection.address(),
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
        let mut end = std::pin::pin!(sleep(RETRY_INTERVAL));
        loop {
            tokio::select! {
                () = &mut end => return,
                next = self.appends.recv() => match next {
                    Some(append) => {
                        let reason = format!("{}: lost connection", self.connection.address());
                        decline(vec![append], &QueryError::Unreachable(reason));
                    }
                    None => return end.await,
                },
            }
        }
    }
}

fn decline(batch: Vec<Append>, error: &QueryError) {
    for append in batch {
        append.reply(Err(error.to_string()));
    }
}
