//! Partitions: encoded messages, grouped by user into buffers whose requests are sent concurrently.

use std::ops::Range;

use crate::translate::message::Endpoint;
use crate::translate::outgoing::EncodedEvent;

/// Most requests to one endpoint that are in flight at once.
const MAX_PARTITIONS: usize = 4;

/// Most messages per request. Mixpanel accepts 2,000 of each; for profiles it recommends 200.
pub(crate) fn max_items(endpoint: Endpoint) -> usize {
    match endpoint {
        Endpoint::Events => 2_000,
        Endpoint::People | Endpoint::Groups => 200,
    }
}

/// Buffers of encoded messages. One partition has all messages of a user, in order, each with a
/// comma before it.
#[derive(Debug)]
pub(crate) struct Partitions {
    /// Buffer for events whose partition is not known yet.
    staging: Vec<u8>,
    partitions: Vec<Vec<u8>>,
}

impl Default for Partitions {
    /// Creates a single partition.
    fn default() -> Self {
        Self {
            staging: Vec::new(),
            partitions: vec![Vec::new()],
        }
    }
}

impl Partitions {
    /// Clears all buffers and creates as many partitions as `count` messages need.
    pub(crate) fn reset(&mut self, count: usize, endpoint: Endpoint) {
        self.staging.clear();
        self.partitions.resize_with(
            count.div_ceil(max_items(endpoint)).clamp(1, MAX_PARTITIONS),
            Vec::new,
        );
        self.partitions.iter_mut().for_each(Vec::clear);
    }

    /// Buffer for new events, until [`distribute`](Self::distribute) moves them.
    pub(crate) fn staging(&mut self) -> &mut Vec<u8> {
        &mut self.staging
    }

    /// Moves events from the staging buffer to their partitions and clears the staging buffer.
    pub(crate) fn distribute<'e>(&mut self, events: impl Iterator<Item = &'e mut EncodedEvent>) {
        let staging = std::mem::take(&mut self.staging);
        for event in events {
            let json = staging.get(event.json.clone()).unwrap_or_default();
            event.json = self.add(event.partition_key, |partition| {
                partition.extend_from_slice(json);
            });
        }
        self.staging = staging;
        self.staging.clear();
    }

    /// Writes a message to the partition of its key. Returns the range of the message there.
    pub(crate) fn add(
        &mut self,
        partition_key: u64,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Range<usize> {
        let index = self.partition_of(partition_key);
        let Some(partition) = self.partitions.get_mut(index) else {
            return 0..0;
        };
        partition.push(b',');
        let start = partition.len();
        write(partition);
        start..partition.len()
    }

    /// Index of the partition of a key. Each partition has an equal share of all keys.
    pub(crate) fn partition_of(&self, partition_key: u64) -> usize {
        let scaled = u128::from(partition_key) * self.partitions.len() as u128;
        usize::try_from(scaled >> u64::BITS).unwrap_or_default()
    }

    /// Contents of the partitions.
    pub(crate) fn buffers(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.partitions.iter().map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_keeps_order_of_each_user() {
        let mut partitions = Partitions::default();
        partitions.reset(9_000, Endpoint::Events);
        let mut events = Vec::new();
        for number in 0..70 {
            let start = partitions.staging().len();
            partitions
                .staging()
                .extend_from_slice(format!("{number:02}").as_bytes());
            events.push(EncodedEvent {
                json: start..start + 2,
                partition_key: (number % 7) << 61,
                index: 0,
            });
        }
        partitions.distribute(events.iter_mut());
        assert!(partitions.staging().is_empty());
        let buffers: Vec<&[u8]> = partitions.buffers().collect();
        assert_eq!(
            (buffers.len(), buffers.concat().len()),
            (MAX_PARTITIONS, 70 * 3)
        );
        for (number, event) in (0..).zip(&events) {
            let (buffer, json) = (
                buffers[partitions.partition_of(event.partition_key)],
                &event.json,
            );
            assert_eq!(&buffer[json.clone()], format!("{number:02}").as_bytes());
            assert_eq!(buffer[json.start - 1], b',');
        }
        for partition_key in (0..7).map(|number| number << 61) {
            assert!(
                events
                    .iter()
                    .filter(|event| event.partition_key == partition_key)
                    .map(|event| event.json.start)
                    .is_sorted()
            );
        }
    }

    #[test]
    fn reset_clears_buffers_and_sets_number_of_partitions() {
        let mut partitions = Partitions::default();
        partitions.reset(2_001, Endpoint::Events);
        partitions.add(u64::MAX, |partition| partition.push(b'x'));
        assert_eq!(partitions.buffers().collect::<Vec<_>>(), [&b""[..], b",x"]);
        partitions.reset(2_000, Endpoint::Events);
        assert_eq!(partitions.buffers().collect::<Vec<_>>(), [b""]);
        partitions.reset(2_000, Endpoint::People);
        assert_eq!(partitions.buffers().len(), MAX_PARTITIONS);
    }
}
