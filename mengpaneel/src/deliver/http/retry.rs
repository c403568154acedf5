//! When to try again: exponential backoff with jitter, without a clock.

use std::time::Duration;

/// The wait between attempts: 2 seconds, doubling to a minute, and 1 to 5 seconds on top so that
/// many machines do not come back at once. What Mixpanel asks of those whom it turned away.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    initial: Duration,
    longest: Duration,
    next: Duration,
    random: u64,
}

/// No longer than this, whatever `Retry-After` says: past it, looking again is cheap.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(15 * 60);

impl Backoff {
    /// The same seed gives the same waits.
    #[must_use]
    pub(crate) fn new(seed: u64) -> Self {
        Self::between(Duration::from_secs(2), Duration::from_secs(60), seed)
    }

    /// With other bounds; the jitter grows and shrinks with `initial`.
    #[must_use]
    pub(crate) fn between(initial: Duration, longest: Duration, seed: u64) -> Self {
        Self {
            initial,
            longest,
            next: initial.min(longest),
            random: seed,
        }
    }

    /// How long to wait after one more failure, which may have named a time itself (`Retry-After`).
    pub(crate) fn next_delay(&mut self, asked_for: Option<Duration>) -> Duration {
        let asked_for = asked_for.unwrap_or_default().min(MAX_RETRY_AFTER);
        let wait = self.next.max(asked_for) + self.jitter();
        self.next = self.next.saturating_mul(2).min(self.longest);
        wait
    }

    /// It worked: the next failure is a first one.
    pub(crate) fn reset(&mut self) {
        self.next = self.initial.min(self.longest);
    }

    /// From half of the first wait to two and a half of it: 1 to 5 seconds.
    fn jitter(&mut self) -> Duration {
        let share = u32::try_from(self.random() >> 32).unwrap_or_default();
        self.initial / 2
            + self
                .initial
                .mul_f64(2.0 * f64::from(share) / f64::from(u32::MAX))
    }

    /// `SplitMix64`.
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

    fn seconds(wait: Duration) -> std::ops::RangeInclusive<Duration> {
        wait + Duration::from_secs(1)..=wait + Duration::from_secs(5)
    }

    #[test]
    fn waits_double_up_to_a_minute_and_start_again_after_success() {
        let mut backoff = Backoff::new(7);
        for wait in [2, 4, 8, 16, 32, 60, 60] {
            let range = seconds(Duration::from_secs(wait));
            let wait = backoff.next_delay(None);
            assert!(range.contains(&wait), "{wait:?} {range:?}");
        }
        backoff.reset();
        assert!(seconds(Duration::from_secs(2)).contains(&backoff.next_delay(None)));
    }

    #[test]
    fn a_longer_wait_that_was_asked_for_is_kept_within_reason() {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        let mut backoff = Backoff::new(7);
        assert!(seconds(minutes(5)).contains(&backoff.next_delay(Some(minutes(5)))));
        assert!(seconds(minutes(15)).contains(&backoff.next_delay(Some(Duration::MAX))));
        assert!(
            seconds(Duration::from_secs(8)).contains(&backoff.next_delay(Some(Duration::ZERO)))
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_waits_and_another_gives_others() {
        let waits = |seed: u64| -> Vec<Duration> {
            let mut backoff = Backoff::new(seed);
            (0..5).map(|_| backoff.next_delay(None)).collect()
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }
}
