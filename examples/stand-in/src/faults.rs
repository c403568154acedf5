//! What can be wrong with Mixpanel, for tests of what happens then.

use crate::received::Endpoint;

/// What is wrong with the answer to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing is taken; this status is the answer.
    Status(u16),
    /// Nothing happens before all is well again; then the request goes on.
    Stall,
    /// Nothing is taken; the connection is closed without an answer.
    Close,
    /// Everything is taken; the connection is closed without an answer.
    LoseAnswer,
}

/// What is wrong now.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    lasting: Option<Fault>,
    next: Option<(usize, u16)>,
    /// This endpoint alone gets this status.
    at: Option<(Endpoint, u16)>,
    retry_after: Option<u64>,
}

impl Faults {
    /// This is wrong until all is well again.
    pub(crate) fn last(&mut self, fault: Fault) {
        self.lasting = Some(fault);
    }

    /// The next `count` requests get this status.
    pub(crate) fn fail_next(&mut self, count: usize, status: u16) {
        self.next = Some((count, status));
    }

    /// Every request to this endpoint gets this status.
    pub(crate) fn fail_at(&mut self, endpoint: Endpoint, status: u16) {
        self.at = Some((endpoint, status));
    }

    /// Answers with a status of [`Fault::Status`] say `Retry-After`.
    pub(crate) fn set_retry_after(&mut self, seconds: u64) {
        self.retry_after = Some(seconds);
    }

    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.retry_after
    }

    /// What is wrong with the request to `endpoint` that comes now.
    pub(crate) fn next(&mut self, endpoint: Endpoint) -> Option<Fault> {
        if let Some((count, status)) = self.next.take().filter(|(count, _)| *count > 0) {
            self.next = Some((count - 1, status));
            return Some(Fault::Status(status));
        }
        let here = self
            .at
            .filter(|(at, _)| *at == endpoint)
            .map(|(_, status)| Fault::Status(status));
        here.or(self.lasting)
    }

    /// Whether requests wait.
    pub(crate) fn is_stalled(&self) -> bool {
        self.lasting == Some(Fault::Stall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_failures_come_before_the_lasting_fault() {
        let mut faults = Faults::default();
        assert_eq!(faults.next(Endpoint::Import), None);
        faults.last(Fault::Close);
        faults.fail_next(2, 503);
        let seen: Vec<_> = (0..3).map(|_| faults.next(Endpoint::Import)).collect();
        assert_eq!(
            seen,
            [
                Some(Fault::Status(503)),
                Some(Fault::Status(503)),
                Some(Fault::Close)
            ]
        );
        faults.fail_at(Endpoint::Engage, 500);
        let seen = [Endpoint::Import, Endpoint::Engage].map(|endpoint| faults.next(endpoint));
        assert_eq!(seen, [Some(Fault::Close), Some(Fault::Status(500))]);
    }
}
