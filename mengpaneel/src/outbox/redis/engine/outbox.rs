//! Operations of the outbox in Redis.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, ready};
use redis::cmd;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::call::Calls;
use crate::error::log_text::redacted_url;
use crate::id::now_ms;
use crate::outbox::redis::connection::QueryError;
use crate::outbox::redis::engine::Redis;
use crate::outbox::redis::engine::handle::{LeaseGuard, MAX_APPENDS_IN_FLIGHT, RedisHandle};
use crate::outbox::redis::keys::Keys;
use crate::outbox::redis::reader::{MAX_DEAD_LETTERS, Reader};
use crate::outbox::redis::scripts::{ACKNOWLEDGE, DEAD_LETTER, LuaScript, MAX_PER_CALL, RETRY};
use crate::outbox::redis::writer::Append;
use crate::outbox::redis::{dead_letters, fallback};
use crate::outbox::{
    AppendError, ClaimResult, Consumer, Lease, LeaseId, Outbox, OutboxError, Record,
};
use crate::record::envelope::Envelope;
use crate::record::visitor::Visitor;

/// Most retries of a fallback copy whose response was lost.
const MAX_STORE_RETRIES: u32 = 3;

impl Outbox for Redis {
    fn open(&self) -> Result<(), OutboxError> {
        if self.handle.get().is_none() {
            drop(self.handle.set(RedisHandle::open(self)?));
        }
        Ok(())
    }

    fn description(&self) -> String {
        match self.handle.get() {
            Some(handle) => format!("Redis at {}", handle.reader.connection().address()),
            None => format!("Redis at {}", redacted_url(&self.url)),
        }
    }

    fn append(&self, record: Record) -> BoxFuture<'_, Result<(), AppendError>> {
        async move {
            let record = record.with_checksum();
            let appended = self.append_record(record.clone()).await;
            appended.map_err(|reason| AppendError::new(record, reason))
        }
        .boxed()
    }

    fn pending(&self) -> BoxFuture<'_, Result<usize, OutboxError>> {
        self.run_on_thread(async move |reader| reader.count_pending().await)
    }

    fn consumer(&self) -> Option<&dyn Consumer> {
        Some(self)
    }

    fn schedule_fallback(
        &self,
        record: Record,
        after: Duration,
    ) -> BoxFuture<'_, Result<(), AppendError>> {
        async move {
            let record = record.with_checksum();
            let stored = self.store_fallback(&record, after).await;
            stored.map_err(|StoreError { reason, is_unknown }| {
                // A copy may be stored: a second one may have only calls that Mixpanel can
                // deduplicate.
                let deliverable = if is_unknown {
                    record.deduplicable().unwrap_or_else(no_calls)
                } else {
                    record
                };
                AppendError::new(deliverable, reason)
            })
        }
        .boxed()
    }

    fn claim_fallback(&self, id: Uuid) -> BoxFuture<'_, Result<ClaimResult, OutboxError>> {
        self.run_on_thread(async move |reader| {
            fallback::claim(reader.connection(), &reader.keys().fallback, id).await
        })
    }

    fn finish_fallback(&self, id: Uuid, is_sent: bool) -> BoxFuture<'_, Result<(), OutboxError>> {
        self.run_on_thread(async move |reader| {
            fallback::finish(reader.connection(), &reader.keys().fallback, id, is_sent).await
        })
    }
}

/// Creates a record without calls.
fn no_calls() -> Record {
    Record::new(&Envelope::new(Visitor::default(), Calls::default()))
}

impl Consumer for Redis {
    fn lease(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>> {
        let handle = match self.handle() {
            Ok(handle) => handle,
            Err(error) => return ready(Err(error)).boxed(),
        };
        let (reply, result) = oneshot::channel();
        let reader = Arc::clone(&handle.reader);
        handle
            .runtime
            .spawn(async move { reader.lease(limit, reply).await });
        let mut guard = LeaseGuard {
            reader: &handle.reader,
            result,
        };
        async move {
            (&mut guard.result)
                .await
                .unwrap_or_else(|_| Err(self.thread_ended()))
        }
        .boxed()
    }

    fn mark_sending<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        let ids = entry_ids(leases);
        self.run_on_thread(async move |reader| {
            for chunk in ids.chunks(MAX_PER_CALL) {
                let mut mark = cmd("HSET");
                mark.arg(&reader.keys().sending);
                for id in chunk {
                    mark.arg(id).arg(1);
                }
                reader.query::<()>(&mark).await?;
            }
            Ok(())
        })
    }

