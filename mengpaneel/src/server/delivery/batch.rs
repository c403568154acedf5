//! As many messages in one request as Mixpanel takes.

use std::ops::Range;

use crate::server::message::{Endpoint, Message};
use crate::server::said::{Said, owner};

/// A message on its way: where its record stands in the text, and where it stood among those given.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) index: usize,
    pub(super) json: Range<usize>,
    pub(super) is_repeatable: bool,
    /// The same for all that is of one user, or one group.
    pub(super) owner: u64,
}

impl Item {
    /// What is not written yet is written at the end of `text`.
    pub(super) fn of(index: usize, said: &Said, text: &mut Vec<u8>) -> Self {
        let message = match said {
            Said::Written(event) => {
                return Self { index, json: event.json.clone(), is_repeatable: true, owner: event.owner };
            }
            Said::Message(message) => message,
        };
        let start = text.len();
        // Writing to memory does not fail, and values are JSON.
        let _ = serde_json::to_writer(&mut *text, &message.body);
        Self { index, json: start..text.len(), is_repeatable: message.is_repeatable(), owner: owner_of(message) }
    }

    /// Its record.
    pub(super) fn json<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        text.get(self.json.clone()).unwrap_or_default()
    }
}

/// Of one request's body, before compression.
const MAX_BYTES: usize = 10_000_000;

/// Mixpanel takes 2,000 of each; for profiles it advises 200.
fn max_items(endpoint: Endpoint) -> usize {
    match endpoint {
        Endpoint::Events => 2_000,
        Endpoint::People | Endpoint::Groups => 200,
    }
}

/// So many requests are under way at once.
const LANES: usize = 4;

fn owner_of(message: &Message) -> u64 {
    let id = match message.endpoint {
        Endpoint::Events => message.body.get("properties").and_then(|own| own.get("distinct_id")),
        Endpoint::People => message.body.get("$distinct_id"),
        Endpoint::Groups => message.body.get("$group_id"),
    };
    owner(id.and_then(|id| id.as_str()).map(str::as_bytes))
}

/// Lanes whose requests can be under way at once: what is of one user is in one, in order.
pub(super) fn lanes(items: Vec<Item>, endpoint: Endpoint) -> Vec<Vec<Item>> {
    let count = items.len().div_ceil(max_items(endpoint)).clamp(1, LANES);
    if count == 1 {
        return vec![items];
    }
    let room = items.len() / count * 5 / 4;
    let mut lanes: Vec<Vec<Item>> = (0..count).map(|_| Vec::with_capacity(room)).collect();
    for item in items {
        let lane = usize::try_from(item.owner % count as u64).unwrap_or_default();
        if let Some(lane) = lanes.get_mut(lane) {
            lane.push(item);
        }
    }
    lanes
}

/// In order, each within the bounds; what is too large by itself stands alone.
pub(super) fn batches(items: &[Item], endpoint: Endpoint) -> Vec<Range<usize>> {
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
pub(super) fn halves(Range { start, end }: Range<usize>) -> [Range<usize>; 2] {
    let middle = start + (end - start) / 2;
    [start..middle, middle..end]
}

/// Writes the request's body: a JSON array.
pub(super) fn json(batch: &[Item], text: &[u8], body: &mut Vec<u8>) {
    body.reserve(batch.iter().map(|item| item.json.len() + 1).sum::<usize>() + 2);
    body.push(b'[');
    for (position, item) in batch.iter().enumerate() {
        if position > 0 {
            body.push(b',');
        }
        body.extend_from_slice(item.json(text));
    }
    body.push(b']');
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
                owner: index as u64 % 7,
            })
            .collect()
    }

    fn sizes(items: &[Item], endpoint: Endpoint) -> Vec<usize> {
        let batches = batches(items, endpoint);
        for batch in &batches {
            let bytes: usize = items[batch.clone()].iter().map(|item| item.json.len() + 1).sum();
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
    fn what_is_of_one_user_is_in_one_lane_in_order() {
        assert_eq!(lanes(items(2_000, 1), Endpoint::Events).len(), 1);
        assert_eq!(lanes(Vec::new(), Endpoint::Events).len(), 1);
        let lanes = lanes(items(9_000, 1), Endpoint::Events);
        assert_eq!((lanes.len(), lanes.iter().map(Vec::len).sum::<usize>()), (LANES, 9_000));
        for lane in &lanes {
            assert!(lane.is_sorted_by_key(|item| item.index));
        }
        for user in 0..7 {
            assert_eq!(lanes.iter().filter(|lane| lane.iter().any(|item| item.owner == user)).count(), 1);
        }
    }

    #[test]
    fn halves_keep_the_order_and_lose_nothing() {
        assert_eq!(halves(5..8), [5..6, 6..8]);
    }
}
