//! Lua scripts. Redis runs each one atomically, and running one again changes nothing.

use std::sync::OnceLock;

use redis::{FromRedisValue, Script, ToRedisArgs, cmd};

use crate::outbox::redis::connection::{QueryError, RedisConnection};

/// Most records per call of a script: Redis runs one script at a time.
pub(crate) const MAX_PER_CALL: usize = 1_000;

/// Lua script that Redis runs atomically.
pub(crate) struct LuaScript {
    text: &'static str,
    script: OnceLock<Script>,
}

impl LuaScript {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self {
            text,
            script: OnceLock::new(),
        }
    }

    /// Runs the script by its hash. The text is sent only if Redis does not know the script.
    ///
    /// # Errors
    /// Same as [`RedisConnection::query`].
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        connection: &RedisConnection,
        keys: &[&String],
        args: impl ToRedisArgs,
    ) -> Result<T, QueryError> {
        let command = |name: &str, script: &str| {
            let mut command = cmd(name);
            command.arg(script).arg(keys.len()).arg(keys).arg(&args);
            command
        };
        let script = self.script.get_or_init(|| Script::new(self.text));
        match connection
            .query(&command("EVALSHA", script.get_hash()))
            .await
        {
            Err(QueryError::Refused(reason))
                if reason.contains("NOSCRIPT") || reason.contains("NoScript") =>
            {
                connection.query(&command("EVAL", self.text)).await
            }
            result => result,
        }
    }
}

/// Appends all records, or none if there is no room. Returns their number.
///
/// Keys: stream, scheduled records, writer. Arguments: batch number of the writer, bound, records.
/// The batch number makes the append idempotent: a batch whose response was lost is retried.
pub(crate) static APPEND: LuaScript = LuaScript::new(
    r"local last = redis.call('GET', KEYS[3])
if last then
  local number, count = string.match(last, '^(%d+) (%d+)$')
  if number == ARGV[1] then return tonumber(count) end
end
local room = tonumber(ARGV[2]) - redis.call('XLEN', KEYS[1]) - redis.call('ZCARD', KEYS[2])
local count = #ARGV - 2
if count > room then count = 0 end
for i = 3, count + 2 do
  redis.call('XADD', KEYS[1], '*', 'r', ARGV[i])
end
redis.call('SET', KEYS[3], ARGV[1] .. ' ' .. count, 'EX', 604800)
return count",
);

/// Removes acknowledged records.
///
/// Keys: stream, sending marks. Arguments: group, IDs.
pub(crate) static ACKNOWLEDGE: LuaScript = LuaScript::new(
    r"for i = 2, #ARGV do
  if redis.call('XACK', KEYS[1], ARGV[1], ARGV[i]) == 1 then
    redis.call('XDEL', KEYS[1], ARGV[i])
    redis.call('HDEL', KEYS[2], ARGV[i])
  end
end
return 0",
);

/// Schedules records for a retry.
///
/// Keys: stream, sending marks, scheduled records. Arguments: group, due time (0: now), then the ID
/// and the current encoding of each record.
pub(crate) static RETRY: LuaScript = LuaScript::new(
    r"for i = 3, #ARGV, 2 do
  if redis.call('XACK', KEYS[1], ARGV[1], ARGV[i]) == 1 then
    redis.call('XDEL', KEYS[1], ARGV[i])
    redis.call('HDEL', KEYS[2], ARGV[i])
    if ARGV[2] == '0' then
      redis.call('XADD', KEYS[1], '*', 'r', ARGV[i + 1])
    else
      redis.call('ZADD', KEYS[3], ARGV[2], ARGV[i + 1])
    end
  end
end
return 0",
);

/// Moves records to the dead letters.
///
/// Keys: stream, sending marks, dead letters. Arguments: group, bound of the dead letters, then the
/// ID and the current encoding of each record.
pub(crate) static DEAD_LETTER: LuaScript = LuaScript::new(
    r"for i = 3, #ARGV, 2 do
  if redis.call('XACK', KEYS[1], ARGV[1], ARGV[i]) == 1 then
    redis.call('XDEL', KEYS[1], ARGV[i])
    redis.call('HDEL', KEYS[2], ARGV[i])
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[2], '*', 'r', ARGV[i + 1])
  end
end
return 0",
);

/// Moves dead letters to the end of the stream while there is room. Returns their number.
///
/// Keys: stream, scheduled records, dead letters. Arguments: bound, IDs.
pub(crate) static REQUEUE: LuaScript = LuaScript::new(
    r"local room = tonumber(ARGV[1]) - redis.call('XLEN', KEYS[1]) - redis.call('ZCARD', KEYS[2])
local moved = 0
for i = 2, #ARGV do
  if moved >= room then break end
  local row = redis.call('XRANGE', KEYS[3], ARGV[i], ARGV[i])[1]
  if row then
    redis.call('XADD', KEYS[1], '*', 'r', row[2][2])
    redis.call('XDEL', KEYS[3], ARGV[i])
    moved = moved + 1
  end
end
return moved",
);

/// Moves due records back to the stream. Returns their number.
///
/// Keys: stream, scheduled records. Arguments: current time, most records.
pub(crate) static PROMOTE: LuaScript = LuaScript::new(
    r"local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, record in ipairs(due) do
  redis.call('XADD', KEYS[1], '*', 'r', record)
  redis.call('ZREM', KEYS[2], record)
end
return #due",
);

/// Removes consumers that are idle and have no leased records.
///
/// Keys: stream. Arguments: group, idle time in milliseconds.
pub(crate) static REMOVE_IDLE_CONSUMERS: LuaScript = LuaScript::new(
    r"for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local of = {}
  for i = 1, #consumer, 2 do of[consumer[i]] = consumer[i + 1] end
  if of['pending'] == 0 and of['idle'] > tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], of['name'])
  end
end
return 0",
);
