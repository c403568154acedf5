//! Dead letters in Redis: a stream of its own, that people look at and put back.

use redis::cmd;
use redis::streams::StreamRangeReply;

use crate::outbox::redis::connection::{QueryError, RedisConnection};
use crate::outbox::redis::keys::Keys;
use crate::outbox::redis::scripts::{MAX_PER_CALL, REQUEUE};
use crate::outbox::{Lease, LeaseId, record};

/// Most dead letters that are read at once; fewer are kept. Redis takes no count beyond 2^63.
const MAX_SHOWN: usize = 1_000_000;

/// Dead letters, the latest first. Those that cannot be read are left out.
pub(crate) async fn list(
    link: &RedisConnection,
    keys: &Keys,
    limit: usize,
) -> Result<Vec<Lease>, QueryError> {
    let mut range = cmd("XREVRANGE");
    range
        .arg(&keys.dead_letters)
        .arg("+")
        .arg("-")
        .arg("COUNT")
        .arg(limit.min(MAX_SHOWN));
    let rows: StreamRangeReply = link.query(&range).await?;
    Ok(readable(rows).collect())
}

/// Puts dead letters back, oldest first, as long as there is room; gives how many. Those that
/// cannot be read stay.
pub(crate) async fn requeue(
    link: &RedisConnection,
    keys: &Keys,
    limit: usize,
    bound: u64,
) -> Result<usize, QueryError> {
    let (bound, mut moved, mut start) = (bound.to_string(), 0, "-".to_owned());
    while moved < limit {
        let mut range = cmd("XRANGE");
        range
            .arg(&keys.dead_letters)
            .arg(&start)
            .arg("+")
            .arg("COUNT")
            .arg(MAX_PER_CALL.min(limit - moved));
        let rows: StreamRangeReply = link.query(&range).await?;
        let Some(last) = rows.ids.last() else { break };
        start = format!("({}", last.id);
        let ids: Vec<LeaseId> = readable(rows).map(|lease| lease.id).collect();
        let mut args = vec![bound.as_bytes()];
        args.extend(ids.iter().map(|id| id.0.as_bytes()));
        let count: usize = REQUEUE
            .run(
                link,
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

fn readable(rows: StreamRangeReply) -> impl Iterator<Item = Lease> {
    rows.ids.into_iter().filter_map(|one| {
        let written: Vec<u8> = one.get("r").unwrap_or_default();
        record::decode(LeaseId(one.id), &written).ok()
    })
}
