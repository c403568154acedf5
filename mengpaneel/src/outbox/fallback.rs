//! Fallback copies of calls in carrier cookies: results of a claim, and bounds shared by the
//! engines. The server sends a copy if no page sends its calls.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Result of a claim on a fallback copy, for a page that would send its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClaimResult {
    /// No such copy: never stored, or forgotten since.
    NotFound,
    /// The caller holds the claim until it finishes it.
    Acquired,
    /// Another request holds the claim and may release it.
    Held,
    /// The calls were sent, or the server is about to send them.
    Delivered,
}

/// Time after which a claim that nobody finished ends: its process died.
pub(crate) const CLAIM_TTL: Duration = Duration::from_secs(60);

/// Time for which the outbox remembers that the calls of a copy were sent.
#[cfg(any(feature = "file", feature = "redis"))]
pub(crate) const DELIVERED_TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Maximum number of remembered deliveries; the oldest are forgotten first.
#[cfg(any(feature = "file", feature = "redis"))]
pub(crate) const MAX_DELIVERED: u64 = 100_000;

/// Converts a duration to milliseconds.
#[cfg(any(feature = "file", feature = "redis"))]
pub(crate) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
