//! Names of the keys in Redis.

use uuid::Uuid;

/// Names of the keys of one outbox. The braces keep the keys on one node of a cluster.
pub(crate) struct Keys {
    writer_prefix: String,
    pub(crate) group: String,
    pub(crate) stream: String,
    pub(crate) scheduled: String,
    pub(crate) sending: String,
    pub(crate) dead_letters: String,
    pub(crate) fallback: FallbackKeys,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        let key = |suffix: &str| format!("{{{prefix}}}:{suffix}");
        Self {
            writer_prefix: key("writer"),
            group: "mengpaneel".to_owned(),
            stream: key("calls"),
            scheduled: key("later"),
            sending: key("sending"),
            dead_letters: key("buried"),
            fallback: FallbackKeys {
                due_times: key("aside"),
                claims: key("claimed"),
                delivered: key("said"),
                copies: key("copies"),
            },
        }
    }

    /// Key of a writer's last batch number.
    pub(crate) fn writer(&self, id: Uuid) -> String {
        format!("{}:{id}", self.writer_prefix)
    }
}

/// Names of the keys of fallback copies.
pub(crate) struct FallbackKeys {
    pub(crate) due_times: String,
    pub(crate) claims: String,
    pub(crate) delivered: String,
    pub(crate) copies: String,
}
