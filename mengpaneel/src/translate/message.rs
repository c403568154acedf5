//! Messages: elements of the requests to Mixpanel's HTTP API.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::call::Call;

/// Endpoint of a message.
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

/// Message for Mixpanel, and the call that it was translated from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Endpoint that the message is sent to.
    pub endpoint: Endpoint,
    /// Body of the message.
    pub body: Value,
    /// Call that the message was translated from. A failure to deliver the message is reported
    /// with this call.
    pub call: Call,
}

impl Message {
    /// Returns whether sending the message again changes nothing. An event has an `$insert_id`, and
    /// a `$set` sets the same value again; `$add` and `$append` are not idempotent.
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
    fn increment_is_not_idempotent() {
        assert!(message(Method::PeopleSet).is_idempotent());
        assert!(!message(Method::PeopleIncrement).is_idempotent());
    }

    #[test]
    fn message_round_trips_through_json() {
        let message = message(Method::PeopleSet);
        let json = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<Message>(&json).unwrap(), message);
    }
}
