//! The reader: hands out what is due, what was put off, and what somebody left in their hands.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::streams::{
    StreamClaimReply, StreamId, StreamInfoConsumersReply, StreamPendingCountReply, StreamReadReply,
};
use redis::{Cmd, FromRedisValue, cmd};
use tokio::sync::oneshot::Sender;
use tokio::time::{Instant, timeout};

use crate::error::log_text::one_line;
use crate::id::now_ms;
use crate::outbox::leased::{LeaseBatch, LeasedRecord};
use crate::outbox::redis::connection::{QueryError, RedisConnection};
use crate::outbox::redis::fallback;
use crate::outbox::redis::keys::Keys;
use crate::outbox::redis::scripts::{DEAD_LETTER, FORGET, PROMOTE};
use crate::outbox::{LeaseId, OutboxError};

/// How long Redis is asked to wait for a record.
const BLOCK_TIME: Duration = Duration::from_secs(1);

/// How often it is looked whether Redis is back.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// As many records that were put off wake at once at most.
const PROMOTE_BATCH: usize = 1_000;

/// A record that was abandoned as often is handed out alone.
const ISOLATE_AFTER: usize = 2;

/// A consumer that has nothing in hand is forgotten after a day.
const CONSUMER_TTL_MS: u64 = 24 * 60 * 60 * 1_000;

/// As many that were buried are kept, about.
pub(crate) const MAX_DEAD_LETTERS: &[u8] = b"10000";

/// What hands out records.
pub(crate) struct Reader {
    /// For commands that are answered at once.
    link: Arc<RedisConnection>,
    /// For the one that waits.
    waiting: RedisConnection,
    keys: Arc<Keys>,
    consumer: String,
    claim_after: Duration,
    turn: tokio::sync::Mutex<PollState>,
    /// What was handed to somebody who was not there any more.
    returned: Mutex<Vec<LeasedRecord>>,
}

#[derive(Default)]
struct PollState {
    /// The group is there, as far as is known.
    has_group: bool,
    next_look: Option<Instant>,
    /// When copies that are due are looked for again.
    next_aside: Option<Instant>,
    /// They could not be made records, and that was told.
    is_aside_stuck: bool,
}

/// The IDs of records, with how often each was abandoned.
type Redeliveries = HashMap<String, u32>;

impl Reader {
    pub(crate) fn new(
        link: Arc<RedisConnection>,
        waiting: RedisConnection,
        keys: Arc<Keys>,
        consumer: String,
        claim_after: Duration,
    ) -> Self {
        let (turn, returned) = (tokio::sync::Mutex::default(), Mutex::default());
        Self {
            link,
            waiting,
            keys,
            consumer,
            claim_after,
            turn,
            returned,
        }
    }

    /// Takes back what was handed to somebody who was not there any more.
    pub(crate) fn unlease(&self, leases: Vec<LeasedRecord>) {
        self.returned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(leases);
    }

    /// Answers with what is due, as long as somebody waits for it.
    pub(crate) async fn lease(
        &self,
        limit: usize,
        mut answer: Sender<Result<Vec<LeasedRecord>, OutboxError>>,
    ) {
        let mut turn = self.turn.lock().await;
        let leased = loop {
            if answer.is_closed() {
                return;
            }
            match self.poll(limit, &mut turn).await {
                Ok(leases) if leases.is_empty() => {}
                Err(QueryError::Refused(why)) if why.contains("NOGROUP") => turn.has_group = false,
                // The link says so, once: what waits there is handed out when it is back.
                Err(QueryError::Unreachable(_) | QueryError::Unknown(_)) => {
                    drop(timeout(POLL_INTERVAL, answer.closed()).await);
                }
                done => break done,
            }
        };
        if let Err(Ok(leases)) = answer.send(leased.map_err(Into::into)) {
            self.unlease(leases);
        }
    }

