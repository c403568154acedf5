//! Copies kept aside: of calls that wait in a carrier cookie, for the server to say if no page
//! does.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What became of a copy that was kept aside, for whoever would say its calls elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClaimResult {
    /// Nothing is known of it: it was never kept, or long ago.
    NotFound,
    /// It is yours now, until you settle it.
    Acquired,
    /// Somebody else has claimed it, and may give it back.
    Held,
    /// Its calls were said, or are about to be said by the server.
    Delivered,
}

/// How long a claim holds that nobody settles: its process died.
pub(crate) const CLAIM_TTL: Duration = Duration::from_secs(60);

/// How long it is known that a copy's calls were said.
#[cfg(any(feature = "file", feature = "redis"))]
pub(crate) const DELIVERED_TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// As many of these are known at once: the oldest are forgotten first.
#[cfg(any(feature = "file", feature = "redis"))]
pub(crate) const MAX_DELIVERED: u64 = 100_000;

/// A time in milliseconds.
#[cfg(any(feature = "file", feature = "redis"))]
pub(crate) fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
