//! Sizes of the leased records, by number.

use std::collections::BTreeMap;

/// Size in bytes of each record that is leased.
#[derive(Debug, Default)]
pub(crate) struct LeaseTable {
    /// New records by the number of the first in their lease. One lease has consecutive numbers.
    ranges: BTreeMap<u64, LeaseRange>,
    /// Records that were leased before, by their number.
    retries: BTreeMap<u64, usize>,
}

#[derive(Debug)]
struct LeaseRange {
    /// Size of each record; `None` once its lease ended.
    sizes: Vec<Option<usize>>,
    remaining: usize,
}

impl LeaseTable {
    /// Inserts the records of one lease, with consecutive numbers from `first` on.
    pub(crate) fn insert_range(&mut self, first: u64, sizes: Vec<Option<usize>>) {
        let remaining = sizes.len();
        if remaining > 0 {
            self.ranges.insert(first, LeaseRange { sizes, remaining });
        }
    }

    /// Inserts a record that is leased again.
    pub(crate) fn insert_retry(&mut self, number: u64, bytes: usize) {
        self.retries.insert(number, bytes);
    }

    /// Removes a record. Returns its size; `None` if it was not leased.
    pub(crate) fn remove(&mut self, number: u64) -> Option<usize> {
        if let Some(bytes) = self.retries.remove(&number) {
            return Some(bytes);
        }
        let (first, range) = self.ranges.range_mut(..=number).next_back()?;
        let (first, index) = (*first, usize::try_from(number - first).ok()?);
        let bytes = range.sizes.get_mut(index)?.take()?;
        range.remaining -= 1;
        if range.remaining == 0 {
            self.ranges.remove(&first);
        }
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lease_is_removed_once() {
        let mut leases = LeaseTable::default();
        leases.insert_range(5, vec![Some(50), Some(60), Some(70)]);
        leases.insert_range(8, vec![Some(80)]);
        leases.insert_range(9, Vec::new());
        let removed = [4, 6, 6, 8, 8, 9].map(|number| leases.remove(number));
        assert_eq!(removed, [None, Some(60), None, Some(80), None, None]);
        assert_eq!(
            [5, 7].map(|number| leases.remove(number)),
            [Some(50), Some(70)]
        );
        assert!(leases.ranges.is_empty());
    }

    #[test]
    fn retry_hides_no_other_record_of_its_range() {
        let mut leases = LeaseTable::default();
        leases.insert_range(5, vec![Some(50), Some(60), Some(70)]);
        for number in [5, 6] {
            let bytes = leases.remove(number).unwrap();
            leases.insert_retry(number, bytes);
        }
        assert_eq!(
            [7, 6, 5, 5].map(|number| leases.remove(number)),
            [Some(70), Some(60), Some(50), None]
        );
        assert!(leases.ranges.is_empty() && leases.retries.is_empty());
    }
}
