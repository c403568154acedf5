//! Chunk: a buffer that holds many encoded records.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::record::envelope::EnvelopeRef;
use crate::record::envelope::codec;

/// Length in bytes from which a chunk is full.
const MAX_FILL_BYTES: usize = 60 << 10;

/// Initial capacity of a chunk in bytes. Allocated at once, because growth copies the records.
const CAPACITY_BYTES: usize = 64 << 10;

/// Encoded records, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    buffer: Vec<u8>,
    /// End of each record in the buffer.
    ends: VecDeque<usize>,
    /// Start of the first record in the buffer.
    start: usize,
}

impl Chunk {
    /// Creates an empty chunk.
    pub(crate) fn new() -> Self {
        Self {
            buffer: Vec::with_capacity(CAPACITY_BYTES),
            ..Self::default()
        }
    }

    /// Creates an empty chunk in a used buffer.
    pub(crate) fn reuse(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        Self {
            buffer,
            ..Self::default()
        }
    }

    /// Returns whether a buffer has about the initial capacity: neither split off nor grown.
    pub(crate) fn can_reuse(buffer: &Vec<u8>) -> bool {
        (CAPACITY_BYTES..=2 * CAPACITY_BYTES).contains(&buffer.capacity())
    }

    /// Returns the number of records.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns whether the next record needs another chunk.
    pub(crate) fn is_full(&self) -> bool {
        self.buffer.len() >= MAX_FILL_BYTES
    }

    /// Encodes a record behind the others. Returns its size, as error if that exceeds `room`.
    pub(crate) fn push(&mut self, envelope: EnvelopeRef<'_>, room: usize) -> Result<usize, usize> {
        let start = self.buffer.len();
        codec::write(envelope, &mut self.buffer);
        let bytes = self.buffer.len() - start;
        if bytes > room {
            self.buffer.truncate(start);
            self.buffer.shrink_to(CAPACITY_BYTES);
            return Err(bytes);
        }
        self.ends.push_back(self.buffer.len());
        Ok(bytes)
    }

    /// Returns the shared buffer with the range of each record.
    pub(crate) fn into_records(self) -> impl Iterator<Item = (Arc<Vec<u8>>, Range<usize>)> {
        let (buffer, mut start) = (Arc::new(self.buffer), self.start);
        self.ends
            .into_iter()
            .map(move |end| (Arc::clone(&buffer), std::mem::replace(&mut start, end)..end))
    }

    /// Moves the first `count` records to a new chunk.
    pub(crate) fn split(&mut self, count: usize) -> Self {
        let ends: VecDeque<usize> = self.ends.drain(..count.min(self.ends.len())).collect();
        let end = ends.back().copied().unwrap_or(self.start);
        let buffer = self.buffer.get(..end).unwrap_or_default().to_vec();
        let start = std::mem::replace(&mut self.start, end);
        Self {
            buffer,
            ends,
            start,
        }
    }
}
