//! Names of what is kept in Redis.

use uuid::Uuid;

/// The names of what is kept in Redis. The braces keep them on one node of a cluster.
pub(crate) struct Keys {
    pub(crate) prefix: String,
    pub(crate) group: String,
    pub(crate) stream: String,
    pub(crate) scheduled: String,
    pub(crate) sending: String,
    pub(crate) dead_letters: String,
    pub(crate) fallback: FallbackKeys,
}

impl Keys {
    pub(crate) fn new(key: &str) -> Self {
        let of = |what: &str| format!("{{{key}}}:{what}");
        Self {
            prefix: of("writer"),
            group: "mengpaneel".to_owned(),
            stream: of("calls"),
            scheduled: of("later"),
            sending: of("sending"),
            dead_letters: of("buried"),
            fallback: FallbackKeys::new(of),
        }
    }

    pub(crate) fn writer(&self, id: Uuid) -> String {
        format!("{}:{id}", self.prefix)
    }
}

/// The names of what is kept aside.
pub(crate) struct FallbackKeys {
    pub(crate) dues: String,
    pub(crate) claims: String,
    pub(crate) delivered: String,
    pub(crate) copies: String,
}

impl FallbackKeys {
    pub(crate) fn new(of: impl Fn(&str) -> String) -> Self {
        Self {
            dues: of("aside"),
            claims: of("claimed"),
            delivered: of("said"),
            copies: of("copies"),
        }
    }
}
