//! Reader: leases new records, due retries, due fallback copies, and orphaned records.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::streams::{
    StreamClaimReply, StreamId, StreamInfoConsumersReply, StreamPendingCountReply, StreamReadReply,
};
use redis::{Cmd, cmd};
use tokio::sync::oneshot::Sender;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::id::now_ms;
use crate::outbox::fallback::ms;
use crate::outbox::redis::connection::{QueryError, RedisConnection};
use crate::outbox::redis::database::Database;
use crate::outbox::redis::scripts::{PROMOTE, REMOVE_IDLE_CONSUMERS};
use crate::outbox::{Lease, OutboxError, Record};

/// Longest time that Redis blocks while it waits for a record.
const BLOCK_TIME: Duration = Duration::from_secs(1);

/// Interval between attempts while Redis is unreachable.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Most scheduled records that become due per call.
const PROMOTE_BATCH: usize = 1_000;

/// Number of redeliveries from which a record is leased alone.
const ISOLATE_AFTER: usize = 2;

/// Idle time after which a consumer without leased records is removed: one day.
const CONSUMER_TTL_MS: u64 = 24 * 60 * 60 * 1_000;

/// Consumer of the stream for one process.
pub(crate) struct Reader {
    /// Database for commands that do not block.
    pub(crate) database: Arc<Database>,
    /// Connection for the command that waits for records.
    blocking_connection: RedisConnection,
    consumer: String,
    claim_after: Duration,
    poll_state: tokio::sync::Mutex<PollState>,
    /// Leased records whose caller was cancelled.
    unleased: Mutex<Vec<Lease>>,
}

#[derive(Default)]
struct PollState {
    /// True if the consumer group exists, as far as is known.
    has_group: bool,
    /// Time of the next search for orphaned records.
    next_orphan_search: Option<Instant>,
    /// Time of the next search for due fallback copies.
    next_promotion: Option<Instant>,
    /// True if Redis refuses to promote fallback copies and that was logged.
    is_promotion_refused: bool,
}

impl Reader {
    pub(crate) fn new(database: Arc<Database>, claim_after: Duration) -> Self {
        Self {
            blocking_connection: database.connection.duplicate(),
            database,
            consumer: format!("{}-{}", std::process::id(), Uuid::new_v4()),
            claim_after,
            poll_state: tokio::sync::Mutex::default(),
            unleased: Mutex::default(),
        }
    }

    /// Takes leased records whose caller was cancelled, for the next lease.
    pub(crate) fn unlease(&self, leases: Vec<Lease>) {
        self.lock_unleased().extend(leases);
    }

    fn lock_unleased(&self) -> MutexGuard<'_, Vec<Lease>> {
        self.unleased.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for due records and sends them to `reply`. Ends early if the receiver is dropped.
    pub(crate) async fn lease(
        &self,
        limit: usize,
        mut reply: Sender<Result<Vec<Lease>, OutboxError>>,
    ) {
        let mut state = self.poll_state.lock().await;
        let result = loop {
            if reply.is_closed() {
                return;
            }
            match self.poll(limit, &mut state).await {
                Ok(records) if records.is_empty() => {}
                Err(QueryError::Refused(reason)) if reason.contains("NOGROUP") => {
                    state.has_group = false;
                }
                // The connection logs the outage. The lease succeeds when Redis is back.
                Err(QueryError::Unreachable(_) | QueryError::Unknown(_)) => {
                    drop(timeout(POLL_INTERVAL, reply.closed()).await);
                }
                result => break result,
            }
        };
        if let Err(Ok(records)) = reply.send(result.map_err(Into::into)) {
            self.unlease(records);
        }
    }

    async fn poll(&self, limit: usize, state: &mut PollState) -> Result<Vec<Lease>, QueryError> {
        {
            let mut unleased = self.lock_unleased();
            if !unleased.is_empty() {
                let count = limit.min(unleased.len());
                return Ok(unleased.drain(..count).collect());
            }
        }
        if !state.has_group {
            self.create_group().await?;
            state.has_group = true;
        }
        if state.next_orphan_search <= Some(Instant::now()) {
            let claimed = self.lease_orphaned(limit).await?;
            if !claimed.is_empty() {
                return Ok(claimed);
            }
            // The next search waits only after one that found no record.
            state.next_orphan_search =
                Some(Instant::now() + (self.claim_after / 4).min(Duration::from_secs(15)));
        }
        if state.next_promotion <= Some(Instant::now()) {
            state.next_promotion = Some(Instant::now() + BLOCK_TIME);
            self.promote_fallback_copies(state).await?;
        }
        let next_due = self.promote_scheduled().await?;
        let wait = state
            .next_orphan_search
            .map_or(BLOCK_TIME, |time| time.duration_since(Instant::now()))
            .min(next_due)
            .min(BLOCK_TIME);
        self.read_new(limit, wait).await
    }

    async fn create_group(&self) -> Result<(), QueryError> {
        let (connection, keys) = (&self.database.connection, &self.database.keys);
        let create = Cmd::xgroup_create_mkstream(&keys.stream, &keys.group, "0");
        match connection.query(&create).await {
            Err(QueryError::Refused(reason)) if reason.contains("BUSYGROUP") => {}
            result => result?,
        }
        let args = (&keys.group, CONSUMER_TTL_MS);
        REMOVE_IDLE_CONSUMERS
            .run(connection, &[&keys.stream], args)
            .await
    }

