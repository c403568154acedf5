//! Faults that tests inject.

use crate::received::Endpoint;

/// Fault that affects one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Rejects the request with this status and stores nothing.
    Status(u16),
    /// Holds the request until the faults are cleared, then handles it.
    Stall,
    /// Closes the connection without a response and stores nothing.
    Close,
    /// Stores the records, then closes the connection without a response.
    LoseResponse,
}

/// Faults in force.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Fault of every request.
    permanent: Option<Fault>,
    /// Number of requests that still fail, and their status.
    next: Option<(usize, u16)>,
    /// Status of every request to one endpoint.
    endpoint: Option<(Endpoint, u16)>,
    retry_after: Option<u64>,
}

impl Faults {
    /// Applies `fault` to every request.
    pub(crate) fn set_permanent(&mut self, fault: Fault) {
        self.permanent = Some(fault);
    }

    /// Fails the next `count` requests with this status.
    pub(crate) fn fail_next(&mut self, count: usize, status: u16) {
        self.next = Some((count, status));
    }

    /// Fails every request to one endpoint with this status.
    pub(crate) fn fail_at(&mut self, endpoint: Endpoint, status: u16) {
        self.endpoint = Some((endpoint, status));
    }

    /// Adds `Retry-After` to responses of [`Fault::Status`].
    pub(crate) fn set_retry_after(&mut self, seconds: u64) {
        self.retry_after = Some(seconds);
    }

    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.retry_after
    }

    /// Returns the fault of a new request to `endpoint`, and counts it.
    pub(crate) fn next_for(&mut self, endpoint: Endpoint) -> Option<Fault> {
        if let Some((count, status)) = self.next.take().filter(|(count, _)| *count > 0) {
            self.next = Some((count - 1, status));
            return Some(Fault::Status(status));
        }
        let of_endpoint = self
            .endpoint
            .filter(|(failing, _)| *failing == endpoint)
            .map(|(_, status)| Fault::Status(status));
        of_endpoint.or(self.permanent)
    }

    /// Returns true if requests are held.
    pub(crate) fn is_stalled(&self) -> bool {
        self.permanent == Some(Fault::Stall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_failures_precede_the_permanent_fault() {
        let mut faults = Faults::default();
        assert_eq!(faults.next_for(Endpoint::Import), None);
        faults.set_permanent(Fault::Close);
        faults.fail_next(2, 503);
        let seen: Vec<_> = (0..3).map(|_| faults.next_for(Endpoint::Import)).collect();
        assert_eq!(
            seen,
            [
                Some(Fault::Status(503)),
                Some(Fault::Status(503)),
                Some(Fault::Close)
            ]
        );
        faults.fail_at(Endpoint::Engage, 500);
        let seen = [Endpoint::Import, Endpoint::Engage].map(|endpoint| faults.next_for(endpoint));
        assert_eq!(seen, [Some(Fault::Close), Some(Fault::Status(500))]);
    }
}
