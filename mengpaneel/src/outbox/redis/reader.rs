//! Reader: leases new records, due retries, due fallback copies, and orphaned records.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::streams::{
    StreamClaimReply, StreamId, StreamInfoConsumersReply, StreamPendingCountReply, StreamReadReply,
};
use redis::{Cmd, FromRedisValue, cmd};
use tokio::sync::oneshot::Sender;
use tokio::time::{Instant, timeout};

use crate::id::now_ms;
use crate::outbox::redis::connection::{QueryError, RedisConnection};
use crate::outbox::redis::fallback;
use crate::outbox::redis::keys::Keys;
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

/// Approximate bound of the dead letters.
pub(crate) const MAX_DEAD_LETTERS: &[u8] = b"10000";

/// Consumer of the stream for one process.
pub(crate) struct Reader {
    /// Connection for commands that do not block.
    connection: Arc<RedisConnection>,
    /// Connection for the command that waits for records.
    blocking_connection: RedisConnection,
    keys: Arc<Keys>,
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

/// Number of redeliveries by record ID.
type Redeliveries = HashMap<String, u32>;

impl Reader {
    pub(crate) fn new(
        connection: Arc<RedisConnection>,
        blocking_connection: RedisConnection,
        keys: Arc<Keys>,
        consumer: String,
        claim_after: Duration,
    ) -> Self {
        Self {
            connection,
            blocking_connection,
            keys,
            consumer,
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
        if state
            .next_orphan_search
            .is_none_or(|time| Instant::now() >= time)
        {
            let claimed = self.lease_orphaned(limit).await?;
            if !claimed.is_empty() {
                return Ok(claimed);
            }
            // The next search waits only after one that found no record.
            state.next_orphan_search =
                Some(Instant::now() + (self.claim_after / 4).min(Duration::from_secs(15)));
        }
        if state
            .next_promotion
            .is_none_or(|time| Instant::now() >= time)
        {
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
        let mut create = cmd("XGROUP");
        create
            .arg("CREATE")
            .arg(&self.keys.stream)
            .arg(&self.keys.group)
            .arg("0")
            .arg("MKSTREAM");
        match self.connection.query::<()>(&create).await {
            Err(QueryError::Refused(reason)) if reason.contains("BUSYGROUP") => {}
            Err(error) => return Err(error),
            Ok(()) => {}
        }
        let idle = CONSUMER_TTL_MS.to_string();
        REMOVE_IDLE_CONSUMERS
            .run(
                &self.connection,
                &[&self.keys.stream],
                &[self.keys.group.as_bytes(), idle.as_bytes()],
            )
            .await
    }

    /// Claims records that other consumers leased and did not return in time.
    async fn lease_orphaned(&self, limit: usize) -> Result<Vec<Lease>, QueryError> {
        let min_idle_ms = u64::try_from(self.claim_after.as_millis()).unwrap_or(u64::MAX);
        let mut pending = self.group_command("XPENDING");
        pending
            .arg("IDLE")
            .arg(min_idle_ms)
            .arg("-")
            .arg("+")
            .arg(limit);
        let pending: StreamPendingCountReply = self.connection.query(&pending).await?;
        let mut redeliveries = Redeliveries::new();
        let mut claim = self.group_command("XCLAIM");
        claim.arg(&self.consumer).arg(min_idle_ms);
        for entry in pending.ids {
            let is_isolated = entry.times_delivered >= ISOLATE_AFTER;
            if is_isolated && !redeliveries.is_empty() {
                break;
            }
            claim.arg(&entry.id);
            redeliveries.insert(
                entry.id,
                u32::try_from(entry.times_delivered).unwrap_or(u32::MAX),
            );
            if is_isolated {
                break;
            }
        }
        if redeliveries.is_empty() {
            return Ok(Vec::new());
        }
        let StreamClaimReply { ids, .. } = self.connection.query(&claim).await?;
        let marks = self.sending_marks(&ids).await?;
        Ok(to_leases(ids, &redeliveries, &marks))
    }

    /// Returns for each record whether it was marked as being sent.
    async fn sending_marks(&self, ids: &[StreamId]) -> Result<Vec<bool>, QueryError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut get = cmd("HMGET");
        get.arg(&self.keys.sending).arg(
            ids.iter()
                .map(|entry| entry.id.as_str())
                .collect::<Vec<_>>(),
        );
        let marks: Vec<Option<u8>> = self.connection.query(&get).await?;
        Ok(marks.iter().map(Option::is_some).collect())
    }

    /// Turns due fallback copies into records.
    async fn promote_fallback_copies(&self, state: &mut PollState) -> Result<(), QueryError> {
        let refusal = match fallback::promote_due(&self.connection, &self.keys).await {
            Ok(()) => None,
            // A full Redis accepts no further record, but its records must still be delivered.
            Err(QueryError::Refused(reason)) => Some(reason),
            Err(error) => return Err(error),
        };
        if let (Some(reason), false) = (&refusal, state.is_promotion_refused) {
            tracing::error!(target: "mengpaneel", reason, "Redis refused fallback copies of delayed calls; the copies wait until it accepts records");
        }
        state.is_promotion_refused = refusal.is_some();
        Ok(())
    }

    /// Moves due retries to the stream. Returns the time until the next one is due.
    async fn promote_scheduled(&self) -> Result<Duration, QueryError> {
        let (now, batch) = (now_ms().to_string(), PROMOTE_BATCH.to_string());
        let keys = [self.keys.stream.as_str(), &self.keys.scheduled];
        let _: usize = PROMOTE
            .run(&self.connection, &keys, &[now.as_bytes(), batch.as_bytes()])
            .await?;
        let mut next = cmd("ZRANGE");
        next.arg(&self.keys.scheduled)
            .arg(0)
            .arg(0)
            .arg("WITHSCORES");
        let next: Vec<(Vec<u8>, f64)> = self.connection.query(&next).await?;
        let Some((_, due)) = next.first() else {
            return Ok(BLOCK_TIME);
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds since 1970 are exact in a float"
        )]
        let remaining_ms = (due - now_ms() as f64).max(1.0);
        Ok(Duration::try_from_secs_f64(remaining_ms / 1_000.0).unwrap_or(BLOCK_TIME))
    }

