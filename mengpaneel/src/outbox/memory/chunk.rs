//! Chunk: a buffer that holds many records.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::outbox::{Record, RecordRef};

/// Capacity of a chunk in bytes. A chunk is full if the next record would make it grow, which would
/// copy the records.
const CAPACITY: usize = 64 << 10;

/// Records, one after the other.
#[derive(Debug)]
pub(crate) struct Chunk {
    buffer: BytesMut,
    /// Length of each record in the buffer.
    lens: VecDeque<usize>,
}

impl Chunk {
    /// Creates an empty chunk with room for at least `len` bytes.
    pub(crate) fn with_room(len: usize) -> Self {
        Self {
            buffer: BytesMut::with_capacity(CAPACITY.max(len)),
            lens: VecDeque::new(),
        }
    }

    /// Returns the number of records.
    pub(crate) fn len(&self) -> usize {
        self.lens.len()
    }

    /// Returns whether the chunk has room for `len` more bytes.
    pub(crate) fn has_room(&self, len: usize) -> bool {
        self.buffer.capacity() - self.buffer.len() >= len
    }

    /// Copies a record behind the others.
    pub(crate) fn push(&mut self, record: RecordRef<'_>) {
        self.buffer.extend_from_slice(record.as_bytes());
        self.lens.push_back(record.as_bytes().len());
    }

    /// Moves the first `count` records to a chunk of their own, which shares the buffer.
    pub(crate) fn split(&mut self, count: usize) -> Self {
        let lens: VecDeque<usize> = self.lens.drain(..count.min(self.lens.len())).collect();
        Self {
            buffer: self.buffer.split_to(lens.iter().sum()),
            lens,
        }
    }

    /// Returns the records, which share the buffer.
    pub(crate) fn into_records(self) -> impl Iterator<Item = Record> {
        let mut rest: Bytes = self.buffer.freeze();
        self.lens
            .into_iter()
            .map(move |len| Record::from_bytes(rest.split_to(len)))
    }
}
