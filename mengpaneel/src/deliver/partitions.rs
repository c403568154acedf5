//! Partitions: encoded messages in buffers. Events are grouped by user, and each group is sent
//! concurrently with the others.

use crate::translate::message::{Endpoint, Message};
use crate::translate::outgoing::Outgoing;

/// Most requests to one endpoint that are in flight at once.
const MAX_PARTITIONS: usize = 4;

/// Most messages per request. Mixpanel accepts 2,000 of each; for profiles it recommends 200.
pub(crate) fn max_items(endpoint: Endpoint) -> usize {
    match endpoint {
        Endpoint::Events => 2_000,
        Endpoint::People | Endpoint::Groups => 200,
    }
}

/// Returns the number of partitions for that many messages to one endpoint.
pub(crate) fn partition_count(messages: usize, endpoint: Endpoint) -> usize {
    messages
        .div_ceil(max_items(endpoint))
        .clamp(1, MAX_PARTITIONS)
}

/// Returns the index of the partition of a key. Each partition has an equal share of all keys.
pub(crate) fn partition_of(partition_key: u64, partition_count: usize) -> usize {
    let scaled = u128::from(partition_key) * partition_count as u128;
    usize::try_from(scaled >> u64::BITS).unwrap_or_default()
}

/// Buffers of encoded messages. Each message has a comma before it.
#[derive(Debug)]
pub(crate) struct Partitions {
    /// Buffer for messages whose buffer is not known yet.
    pub(crate) staging: Vec<u8>,
    /// Buffer of people, buffer of groups, and buffers of events. A buffer of events has all events
    /// of a user, in order.
    buffers: Vec<Vec<u8>>,
}

impl Default for Partitions {
    /// Creates a single partition of events.
    fn default() -> Self {
        Self {
            staging: Vec::new(),
            buffers: vec![Vec::new(); 3],
        }
    }
}

impl Partitions {
    /// Clears all buffers and creates as many partitions as that many events need.
    pub(crate) fn reset(&mut self, events: usize) {
        let count = 2 + partition_count(events, Endpoint::Events);
        self.buffers.resize_with(count, Vec::new);
        self.buffers.iter_mut().for_each(Vec::clear);
    }

    /// Copies a message from another buffer.
    pub(crate) fn add(&mut self, message: Outgoing, text: &[u8]) -> Outgoing {
        let index = self.buffer_index(&message);
        let json = text.get(message.json.clone()).unwrap_or_default();
        let Some(buffer) = self.buffers.get_mut(index) else {
            return message;
        };
        buffer.push(b',');
        let start = buffer.len();
        buffer.extend_from_slice(json);
        Outgoing {
            json: start..buffer.len(),
            ..message
        }
    }

    /// Encodes a message, which has this index in its record.
    pub(crate) fn add_message(&mut self, message: &Message, index: usize) -> Outgoing {
        let mut text = std::mem::take(&mut self.staging);
        let outgoing = Outgoing::encode(message, index, &mut text);
        let outgoing = self.add(outgoing, &text);
        text.clear();
        self.staging = text;
        outgoing
    }

    /// Returns the JSON of a message.
    pub(crate) fn json(&self, message: &Outgoing) -> &[u8] {
        self.buffer(self.buffer_index(message))
            .get(message.json.clone())
            .unwrap_or_default()
    }

    /// Returns the number of partitions of events.
    pub(crate) fn event_partitions(&self) -> usize {
        self.buffers.len() - 2
    }

    /// Returns the index of the buffer of a message.
    pub(crate) fn buffer_index(&self, message: &Outgoing) -> usize {
        match message.endpoint {
            Endpoint::People => 0,
            Endpoint::Groups => 1,
            Endpoint::Events => 2 + partition_of(message.partition_key, self.event_partitions()),
        }
    }

    /// Returns a buffer.
    pub(crate) fn buffer(&self, index: usize) -> &[u8] {
        self.buffers.get(index).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(partition_key: u64, json: std::ops::Range<usize>) -> Outgoing {
        Outgoing {
            endpoint: Endpoint::Events,
            is_idempotent: true,
            call: 0,
            set_len: None,
            json,
            partition_key,
        }
    }

    #[test]
    fn partition_keeps_order_of_each_user() {
        let mut partitions = Partitions::default();
        partitions.reset(9_000);
        let text: Vec<String> = (0..70).map(|number| format!("{number:02}")).collect();
        let text = text.concat();
        let events: Vec<Outgoing> = (0..70)
            .map(|number: u8| {
                let start = usize::from(number) * 2;
                let event = message(u64::from(number % 7) << 61, start..start + 2);
                partitions.add(event, text.as_bytes())
            })
            .collect();
        let bytes: usize = partitions.buffers.iter().map(Vec::len).sum();
        assert_eq!(
            (partitions.event_partitions(), bytes),
            (MAX_PARTITIONS, 70 * 3)
        );
        for (number, event) in (0..).zip(&events) {
            let buffer = partitions.buffer(partitions.buffer_index(event));
            assert_eq!(partitions.json(event), format!("{number:02}").as_bytes());
            assert_eq!(&buffer[event.json.clone()], partitions.json(event));
            assert_eq!(buffer[event.json.start - 1], b',');
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
        partitions.reset(2_001);
        for endpoint in [Endpoint::Events, Endpoint::People, Endpoint::Groups] {
            let event = message(u64::MAX, 0..1);
            partitions.add(Outgoing { endpoint, ..event }, b"x");
        }
        assert_eq!(partitions.buffers, [&b",x"[..], b",x", b"", b",x"]);
        partitions.reset(2_000);
        assert_eq!(partitions.buffers, [b"", b"", b""]);
        assert_eq!(partition_count(2_000, Endpoint::People), MAX_PARTITIONS);
    }
}
