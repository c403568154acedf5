//! Bodies of HTTP requests: messages by partition, divided by Mixpanel's limits.

use std::borrow::Cow;
use std::ops::Range;

use crate::deliver::partitions::{Partitions, max_items, partition_count, partition_of};
use crate::translate::message::Endpoint;
use crate::translate::outgoing::Outgoing;

/// Message of a request: its index among all messages, and the range of its JSON in the buffer.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) index: usize,
    pub(crate) json: Range<usize>,
    pub(crate) is_idempotent: bool,
}

impl Item {
    /// Returns the JSON of the message.
    pub(crate) fn json<'b>(&self, buffer: &'b [u8]) -> &'b [u8] {
        buffer.get(self.json.clone()).unwrap_or_default()
    }
}

/// Messages that are sent one request after the other.
#[derive(Debug)]
pub(crate) struct Sequence {
    pub(crate) endpoint: Endpoint,
    /// Index of the buffer of the JSON.
    pub(crate) buffer: usize,
    pub(crate) items: Vec<Item>,
}

/// Groups messages by endpoint and partition.
pub(crate) fn group<'m>(
    messages: impl Iterator<Item = &'m Outgoing> + Clone,
    partitions: &Partitions,
) -> Vec<Sequence> {
    let mut sequences = Vec::new();
    // Index of the first sequence of each endpoint, and number of its sequences.
    let [events, people, groups] =
        [Endpoint::Events, Endpoint::People, Endpoint::Groups].map(|endpoint| {
            let messages = messages.clone();
            let count = messages.filter(|m| m.endpoint == endpoint).count();
            let partition_count = match endpoint {
                Endpoint::Events => partitions.event_partitions(),
                Endpoint::People | Endpoint::Groups => partition_count(count, endpoint),
            };
            let first = sequences.len();
            sequences.extend((0..partition_count).map(|_| Sequence {
                endpoint,
                buffer: 0,
                items: Vec::with_capacity(count * 5 / 4 / partition_count),
            }));
            (first, partition_count)
        });
    for (index, message) in messages.enumerate() {
        let (first, partition_count) = match message.endpoint {
            Endpoint::Events => events,
            Endpoint::People => people,
            Endpoint::Groups => groups,
        };
        let partition = first + partition_of(message.partition_key, partition_count);
        if let Some(sequence) = sequences.get_mut(partition) {
            sequence.buffer = partitions.buffer_index(message);
            sequence.items.push(Item {
                index,
                json: message.json.clone(),
                is_idempotent: message.is_idempotent,
            });
        }
    }
    sequences
}

/// Most bytes of a request body, before compression.
const MAX_BODY_BYTES: usize = 10_000_000;

/// Divides messages, in order, into the ranges of requests within Mixpanel's limits. A message that
/// is too large has a request of its own.
pub(crate) fn divide(items: &[Item], endpoint: Endpoint) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 2);
    for (index, item) in items.iter().enumerate() {
        let item_bytes = item.json.len() + 1;
        let is_full = index - start >= max_items(endpoint) || bytes + item_bytes > MAX_BODY_BYTES;
        if is_full && index > start {
            batches.push(start..index);
            (start, bytes) = (index, 2);
        }
        bytes += item_bytes;
    }
    if start < items.len() {
        batches.push(start..items.len());
    }
    batches
}

/// Returns the two halves of a batch that was too large.
pub(crate) fn halves(Range { start, end }: Range<usize>) -> [Range<usize>; 2] {
    let middle = start + (end - start) / 2;
    [start..middle, middle..end]
}

/// Returns the request body, a JSON array, in chunks. Messages that are adjacent in the buffer are
/// not copied.
pub(crate) fn json<'b>(batch: &[Item], buffer: &'b [u8]) -> Vec<Cow<'b, [u8]>> {
    let is_adjacent = |pair: &[Item]| matches!(pair, [a, b] if a.json.end + 1 == b.json.start);
    let joined = match (batch.first(), batch.last()) {
        (Some(first), Some(last)) if batch.windows(2).all(is_adjacent) => Cow::Borrowed(
            buffer
                .get(first.json.start..last.json.end)
                .unwrap_or_default(),
        ),
        _ => Cow::Owned(
            batch
                .iter()
                .map(|item| item.json(buffer))
                .collect::<Vec<_>>()
                .join(&b','),
        ),
    };
    vec![Cow::Borrowed(b"["), joined, Cow::Borrowed(b"]")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(count: usize, bytes: usize) -> Vec<Item> {
        (0..count)
            .map(|index| Item {
                index,
                json: index * bytes..(index + 1) * bytes,
                is_idempotent: true,
            })
            .collect()
    }

    fn sizes(items: &[Item], endpoint: Endpoint) -> Vec<usize> {
        let batches = divide(items, endpoint);
        for batch in &batches {
            let bytes: usize = items[batch.clone()]
                .iter()
                .map(|item| item.json.len() + 1)
                .sum();
            assert!(batch.len() == 1 || bytes < MAX_BODY_BYTES);
        }
        batches.iter().map(Range::len).collect()
    }

    #[test]
    fn batch_is_limited_by_count_and_bytes() {
        assert_eq!(sizes(&[], Endpoint::Events), [0; 0]);
        assert_eq!(sizes(&items(2_001, 1), Endpoint::Events), [2_000, 1]);
        assert_eq!(sizes(&items(401, 1), Endpoint::People), [200, 200, 1]);
        assert_eq!(sizes(&items(3, 4_999_998), Endpoint::Events), [2, 1]);
        assert_eq!(sizes(&items(3, 4_999_999), Endpoint::Events), [1, 1, 1]);
        assert_eq!(
            sizes(&items(2, MAX_BODY_BYTES * 2), Endpoint::Events),
            [1, 1]
        );
    }

    #[test]
    fn adjacent_messages_are_not_copied() {
        let buffer = b",{1},{2},{3},{4}";
        let all: Vec<Item> = (0..4)
            .map(|index| Item {
                index,
                json: index * 4 + 1..index * 4 + 4,
                is_idempotent: true,
            })
            .collect();
        let body = |batch: &[Item]| {
            (
                json(batch, buffer).concat(),
                matches!(json(batch, buffer)[1], Cow::Borrowed(_)),
            )
        };
        assert_eq!(body(&all), (b"[{1},{2},{3},{4}]".to_vec(), true));
        assert_eq!(body(&all[1..3]), (b"[{2},{3}]".to_vec(), true));
        assert_eq!(
            body(&[all[0].clone(), all[2].clone()]),
            (b"[{1},{3}]".to_vec(), false)
        );
        assert_eq!(
            body(&[all[3].clone(), all[2].clone()]),
            (b"[{4},{3}]".to_vec(), false)
        );
    }

    #[test]
    fn halves_keep_order_and_all_messages() {
        assert_eq!(halves(5..8), [5..6, 6..8]);
    }
}
