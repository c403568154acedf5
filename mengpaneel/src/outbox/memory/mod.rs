//! Outbox in memory, the default. A killed process loses its pending records.

mod chunk;
pub(crate) mod leases;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, TryFutureExt as _, ready};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::outbox::leased::{EncodedRecord, LeaseKey, LeasedRecord};
use crate::outbox::memory::chunk::Chunk;
use crate::outbox::memory::leases::LeaseTable;
use crate::outbox::{AppendError, Lease, LeaseId, Outbox, OutboxError, TryAppend};
use crate::record::envelope::{Envelope, EnvelopeRef};

/// Approximate memory of a record beyond its own bytes.
const RECORD_OVERHEAD: usize = 128;

/// Maximum number of chunk buffers for reuse: 2 MiB.
const MAX_SPARE_BUFFERS: usize = 32;

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
    retries: VecDeque<ScheduledRecord>,
    /// Records that were never leased, oldest first.
    ready_chunks: VecDeque<Chunk>,
    /// Buffers of former chunks, for reuse.
    spare_buffers: Vec<Vec<u8>>,
    /// Retries that are not due yet, by the time when they are.
    scheduled: BTreeMap<(Instant, u64), ScheduledRecord>,
    /// Number of records, leased ones included.
    record_count: usize,
    /// Size of the records, leased ones included.
    byte_count: usize,
    /// Number of the last lease or scheduled retry.
    last_number: u64,
}

#[derive(Debug)]
struct ScheduledRecord {
    lease: Lease,
    bytes: usize,
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

    /// Encodes an envelope behind the others, or returns the reason for its refusal.
    fn store(&self, envelope: EnvelopeRef<'_>) -> Result<(), String> {
        let mut state = self.lock();
        // Behind other records, the consumer that was notified for them leases this one too.
        let is_first = !state.is_ready();
        let refusal = if state.record_count >= self.max_records {
            Some(format!(
                "{} records are pending in memory, the limit (`max_records`)",
                self.max_records
            ))
        } else {
            let room = self
                .max_bytes
                .saturating_sub(state.byte_count + RECORD_OVERHEAD);
            let too_large = state.push(envelope, room).err();
            too_large.map(|bytes| {
                format!(
                    "{} bytes are pending in memory; {} more would exceed `max_bytes`",
                    state.byte_count,
                    bytes + RECORD_OVERHEAD
                )
            })
        };
        drop(state);
        if let Some(reason) = refusal {
            return Err(reason);
        }
        if is_first {
            self.records_due.notify_one();
        }
        Ok(())
    }

    /// Leases up to `limit` records that are due. Also returns when the next retry is due; `None`
    /// without one.
    fn lease_due(&self, limit: usize) -> (Vec<LeasedRecord>, Option<Instant>) {
        let mut state = self.lock();
        state.promote_due();
        let retry_count = limit.min(state.retries.len());
        let retries: Vec<ScheduledRecord> = state.retries.drain(..retry_count).collect();
        let chunks = state.pop_chunks(limit - retry_count);
        let new_count: usize = chunks.iter().map(Chunk::len).sum();
        let first_number = state.last_number + 1;
        state.last_number += new_count as u64;
        let next_due = state.scheduled.first_key_value().map(|((due, _), _)| *due);
        let is_more_ready = state.is_ready();
        drop(state);
        if is_more_ready {
            self.records_due.notify_one();
        }
        let mut records = Vec::with_capacity(retry_count + new_count);
        let mut leases = self.lock_leases();
        for ScheduledRecord { lease, bytes } in retries {
            if let Some(number) = lease_number(&lease.id) {
                leases.insert_retry(number, bytes);
            }
            records.push(LeasedRecord::from(lease));
        }
        let mut sizes = Vec::with_capacity(new_count);
        let chunks = chunks.into_iter().map(Chunk::into_records);
        for (number, (buffer, range)) in (first_number..).zip(chunks.flatten()) {
            sizes.push(Some(range.len() + RECORD_OVERHEAD));
            records.push(LeasedRecord::Encoded(EncodedRecord::new(
                LeaseKey::Number(number),
                &buffer,
                range,
            )));
        }
        leases.insert_range(first_number, sizes);
        (records, next_due)
    }

    /// Ends leases. Returns the size of each record; `None` for one that was not leased.
    fn end_leases(&self, numbers: impl Iterator<Item = Option<u64>>) -> Vec<Option<usize>> {
        let mut leases = self.lock_leases();
        numbers.map(|number| leases.remove(number?)).collect()
    }

