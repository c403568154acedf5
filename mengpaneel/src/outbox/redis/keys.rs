//! Names of what is kept in Redis.

use uuid::Uuid;

use super::asides::AsideKeys;

/// The names of what is kept in Redis. The braces keep them on one node of a cluster.
pub(super) struct Keys {
    pub(super) prefix: String,
    pub(super) group: String,
    pub(super) calls: String,
    pub(super) later: String,
    pub(super) sending: String,
    pub(super) buried: String,
    pub(super) aside: AsideKeys,
}

impl Keys {
    pub(super) fn new(key: &str) -> Self {
        let of = |what: &str| format!("{{{key}}}:{what}");
        Self {
            prefix: of("writer"),
            group: "mengpaneel".to_owned(),
            calls: of("calls"),
            later: of("later"),
            sending: of("sending"),
            buried: of("buried"),
            aside: AsideKeys::new(of),
        }
    }

    pub(super) fn writer(&self, id: Uuid) -> String {
        format!("{}:{id}", self.prefix)
    }
}