    fn acknowledge<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        let ids = entry_ids(leases);
        self.run_on_thread(async move |reader| {
            let keys = reader.keys();
            for chunk in ids.chunks(MAX_PER_CALL) {
                let mut args = vec![keys.group.as_bytes()];
                args.extend(chunk.iter().map(String::as_bytes));
                let _: usize = ACKNOWLEDGE
                    .run(reader.connection(), &[&keys.stream, &keys.sending], &args)
                    .await?;
            }
            Ok(())
        })
    }

    fn retry_later<'a>(
        &'a self,
        leases: &'a [Lease],
        delay: Duration,
    ) -> BoxFuture<'a, Result<(), OutboxError>> {
        let delay = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        let due = if delay == 0 {
            0
        } else {
            now_ms().saturating_add(delay)
        };
        self.return_leases(
            leases,
            &RETRY,
            |keys| &keys.scheduled,
            due.to_string().into_bytes(),
        )
    }

    fn dead_letter<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        self.return_leases(
            leases,
            &DEAD_LETTER,
            |keys| &keys.dead_letters,
            MAX_DEAD_LETTERS.to_vec(),
        )
    }

    fn dead_letters(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Record>, OutboxError>> {
        self.run_on_thread(async move |reader| {
            dead_letters::list(reader.connection(), reader.keys(), limit).await
        })
    }

    fn requeue(&self, limit: usize) -> BoxFuture<'_, Result<usize, OutboxError>> {
        let max_records = self.max_records;
        self.run_on_thread(async move |reader| {
            dead_letters::requeue(reader.connection(), reader.keys(), limit, max_records).await
        })
    }
}

/// Returns the IDs of the stream's entries. Leases of another outbox have none.
fn entry_ids(leases: &[Lease]) -> Vec<String> {
    leases
        .iter()
        .filter_map(|lease| match &lease.id {
            LeaseId::Text(id) => Some(id.clone()),
            LeaseId::Number(_) | LeaseId::Nested(..) => None,
        })
        .collect()
}

/// Error of a fallback copy.
struct StoreError {
    reason: String,
    /// True if the copy may be stored.
    is_unknown: bool,
}

impl Redis {
    async fn append_record(&self, record: Record) -> Result<(), String> {
        let handle = self.handle().map_err(|error| error.0)?;
        let _permit = handle.permits.try_acquire().map_err(|_| {
            format!(
                "{MAX_APPENDS_IN_FLIGHT} appends to {} are already in flight",
                self.description()
            )
        })?;
        let (reply, result) = oneshot::channel();
        handle
            .appends
            .send(Append { record, reply })
            .map_err(|_| self.thread_ended().0)?;
        result.await.map_err(|_| self.thread_ended().0)?
    }

    async fn store_fallback(&self, record: &Record, after: Duration) -> Result<(), StoreError> {
        let max_copies = self.max_records;
        let mut retries = 0;
        loop {
            let record = record.clone();
            let store = async move |reader: Arc<Reader>| {
                let (connection, keys) = (reader.connection(), &reader.keys().fallback);
                Ok(fallback::store(connection, keys, after, &record, max_copies).await)
            };
            let stored = self
                .run_on_thread(store)
                .await
                .map_err(|error| StoreError {
                    reason: error.0,
                    is_unknown: false,
                })?;
            match stored {
                Ok(true) => return Ok(()),
                Ok(false) => {
                    return Err(StoreError {
                        reason: format!(
                            "{} stores its maximum of {max_copies} fallback copies",
                            self.description()
                        ),
                        is_unknown: false,
                    });
                }
                // Idempotent: retried as is.
                Err(QueryError::Unknown(_)) if retries < MAX_STORE_RETRIES => retries += 1,
                Err(error) => {
                    return Err(StoreError {
                        reason: error.to_string(),
                        is_unknown: retries > 0 || matches!(error, QueryError::Unknown(_)),
                    });
                }
            }
        }
    }

    /// Returns records to Redis in their current state, by a script with a third key and an
    /// argument.
    fn return_leases(
        &self,
        leases: &[Lease],
        script: &'static LuaScript,
        third_key: fn(&Keys) -> &str,
        argument: Vec<u8>,
    ) -> BoxFuture<'_, Result<(), OutboxError>> {
        let records: Vec<(String, Record)> = entry_ids(leases)
            .into_iter()
            .zip(leases.iter().map(|lease| lease.record.clone()))
            .collect();
        self.run_on_thread(async move |reader| {
            let keys = reader.keys();
            for chunk in records.chunks(MAX_PER_CALL) {
                let mut args = vec![keys.group.as_bytes(), argument.as_slice()];
                for (id, record) in chunk {
                    args.extend([id.as_bytes(), record.as_bytes()]);
                }
                let key_names = [keys.stream.as_str(), &keys.sending, third_key(keys)];
                let _: usize = script.run(reader.connection(), &key_names, &args).await?;
            }
            Ok(())
        })
    }
}
