//! Delivery status for health checks.

use std::time::Duration;

/// Delivery status, for health checks and monitoring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Number of records that wait for delivery by the server.
    pub pending: usize,
    /// Number of records that this process leased from the outbox and finished: delivered, or
    /// rejected and reported.
    pub delivered: usize,
    /// Age of the oldest record of the last attempt. `None` if no record is late.
    pub oldest_age: Option<Duration>,
    /// Current error: Mixpanel is unavailable or rejects the credentials, or the outbox cannot be
    /// reached.
    pub error: Option<String>,
}

impl Health {
    /// Returns whether records are delivered.
    ///
    /// While this is `false`, records wait and the application works as usual. A probe that removes
    /// instances from service should not depend on this value alone.
    pub fn is_healthy(&self) -> bool {
        self.error.is_none()
    }
}
