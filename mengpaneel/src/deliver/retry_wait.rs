//! Waits between attempts, which grow shorter towards the end of a shutdown.

use std::time::Duration;

/// Shortest wait between two attempts before the end.
const MIN_WAIT: Duration = Duration::from_millis(250);

/// An attempt begins this long before the end, where Mixpanel asked to be left alone for longer.
const LAST_ATTEMPT_BEFORE_END: Duration = Duration::from_millis(500);

/// Wait before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RetryWait {
    pub(crate) delay: Duration,
    /// True if Mixpanel named that time itself (`Retry-After`).
    pub(crate) is_requested: bool,
}

impl From<Duration> for RetryWait {
    fn from(delay: Duration) -> Self {
        Self {
            delay,
            is_requested: false,
        }
    }
}

impl RetryWait {
    /// Returns the wait where the end is `left` away; `None` where there is no time for another
    /// attempt.
    ///
    /// Half of the time that is left, at most: a host that comes back shortly before the end is
    /// found in time. A time that Mixpanel asked for is kept, but for one attempt at the end.
    pub(crate) fn before_end(self, left: Duration) -> Option<Duration> {
        let Self {
            delay,
            is_requested: is_asked_for,
        } = self;
        let wait = if is_asked_for {
            if delay < left {
                delay
            } else {
                left.saturating_sub(LAST_ATTEMPT_BEFORE_END)
            }
        } else {
            delay.min((left / 2).max(MIN_WAIT))
        };
        (!wait.is_zero() && wait < left).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn waits_share_the_time_that_is_left() {
        let wait = RetryWait::from(seconds(60.0));
        let (mut left, mut waits) = (seconds(3.0), Vec::new());
        while let Some(delay) = wait.before_end(left) {
            waits.push(delay.as_millis());
            left -= delay;
        }
        assert_eq!(waits, [1_500, 750, 375, 250]);
        assert_eq!(
            RetryWait::from(seconds(1.0)).before_end(seconds(10.0)),
            Some(seconds(1.0))
        );
    }

    #[test]
    fn a_time_that_was_asked_for_is_kept_but_for_one_attempt() {
        let wait = RetryWait {
            delay: seconds(60.0),
            is_requested: true,
        };
        assert_eq!(wait.before_end(seconds(100.0)), Some(seconds(60.0)));
        assert_eq!(wait.before_end(seconds(10.0)), Some(seconds(9.5)));
        assert_eq!(wait.before_end(seconds(0.5)), None);
    }
}
