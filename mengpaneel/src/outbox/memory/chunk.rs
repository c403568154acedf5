//! Records in memory, many in one piece of it.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::record::envelope::EnvelopeRef;
use crate::record::envelope::codec;

/// A chunk that is longer is full.
const MAX_FILL: usize = 60 << 10;

/// What a chunk is given at once: what grows is copied each time.
const CAPACITY: usize = 64 << 10;

/// Records one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    written: Vec<u8>,
    /// Where each ends.
    ends: VecDeque<usize>,
    /// Where the first begins.
    begin: usize,
}

impl Chunk {
    /// An empty one.
    pub(crate) fn with_capacity() -> Self {
        Self {
            written: Vec::with_capacity(CAPACITY),
            ..Self::default()
        }
    }

    /// An empty one, in memory that fits.
    pub(crate) fn reuse(mut memory: Vec<u8>) -> Self {
        memory.clear();
        Self {
            written: memory,
            ..Self::default()
        }
    }

    /// Whether memory is of the size that a chunk is given: not cut, and not grown.
    pub(crate) fn fits(memory: &Vec<u8>) -> bool {
        (CAPACITY..=2 * CAPACITY).contains(&memory.capacity())
    }

    /// How many records it holds.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether the next record goes to another.
    pub(crate) fn is_full(&self) -> bool {
        self.written.len() >= MAX_FILL
    }

    /// Writes a record behind the others, if it takes no more than `room`. Says what it takes.
    pub(crate) fn push(&mut self, parcel: EnvelopeRef<'_>, room: usize) -> Result<usize, usize> {
        let begin = self.written.len();
        codec::write(parcel, &mut self.written);
        let bytes = self.written.len() - begin;
        if bytes > room {
            self.written.truncate(begin);
            self.written.shrink_to(CAPACITY);
            return Err(bytes);
        }
        self.ends.push_back(self.written.len());
        Ok(bytes)
    }

    /// Where each stands.
    pub(crate) fn into_records(self) -> impl Iterator<Item = (Arc<Vec<u8>>, Range<usize>)> {
        let (all, mut begin) = (Arc::new(self.written), self.begin);
        self.ends
            .into_iter()
            .map(move |end| (Arc::clone(&all), std::mem::replace(&mut begin, end)..end))
    }

    /// Takes out the first so many.
    pub(crate) fn split(&mut self, count: usize) -> Self {
        let ends: VecDeque<usize> = self.ends.drain(..count.min(self.ends.len())).collect();
        let end = ends.back().copied().unwrap_or(self.begin);
        let written = self.written.get(..end).unwrap_or_default().to_vec();
        let begin = std::mem::replace(&mut self.begin, end);
        Self {
            written,
            ends,
            begin,
        }
    }
}
