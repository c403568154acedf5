//! Lanes: records that stand written, by the requests in which they leave.

use std::ops::Range;

use crate::translate::message::Endpoint;
use crate::translate::outgoing::Written;

/// So many requests are under way at once.
const LANES: usize = 4;

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
pub(crate) struct Lanes {
    /// Where events are written before it is known whose they are.
    desk: Vec<u8>,
    lanes: Vec<Vec<u8>>,
}

impl Default for Lanes {
    /// A single one.
    fn default() -> Self {
        Self {
            desk: Vec::new(),
            lanes: vec![Vec::new()],
        }
    }
}

impl Lanes {
    /// Takes everything away that is written, and opens as many lanes as that many records need.
    pub(crate) fn open(&mut self, records: usize, endpoint: Endpoint) {
        self.desk.clear();
        self.lanes.resize_with(
            records.div_ceil(max_items(endpoint)).clamp(1, LANES),
            Vec::new,
        );
        self.lanes.iter_mut().for_each(Vec::clear);
    }

    /// Where events are written.
    pub(crate) fn desk(&mut self) -> &mut Vec<u8> {
        &mut self.desk
    }

    /// Brings events from the desk to their lanes, and clears it.
    pub(crate) fn take<'e>(&mut self, events: impl Iterator<Item = &'e mut Written>) {
        let desk = std::mem::take(&mut self.desk);
        for event in events {
            let json = desk.get(event.json.clone()).unwrap_or_default();
            event.json = self.add(event.owner, |lane| lane.extend_from_slice(json));
        }
        self.desk = desk;
        self.desk.clear();
    }

    /// Adds what is written so to the lane of whose it is. Tells where it stands in it.
    pub(crate) fn add(&mut self, owner: u64, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let number = self.number_of(owner);
        let Some(lane) = self.lanes.get_mut(number) else {
            return 0..0;
        };
        lane.push(b',');
        let start = lane.len();
        write(lane);
        start..lane.len()
    }

    /// Which lane is whose: each has an equal share of all numbers.
    pub(crate) fn number_of(&self, owner: u64) -> usize {
        let place = u128::from(owner) * self.lanes.len() as u128;
        usize::try_from(place >> u64::BITS).unwrap_or_default()
    }

    /// What stands in each.
    pub(crate) fn texts(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.lanes.iter().map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_one_user_is_in_one_lane_in_order() {
        let mut lanes = Lanes::default();
        lanes.open(9_000, Endpoint::Events);
        let mut events = Vec::new();
        for number in 0..70 {
            let start = lanes.desk().len();
            lanes
                .desk()
                .extend_from_slice(format!("{number:02}").as_bytes());
            events.push(Written {
                json: start..start + 2,
                owner: (number % 7) << 61,
                index: 0,
            });
        }
        lanes.take(events.iter_mut());
        assert!(lanes.desk().is_empty());
        let texts: Vec<&[u8]> = lanes.texts().collect();
        assert_eq!((texts.len(), texts.concat().len()), (LANES, 70 * 3));
        for (number, Written { json, owner, .. }) in (0..).zip(&events) {
            let lane = texts[lanes.number_of(*owner)];
            assert_eq!(&lane[json.clone()], format!("{number:02}").as_bytes());
            assert_eq!(lane[json.start - 1], b',');
        }
        for owner in (0..7).map(|number| number << 61) {
            assert!(
                events
                    .iter()
                    .filter(|event| event.owner == owner)
                    .map(|event| event.json.start)
                    .is_sorted()
            );
        }
    }

    #[test]
    fn few_take_one_lane_and_what_was_there_is_gone() {
        let mut lanes = Lanes::default();
        lanes.open(2_001, Endpoint::Events);
        lanes.add(u64::MAX, |lane| lane.push(b'x'));
        assert_eq!(lanes.texts().collect::<Vec<_>>(), [&b""[..], b",x"]);
        lanes.open(2_000, Endpoint::Events);
        assert_eq!(lanes.texts().collect::<Vec<_>>(), [b""]);
        lanes.open(2_000, Endpoint::People);
        assert_eq!(lanes.texts().len(), LANES);
    }
}
