//! Fallback copies in Redis: any process can claim them, and the first reader that polls turns due
//! copies into records.

use std::time::Duration;

use redis::Cmd;
use uuid::Uuid;

use crate::id::now_ms;
use crate::outbox::fallback::{CLAIM_TTL, DELIVERED_TTL, MAX_DELIVERED, ms};
use crate::outbox::redis::connection::QueryError;
use crate::outbox::redis::database::Database;
use crate::outbox::redis::scripts::LuaScript;
use crate::outbox::{ClaimResult, Record};

/// Most copies that become records per call.
const PROMOTE_BATCH: u64 = 1_000;

/// Stores a copy if there is room. A repetition changes nothing, even after the copy was sent.
/// Returns 0 if there is no room.
///
/// Keys: due times, delivered, copies. Arguments: bound, ID, due time, encoded envelope.
static STORE: LuaScript = LuaScript::new(
    r"if redis.call('ZSCORE', KEYS[2], ARGV[2]) or redis.call('HEXISTS', KEYS[3], ARGV[2]) == 1 then return 1 end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[2])
redis.call('HSET', KEYS[3], ARGV[2], ARGV[4])
return 1",
);

/// Claims a copy. A claimed copy is not due.
///
/// Keys: due times, claims, delivered. Arguments: ID, current time, end of the claim.
static CLAIM: LuaScript = LuaScript::new(
    r"if redis.call('ZSCORE', KEYS[3], ARGV[1]) then return 'said' end
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not due then return 'unknown' end
local held = redis.call('ZSCORE', KEYS[2], ARGV[1])
if held and tonumber(held) > tonumber(ARGV[2]) then return 'elsewhere' end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
if tonumber(due) < tonumber(ARGV[3]) then redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1]) end
return 'yours'",
);

/// Removes a copy whose calls were sent.
///
/// Keys: due times, claims, delivered, copies. Arguments: ID, current time, time before which
/// deliveries are forgotten, number of deliveries that are remembered.
static FINISH: LuaScript = LuaScript::new(
    r"redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', ARGV[3])
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - ARGV[4])
return 0",
);

/// Turns due copies into records. Returns their number.
///
/// Keys: due times, claims, delivered, copies, stream. Arguments: current time, most copies, number
/// of deliveries that are remembered.
static PROMOTE: LuaScript = LuaScript::new(
    r"local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, id in ipairs(due) do
  local record = redis.call('HGET', KEYS[4], id)
  if record then redis.call('XADD', KEYS[5], '*', 'r', record) end
  redis.call('ZREM', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
  redis.call('HDEL', KEYS[4], id)
  redis.call('ZADD', KEYS[3], ARGV[1], id)
end
if #due > 0 then redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - ARGV[3]) end
return #due",
);

/// Most retries of a copy whose response was lost.
const MAX_STORE_RETRIES: u32 = 3;

impl Database {
    /// Stores a copy. Returns `false` if `max_copies` are stored already.
    ///
    /// # Errors
    /// The error of the last attempt, with `true` if the copy may be stored.
    pub(crate) async fn store_fallback(
        &self,
        record: &Record,
        after: Duration,
        max_copies: u64,
    ) -> Result<bool, (QueryError, bool)> {
        let id = record.id().to_string();
        let mut retries = 0;
        loop {
            let due = now_ms().saturating_add(ms(after));
            let [due_times, _, delivered, copies] = self.fallback_keys();
            let keys = [due_times, delivered, copies];
            let args = (max_copies, &id, due, record.as_bytes());
            match STORE.run::<usize>(&self.connection, &keys, args).await {
                Ok(count) => return Ok(count > 0),
                // Idempotent: retried as is.
                Err(QueryError::Unknown(_)) if retries < MAX_STORE_RETRIES => retries += 1,
                Err(error) => {
                    let is_unknown = retries > 0 || matches!(error, QueryError::Unknown(_));
                    return Err((error, is_unknown));
                }
            }
        }
    }

    /// Claims a copy for [`CLAIM_TTL`].
    pub(crate) async fn claim_fallback(&self, id: Uuid) -> Result<ClaimResult, QueryError> {
        let now = now_ms();
        let args = (id.to_string(), now, now.saturating_add(ms(CLAIM_TTL)));
        let [due_times, claims, delivered, _] = self.fallback_keys();
        let result: String = CLAIM
            .run(&self.connection, &[due_times, claims, delivered], args)
            .await?;
        Ok(match result.as_str() {
            "said" => ClaimResult::Delivered,
            "yours" => ClaimResult::Acquired,
            "elsewhere" => ClaimResult::Held,
            _ => ClaimResult::NotFound,
        })
    }

    /// Ends a claim: removes the copy if its calls were sent, otherwise releases it.
    pub(crate) async fn finish_fallback(&self, id: Uuid, is_sent: bool) -> Result<(), QueryError> {
        let id = id.to_string();
        if !is_sent {
            return self
                .connection
                .query(&Cmd::zrem(&self.keys.claims, id))
                .await;
        }
        let now = now_ms();
        let forget_before = now.saturating_sub(ms(DELIVERED_TTL));
        let args = (id, now, forget_before, MAX_DELIVERED);
        FINISH
            .run(&self.connection, &self.fallback_keys(), args)
            .await
    }

    /// Turns due copies into records.
    pub(crate) async fn promote_fallback_copies(&self) -> Result<(), QueryError> {
        let [due_times, claims, delivered, copies] = self.fallback_keys();
        let keys = [due_times, claims, delivered, copies, &self.keys.stream];
        let args = (now_ms(), PROMOTE_BATCH, MAX_DELIVERED);
        PROMOTE.run(&self.connection, &keys, args).await
    }

    /// Returns the keys in the order in which the scripts expect them.
    fn fallback_keys(&self) -> [&String; 4] {
        let keys = &self.keys;
        [&keys.due_times, &keys.claims, &keys.delivered, &keys.copies]
    }
}