    async fn poll(
        &self,
        limit: usize,
        turn: &mut PollState,
    ) -> Result<Vec<LeasedRecord>, QueryError> {
        {
            let mut returned = self.returned.lock().unwrap_or_else(PoisonError::into_inner);
            if !returned.is_empty() {
                let count = limit.min(returned.len());
                return Ok(returned.drain(..count).collect());
            }
        }
        if !turn.has_group {
            self.make_group().await?;
            turn.has_group = true;
        }
        if turn.next_look.is_none_or(|at| Instant::now() >= at) {
            let claimed = self.claim(limit).await?;
            if !claimed.is_empty() {
                return Ok(claimed);
            }
            // There may be more only once this look found none.
            turn.next_look =
                Some(Instant::now() + (self.claim_after / 4).min(Duration::from_secs(15)));
        }
        if turn.next_aside.is_none_or(|at| Instant::now() >= at) {
            turn.next_aside = Some(Instant::now() + BLOCK_TIME);
            let is_stuck = match fallback::promote_due(&self.link, &self.keys).await {
                Ok(()) => None,
                // A Redis that is full adds nothing; what it has is to be delivered all the same.
                Err(QueryError::Refused(why)) => Some(why),
                Err(trouble) => return Err(trouble),
            };
            if let (Some(why), false) = (&is_stuck, turn.is_aside_stuck) {
                tracing::error!(target: "mengpaneel", "Redis refused: {why}; delayed calls that no page fetched wait on");
            }
            turn.is_aside_stuck = is_stuck.is_some();
        }
        let next_due = self.promote_due().await?;
        let until = turn
            .next_look
            .map_or(BLOCK_TIME, |at| at.duration_since(Instant::now()))
            .min(next_due)
            .min(BLOCK_TIME);
        self.read(limit, until).await
    }

    async fn make_group(&self) -> Result<(), QueryError> {
        let mut create = cmd("XGROUP");
        create
            .arg("CREATE")
            .arg(&self.keys.stream)
            .arg(&self.keys.group)
            .arg("0")
            .arg("MKSTREAM");
        match self.link.query::<()>(&create).await {
            Err(QueryError::Refused(why)) if why.contains("BUSYGROUP") => {}
            Err(trouble) => return Err(trouble),
            Ok(()) => {}
        }
        let age = CONSUMER_TTL_MS.to_string();
        FORGET
            .run(
                &self.link,
                &[&self.keys.stream],
                &[self.keys.group.as_bytes(), age.as_bytes()],
            )
            .await
    }

    /// Takes what others had in hand for too long.
    async fn claim(&self, limit: usize) -> Result<Vec<LeasedRecord>, QueryError> {
        let idle = u64::try_from(self.claim_after.as_millis()).unwrap_or(u64::MAX);
        let mut pending = self.command("XPENDING");
        pending.arg("IDLE").arg(idle).arg("-").arg("+").arg(limit);
        let pending: StreamPendingCountReply = self.link.query(&pending).await?;
        let mut claimed = Redeliveries::new();
        let mut claim = self.command("XCLAIM");
        claim.arg(&self.consumer).arg(idle);
        for one in pending.ids {
            let is_alone = one.times_delivered >= ISOLATE_AFTER;
            if is_alone && !claimed.is_empty() {
                break;
            }
            claim.arg(&one.id);
            claimed.insert(
                one.id,
                u32::try_from(one.times_delivered).unwrap_or(u32::MAX),
            );
            if is_alone {
                break;
            }
        }
        if claimed.is_empty() {
            return Ok(Vec::new());
        }
        let StreamClaimReply { ids, .. } = self.link.query(&claim).await?;
        let marked = self.marked(&ids).await?;
        self.found(ids, &claimed, &marked).await
    }