    /// Waits for records that were never leased.
    async fn read_new(&self, limit: usize, wait: Duration) -> Result<Vec<Lease>, QueryError> {
        let mut read = cmd("XREADGROUP");
        // `BLOCK 0` would wait forever.
        let block_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
        read.arg("GROUP")
            .arg(&self.keys.group)
            .arg(&self.consumer)
            .arg("COUNT")
            .arg(limit);
        read.arg("BLOCK")
            .arg(block_ms)
            .arg("STREAMS")
            .arg(&self.keys.stream)
            .arg(">");
        let reply: Option<StreamReadReply> =
            self.blocking_connection.query_blocking(&read, wait).await?;
        let ids = reply
            .into_iter()
            .flat_map(|reply| reply.keys)
            .flat_map(|key| key.ids)
            .collect();
        Ok(to_leases(ids, &Redeliveries::new(), &[]))
    }

    /// Returns the number of records that no other consumer has leased.
    pub(crate) async fn count_pending(&self) -> Result<usize, QueryError> {
        let count =
            async |name: &str, key: &str| self.connection.query::<usize>(cmd(name).arg(key)).await;
        let total =
            count("XLEN", &self.keys.stream).await? + count("ZCARD", &self.keys.scheduled).await?;
        let mut consumers = cmd("XINFO");
        consumers
            .arg("CONSUMERS")
            .arg(&self.keys.stream)
            .arg(&self.keys.group);
        let leased_by_others = match self
            .connection
            .query::<StreamInfoConsumersReply>(&consumers)
            .await
        {
            Ok(reply) => reply
                .consumers
                .iter()
                .filter(|consumer| consumer.name != self.consumer)
                .map(|consumer| consumer.pending)
                .sum(),
            // The group does not exist before the first read.
            Err(QueryError::Refused(_)) => 0,
            Err(error) => return Err(error),
        };
        Ok(total.saturating_sub(leased_by_others))
    }

    /// Creates a command for the consumer group.
    fn group_command(&self, name: &str) -> Cmd {
        let mut command = cmd(name);
        command.arg(&self.keys.stream).arg(&self.keys.group);
        command
    }

    /// Runs one command that does not block.
    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, QueryError> {
        self.connection.query(command).await
    }

    pub(crate) fn connection(&self) -> &RedisConnection {
        &self.connection
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }
}

/// Converts entries of the stream to leases. `marks` has for each entry whether it was marked as
/// being sent.
fn to_leases(ids: Vec<StreamId>, redeliveries: &Redeliveries, marks: &[bool]) -> Vec<Lease> {
    let marks = marks.iter().copied().chain(std::iter::repeat(false));
    ids.into_iter()
        .zip(marks)
        .map(|(mut entry, was_sending)| {
            let record = match entry.map.remove("r") {
                Some(redis::Value::BulkString(record)) => record,
                _ => Vec::new(),
            };
            let redeliveries = redeliveries.get(&entry.id).copied().unwrap_or_default();
            Lease::new(entry.id, Record::from_bytes(record)).redelivered(redeliveries, was_sending)
        })
        .collect()
}
