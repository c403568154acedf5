//! Copies kept aside in Redis: any process claims them, and the one that looks first makes records
//! of those that are due.

use std::time::Duration;

use uuid::Uuid;

use crate::id::now_ms;
use crate::outbox::ClaimResult;
use crate::outbox::fallback::{CLAIM_TTL, DELIVERED_TTL, MAX_DELIVERED, ms};
use crate::outbox::redis::connection::{QueryError, RedisConnection};
use crate::outbox::redis::keys::{FallbackKeys, Keys};
use crate::outbox::redis::scripts::{LuaScript, script};

/// As many copies become records at once at most.
const PROMOTE_BATCH: u64 = 1_000;

/// Keeps a copy, if there is room; gives how many. Keys: the dues, the copies. Arguments: the
/// bound, the ID, when it is due, what it is.
static STORE: LuaScript = script!(
    r"if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[4])
return 1"
);

/// Claims a copy. Keys: the dues, the claims, the said. Arguments: the ID, the time, until when the
/// claim holds. A copy is not due as long as it is claimed.
static CLAIM_ONE: LuaScript = script!(
    r"if redis.call('ZSCORE', KEYS[3], ARGV[1]) then return 'said' end
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not due then return 'unknown' end
local held = redis.call('ZSCORE', KEYS[2], ARGV[1])
if held and tonumber(held) > tonumber(ARGV[2]) then return 'elsewhere' end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
if tonumber(due) < tonumber(ARGV[3]) then redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1]) end
return 'yours'"
);

/// Ends a claim whose calls were said. Keys: the dues, the claims, the said, the copies. Arguments:
/// the ID, the time, before which time what was said is forgotten, and of how many it is known.
static FINISH: LuaScript = script!(
    r"redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', ARGV[3])
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - ARGV[4])
return 0"
);

/// Makes records of the copies that are due; gives how many. Keys: the dues, the claims, the said,
/// the copies, the stream. Arguments: the time, how many at most, of how many it is known.
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

/// Keeps a copy; `false` where as many are kept as may.
pub(crate) async fn store(
    link: &RedisConnection,
    keys: &FallbackKeys,
    id: Uuid,
    after: Duration,
    record: &[u8],
    bound: u64,
) -> Result<bool, QueryError> {
    let (bound, id) = (bound.to_string(), id.to_string());
    let due = now_ms().saturating_add(ms(after)).to_string();
    let args = [bound.as_bytes(), id.as_bytes(), due.as_bytes(), record];
    let kept: usize = STORE.run(link, &[&keys.dues, &keys.copies], &args).await?;
    Ok(kept > 0)
}

pub(crate) async fn claim(
    link: &RedisConnection,
    keys: &FallbackKeys,
    id: Uuid,
) -> Result<ClaimResult, QueryError> {
    let (id, now) = (id.to_string(), now_ms());
    let (until, now) = (
        now.saturating_add(ms(CLAIM_TTL)).to_string(),
        now.to_string(),
    );
    let args = [id.as_bytes(), now.as_bytes(), until.as_bytes()];
    let claimed: String = CLAIM_ONE
        .run(link, &[&keys.dues, &keys.claims, &keys.delivered], &args)
        .await?;
    Ok(match claimed.as_str() {
        "said" => ClaimResult::Delivered,
        "yours" => ClaimResult::Acquired,
        "elsewhere" => ClaimResult::Held,
        _ => ClaimResult::NotFound,
    })
}

pub(crate) async fn finish(
    link: &RedisConnection,
    keys: &FallbackKeys,
    id: Uuid,
    is_said: bool,
) -> Result<(), QueryError> {
    let id = id.to_string();
    if !is_said {
        let mut give_back = redis::cmd("ZREM");
        return link.query(give_back.arg(&keys.claims).arg(&id)).await;
    }
    let now = now_ms();
    let (forget, now, most) = (
        now.saturating_sub(ms(DELIVERED_TTL)).to_string(),
        now.to_string(),
        MAX_DELIVERED.to_string(),
    );
    let names = [
        keys.dues.as_str(),
        &keys.claims,
        &keys.delivered,
        &keys.copies,
    ];
    let _: usize = FINISH
        .run(
            link,
            &names,
            &[
                id.as_bytes(),
                now.as_bytes(),
                forget.as_bytes(),
                most.as_bytes(),
            ],
        )
        .await?;
    Ok(())
}

/// Makes records of the copies that are due.
pub(crate) async fn promote_due(link: &RedisConnection, keys: &Keys) -> Result<(), QueryError> {
    let aside = &keys.fallback;
    let names = [
        aside.dues.as_str(),
        &aside.claims,
        &aside.delivered,
        &aside.copies,
        &keys.stream,
    ];
    let (now, count, most) = (
        now_ms().to_string(),
        PROMOTE_BATCH.to_string(),
        MAX_DELIVERED.to_string(),
    );
    let _: usize = PROMOTE
        .run(
            link,
            &names,
            &[now.as_bytes(), count.as_bytes(), most.as_bytes()],
        )
        .await?;
    Ok(())
}
