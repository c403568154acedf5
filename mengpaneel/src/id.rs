//! The clock, and names in the order of time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::{Builder, Uuid};

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    since.as_secs() * 1_000 + u64::from(since.subsec_millis())
}

/// When a name was given, in milliseconds since 1970.
pub(crate) fn timestamp_ms(name: Uuid) -> Option<u64> {
    let (seconds, nanoseconds) = name.get_timestamp()?.to_unix();
    Some(seconds * 1_000 + u64::from(nanoseconds) / 1_000_000)
}

/// Gives names, UUIDs of version 7: of two, the later one is the greater.
///
/// What is random in them is drawn once: no two sequences give the same name, and names that leave
/// together are short once they are compressed.
#[derive(Debug)]
pub(crate) struct IdGenerator {
    random: [u8; 8],
    /// Of the last one: milliseconds since 1970, and behind them its number within the
    /// millisecond.
    last: AtomicU64,
}

/// How many bits the number has.
const COUNTER_BITS: u32 = 12;

impl Default for IdGenerator {
    fn default() -> Self {
        let (_, random) = Uuid::new_v4().as_u64_pair();
        Self {
            random: random.to_be_bytes(),
            last: AtomicU64::default(),
        }
    }
}

impl IdGenerator {
    /// The next one, and what the clock says: a name's own time never goes back, as the clock does
    /// where it was wrong.
    pub(crate) fn next(&self) -> (Uuid, u64) {
        let now = now_ms();
        let next = |last: u64| (last + 1).max(now << COUNTER_BITS);
        let last = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                Some(next(last))
            });
        let place = next(last.unwrap_or_else(|last| last));
        // Of the first two bytes a name takes the twelve bits of the number.
        let mut behind = [0; 10];
        let [.., high, low] = place.to_be_bytes();
        behind[..2].copy_from_slice(&[high, low]);
        behind[2..].copy_from_slice(&self.random);
        (
            Builder::from_unix_timestamp_millis(place >> COUNTER_BITS, &behind).into_uuid(),
            now,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_tell_when_they_were_given() {
        let (names, before) = (IdGenerator::default(), now_ms());
        let given: Vec<(Uuid, u64)> = (0..10_000).map(|_| names.next()).collect();
        assert!(given.is_sorted_by(|(a, _), (b, _)| a < b));
        assert!(given.iter().all(|(name, now)| name.get_version_num() == 7 && (before..=now_ms()).contains(now)));
        assert_eq!(timestamp_ms(given[0].0), Some(given[0].1));
    }

    #[test]
    fn names_stay_in_order_where_the_clock_goes_back() {
        let hour = now_ms() + 3_600_000;
        let names = IdGenerator {
            last: AtomicU64::new((hour << COUNTER_BITS) + 4_094),
            ..IdGenerator::default()
        };
        let given = [names.next().0, names.next().0, names.next().0];
        assert!(given.is_sorted());
        assert_eq!(
            given.map(timestamp_ms),
            [Some(hour), Some(hour + 1), Some(hour + 1)]
        );
    }

    #[test]
    fn two_that_give_names_do_not_give_the_same() {
        let (one, other) = (IdGenerator::default(), IdGenerator::default());
        let mut given: Vec<Uuid> = (0..1_000)
            .flat_map(|_| [one.next().0, other.next().0])
            .collect();
        given.sort_unstable();
        assert!(given.is_sorted_by(|a, b| a < b));
    }
}
