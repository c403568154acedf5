//! Error of a message that Mixpanel did not accept, and its consequence for the sender.

use std::time::Duration;

/// Reason why Mixpanel did not accept a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SendError {
    /// Mixpanel will never accept the message.
    Rejected(String),
    /// Mixpanel does not have the message, or the message is idempotent: it is sent again.
    Retry {
        /// Delay that Mixpanel requested (`Retry-After`).
        retry_after: Option<Duration>,
        reason: String,
    },
    /// The outcome is unknown, and sending the message again could count it twice.
    InDoubt(String),
    /// The host that answered does not serve Mixpanel's API, for example during the deployment of a
    /// proxy.
    ///
    /// Mixpanel does not have the message: it is sent again, until a person repairs the host.
    NotServed {
        /// Delay that the host requested (`Retry-After`).
        retry_after: Option<Duration>,
        reason: String,
    },
    /// The credentials are rejected: nothing is accepted until a person corrects them.
    Unauthorized(String),
}