    /// Claims records that other consumers leased and did not return in time.
    async fn lease_orphaned(&self, limit: usize) -> Result<Vec<Lease>, QueryError> {
        let (connection, keys) = (&self.database.connection, &self.database.keys);
        let min_idle_ms = ms(self.claim_after);
        let mut pending = cmd("XPENDING");
        pending.arg((&keys.stream, &keys.group));
        pending.arg(("IDLE", min_idle_ms, "-", "+", limit));
        let mut pending = connection
            .query::<StreamPendingCountReply>(&pending)
            .await?
            .ids;
        // A record that is isolated is leased alone, or by a later search.
        let isolated = pending
            .iter()
            .position(|entry| entry.times_delivered >= ISOLATE_AFTER);
        if let Some(index) = isolated {
            pending.truncate(index.max(1));
        }
        if pending.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<&String> = pending.iter().map(|entry| &entry.id).collect();
        let claim = Cmd::xclaim(&keys.stream, &keys.group, &self.consumer, min_idle_ms, &ids);
        let StreamClaimReply { ids: claimed, .. } = connection.query(&claim).await?;
        if claimed.is_empty() {
            return Ok(Vec::new());
        }
        // A mark of a record exists if it was being sent.
        let ids: Vec<&String> = claimed.iter().map(|entry| &entry.id).collect();
        let marks: Vec<Option<u8>> = connection.query(&Cmd::hmget(&keys.sending, ids)).await?;
        let redeliveries: HashMap<String, usize> = pending
            .into_iter()
            .map(|entry| (entry.id, entry.times_delivered))
            .collect();
        let leases = claimed.into_iter().zip(marks).map(|(entry, mark)| {
            let redeliveries = redeliveries.get(&entry.id).copied().unwrap_or_default();
            let redeliveries = u32::try_from(redeliveries).unwrap_or(u32::MAX);
            to_lease(entry).redelivered(redeliveries, mark.is_some())
        });
        Ok(leases.collect())
    }

    /// Turns due fallback copies into records.
    async fn promote_fallback_copies(&self, state: &mut PollState) -> Result<(), QueryError> {
        let was_refused = state.is_promotion_refused;
        state.is_promotion_refused = match self.database.promote_fallback_copies().await {
            Ok(()) => false,
            // A full Redis accepts no further record, but its records must still be delivered.
            Err(QueryError::Refused(reason)) => {
                if !was_refused {
                    tracing::error!(target: "mengpaneel", reason, "Redis refused fallback copies of delayed calls; the copies wait until it accepts records");
                }
                true
            }
            Err(error) => return Err(error),
        };
        Ok(())
    }

    /// Moves due retries to the stream. Returns the time until the next one is due.
    async fn promote_scheduled(&self) -> Result<Duration, QueryError> {
        let (connection, keys) = (&self.database.connection, &self.database.keys);
        let key_names = [&keys.stream, &keys.scheduled];
        let args = (now_ms(), PROMOTE_BATCH);
        PROMOTE.run::<usize>(connection, &key_names, args).await?;
        let next = Cmd::zrange_withscores(&keys.scheduled, 0, 0);
        let next: Vec<(Vec<u8>, f64)> = connection.query(&next).await?;
        let due = next
            .first()
            .map(|(_, due)| Duration::try_from_secs_f64(due / 1_000.0));
        Ok(match due {
            Some(Ok(due)) => due.saturating_sub(Duration::from_millis(now_ms())),
            _ => BLOCK_TIME,
        })
    }

    /// Waits for records that were never leased.
    async fn read_new(&self, limit: usize, wait: Duration) -> Result<Vec<Lease>, QueryError> {
        let keys = &self.database.keys;
        // `BLOCK 0` would wait forever.
        let block_ms = ms(wait).max(1);
        let mut read = cmd("XREADGROUP");
        read.arg(("GROUP", &keys.group, &self.consumer, "COUNT", limit));
        read.arg(("BLOCK", block_ms, "STREAMS", &keys.stream, ">"));
        let reply: Option<StreamReadReply> =
            self.blocking_connection.query_blocking(&read, wait).await?;
        let streams = reply.into_iter().flat_map(|reply| reply.keys);
        Ok(streams.flat_map(|key| key.ids).map(to_lease).collect())
    }

    /// Returns the number of records that no other consumer has leased.
    pub(crate) async fn count_pending(&self) -> Result<usize, QueryError> {
        let (connection, keys) = (&self.database.connection, &self.database.keys);
        let stored: usize = connection.query(&Cmd::xlen(&keys.stream)).await?;
        let scheduled: usize = connection.query(&Cmd::zcard(&keys.scheduled)).await?;
        let consumers = Cmd::xinfo_consumers(&keys.stream, &keys.group);
        let consumers = match connection
            .query::<StreamInfoConsumersReply>(&consumers)
            .await
        {
            Ok(reply) => reply.consumers,
            // The group does not exist before the first read.
            Err(QueryError::Refused(_)) => Vec::new(),
            Err(error) => return Err(error),
        };
        let others = consumers
            .iter()
            .filter(|consumer| consumer.name != self.consumer);
        let leased_by_others = others.map(|consumer| consumer.pending).sum();
        Ok((stored + scheduled).saturating_sub(leased_by_others))
    }
}

/// Converts an entry of the stream to a lease.
fn to_lease(mut entry: StreamId) -> Lease {
    let record = match entry.map.remove("r") {
        Some(redis::Value::BulkString(record)) => record,
        _ => Vec::new(),
    };
    Lease::new(entry.id, Record::from_bytes(record))
}
