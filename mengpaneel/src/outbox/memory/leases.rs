//! What the worker has in its hands, by number.

use std::collections::BTreeMap;

/// How many bytes each takes that was leased and not given back yet.
#[derive(Debug, Default)]
pub(crate) struct LeaseTable {
    /// What was leased together has numbers that follow each other; by the first.
    runs: BTreeMap<u64, LeaseRange>,
    /// What was leased once more, under the number that it has.
    again: BTreeMap<u64, usize>,
}

#[derive(Debug)]
struct LeaseRange {
    /// Of each; `None` once it is back.
    bytes: Vec<Option<usize>>,
    left: usize,
}

impl LeaseTable {
    /// These were leased: the first has this number, and each the one after.
    pub(crate) fn add(&mut self, first: u64, bytes: Vec<Option<usize>>) {
        let left = bytes.len();
        if left > 0 {
            self.runs.insert(first, LeaseRange { bytes, left });
        }
    }

    /// This one was leased once more.
    pub(crate) fn add_again(&mut self, number: u64, bytes: usize) {
        self.again.insert(number, bytes);
    }

    /// This one is in hand no more. Gives its bytes, if it was.
    pub(crate) fn take_out(&mut self, number: u64) -> Option<usize> {
        if let Some(bytes) = self.again.remove(&number) {
            return Some(bytes);
        }
        let (first, run) = self.runs.range_mut(..=number).next_back()?;
        let (first, place) = (*first, usize::try_from(number - first).ok()?);
        let bytes = run.bytes.get_mut(place)?.take()?;
        run.left -= 1;
        if run.left == 0 {
            self.runs.remove(&first);
        }
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_taken_out_once() {
        let mut in_hand = LeaseTable::default();
        in_hand.add(5, vec![Some(50), Some(60), Some(70)]);
        in_hand.add(8, vec![Some(80)]);
        in_hand.add(9, Vec::new());
        let taken = [4, 6, 6, 8, 8, 9].map(|number| in_hand.take_out(number));
        assert_eq!(taken, [None, Some(60), None, Some(80), None, None]);
        assert_eq!(
            [5, 7].map(|number| in_hand.take_out(number)),
            [Some(50), Some(70)]
        );
        assert!(in_hand.runs.is_empty());
    }

    #[test]
    fn what_is_leased_once_more_does_not_hide_those_that_were_leased_with_it() {
        let mut in_hand = LeaseTable::default();
        in_hand.add(5, vec![Some(50), Some(60), Some(70)]);
        for number in [5, 6] {
            let bytes = in_hand.take_out(number).unwrap();
            in_hand.add_again(number, bytes);
        }
        assert_eq!(
            [7, 6, 5, 5].map(|number| in_hand.take_out(number)),
            [Some(70), Some(60), Some(50), None]
        );
        assert!(in_hand.runs.is_empty() && in_hand.again.is_empty());
    }
}
