//! Connection to Redis, with the names of one outbox's keys.

use uuid::Uuid;

use crate::outbox::redis::connection::RedisConnection;

/// Connection that executes the commands of one outbox.
pub(crate) struct Database {
    pub(crate) connection: RedisConnection,
    pub(crate) keys: Keys,
}

/// Names of the keys of one outbox. The braces keep the keys on one node of a cluster.
pub(crate) struct Keys {
    /// Key of this process's last batch number.
    pub(crate) writer: String,
    pub(crate) group: String,
    pub(crate) stream: String,
    pub(crate) scheduled: String,
    pub(crate) sending: String,
    pub(crate) dead_letters: String,
    /// Due times of the fallback copies.
    pub(crate) due_times: String,
    /// Claims on fallback copies.
    pub(crate) claims: String,
    /// Fallback copies whose calls were sent.
    pub(crate) delivered: String,
    /// Fallback copies.
    pub(crate) copies: String,
}

impl Keys {
    /// Creates the names for one process.
    pub(crate) fn new(prefix: &str) -> Self {
        let key = |suffix: &str| format!("{{{prefix}}}:{suffix}");
        Self {
            writer: key(&format!("writer:{}", Uuid::new_v4())),
            group: "mengpaneel".to_owned(),
            stream: key("calls"),
            scheduled: key("later"),
            sending: key("sending"),
            dead_letters: key("buried"),
            due_times: key("aside"),
            claims: key("claimed"),
            delivered: key("said"),
            copies: key("copies"),
        }
    }
}
