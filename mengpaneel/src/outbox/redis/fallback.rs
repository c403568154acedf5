//! Fallback copies in Redis: any process can claim them, and the first reader that polls turns due
//! copies into records.

use std::time::Duration;

use uuid::Uuid;

use crate::id::now_ms;
use crate::outbox::fallback::{CLAIM_TTL, DELIVERED_TTL, MAX_DELIVERED, ms};
use crate::outbox::redis::connection::{QueryError, RedisConnection};
use crate::outbox::redis::keys::{FallbackKeys, Keys};
use crate::outbox::redis::scripts::{LuaScript, script};
use crate::outbox::{ClaimResult, Record};

/// Most copies that become records per call.
const PROMOTE_BATCH: u64 = 1_000;

/// Stores a copy if there is room. Returns the number of stored copies.
///
/// Keys: due times, copies. Arguments: bound, ID, due time, encoded envelope.
static STORE: LuaScript = script!(
    r"if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[4])
return 1"
);

/// Claims a copy. A claimed copy is not due.
///
/// Keys: due times, claims, delivered. Arguments: ID, current time, end of the claim.
static CLAIM: LuaScript = script!(
    r"if redis.call('ZSCORE', KEYS[3], ARGV[1]) then return 'said' end
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not due then return 'unknown' end
local held = redis.call('ZSCORE', KEYS[2], ARGV[1])
if held and tonumber(held) > tonumber(ARGV[2]) then return 'elsewhere' end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
if tonumber(due) < tonumber(ARGV[3]) then redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1]) end
return 'yours'"
);

/// Removes a copy whose calls were sent.
///
/// Keys: due times, claims, delivered, copies. Arguments: ID, current time, time before which
/// deliveries are forgotten, number of deliveries that are remembered.
static FINISH: LuaScript = script!(
    r"redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', ARGV[3])
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - ARGV[4])
return 0"
);

/// Turns due copies into records. Returns their number.
///
/// Keys: due times, claims, delivered, copies, stream. Arguments: current time, most copies, number
/// of deliveries that are remembered.
static PROMOTE: LuaScript = script!(
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
return #due"
);

/// Stores a copy. Returns `false` if `max_copies` are stored already.
pub(crate) async fn store(
    connection: &RedisConnection,
    keys: &FallbackKeys,
    after: Duration,
    record: &Record,
    max_copies: u64,
) -> Result<bool, QueryError> {
    let (max_copies, id) = (max_copies.to_string(), record.id().to_string());
    let due = now_ms().saturating_add(ms(after)).to_string();
    let args = [
        max_copies.as_bytes(),
        id.as_bytes(),
        due.as_bytes(),
        record.as_bytes(),
    ];
    let stored: usize = STORE
        .run(connection, &[&keys.due_times, &keys.copies], &args)
        .await?;
    Ok(stored > 0)
}

/// Claims a copy for [`CLAIM_TTL`].
pub(crate) async fn claim(
    connection: &RedisConnection,
    keys: &FallbackKeys,
    id: Uuid,
) -> Result<ClaimResult, QueryError> {
    let (id, now) = (id.to_string(), now_ms());
    let (until, now) = (
        now.saturating_add(ms(CLAIM_TTL)).to_string(),
        now.to_string(),
    );
    let args = [id.as_bytes(), now.as_bytes(), until.as_bytes()];
    let result: String = CLAIM
        .run(
            connection,
            &[&keys.due_times, &keys.claims, &keys.delivered],
            &args,
        )
        .await?;
    Ok(match result.as_str() {
        "said" => ClaimResult::Delivered,
        "yours" => ClaimResult::Acquired,
        "elsewhere" => ClaimResult::Held,
        _ => ClaimResult::NotFound,
    })
}

/// Ends a claim: removes the copy if its calls were sent, otherwise releases it.
pub(crate) async fn finish(
    connection: &RedisConnection,
    keys: &FallbackKeys,
    id: Uuid,
    is_sent: bool,
) -> Result<(), QueryError> {
    let id = id.to_string();
    if !is_sent {
        let mut release = redis::cmd("ZREM");
        return connection.query(release.arg(&keys.claims).arg(&id)).await;
    }
    let now = now_ms();
    let (forget_before, now, max_delivered) = (
        now.saturating_sub(ms(DELIVERED_TTL)).to_string(),
        now.to_string(),
        MAX_DELIVERED.to_string(),
    );
    let names = [
        keys.due_times.as_str(),
        &keys.claims,
        &keys.delivered,
        &keys.copies,
    ];
    let _: usize = FINISH
        .run(
            connection,
            &names,
            &[
                id.as_bytes(),
                now.as_bytes(),
                forget_before.as_bytes(),
                max_delivered.as_bytes(),
            ],
        )
        .await?;
    Ok(())
}

/// Turns due copies into records.
pub(crate) async fn promote_due(
    connection: &RedisConnection,
    keys: &Keys,
) -> Result<(), QueryError> {
    let fallback = &keys.fallback;
    let names = [
        fallback.due_times.as_str(),
        &fallback.claims,
        &fallback.delivered,
        &fallback.copies,
        &keys.stream,
    ];
    let (now, batch, max_delivered) = (
        now_ms().to_string(),
        PROMOTE_BATCH.to_string(),
        MAX_DELIVERED.to_string(),
    );
    let _: usize = PROMOTE
        .run(
            connection,
            &names,
            &[now.as_bytes(), batch.as_bytes(), max_delivered.as_bytes()],
        )
        .await?;
    Ok(())
}