    /// Which of these were being sent.
    async fn marked(&self, ids: &[StreamId]) -> Result<Vec<bool>, QueryError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut marks = cmd("HMGET");
        marks
            .arg(&self.keys.sending)
            .arg(ids.iter().map(|one| one.id.as_str()).collect::<Vec<_>>());
        let marks: Vec<Option<u8>> = self.link.query(&marks).await?;
        Ok(marks.iter().map(Option::is_some).collect())
    }

    /// Wakes what was put off and is due; gives how long it is to the next.
    async fn promote_due(&self) -> Result<Duration, QueryError> {
        let (now, count) = (now_ms().to_string(), PROMOTE_BATCH.to_string());
        let keys = [self.keys.stream.as_str(), &self.keys.scheduled];
        let _: usize = PROMOTE
            .run(&self.link, &keys, &[now.as_bytes(), count.as_bytes()])
            .await?;
        let mut next = cmd("ZRANGE");
        next.arg(&self.keys.scheduled)
            .arg(0)
            .arg(0)
            .arg("WITHSCORES");
        let next: Vec<(Vec<u8>, f64)> = self.link.query(&next).await?;
        let Some((_, due)) = next.first() else {
            return Ok(BLOCK_TIME);
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds since 1970 are exact in a float"
        )]
        let left = (due - now_ms() as f64).max(1.0);
        Ok(Duration::try_from_secs_f64(left / 1_000.0).unwrap_or(BLOCK_TIME))
    }

    /// Waits for what nobody had in hand.
    async fn read(&self, limit: usize, wait: Duration) -> Result<Vec<LeasedRecord>, QueryError> {
        let mut read = cmd("XREADGROUP");
        // To wait for 0 milliseconds is to wait for ever.
        let block = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
        read.arg("GROUP")
            .arg(&self.keys.group)
            .arg(&self.consumer)
            .arg("COUNT")
            .arg(limit);
        read.arg("BLOCK")
            .arg(block)
            .arg("STREAMS")
            .arg(&self.keys.stream)
            .arg(">");
        let reply: Option<StreamReadReply> = self.waiting.query_for(&read, wait).await?;
        let ids = reply
            .into_iter()
            .flat_map(|reply| reply.keys)
            .flat_map(|key| key.ids)
            .collect();
        self.found(ids, &Redeliveries::new(), &[]).await
    }

    /// What stands in the stream. What cannot be read is buried, so that it does not stand in the
    /// way.
    async fn found(
        &self,
        ids: Vec<StreamId>,
        claimed: &Redeliveries,
        marked: &[bool],
    ) -> Result<Vec<LeasedRecord>, QueryError> {
        let mut found = LeaseBatch::default();
        let marked = marked.iter().copied().chain(std::iter::repeat(false));
        for (mut one, in_doubt) in ids.into_iter().zip(marked) {
            let written = match one.map.remove("r") {
                Some(redis::Value::BulkString(written)) => written,
                _ => Vec::new(),
            };
            let abandoned = claimed.get(&one.id).copied().unwrap_or_default();
            let Err(error) = found.add(LeaseId(one.id.clone()), &written, abandoned, in_doubt)
            else {
                continue;
            };
            let error = one_line(&error.to_string());
            tracing::error!(target: "mengpaneel", "a record in Redis at {} cannot be read ({error}): buried", self.link.address());
            let keys = [
                self.keys.stream.as_str(),
                &self.keys.sending,
                &self.keys.dead_letters,
            ];
            let args = [
                self.keys.group.as_bytes(),
                MAX_DEAD_LETTERS,
                one.id.as_bytes(),
                &written,
            ];
            let _: usize = DEAD_LETTER.run(&self.link, &keys, &args).await?;
        }
        Ok(found.into_records())
    }

    /// How many wait that nobody else has in hand.
    pub(crate) async fn count(&self) -> Result<usize, QueryError> {
        let count =
            async |name: &str, key: &str| self.link.query::<usize>(cmd(name).arg(key)).await;
        let all =
            count("XLEN", &self.keys.stream).await? + count("ZCARD", &self.keys.scheduled).await?;
        let mut consumers = cmd("XINFO");
        consumers
            .arg("CONSUMERS")
            .arg(&self.keys.stream)
            .arg(&self.keys.group);
        let others = match self
            .link
            .query::<StreamInfoConsumersReply>(&consumers)
            .await
        {
            Ok(reply) => reply
                .consumers
                .iter()
                .filter(|one| one.name != self.consumer)
                .map(|one| one.pending)
                .sum(),
            // Nobody read yet.
            Err(QueryError::Refused(_)) => 0,
            Err(trouble) => return Err(trouble),
        };
        Ok(all.saturating_sub(others))
    }

    /// A command about the group.
    fn command(&self, name: &str) -> Cmd {
        let mut command = cmd(name);
        command.arg(&self.keys.stream).arg(&self.keys.group);
        command
    }

    /// One command that is answered at once.
    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, QueryError> {
        self.link.query(command).await
    }

    pub(crate) fn connection(&self) -> &RedisConnection {
        &self.link
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }
}
