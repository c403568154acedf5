//! State of an outage of Mixpanel: its duration, and the errors that were reported.

use std::time::{Duration, Instant};

use crate::deliver::http::send_error::SendErrorKind;
use crate::deliver::retry_delay::RetryDelay;

/// Result of an attempt after which Mixpanel must not be contacted for a while.
pub(crate) struct Unavailable {
    /// Delay before the next attempt.
    pub(crate) retry_delay: RetryDelay,
    pub(crate) reason: String,
    /// Time since the outage began. `None` if it does not count against the age of records: the
    /// credentials are rejected, or the outbox failed.
    pub(crate) outage_duration: Option<Duration>,
}

/// Outage of Mixpanel, or the time of the last success.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    /// Kind of the error that was reported and still persists.
    reported: Option<SendErrorKind>,
    /// Time at which Mixpanel last accepted a request.
    last_success: Option<Instant>,
    /// Start of an outage that counts against the age of records.
    since: Option<Instant>,
}

impl Outage {
    /// Ends the outage.
    pub(crate) fn record_success(&mut self) {
        *self = Self {
            last_success: Some(Instant::now()),
            ..Self::default()
        };
    }

    /// Returns the duration of the outage. `None` if it does not count against the age of records.
    pub(crate) fn record_failure(&mut self, ages_records: bool) -> Option<Duration> {
        let since = self.since.unwrap_or_else(Instant::now);
        self.since = ages_records.then_some(since);
        self.since.map(|since| since.elapsed())
    }

    /// Returns whether an error of a request sent at `sent_at` must be reported, and marks its kind
    /// as reported.
    ///
    /// Errors of requests that were sent before the last success are outdated.
    pub(crate) fn must_report(&mut self, kind: SendErrorKind, sent_at: Instant) -> bool {
        let is_outdated = self.last_success.is_some_and(|success| success >= sent_at);
        !is_outdated && self.reported.replace(kind) != Some(kind)
    }
}
