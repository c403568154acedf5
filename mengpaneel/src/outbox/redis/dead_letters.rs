//! Dead letters in Redis: a stream of their own, for a person to read and requeue.

use redis::Cmd;
use redis::streams::StreamRangeReply;

use crate::outbox::Record;
use crate::outbox::redis::connection::QueryError;
use crate::outbox::redis::database::Database;
use crate::outbox::redis::scripts::{MAX_PER_CALL, REQUEUE};

/// Most dead letters per read; the stream has fewer. Redis rejects a count above 2^63.
const MAX_LISTED: usize = 1_000_000;

impl Database {
    /// Returns the dead letters, latest first.
    pub(crate) async fn dead_letters(&self, limit: usize) -> Result<Vec<Record>, QueryError> {
        let count = limit.min(MAX_LISTED);
        let range = Cmd::xrevrange_count(&self.keys.dead_letters, "+", "-", count);
        let reply: StreamRangeReply = self.connection.query(&range).await?;
        let bytes = reply
            .ids
            .iter()
            .map(|entry| entry.get::<Vec<u8>>("r").unwrap_or_default());
        Ok(bytes.map(Record::from_bytes).collect())
    }

    /// Makes dead letters pending again, oldest first, while the outbox has room. Returns their
    /// number.
    pub(crate) async fn requeue(
        &self,
        limit: usize,
        max_records: u64,
    ) -> Result<usize, QueryError> {
        let keys = &self.keys;
        let (mut moved, mut start) = (0, "-".to_owned());
        while moved < limit {
            let count = MAX_PER_CALL.min(limit - moved);
            let range = Cmd::xrange_count(&keys.dead_letters, &start, "+", count);
            let reply: StreamRangeReply = self.connection.query(&range).await?;
            let Some(last) = reply.ids.last() else { break };
            start = format!("({}", last.id);
            let ids: Vec<&String> = reply.ids.iter().map(|entry| &entry.id).collect();
            let key_names = [&keys.stream, &keys.scheduled, &keys.dead_letters];
            let count: usize = REQUEUE
                .run(&self.connection, &key_names, (max_records, &ids))
                .await?;
            moved += count;
            if count < ids.len() {
                break;
            }
        }
        Ok(moved)
    }
}
