//! Backing off: how long to leave Mixpanel alone after it did not take something.

use std::time::Duration;

use uuid::Uuid;

/// Mixpanel's own advice: from two seconds, doubling, to a minute, and up to five more by chance.
const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(60);
const CHANCE: Duration = Duration::from_secs(5);

/// How long to wait after each failure in a row.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure; not shorter than the server asked for.
    pub fn after(&mut self, retry_after: Option<Duration>) -> Duration {
        self.wait(retry_after, chance())
    }

    /// It worked: the next failure is the first again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// `chance` is between 0 and 1.
    fn wait(&mut self, retry_after: Option<Duration>, chance: f64) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let spread = CHANCE.min(doubled / 2).mul_f64(chance);
        (doubled + spread).max(retry_after.unwrap_or_default())
    }
}

/// A random number between 0 and 1, from the source that UUIDs have.
fn chance() -> f64 {
    let [low, high, ..] = Uuid::new_v4().into_bytes();
    f64::from(u16::from_le_bytes([low, high])) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_twice_the_last_up_to_a_minute() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..7).map(|_| backoff.wait(None, 0.0).as_secs()).collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60]);
        backoff.reset();
        assert_eq!(backoff.wait(None, 1.0), Duration::from_secs(3));
    }

    #[test]
    fn a_server_that_asks_for_more_time_gets_it() {
        assert_eq!(Backoff::default().wait(Some(Duration::from_secs(90)), 0.5), Duration::from_secs(90));
    }
}
