//! Names of what is kept in Redis.

use uuid::Uuid;

/// The names of what is kept in Redis. The braces keep them on one node of a cluster.
pub(crate) struct Keys {
    pub(crate) prefix: String,
    pub(crate) group: String,
    pub(crate) calls: String,
    pub(crate) later: String,
    pub(crate) sending: String,
    pub(crate) buried: String,
    pub(crate) aside: AsideKeys,
}

impl Keys {
    pub(crate) fn new(key: &str) -> Self {
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

    pub(crate) fn writer(&self, id: Uuid) -> String {
        format!("{}:{id}", self.prefix)
    }
}

/// The names of what is kept aside.
pub(crate) struct AsideKeys {
    pub(crate) dues: String,
    pub(crate) claims: String,
    pub(crate) said: String,
    pub(crate) copies: String,
}

impl AsideKeys {
    pub(crate) fn new(of: impl Fn(&str) -> String) -> Self {
        Self {
            dues: of("aside"),
            claims: of("claimed"),
            said: of("said"),
            copies: of("copies"),
        }
    }
}
