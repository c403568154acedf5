//! As many messages in one request as Mixpanel takes.

use std::borrow::Cow;
use std::ops::Range;

use crate::deliver::partitions::{Partitions, max_items};
use crate::translate::message::{Endpoint, Message};
use crate::translate::outgoing::{EncodedEvent, partition_key};

/// A message on its way: where its record stands in the text, and where it stood among those given.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) index: usize,
    pub(crate) json: Range<usize>,
    pub(crate) is_repeatable: bool,
}

impl Item {
    /// Its record.
    pub(crate) fn json<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        text.get(self.json.clone()).unwrap_or_default()
    }
}

/// What is on its way to one endpoint, by lanes whose requests can be under way at once.
#[derive(Debug)]
pub(crate) struct RequestBatch<'l> {
    lanes: &'l mut Partitions,
    /// What stands in each.
    items: Vec<Vec<Item>>,
}

impl<'l> RequestBatch<'l> {
    /// Nothing yet, of about so many.
    pub(crate) fn new(lanes: &'l mut Partitions, count: usize) -> Self {
        let lane_count = lanes.texts().len();
        let room = if lane_count > 1 {
            count / lane_count * 5 / 4
        } else {
            count
        };
        let items = (0..lane_count).map(|_| Vec::with_capacity(room)).collect();
        Self { lanes, items }
    }

    /// Adds an event that stands in its lane.
    pub(crate) fn written(&mut self, index: usize, event: &EncodedEvent) {
        self.put(
            event.partition_key,
            Item {
                index,
                json: event.json.clone(),
                is_repeatable: true,
            },
        );
    }

    /// Adds a message.
    pub(crate) fn message(&mut self, index: usize, message: &Message) {
        let owner = owner_of(message);
        // Writing to memory does not fail, and values are JSON.
        let json = self.lanes.add(owner, |lane| {
            drop(serde_json::to_writer(lane, &message.body));
        });
        self.put(
            owner,
            Item {
                index,
                json,
                is_repeatable: message.is_idempotent(),
            },
        );
    }

    fn put(&mut self, owner: u64, item: Item) {
        if let Some(items) = self.items.get_mut(self.lanes.partition_of(owner)) {
            items.push(item);
        }
    }

    /// What stands in each lane, and its text.
    pub(crate) fn lanes(&self) -> impl Iterator<Item = (&[Item], &[u8])> {
        self.items.iter().map(Vec::as_slice).zip(self.lanes.texts())
    }
}

fn owner_of(message: &Message) -> u64 {
    let id = match message.endpoint {
        Endpoint::Events => message
            .body
            .get("properties")
            .and_then(|own| own.get("distinct_id")),
        Endpoint::People => message.body.get("$distinct_id"),
        Endpoint::Groups => message.body.get("$group_id"),
    };
    partition_key(id.and_then(|id| id.as_str()).map(str::as_bytes))
}

/// Of one request's body, before compression.
const MAX_BYTES: usize = 10_000_000;

/// In order, each within the bounds; what is too large by itself stands alone.
pub(crate) fn batches(items: &[Item], endpoint: Endpoint) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 2);
    for (place, item) in items.iter().enumerate() {
        let more = item.json.len() + 1;
        let is_full = place - start >= max_items(endpoint) || bytes + more > MAX_BYTES;
        if is_full && place > start {
            batches.push(start..place);
            (start, bytes) = (place, 2);
        }
        bytes += more;
    }
    if start < items.len() {
        batches.push(start..items.len());
    }
    batches
}

/// The two halves of a batch that was too large.
pub(crate) fn halves(Range { start, end }: Range<usize>) -> [Range<usize>; 2] {
    let middle = start + (end - start) / 2;
    [start..middle, middle..end]
}

/// The request's body, a JSON array, in pieces. What stands together in the text is not copied.
pub(crate) fn json<'t>(batch: &[Item], text: &'t [u8]) -> Vec<Cow<'t, [u8]>> {
    let follow = |pair: &[Item]| matches!(pair, [a, b] if a.json.end + 1 == b.json.start);
    let records = match (batch.first(), batch.last()) {
        (Some(first), Some(last)) if batch.windows(2).all(follow) => Cow::Borrowed(
            text.get(first.json.start..last.json.end)
                .unwrap_or_default(),
        ),
        _ => Cow::Owned(
            batch
                .iter()
                .map(|item| item.json(text))
                .collect::<Vec<_>>()
                .join(&b','),
        ),
    };
    vec![Cow::Borrowed(b"["), records, Cow::Borrowed(b"]")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(count: usize, bytes: usize) -> Vec<Item> {
        (0..count)
            .map(|index| Item {
                index,
                json: index * bytes..(index + 1) * bytes,
                is_repeatable: true,
            })
            .collect()
    }

    fn sizes(items: &[Item], endpoint: Endpoint) -> Vec<usize> {
        let batches = batches(items, endpoint);
        for batch in &batches {
            let bytes: usize = items[batch.clone()]
                .iter()
                .map(|item| item.json.len() + 1)
                .sum();
            assert!(batch.len() == 1 || bytes < MAX_BYTES);
        }
        batches.iter().map(Range::len).collect()
    }

    #[test]
    fn a_batch_is_full_by_number_or_by_size() {
        assert_eq!(sizes(&[], Endpoint::Events), [0; 0]);
        assert_eq!(sizes(&items(2_001, 1), Endpoint::Events), [2_000, 1]);
        assert_eq!(sizes(&items(401, 1), Endpoint::People), [200, 200, 1]);
        assert_eq!(sizes(&items(3, 4_999_998), Endpoint::Events), [2, 1]);
        assert_eq!(sizes(&items(3, 4_999_999), Endpoint::Events), [1, 1, 1]);
        assert_eq!(sizes(&items(2, MAX_BYTES * 2), Endpoint::Events), [1, 1]);
    }

    #[test]
    fn what_stands_together_is_not_copied() {
        let text = b",{1},{2},{3},{4}";
        let all: Vec<Item> = (0..4)
            .map(|index| Item {
                index,
                json: index * 4 + 1..index * 4 + 4,
                is_repeatable: true,
            })
            .collect();
        let body = |batch: &[Item]| {
            (
                json(batch, text).concat(),
                matches!(json(batch, text)[1], Cow::Borrowed(_)),
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
    fn halves_keep_the_order_and_lose_nothing() {
        assert_eq!(halves(5..8), [5..6, 6..8]);
    }
}
