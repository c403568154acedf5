//! Copies kept aside, as the file's thread remembers them: when each is due, and who claimed it.

use std::collections::{BTreeSet, HashMap};

use crate::outbox::ClaimResult;
use crate::outbox::fallback::{CLAIM_TTL, ms};

/// Times are in milliseconds since 1970.
#[derive(Default)]
pub(crate) struct FallbackIndex {
    due: BTreeSet<(u64, u128)>,
    copies: HashMap<u128, FallbackCopy>,
}

#[derive(Clone, Copy)]
struct FallbackCopy {
    due: u64,
    claimed_until: u64,
}

impl FallbackIndex {
    pub(crate) fn put(&mut self, id: u128, due: u64) {
        self.remove(id);
        self.due.insert((due, id));
        self.copies.insert(
            id,
            FallbackCopy {
                due,
                claimed_until: 0,
            },
        );
    }

    pub(crate) fn remove(&mut self, id: u128) {
        if let Some(copy) = self.copies.remove(&id) {
            self.due.remove(&(copy.due, id));
        }
    }

    /// Claims a copy; `None` where there is none.
    pub(crate) fn claim(&mut self, id: u128, now: u64) -> Option<ClaimResult> {
        let copy = self.copies.get_mut(&id)?;
        if copy.claimed_until > now {
            return Some(ClaimResult::Held);
        }
        copy.claimed_until = now.saturating_add(ms(CLAIM_TTL));
        Some(ClaimResult::Acquired)
    }

    pub(crate) fn release(&mut self, id: u128) {
        if let Some(copy) = self.copies.get_mut(&id) {
            copy.claimed_until = 0;
        }
    }

    /// Up to `limit` that are due and that nobody has claimed.
    pub(crate) fn due(&mut self, now: u64, limit: usize) -> Vec<u128> {
        let mut due = Vec::new();
        while due.len() < limit
            && let Some(&(at, id)) = self.due.first()
            && at <= now
        {
            self.due.remove(&(at, id));
            let Some(copy) = self.copies.get_mut(&id) else {
                continue;
            };
            // Looked at again when the claim is over.
            copy.due = copy.claimed_until.max(now);
            if copy.claimed_until <= now {
                due.push(id);
            } else {
                self.due.insert((copy.due, id));
            }
        }
        // They stay until they were moved.
        self.due.extend(due.iter().map(|id| (now, *id)));
        due
    }

    /// When the next is due.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.due.first().map(|(due, _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_due_in_its_time_unless_it_is_claimed() {
        let mut asides = FallbackIndex::default();
        asides.put(1, 10);
        asides.put(2, 20);
        assert!(asides.due(9, 10).is_empty());
        assert_eq!(asides.claim(1, 9), Some(ClaimResult::Acquired));
        assert_eq!(asides.claim(1, 9), Some(ClaimResult::Held));
        assert_eq!(asides.due(20, 10), [2]);
        asides.remove(2);
        let over = 9 + ms(CLAIM_TTL);
        assert_eq!(asides.next_due(), Some(over));
        assert_eq!(asides.due(over, 10), [1], "who had claimed it died");
        assert_eq!(asides.claim(3, 0), None);
    }

    #[test]
    fn a_copy_that_is_given_back_is_due_as_before() {
        let mut asides = FallbackIndex::default();
        asides.put(1, 10);
        asides.claim(1, 5);
        asides.release(1);
        assert_eq!(asides.due(10, 10), [1]);
        assert_eq!(asides.due(10, 10), [1], "it was not moved");
        asides.remove(1);
        assert_eq!((asides.claim(1, 20), asides.next_due()), (None, None));
    }
}
