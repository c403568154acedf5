//! Lanes: records that stand written, by the requests in which they leave.

use std::ops::Range;

use crate::translate::message::Endpoint;
use crate::translate::outgoing::EncodedEvent;

/// So many requests are under way at once.
const MAX_PARTITIONS: usize = 4;

/// As many go into one request. Mixpanel takes 2,000 of each; for profiles it advises 200.
pub(crate) fn max_items(endpoint: Endpoint) -> usize {
    match endpoint {
        Endpoint::Events => 2_000,
        Endpoint::People | Endpoint::Groups => 200,
    }
}

/// Records that stand written, as they leave: what is of one user is in one lane, in order, a comma
/// before each.
#[derive(Debug)]
pub(crate) struct Partitions {
    /// Where events are written before it is known whose they are.
    staging: Vec<u8>,
    partitions: Vec<Vec<u8>>,
}

impl Default for Partitions {
    /// A single one.
    fn default() -> Self {
        Self {
            staging: Vec::new(),
            partitions: vec![Vec::new()],
        }
    }
}

impl Partitions {
    /// Takes everything away that is written, and opens as many lanes as that many records need.
    pub(crate) fn reset(&mut self, records: usize, endpoint: Endpoint) {
        self.staging.clear();
        self.partitions.resize_with(
            records
                .div_ceil(max_items(endpoint))
                .clamp(1, MAX_PARTITIONS),
            Vec::new,
        );
        self.partitions.iter_mut().for_each(Vec::clear);
    }

    /// Where events are written.
    pub(crate) fn staging(&mut self) -> &mut Vec<u8> {
        &mut self.staging
    }

    /// Brings events from the desk to their lanes, and clears it.
    pub(crate) fn distribute<'e>(&mut self, events: impl Iterator<Item = &'e mut EncodedEvent>) {
        let desk = std::mem::take(&mut self.staging);
        for event in events {
            let json = desk.get(event.json.clone()).unwrap_or_default();
            event.json = self.add(event.partition_key, |lane| lane.extend_from_slice(json));
        }
        self.staging = desk;
        self.staging.clear();
    }

    /// Adds what is written so to the lane of whose it is. Tells where it stands in it.
    pub(crate) fn add(&mut self, owner: u64, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let number = self.partition_of(owner);
        let Some(lane) = self.partitions.get_mut(number) else {
            return 0..0;
        };
        lane.push(b',');
        let start = lane.len();
        write(lane);
        start..lane.len()
    }

    /// Which lane is whose: each has an equal share of all numbers.
    pub(crate) fn partition_of(&self, owner: u64) -> usize {
        let place = u128::from(owner) * self.partitions.len() as u128;
        usize::try_from(place >> u64::BITS).unwrap_or_default()
    }

    /// What stands in each.
    pub(crate) fn texts(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.partitions.iter().map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_one_user_is_in_one_lane_in_order() {
        let mut lanes = Partitions::default();
        lanes.reset(9_000, Endpoint::Events);
        let mut events = Vec::new();
        for number in 0..70 {
            let start = lanes.staging().len();
            lanes
                .staging()
                .extend_from_slice(format!("{number:02}").as_bytes());
            events.push(EncodedEvent {
                json: start..start + 2,
                partition_key: (number % 7) << 61,
                index: 0,
            });
        }
        lanes.distribute(events.iter_mut());
        assert!(lanes.staging().is_empty());
        let texts: Vec<&[u8]> = lanes.texts().collect();
        assert_eq!(
            (texts.len(), texts.concat().len()),
            (MAX_PARTITIONS, 70 * 3)
        );
        for (
            number,
            EncodedEvent {
                json,
                partition_key: owner,
                ..
            },
        ) in (0..).zip(&events)
        {
            let lane = texts[lanes.partition_of(*owner)];
            assert_eq!(&lane[json.clone()], format!("{number:02}").as_bytes());
            assert_eq!(lane[json.start - 1], b',');
        }
        for owner in (0..7).map(|number| number << 61) {
            assert!(
                events
                    .iter()
                    .filter(|event| event.partition_key == owner)
                    .map(|event| event.json.start)
                    .is_sorted()
            );
        }
    }

    #[test]
    fn few_take_one_lane_and_what_was_there_is_gone() {
        let mut lanes = Partitions::default();
        lanes.reset(2_001, Endpoint::Events);
        lanes.add(u64::MAX, |lane| lane.push(b'x'));
        assert_eq!(lanes.texts().collect::<Vec<_>>(), [&b""[..], b",x"]);
        lanes.reset(2_000, Endpoint::Events);
        assert_eq!(lanes.texts().collect::<Vec<_>>(), [b""]);
        lanes.reset(2_000, Endpoint::People);
        assert_eq!(lanes.texts().len(), MAX_PARTITIONS);
    }
}
