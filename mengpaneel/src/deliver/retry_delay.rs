//! Delays between delivery attempts, which shrink towards the deadline of a shutdown.

use std::time::Duration;

/// Shortest delay between two attempts during a shutdown.
const MIN_DELAY: Duration = Duration::from_millis(250);

/// Time before the deadline at which a last attempt begins, if the requested delay is longer.
const LAST_ATTEMPT_BEFORE_DEADLINE: Duration = Duration::from_millis(500);

/// Delay before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RetryDelay {
    pub(crate) delay: Duration,
    /// True if Mixpanel requested the delay (`Retry-After`).
    pub(crate) is_retry_after: bool,
}

impl From<Duration> for RetryDelay {
    fn from(delay: Duration) -> Self {
        Self {
            delay,
            is_retry_after: false,
        }
    }
}

impl RetryDelay {
    /// Returns the delay if the deadline is `remaining` away. `None` if there is no time for
    /// another attempt.
    ///
    /// A delay of our own is at most half of the remaining time: a host that recovers shortly
    /// before the deadline is found in time. A delay that Mixpanel requested is respected,
    /// except for one attempt shortly before the deadline.
    pub(crate) fn before_deadline(self, remaining: Duration) -> Option<Duration> {
        let delay = if !self.is_retry_after {
            self.delay.min((remaining / 2).max(MIN_DELAY))
        } else if self.delay < remaining {
            self.delay
        } else {
            remaining.saturating_sub(LAST_ATTEMPT_BEFORE_DEADLINE)
        };
        (!delay.is_zero() && delay < remaining).then_some(delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn delays_shrink_towards_the_deadline() {
        let retry_delay = RetryDelay::from(seconds(60.0));
        let (mut remaining, mut delays) = (seconds(3.0), Vec::new());
        while let Some(delay) = retry_delay.before_deadline(remaining) {
            delays.push(delay.as_millis());
            remaining -= delay;
        }
        assert_eq!(delays, [1_500, 750, 375, 250]);
        assert_eq!(
            RetryDelay::from(seconds(1.0)).before_deadline(seconds(10.0)),
            Some(seconds(1.0))
        );
    }

    #[test]
    fn requested_delay_is_respected_except_for_last_attempt() {
        let retry_delay = RetryDelay {
            delay: seconds(60.0),
            is_retry_after: true,
        };
        assert_eq!(
            retry_delay.before_deadline(seconds(100.0)),
            Some(seconds(60.0))
        );
        assert_eq!(
            retry_delay.before_deadline(seconds(10.0)),
            Some(seconds(9.5))
        );
        assert_eq!(retry_delay.before_deadline(seconds(0.5)), None);
    }
}
