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
use crate::outbox::fallback::ms;
use crate::outbox::redis::database::Keys;
use crate::outbox::redis::engine::Redis;
use crate::outbox::redis::engine::handle::{LeaseGuard, MAX_APPENDS_IN_FLIGHT, RedisHandle};
use crate::outbox::redis::scripts::{ACKNOWLEDGE, DEAD_LETTER, LuaScript, MAX_PER_CALL, RETRY};
use crate::outbox::redis::writer::Append;
use crate::outbox::{
    AppendError, ClaimResult, Consumer, Lease, LeaseId, Outbox, OutboxError, Record,
};
use crate::record::envelope::Envelope;
use crate::record::visitor::Visitor;

/// Approximate bound of the dead letters.
const MAX_DEAD_LETTERS: u64 = 10_000;

impl Outbox for Redis {
    fn open(&self) -> Result<(), OutboxError> {
        if self.handle.get().is_none() {
            drop(self.handle.set(RedisHandle::open(self)?));
        }
        Ok(())
    }

    fn description(&self) -> String {
        match self.handle.get() {
            Some(handle) => format!("Redis at {}", handle.reader.database.connection.address()),
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
            let (copy, max_copies) = (record.clone(), self.max_records);
            let stored = self.run_on_thread(async move |reader| {
                Ok(reader
                    .database
                    .store_fallback(&copy, after, max_copies)
                    .await)
            });
            let (reason, is_unknown) = match stored.await {
                Ok(Ok(true)) => return Ok(()),
                Ok(Ok(false)) => {
                    let outbox = self.description();
                    let reason =
                        format!("{outbox} stores its maximum of {max_copies} fallback copies");
                    (reason, false)
                }
                Ok(Err((error, is_unknown))) => (error.to_string(), is_unknown),
                Err(error) => (error.0, false),
            };
            // A copy may be stored: a second one may have only calls that Mixpanel can deduplicate.
            let deliverable = if is_unknown {
                record.deduplicable().unwrap_or_else(no_calls)
            } else {
                record
            };
            Err(AppendError::new(deliverable, reason))
        }
        .boxed()
    }

    fn claim_fallback(&self, id: Uuid) -> BoxFuture<'_, Result<ClaimResult, OutboxError>> {
        self.run_on_thread(async move |reader| reader.database.claim_fallback(id).await)
    }

    fn finish_fallback(&self, id: Uuid, is_sent: bool) -> BoxFuture<'_, Result<(), OutboxError>> {
        self.run_on_thread(async move |reader| reader.database.finish_fallback(id, is_sent).await)
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
            .thread
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
        let marks: Vec<(String, u8)> = leases
            .iter()
            .filter_map(|lease| Some((entry_id(lease)?, 1)))
            .collect();
        self.run_on_thread(async move |reader| {
            let database = &reader.database;
            for chunk in marks.chunks(MAX_PER_CALL) {
                let mut mark = cmd("HSET");
                mark.arg(&database.keys.sending).arg(chunk);
                database.connection.query::<()>(&mark).await?;
            }
            Ok(())
        })
    }

    fn acknowledge<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        self.end_leases(leases, &ACKNOWLEDGE, None)
    }

    fn retry_later<'a>(
        &'a self,
        leases: &'a [Lease],
        delay: Duration,
    ) -> BoxFuture<'a, Result<(), OutboxError>> {
        let due = match ms(delay) {
            0 => 0,
            delay => now_ms().saturating_add(delay),
        };
        self.end_leases(leases, &RETRY, Some((|keys| &keys.scheduled, due)))
    }

    fn dead_letter<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        let destination: Destination = (|keys| &keys.dead_letters, MAX_DEAD_LETTERS);
        self.end_leases(leases, &DEAD_LETTER, Some(destination))
    }

    fn dead_letters(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Record>, OutboxError>> {
        self.run_on_thread(async move |reader| reader.database.dead_letters(limit).await)
    }

    fn requeue(&self, limit: usize) -> BoxFuture<'_, Result<usize, OutboxError>> {
        let max_records = self.max_records;
        self.run_on_thread(async move |reader| reader.database.requeue(limit, max_records).await)
    }
}

/// Returns the ID of the stream's entry. A lease of another outbox has none.
fn entry_id(lease: &Lease) -> Option<String> {
    match &lease.id {
        LeaseId::Text(id) => Some(id.clone()),
        LeaseId::Number(_) | LeaseId::Nested(..) => None,
    }
}

/// Key that a script moves records to, and the script's argument for it.
type Destination = (fn(&Keys) -> &String, u64);

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
        let reply = Some(reply);
        handle
            .appends
            .send(Append { record, reply })
            .map_err(|_| self.thread_ended().0)?;
        result.await.map_err(|_| self.thread_ended().0)?
    }

    /// Ends leases by a script, which gets the current state of the records if it moves them.
    fn end_leases(
        &self,
        leases: &[Lease],
        script: &'static LuaScript,
        destination: Option<Destination>,
    ) -> BoxFuture<'_, Result<(), OutboxError>> {
        let records: Vec<(String, Option<Record>)> = leases
            .iter()
            .filter_map(|lease| {
                let record = destination.map(|_| lease.record.clone().with_checksum());
                Some((entry_id(lease)?, record))
            })
            .collect();
        self.run_on_thread(async move |reader| {
            let keys = &reader.database.keys;
            let mut key_names = vec![&keys.stream, &keys.sending];
            key_names.extend(destination.map(|(key, _)| key(keys)));
            let argument = destination.map(|(_, argument)| argument);
            for chunk in records.chunks(MAX_PER_CALL) {
                let records: Vec<_> = chunk
                    .iter()
                    .map(|(id, record)| (id, record.as_ref().map(Record::as_bytes)))
                    .collect();
                let args = (&keys.group, argument, records);
                let connection = &reader.database.connection;
                script.run::<()>(connection, &key_names, args).await?;
            }
            Ok(())
        })
    }
}
