//! Outbox in memory, the default. A killed process loses its pending records.

mod chunk;
pub(crate) mod leases;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, ready};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::outbox::memory::chunk::Chunk;
use crate::outbox::memory::leases::LeaseTable;
use crate::outbox::{
    AppendError, Consumer, Lease, LeaseId, Outbox, OutboxError, Record, RecordRef, TryAppendError,
};

/// Approximate memory of a record beyond its own bytes.
const RECORD_OVERHEAD: usize = 128;

/// Outbox in memory, bounded by records and by bytes.
///
/// ```
/// use mengpaneel::outbox::Memory;
///
/// let outbox = Memory::default().max_records(10_000).max_bytes(16 << 20);
/// # let _ = outbox;
/// ```
#[derive(Debug)]
pub struct Memory {
    max_records: usize,
    max_bytes: usize,
    state: Mutex<State>,
    /// Sizes of the leased records. A lock of its own, so that requests do not wait for it.
    leases: Mutex<LeaseTable>,
    /// Notified when a record is due.
    records_due: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Retries that are due. They are leased before any record in a chunk.
    retries: VecDeque<Record>,
    /// Records that were never leased, oldest first. No chunk is empty.
    chunks: VecDeque<Chunk>,
    /// Retries that are not due yet, by the time when they are.
    scheduled: BTreeMap<(Instant, u64), Record>,
    /// Number of records, leased ones included.
    record_count: usize,
    /// Size of the records, leased ones included.
    byte_count: usize,
    /// Number of the last leased record or scheduled retry.
    last_number: u64,
}

impl Default for Memory {
    /// Creates an outbox for 100,000 records or 64 MiB, whichever is reached first.
    fn default() -> Self {
        Self {
            max_records: 100_000,
            max_bytes: 64 << 20,
            state: Mutex::default(),
            leases: Mutex::default(),
            records_due: Notify::new(),
        }
    }
}

impl Memory {
    /// Sets the maximum number of pending records. One record holds the calls of one request.
    #[must_use]
    pub fn max_records(self, max_records: usize) -> Self {
        Self {
            max_records,
            ..self
        }
    }

    /// Sets the maximum size of the pending records in bytes: their calls and their visitor.
    #[must_use]
    pub fn max_bytes(self, max_bytes: usize) -> Self {
        Self { max_bytes, ..self }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_leases(&self) -> MutexGuard<'_, LeaseTable> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leases up to `limit` records that are due. Also returns when the next retry is due; `None`
    /// without one.
    fn lease_due(&self, limit: usize) -> (Vec<Lease>, Option<Instant>) {
        let mut state = self.lock();
        state.promote_due();
        let retry_count = limit.min(state.retries.len());
        let retries: Vec<Record> = state.retries.drain(..retry_count).collect();
        let chunks = state.pop_chunks(limit - retry_count);
        let count = retry_count + chunks.iter().map(Chunk::len).sum::<usize>();
        let first_number = state.last_number + 1;
        state.last_number += count as u64;
        let next_due = state.scheduled.first_key_value().map(|((due, _), _)| *due);
        let is_more_ready = state.is_ready();
        drop(state);
        if is_more_ready {
            self.records_due.notify_one();
        }
        let records = retries
            .into_iter()
            .chain(chunks.into_iter().flat_map(Chunk::into_records));
        let (mut leases, mut sizes) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for (number, record) in (first_number..).zip(records) {
            sizes.push(Some(size(&record)));
            leases.push(Lease::new(u128::from(number), record));
        }
        self.lock_leases().insert(first_number, sizes);
        (leases, next_due)
    }

    /// Ends leases. Returns the former size of each record; `None` for one that was not leased.
    fn end_leases(&self, leases: &[Lease]) -> Vec<Option<usize>> {
        let mut table = self.lock_leases();
        leases
            .iter()
            .map(|lease| match lease.id {
                LeaseId::Number(number) => table.remove(u64::try_from(number).ok()?),
                LeaseId::Text(_) | LeaseId::Nested(..) => None,
            })
            .collect()
    }
}

/// Returns the approximate memory of a record.
fn size(record: &Record) -> usize {
    record.as_bytes().len() + RECORD_OVERHEAD
}

impl State {
    /// Copies a record behind the others.
    fn push(&mut self, record: RecordRef<'_>) {
        let len = record.as_bytes().len();
        self.record_count += 1;
        self.byte_count += len + RECORD_OVERHEAD;
        if let Some(chunk) = self.chunks.back_mut().filter(|chunk| chunk.has_room(len)) {
            chunk.push(record);
        } else {
            let mut chunk = Chunk::with_room(len);
            chunk.push(record);
            self.chunks.push_back(chunk);
        }
    }