    fn remove(&self, numbers: impl Iterator<Item = Option<u64>>) {
        let sizes = self.end_leases(numbers);
        let mut state = self.lock();
        for bytes in sizes.into_iter().flatten() {
            state.record_count -= 1;
            state.byte_count -= bytes;
        }
    }
}

/// Parses the number in a lease ID; `None` for an ID of another outbox.
fn lease_number(id: &LeaseId) -> Option<u64> {
    id.0.parse().ok()
}

impl State {
    /// Encodes a record behind the others. Returns its size as error if that exceeds `room`.
    fn push(&mut self, envelope: EnvelopeRef<'_>, room: usize) -> Result<(), usize> {
        if self.ready_chunks.back().is_none_or(Chunk::is_full) {
            let buffer = self.spare_buffers.pop();
            self.ready_chunks
                .push_back(buffer.map_or_else(Chunk::new, Chunk::reuse));
        }
        let Some(chunk) = self.ready_chunks.back_mut() else {
            return Err(0);
        };
        self.byte_count += chunk.push(envelope, room)? + RECORD_OVERHEAD;
        self.record_count += 1;
        Ok(())
    }

    /// Returns whether a new record is ready. A chunk whose first record was too large is empty.
    fn is_ready(&self) -> bool {
        self.ready_chunks
            .front()
            .is_some_and(|chunk| chunk.len() > 0)
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
        while let Some(chunk) = self.ready_chunks.front_mut().filter(|_| limit > 0) {
            if chunk.len() <= limit {
                limit -= chunk.len();
                chunks.extend(self.ready_chunks.pop_front());
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

    fn append(&self, envelope: Envelope) -> BoxFuture<'_, Result<(), AppendError>> {
        let stored = self
            .store(EnvelopeRef::from(&envelope))
            .map_err(|reason| AppendError {
                envelope: Box::new(envelope),
                reason,
            });
        ready(stored).boxed()
    }

    fn try_append(&self, envelope: EnvelopeRef<'_>) -> TryAppend {
        match self.store(envelope) {
            Ok(()) => TryAppend::Stored,
            Err(reason) => TryAppend::Declined(reason),
        }
    }

    fn lease(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>> {
        self.lease_records(limit)
            .map_ok(LeasedRecord::into_leases)
            .boxed()
    }

    fn lease_records(&self, limit: usize) -> BoxFuture<'_, Result<Vec<LeasedRecord>, OutboxError>> {
        async move {
            loop {
                let arrival = self.records_due.notified();
                let (records, next_due) = self.lease_due(limit);
                if !records.is_empty() {
                    return Ok(records);
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

    fn acknowledge(&self, ids: Vec<LeaseId>) -> BoxFuture<'_, Result<(), OutboxError>> {
        self.remove(ids.iter().map(lease_number));
        ready(Ok(())).boxed()
    }

    fn acknowledge_records<'a>(
        &'a self,
        records: &'a [LeasedRecord],
    ) -> BoxFuture<'a, Result<(), OutboxError>> {
        self.remove(records.iter().map(LeasedRecord::number));
        ready(Ok(())).boxed()
    }

    fn recycle(&self, records: Vec<LeasedRecord>) {
        let buffers: Vec<_> = records
            .into_iter()
            .filter_map(LeasedRecord::into_buffer)
            .filter(Chunk::can_reuse)
            .collect();
        let mut state = self.lock();
        let room = MAX_SPARE_BUFFERS.saturating_sub(state.spare_buffers.len());
        state.spare_buffers.extend(buffers.into_iter().take(room));
    }

    fn retry_later(
        &self,
        leases: Vec<Lease>,
        delay: Duration,
    ) -> BoxFuture<'_, Result<(), OutboxError>> {
        let due = Instant::now() + delay;
        let sizes = self.end_leases(leases.iter().map(|lease| lease_number(&lease.id)));
        let mut state = self.lock();
        for (lease, bytes) in leases.into_iter().zip(sizes) {
            if let Some(bytes) = bytes {
                state.last_number += 1;
                let key = (due, state.last_number);
                state
                    .scheduled
                    .insert(key, ScheduledRecord { lease, bytes });
            }
        }
        drop(state);
        self.records_due.notify_one();
        ready(Ok(())).boxed()
    }

    fn dead_letter(&self, leases: Vec<Lease>) -> BoxFuture<'_, Result<(), OutboxError>> {
        self.acknowledge(leases.into_iter().map(|lease| lease.id).collect())
    }

    fn pending(&self) -> BoxFuture<'_, Result<usize, OutboxError>> {
        ready(Ok(self.lock().record_count)).boxed()
    }
}
