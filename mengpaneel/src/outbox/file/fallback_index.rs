//! Index of the fallback copies in memory: when each is due, and until when it is claimed.

use std::collections::{BTreeSet, HashMap};

use crate::outbox::ClaimResult;
use crate::outbox::fallback::{CLAIM_TTL, ms};

/// Index of the file's thread. Times are in milliseconds since 1970.
#[derive(Default)]
pub(crate) struct FallbackIndex {
    by_due: BTreeSet<(u64, u128)>,
    entries: HashMap<u128, Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    due_ms: u64,
    claimed_until_ms: u64,
}

impl Entry {
    /// Returns when the copy is due. A claimed one is not due before its claim ends.
    fn effective_due_ms(self) -> u64 {
        self.due_ms.max(self.claimed_until_ms)
    }
}

impl FallbackIndex {
    pub(crate) fn insert(&mut self, key: u128, due_ms: u64) {
        let entry = Entry {
            due_ms,
            claimed_until_ms: 0,
        };
        self.replace(key, entry);
    }

    pub(crate) fn remove(&mut self, key: u128) {
        if let Some(entry) = self.entries.remove(&key) {
            self.by_due.remove(&(entry.effective_due_ms(), key));
        }
    }

    fn replace(&mut self, key: u128, entry: Entry) {
        self.remove(key);
        self.by_due.insert((entry.effective_due_ms(), key));
        self.entries.insert(key, entry);
    }

    /// Claims a copy; `None` if there is none.
    pub(crate) fn claim(&mut self, key: u128, now_ms: u64) -> Option<ClaimResult> {
        let entry = *self.entries.get(&key)?;
        if entry.claimed_until_ms > now_ms {
            return Some(ClaimResult::Held);
        }
        let claimed_until_ms = now_ms.saturating_add(ms(CLAIM_TTL));
        self.replace(
            key,
            Entry {
                claimed_until_ms,
                ..entry
            },
        );
        Some(ClaimResult::Acquired)
    }

    pub(crate) fn release(&mut self, key: u128) {
        if let Some(&Entry { due_ms, .. }) = self.entries.get(&key) {
            self.insert(key, due_ms);
        }
    }

    /// Returns up to `limit` copies that are due and not claimed. They stay in the index.
    pub(crate) fn due(&self, now_ms: u64, limit: usize) -> Vec<u128> {
        let due = self.by_due.range(..=(now_ms, u128::MAX)).take(limit);
        due.map(|(_, key)| *key).collect()
    }

    /// Returns when the next copy is due; `None` without copies.
    pub(crate) fn next_due_ms(&self) -> Option<u64> {
        self.by_due.first().map(|(due_ms, _)| *due_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_is_due_at_its_time_unless_claimed() {
        let mut index = FallbackIndex::default();
        index.insert(1, 10);
        index.insert(2, 20);
        assert!(index.due(9, 10).is_empty());
        assert_eq!(index.claim(1, 9), Some(ClaimResult::Acquired));
        assert_eq!(index.claim(1, 9), Some(ClaimResult::Held));
        assert_eq!(index.due(20, 10), [2]);
        index.remove(2);
        let claim_end = 9 + ms(CLAIM_TTL);
        assert_eq!(index.next_due_ms(), Some(claim_end));
        assert_eq!(index.due(claim_end, 10), [1], "nobody finished the claim");
        assert_eq!(index.claim(3, 0), None);
    }

    #[test]
    fn released_copy_is_due_at_its_time() {
        let mut index = FallbackIndex::default();
        index.insert(1, 10);
        index.claim(1, 5);
        index.release(1);
        assert_eq!(index.due(10, 10), [1]);
        assert_eq!(index.due(10, 10), [1], "the copy was not removed");
        index.remove(1);
        assert_eq!((index.claim(1, 20), index.next_due_ms()), (None, None));
    }
}
