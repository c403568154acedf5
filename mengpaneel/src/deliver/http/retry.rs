//! Exponential backoff with jitter, without a clock.

use std::time::Duration;

/// Delays between attempts: 2 seconds, doubled up to a minute, plus 1 to 5 seconds.
///
/// Mixpanel recommends these delays after an error. The jitter spreads the attempts of many
/// machines.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    initial: Duration,
    max: Duration,
    next: Duration,
    random: u64,
}

/// Upper bound of `Retry-After`: an attempt every 15 minutes is cheap.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(15 * 60);

impl Backoff {
    /// Creates the default backoff. Equal seeds give equal delays.
    #[must_use]
    pub(crate) fn new(seed: u64) -> Self {
        Self::between(Duration::from_secs(2), Duration::from_secs(60), seed)
    }

    /// Creates a backoff with other bounds. The jitter is proportional to `initial`.
    #[must_use]
    pub(crate) fn between(initial: Duration, max: Duration, seed: u64) -> Self {
        Self {
            initial,
            max,
            next: initial.min(max),
            random: seed,
        }
    }

    /// Returns the delay after another failure, which is at least `retry_after`.
    pub(crate) fn next_delay(&mut self, retry_after: Option<Duration>) -> Duration {
        let retry_after = retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
        let delay = self.next.max(retry_after) + self.jitter();
        self.next = self.next.saturating_mul(2).min(self.max);
        delay
    }

    /// Restarts at the initial delay, after a success.
    pub(crate) fn reset(&mut self) {
        self.next = self.initial.min(self.max);
    }

    /// Returns between half of the initial delay and 2.5 times of it: 1 to 5 seconds by default.
    fn jitter(&mut self) -> Duration {
        let random = u32::try_from(self.random() >> 32).unwrap_or_default();
        self.initial / 2
            + self
                .initial
                .mul_f64(2.0 * f64::from(random) / f64::from(u32::MAX))
    }

    /// Returns the next number of the `SplitMix64` generator.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        let (seed, _) = uuid::Uuid::new_v4().as_u64_pair();
        Self::new(seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_jitter(delay: Duration) -> std::ops::RangeInclusive<Duration> {
        delay + Duration::from_secs(1)..=delay + Duration::from_secs(5)
    }

    #[test]
    fn delays_double_to_a_minute_and_restart_after_success() {
        let mut backoff = Backoff::new(7);
        for seconds in [2, 4, 8, 16, 32, 60, 60] {
            let range = with_jitter(Duration::from_secs(seconds));
            let delay = backoff.next_delay(None);
            assert!(range.contains(&delay), "{delay:?} {range:?}");
        }
        backoff.reset();
        assert!(with_jitter(Duration::from_secs(2)).contains(&backoff.next_delay(None)));
    }

    #[test]
    fn longer_retry_after_is_respected_up_to_its_bound() {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        let mut backoff = Backoff::new(7);
        assert!(with_jitter(minutes(5)).contains(&backoff.next_delay(Some(minutes(5)))));
        assert!(with_jitter(minutes(15)).contains(&backoff.next_delay(Some(Duration::MAX))));
        assert!(
            with_jitter(Duration::from_secs(8)).contains(&backoff.next_delay(Some(Duration::ZERO)))
        );
    }

    #[test]
    fn equal_seeds_give_equal_delays() {
        let delays = |seed: u64| -> Vec<Duration> {
            let mut backoff = Backoff::new(seed);
            (0..5).map(|_| backoff.next_delay(None)).collect()
        };
        assert_eq!(delays(1), delays(1));
        assert_ne!(delays(1), delays(2));
    }
}
