//! Error of a message that Mixpanel did not accept, and its consequence for the sender.

use std::time::Duration;

/// Reason why Mixpanel did not accept a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SendError {
    pub(crate) kind: SendErrorKind,
    /// Delay that the host requested (`Retry-After`). Only for messages that are sent again.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) reason: String,
}

/// Consequence of an error for the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendErrorKind {
    /// Mixpanel will never accept the message.
    Rejected,
    /// Mixpanel does not have the message, or the message is idempotent: it is sent again.
    Retry,
    /// The outcome is unknown, and sending the message again could count it twice.
    InDoubt,
    /// The host that answered does not serve Mixpanel's API, for example during the deployment of a
    /// proxy.
    ///
    /// Mixpanel does not have the message: it is sent again, until a person repairs the host.
    NotServed,
    /// The credentials are rejected: nothing is accepted until a person corrects them.
    Unauthorized,
}

impl SendError {
    /// Creates an error. `retry_after` counts only if the message is sent again after a delay.
    pub(crate) fn new(kind: SendErrorKind, retry_after: Option<Duration>, reason: String) -> Self {
        let is_delayed = matches!(kind, SendErrorKind::Retry | SendErrorKind::NotServed);
        Self {
            kind,
            retry_after: retry_after.filter(|_| is_delayed),
            reason,
        }
    }
}