    /// Returns whether a record is ready to be leased.
    fn is_ready(&self) -> bool {
        !self.chunks.is_empty() || !self.retries.is_empty()
    }

    /// Moves due retries before the records that were appended since: the retries are older.
    fn promote_due(&mut self) {
        let not_due = self.scheduled.split_off(&(Instant::now(), u64::MAX));
        let due = std::mem::replace(&mut self.scheduled, not_due);
        for record in due.into_values().rev() {
            self.retries.push_front(record);
        }
    }

    /// Removes chunks with up to `limit` records in all.
    fn pop_chunks(&mut self, mut limit: usize) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        while let Some(chunk) = self.chunks.front_mut().filter(|_| limit > 0) {
            if chunk.len() <= limit {
                limit -= chunk.len();
                chunks.extend(self.chunks.pop_front());
            } else {
                chunks.push(chunk.split(limit));
                limit = 0;
            }
        }
        chunks
    }
}

impl Outbox for Memory {
    fn is_durable(&self) -> bool {
        false
    }

    fn description(&self) -> String {
        "the outbox in memory".to_owned()
    }

    fn append(&self, record: Record) -> BoxFuture<'_, Result<(), AppendError>> {
        let stored = self.try_append(RecordRef::from(&record));
        ready(stored.map_err(|error| AppendError::new(record, error.to_string()))).boxed()
    }

    fn try_append(&self, record: RecordRef<'_>) -> Result<(), TryAppendError> {
        let bytes = record.as_bytes().len() + RECORD_OVERHEAD;
        let mut state = self.lock();
        if state.record_count >= self.max_records {
            return Err(TryAppendError::Declined(format!(
                "{} records are pending in memory, the limit (`max_records`)",
                self.max_records
            )));
        }
        if state.byte_count + bytes > self.max_bytes {
            return Err(TryAppendError::Declined(format!(
                "{} bytes are pending in memory; {bytes} more would exceed `max_bytes`",
                state.byte_count
            )));
        }
        // Behind other records, the consumer that was notified for them leases this one too.
        let is_first = !state.is_ready();
        state.push(record);
        drop(state);
        if is_first {
            self.records_due.notify_one();
        }
        Ok(())
    }

    fn pending(&self) -> BoxFuture<'_, Result<usize, OutboxError>> {
        ready(Ok(self.lock().record_count)).boxed()
    }

    fn consumer(&self) -> Option<&dyn Consumer> {
        Some(self)
    }
}

impl Consumer for Memory {
    fn lease(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>> {
        async move {
            loop {
                let arrival = self.records_due.notified();
                let (leases, next_due) = self.lease_due(limit);
                if !leases.is_empty() {
                    return Ok(leases);
                }
                match next_due {
                    Some(due) => drop(tokio::time::timeout_at(due, arrival).await),
                    None => arrival.await,
                }
            }
        }
        .boxed()
    }

    fn mark_sending<'a>(&'a self, _: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        // A crash loses the records: none can be sent again.
        ready(Ok(())).boxed()
    }

    fn acknowledge<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        let sizes = self.end_leases(leases);
        let mut state = self.lock();
        for bytes in sizes.into_iter().flatten() {
            state.record_count -= 1;
            state.byte_count -= bytes;
        }
        ready(Ok(())).boxed()
    }

    fn retry_later<'a>(
        &'a self,
        leases: &'a [Lease],
        delay: Duration,
    ) -> BoxFuture<'a, Result<(), OutboxError>> {
        let due = Instant::now() + delay;
        let sizes = self.end_leases(leases);
        let mut state = self.lock();
        for (lease, bytes) in leases.iter().zip(sizes) {
            if let Some(bytes) = bytes {
                state.byte_count = state.byte_count - bytes + size(&lease.record);
                state.last_number += 1;
                let key = (due, state.last_number);
                state.scheduled.insert(key, lease.record.clone());
            }
        }
        drop(state);
        self.records_due.notify_one();
        ready(Ok(())).boxed()
    }

    fn dead_letter<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        self.acknowledge(leases)
    }
}
