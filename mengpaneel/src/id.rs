//! The clock, and identifiers that sort by time: UUIDs of version 7.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::{Builder, Uuid};

/// Returns the current time, in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    since.as_secs() * 1_000 + u64::from(since.subsec_millis())
}

/// Returns the time at which an ID was generated, in milliseconds since 1970. `None` for a UUID of
/// a version without a timestamp.
pub(crate) fn timestamp_ms(id: Uuid) -> Option<u64> {
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    Some(seconds * 1_000 + u64::from(nanoseconds) / 1_000_000)
}

/// Generator of strictly increasing UUIDs of version 7.
///
/// The random bits are drawn once for each generator. Two generators never make the same ID, and
/// IDs that are sent together compress well.
#[derive(Debug)]
pub(crate) struct IdGenerator {
    random: [u8; 8],
    /// State of the last ID: milliseconds since 1970, then a counter in the lowest
    /// [`COUNTER_BITS`] bits.
    last: AtomicU64,
}

/// Number of bits of the counter within a millisecond.
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
    /// Generates an ID, and returns the time of the clock beside it. The time in an ID never goes
    /// back, even if the clock is corrected.
    pub(crate) fn generate(&self) -> (Uuid, u64) {
        let now = now_ms();
        let next = |last: u64| (last + 1).max(now << COUNTER_BITS);
        let last = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                Some(next(last))
            });
        let state = next(last.unwrap_or_else(|last| last));
        // The UUID keeps twelve bits of the first two bytes: those of the counter.
        let mut tail = [0; 10];
        let [.., high, low] = state.to_be_bytes();
        tail[..2].copy_from_slice(&[high, low]);
        tail[2..].copy_from_slice(&self.random);
        (
            Builder::from_unix_timestamp_millis(state >> COUNTER_BITS, &tail).into_uuid(),
            now,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_increase_and_hold_their_timestamp() {
        let (generator, before) = (IdGenerator::default(), now_ms());
        let ids: Vec<(Uuid, u64)> = (0..10_000).map(|_| generator.generate()).collect();
        assert!(ids.is_sorted_by(|(a, _), (b, _)| a < b));
        assert!(
            ids.iter()
                .all(|(id, now)| id.get_version_num() == 7 && (before..=now_ms()).contains(now))
        );
        assert_eq!(timestamp_ms(ids[0].0), Some(ids[0].1));
    }

    #[test]
    fn ids_increase_when_the_clock_goes_back() {
        let hour = now_ms() + 3_600_000;
        let generator = IdGenerator {
            last: AtomicU64::new((hour << COUNTER_BITS) + 4_094),
            ..IdGenerator::default()
        };
        let ids = [
            generator.generate().0,
            generator.generate().0,
            generator.generate().0,
        ];
        assert!(ids.is_sorted());
        assert_eq!(
            ids.map(timestamp_ms),
            [Some(hour), Some(hour + 1), Some(hour + 1)]
        );
    }

    #[test]
    fn generators_never_make_the_same_id() {
        let (one, other) = (IdGenerator::default(), IdGenerator::default());
        let mut ids: Vec<Uuid> = (0..1_000)
            .flat_map(|_| [one.generate().0, other.generate().0])
            .collect();
        ids.sort_unstable();
        assert!(ids.is_sorted_by(|a, b| a < b));
    }
}
