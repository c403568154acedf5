//! What happens in Redis in one piece: each is done wholly or not at all, and done again does
//! nothing.

use std::sync::LazyLock;

use redis::{FromRedisValue, Script};

use crate::outbox::redis::connection::{QueryError, RedisConnection};

/// Most records per call of a script: Redis runs one script at a time.
pub(crate) const MAX_PER_CALL: usize = 1_000;

/// Lua script that Redis runs atomically.
pub(crate) struct LuaScript {
    text: &'static str,
    script: LazyLock<Script>,
}

macro_rules! script {
    ($text:literal) => {
        $crate::outbox::redis::scripts::LuaScript::new($text, || redis::Script::new($text))
    };
}
pub(crate) use script;

impl LuaScript {
    pub(crate) const fn new(text: &'static str, script: fn() -> Script) -> Self {
        Self {
            text,
            script: LazyLock::new(script),
        }
    }

    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        link: &RedisConnection,
        keys: &[&str],
        args: &[&[u8]],
    ) -> Result<T, QueryError> {
        link.run(&self.script, self.text, keys, args).await
    }
}

/// Appends all records, or none where there is no room for them; gives how many. Keys: the stream,
/// what is put off, the writer. Arguments: the number of the writer's batch, the bound, the
/// records. A batch whose answer got lost is asked for again by its number.
pub(crate) static APPEND: LuaScript = script!(
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
redis.call('SET', KEYS[3], ARGV[1] .. ' ' .. count, 'EX', 3600)
return count"
);

/// Removes what is done with. Keys: the stream, the marks. Arguments: the group, the IDs.
pub(crate) static ACKNOWLEDGE: LuaScript = script!(
    r"for i = 2, #ARGV do
  if redis.call('XACK', KEYS[1], ARGV[1], ARGV[i]) == 1 then
    redis.call('XDEL', KEYS[1], ARGV[i])
    redis.call('HDEL', KEYS[2], ARGV[i])
  end
end
return 0"
);

/// Puts records off. Keys: the stream, the marks, what is put off. Arguments: the group, when they
/// are due (0: now), and for each its ID and what it is now.
pub(crate) static RETRY: LuaScript = script!(
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
return 0"
);

/// Buries records. Keys: the stream, the marks, the buried. Arguments: the group, how many are
/// kept, and for each its ID and what it is now.
pub(crate) static DEAD_LETTER: LuaScript = script!(
    r"for i = 3, #ARGV, 2 do
  if redis.call('XACK', KEYS[1], ARGV[1], ARGV[i]) == 1 then
    redis.call('XDEL', KEYS[1], ARGV[i])
    redis.call('HDEL', KEYS[2], ARGV[i])
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[2], '*', 'r', ARGV[i + 1])
  end
end
return 0"
);

/// Puts dead letters back at the end of the stream, as long as there is room; gives how many. Keys:
/// the stream, what is put off, the buried. Arguments: the bound, the IDs.
pub(crate) static REQUEUE: LuaScript = script!(
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
return moved"
);

/// Moves what is due now back to the stream; gives how many. Keys: the stream, what is put off.
/// Arguments: the time, how many at most.
pub(crate) static PROMOTE: LuaScript = script!(
    r"local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, record in ipairs(due) do
  redis.call('XADD', KEYS[1], '*', 'r', record)
  redis.call('ZREM', KEYS[2], record)
end
return #due"
);

/// Forgets consumers that are long gone and have nothing in hand. Keys: the stream. Arguments: the
/// group, and after how many milliseconds.
pub(crate) static FORGET: LuaScript = script!(
    r"for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local of = {}
  for i = 1, #consumer, 2 do of[consumer[i]] = consumer[i + 1] end
  if of['pending'] == 0 and of['idle'] > tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], of['name'])
  end
end
return 0"
);
