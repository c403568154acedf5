//! Why Mixpanel did not take a message, as the one who sent it needs to know.

use std::time::Duration;

/// Why Mixpanel did not take a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// Mixpanel will never take it, for this reason.
    Refused(String),
    /// Mixpanel does not have it, or it does no harm to send it again.
    Retry {
        /// How long Mixpanel asked to be left alone.
        after: Option<Duration>,
        /// Why it did not work.
        reason: String,
    },
    /// Nobody knows whether Mixpanel has it, and sending it again could count it twice.
    InDoubt(String),
    /// Mixpanel does not know the sender: nothing will get through until somebody mends that.
    Unauthorized(String),
}
