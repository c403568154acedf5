//! Operations of the outbox in Redis.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, TryFutureExt as _, ready};
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
    AppendError, ClaimResult, Lease, LeaseId, LeasedRecord, Outbox, OutboxError, record,
};
use crate::record::envelope::Envelope;

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

    fn append(&self, envelope: Envelope) -> BoxFuture<'_, Result<(), AppendError>> {
        async move {
            match self.append_ref(&envelope).await {
                Ok(()) => Ok(()),
                Err(reason) => Err(AppendError {
                    envelope: Box::new(envelope),
                    reason,
                }),
            }
        }
        .boxed()
    }

    fn lease(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>> {
        self.lease_records(limit)
            .map_ok(LeasedRecord::into_leases)
            .boxed()
    }

    fn lease_records(&self, limit: usize) -> BoxFuture<'_, Result<Vec<LeasedRecord>, OutboxError>> {
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
        let ids: Vec<String> = leases.iter().map(|lease| lease.id.0.clone()).collect();
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

    fn acknowledge(&self, ids: Vec<LeaseId>) -> BoxFuture<'_, Result<(), OutboxError>> {
        self.run_on_thread(async move |reader| {
            let keys = reader.keys();
            for chunk in ids.chunks(MAX_PER_CALL) {
                let mut args = vec![keys.group.as_bytes()];
                args.extend(chunk.iter().map(|id| id.0.as_bytes()));
                let _: usize = ACKNOWLEDGE
                    .run(reader.connection(), &[&keys.stream, &keys.sending], &args)
                    .await?;
            }
            Ok(())
        })
    }

    fn retry_later(
        &self,
        leases: Vec<Lease>,
        delay: Duration,
    ) -> BoxFuture<'_, Result<(), OutboxError>> {
        let delay = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        let due = if delay == 0 {
            0
        } else {
            now_ms().saturating_add(delay)
        };
        self.return_leases(
            &leases,
            &RETRY,
            |keys| &keys.scheduled,
            due.to_string().into_bytes(),
        )
    }

    fn dead_letter(&self, leases: Vec<Lease>) -> BoxFuture<'_, Result<(), OutboxError>> {
        self.return_leases(
            &leases,
            &DEAD_LETTER,
            |keys| &keys.dead_letters,
            MAX_DEAD_LETTERS.to_vec(),
        )
    }

    fn dead_letters(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>> {
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

    fn schedule_fallback(
        &self,
        envelope: Envelope,
        after: Duration,
    ) -> BoxFuture<'_, Result<(), AppendError>> {
        async move {
            match self.store_fallback(&envelope, after).await {
                Ok(()) => Ok(()),
                Err(StoreError { reason, is_unknown }) => {
                    // A copy may be stored: a second one may have only calls that Mixpanel can
                    // deduplicate.
                    let envelope = if is_unknown {
                        let empty = Envelope {
                            calls: Calls::default(),
                            ..envelope.clone()
                        };
                        envelope.retain_deduplicable().unwrap_or(empty)
                    } else {
                        envelope
                    };
                    Err(AppendError {
                        envelope: Box::new(envelope),
                        reason,
                    })
                }
            }
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

    fn pending(&self) -> BoxFuture<'_, Result<usize, OutboxError>> {
        self.run_on_thread(async move |reader| reader.count_pending().await)
    }
}

/// Error of a fallback copy.
struct StoreError {
    reason: String,
    /// True if the copy may be stored.
    is_unknown: bool,
}

impl Redis {
    async fn append_ref(&self, envelope: &Envelope) -> Result<(), String> {
        let handle = self.handle().map_err(|error| error.0)?;
        let record = record::encode_envelope(envelope);
        let is_idempotent = envelope
            .calls
            .iter()
            .all(|call| call.method().is_idempotent());
        let _permit = handle.permits.try_acquire().map_err(|_| {
            format!(
                "{MAX_APPENDS_IN_FLIGHT} appends to {} are already in flight",
                self.description()
            )
        })?;
        let (reply, result) = oneshot::channel();
        handle
            .appends
            .send(Append {
                record,
                is_idempotent,
                reply,
            })
            .map_err(|_| self.thread_ended().0)?;
        result.await.map_err(|_| self.thread_ended().0)?
    }

    async fn store_fallback(&self, envelope: &Envelope, after: Duration) -> Result<(), StoreError> {
        let record: Arc<[u8]> = record::encode_envelope(envelope).into();
        let (id, max_copies) = (envelope.id, self.max_records);
        let mut retries = 0;
        loop {
            let record = Arc::clone(&record);
            let store = async move |reader: Arc<Reader>| {
                let (connection, keys) = (reader.connection(), &reader.keys().fallback);
                Ok(fallback::store(connection, keys, id, after, &record, max_copies).await)
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
        let encoded = leases.iter().map(|lease| {
            Ok([
                lease.id.0.clone().into_bytes(),
                record::encode_lease(lease)?,
            ])
        });
        let encoded: Result<Vec<_>, serde_json::Error> = encoded.collect();
        let encoded = match encoded {
            Ok(encoded) => encoded,
            Err(error) => return ready(Err(OutboxError(error.to_string()))).boxed(),
        };
        self.run_on_thread(async move |reader| {
            let keys = reader.keys();
            for chunk in encoded.chunks(MAX_PER_CALL) {
                let mut args = vec![keys.group.as_bytes(), argument.as_slice()];
                args.extend(chunk.iter().flatten().map(Vec::as_slice));
                let key_names = [keys.stream.as_str(), &keys.sending, third_key(keys)];
                let _: usize = script.run(reader.connection(), &key_names, &args).await?;
            }
            Ok(())
        })
    }
}
