//! Sizes of the leased records, by number.

use std::collections::BTreeMap;

/// Size in bytes of each record that is leased. The records of one lease have consecutive numbers.
#[derive(Debug, Default)]
pub(crate) struct LeaseTable {
    /// Leases by the number of their first record.
    leases: BTreeMap<u64, LeaseSizes>,
}

#[derive(Debug)]
struct LeaseSizes {
    /// Size of each record; `None` once its lease ended.
    sizes: Vec<Option<usize>>,
    remaining: usize,
}

impl LeaseTable {
    /// Inserts the records of one lease, with consecutive numbers from `first` on.
    pub(crate) fn insert(&mut self, first: u64, sizes: Vec<Option<usize>>) {
        let remaining = sizes.len();
        if remaining > 0 {
            self.leases.insert(first, LeaseSizes { sizes, remaining });
        }
    }

    /// Removes a record. Returns its size; `None` if it was not leased.
    pub(crate) fn remove(&mut self, number: u64) -> Option<usize> {
        let (first, lease) = self.leases.range_mut(..=number).next_back()?;
        let (first, index) = (*first, usize::try_from(number - first).ok()?);
        let bytes = lease.sizes.get_mut(index)?.take()?;
        lease.remaining -= 1;
        if lease.remaining == 0 {
            self.leases.remove(&first);
        }
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lease_is_removed_once() {
        let mut table = LeaseTable::default();
        table.insert(5, vec![Some(50), Some(60), Some(70)]);
        table.insert(8, vec![Some(80)]);
        table.insert(9, Vec::new());
        let removed = [4, 6, 6, 8, 8, 9].map(|number| table.remove(number));
        assert_eq!(removed, [None, Some(60), None, Some(80), None, None]);
        assert_eq!(
            [5, 7].map(|number| table.remove(number)),
            [Some(50), Some(70)]
        );
        assert!(table.leases.is_empty());
    }
}
