//! A message: one record for one of Mixpanel's endpoints.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::call::Call;

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// Events: `/import`.
    Events,
    /// Profiles of people: `/engage`.
    People,
    /// Profiles of groups: `/groups`.
    Groups,
}

/// One record for Mixpanel, and the call that it was translated from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Where it goes.
    pub endpoint: Endpoint,
    /// What is sent.
    pub body: Value,
    /// The call that it says, by which it is reported if it is not taken.
    pub call: Call,
}

impl Message {
    /// Whether sending it once more changes nothing: an event has its `$insert_id`, a `$set` sets
    /// the same value again; what adds or appends does so each time.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        self.call.method().is_idempotent()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::call::Method;

    fn message(method: Method) -> Message {
        Message {
            endpoint: Endpoint::People,
            body: json!({"$token": "t"}),
            call: Call::new(method, vec![json!({"Posts": 1})]),
        }
    }

    #[test]
    fn what_adds_is_not_repeatable() {
        assert!(message(Method::PeopleSet).is_idempotent());
        assert!(!message(Method::PeopleIncrement).is_idempotent());
    }

    #[test]
    fn a_message_can_be_stored() {
        let message = message(Method::PeopleSet);
        let stored = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<Message>(&stored).unwrap(), message);
    }
}
