//! Dead letters in Redis: a stream of their own, for a person to read and requeue.

use redis::cmd;
use redis::streams::StreamRangeReply;

use crate::outbox::Record;
use crate::outbox::redis::connection::{QueryError, RedisConnection};
use crate::outbox::redis::keys::Keys;
use crate::outbox::redis::scripts::{MAX_PER_CALL, REQUEUE};

/// Most dead letters per read; the stream has fewer. Redis rejects a count above 2^63.
const MAX_LISTED: usize = 1_000_000;

/// Returns the dead letters, latest first.
pub(crate) async fn list(
    connection: &RedisConnection,
    keys: &Keys,
    limit: usize,
) -> Result<Vec<Record>, QueryError> {
    let mut range = cmd("XREVRANGE");
    range
        .arg(&keys.dead_letters)
        .arg("+")
        .arg("-")
        .arg("COUNT")
        .arg(limit.min(MAX_LISTED));
    let reply: StreamRangeReply = connection.query(&range).await?;
    let bytes = reply
        .ids
        .iter()
        .map(|entry| entry.get::<Vec<u8>>("r").unwrap_or_default());
    Ok(bytes.map(Record::from_bytes).collect())
}

/// Makes dead letters pending again, oldest first, while the outbox has room. Returns their number.
pub(crate) async fn requeue(
    connection: &RedisConnection,
    keys: &Keys,
    limit: usize,
    max_records: u64,
) -> Result<usize, QueryError> {
    let (max_records, mut moved, mut start) = (max_records.to_string(), 0, "-".to_owned());
    while moved < limit {
        let mut range = cmd("XRANGE");
        range
            .arg(&keys.dead_letters)
            .arg(&start)
            .arg("+")
            .arg("COUNT")
            .arg(MAX_PER_CALL.min(limit - moved));
        let reply: StreamRangeReply = connection.query(&range).await?;
        let Some(last) = reply.ids.last() else { break };
        start = format!("({}", last.id);
        let mut args = vec![max_records.as_bytes()];
        args.extend(reply.ids.iter().map(|entry| entry.id.as_bytes()));
        let count: usize = REQUEUE
            .run(
                connection,
                &[&keys.stream, &keys.scheduled, &keys.dead_letters],
                &args,
            )
            .await?;
        moved += count;
        if count < reply.ids.len() {
            break;
        }
    }
    Ok(moved)
}
