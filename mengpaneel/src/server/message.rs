//! Messages: records for Mixpanel's endpoints, and the call that each came from.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::call::Call;

/// One of Mixpanel's endpoints for servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `/import`: events.
    Events,
    /// `/engage`: profiles of people.
    People,
    /// `/groups`: profiles of groups.
    Groups,
}

impl Endpoint {
    /// All of them; events first, so that a profile is never there before its user.
    pub const ALL: [Self; 3] = [Self::Events, Self::People, Self::Groups];

    /// Below the base URL.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Events => "import",
            Self::People => "engage",
            Self::Groups => "groups",
        }
    }
}

/// One record for one endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Where it goes.
    pub endpoint: Endpoint,
    /// What it says, in Mixpanel's own form.
    pub body: Value,
    /// The call that it says.
    pub call: Call,
}

impl Message {
    /// Whether Mixpanel can tell a copy from a second one: then it may be sent again where no answer
    /// came. Events can, by their `$insert_id`; so can what only sets.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        !["$add", "$append", "$remove", "$union"].iter().any(|operation| self.body.get(operation).is_some())
    }
}
