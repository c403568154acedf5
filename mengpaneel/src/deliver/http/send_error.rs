//! Why Mixpanel did not take a message, as the one who sent it needs to know.

use std::time::Duration;

/// Why Mixpanel did not take a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SendError {
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
    /// The host that answered does not serve Mixpanel's API, as when a proxy is being deployed.
    /// Nothing was done: to send it again does no harm, and helps once somebody has mended
    /// that.
    NotServed {
        /// How long it asked to be left alone.
        after: Option<Duration>,
        /// Answer of the host.
        reason: String,
    },
    /// Mixpanel does not know the sender: nothing will get through until somebody mends that.
    Unauthorized(String),
}
