//! Dead letters in Redis: a stream of their own, for a person to read and requeue.

use redis::cmd;
use redis::streams::StreamRangeReply;

use crate::outbox::redis::connection::{QueryError, RedisConnection};
use crate::outbox::redis::keys::Keys;
use crate::outbox::redis::scripts::{MAX_PER_CALL, REQUEUE};
use crate::outbox::{Lease, LeaseId, record};

/// Most dead letters per read; the stream has fewer. Redis rejects a count above 2^63.
const MAX_LISTED: usize = 1_000_000;

/// Returns the dead letters, latest first, without those that cannot be decoded.
pub(crate) async fn list(
    connection: &RedisConnection,
    keys: &Keys,
    limit: usize,
) -> Result<Vec<Lease>, QueryError> {
    let mut range = cmd("XREVRANGE");
    range
        .arg(&keys.dead_letters)
        .arg("+")
        .arg("-")
        .arg("COUNT")
        .arg(limit.min(MAX_LISTED));
    let reply: StreamRangeReply = connection.query(&range).await?;
    Ok(decode_all(reply).collect())
}

/// Makes dead letters pending again, oldest first, while the outbox has room. Returns their number.
///
/// Records that cannot be decoded stay dead letters.
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
        let ids: Vec<LeaseId> = decode_all(reply).map(|lease| lease.id).collect();
        let mut args = vec![max_records.as_bytes()];
        args.extend(ids.iter().map(|id| id.0.as_bytes()));
        let count: usize = REQUEUE
            .run(
                connection,
                &[&keys.stream, &keys.scheduled, &keys.dead_letters],
                &args,
            )
            .await?;
        moved += count;
        if count < ids.len() {
            break;
        }
    }
    Ok(moved)
}

fn decode_all(reply: StreamRangeReply) -> impl Iterator<Item = Lease> {
    reply.ids.into_iter().filter_map(|entry| {
        let encoded: Vec<u8> = entry.get("r").unwrap_or_default();
        record::decode(LeaseId(entry.id), &encoded).ok()
    })
}
