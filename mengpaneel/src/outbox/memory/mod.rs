//! The outbox in memory: the default. What waits in it is gone if the process is killed.

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

/// What a record takes beside its own bytes, about.
const RECORD_OVERHEAD: usize = 128;

/// As many chunks' memory is kept for those to come: 2 MiB.
const MAX_SPARE_CHUNKS: usize = 32;

/// An outbox in memory, bounded by records and by bytes.
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
    /// Bytes of what the worker has in its hands. Not among the rest: requests do not wait for it.
    leases: Mutex<LeaseTable>,
    due: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// What comes before all that is in chunks: it was tried already.
    first: VecDeque<ScheduledRecord>,
    ready: VecDeque<Chunk>,
    /// What chunks stood in that are gone, for those to come.
    spare: Vec<Vec<u8>>,
    later: BTreeMap<(Instant, u64), ScheduledRecord>,
    /// Of all, leased ones included.
    records: usize,
    bytes: usize,
    next: u64,
}

#[derive(Debug)]
struct ScheduledRecord {
    lease: Lease,
    bytes: usize,
}

impl Default for Memory {
    /// Room for 100,000 records or 64 MiB, whichever is reached first.
    fn default() -> Self {
        Self {
            max_records: 100_000,
            max_bytes: 64 << 20,
            state: Mutex::default(),
            leases: Mutex::default(),
            due: Notify::new(),
        }
    }
}

impl Memory {
    /// How many records may wait: one is what one request recorded.
    #[must_use]
    pub fn max_records(self, max_records: usize) -> Self {
        Self {
            max_records,
            ..self
        }
    }

    /// How many bytes may wait, counted on the calls and what is known of the visitor.
    #[must_use]
    pub fn max_bytes(self, max_bytes: usize) -> Self {
        Self { max_bytes, ..self }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn in_hand(&self) -> MutexGuard<'_, LeaseTable> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a parcel behind the others, or says why not.
    fn store(&self, parcel: EnvelopeRef<'_>) -> Result<(), String> {
        let mut state = self.lock();
        // Behind others it is taken by whoever was woken for them.
        let is_first = !state.is_ready();
        let full = if state.records >= self.max_records {
            Some(format!(
                "{} records wait in memory, its bound (`max_records`)",
                self.max_records
            ))
        } else {
            let room = self.max_bytes.saturating_sub(state.bytes + RECORD_OVERHEAD);
            let too_many = state.push(parcel, room).err();
            too_many.map(|bytes| {
                format!(
                    "{} bytes wait in memory, and {} more would pass its bound (`max_bytes`)",
                    state.bytes,
                    bytes + RECORD_OVERHEAD
                )
            })
        };
        drop(state);
        if let Some(reason) = full {
            return Err(reason);
        }
        if is_first {
            self.due.notify_one();
        }
        Ok(())
    }

    /// What is due now, and when the next is.
    fn take(&self, limit: usize) -> (Vec<LeasedRecord>, Option<Instant>) {
        let mut state = self.lock();
        state.promote_due();
        let count = limit.min(state.first.len());
        let first: Vec<ScheduledRecord> = state.first.drain(..count).collect();
        let chunks = state.take(limit - count);
        let taken: usize = chunks.iter().map(Chunk::len).sum();
        let begin = state.next + 1;
        state.next += taken as u64;
        let next = state.later.first_key_value().map(|((due, _), _)| *due);
        let is_more_ready = state.is_ready();
        drop(state);
        if is_more_ready {
            self.due.notify_one();
        }
        let mut records = Vec::with_capacity(count + taken);
        let mut in_hand = self.in_hand();
        for ScheduledRecord { lease, bytes } in first {
            if let Some(number) = number(&lease.id) {
                in_hand.add_again(number, bytes);
            }
            records.push(LeasedRecord::from(lease));
        }
        let mut bytes = Vec::with_capacity(taken);
        let chunks = chunks.into_iter().map(Chunk::into_records);
        for (number, (all, own)) in (begin..).zip(chunks.flatten()) {
            bytes.push(Some(own.len() + RECORD_OVERHEAD));
            records.push(LeasedRecord::Encoded(EncodedRecord::new(
                LeaseKey::Number(number),
                &all,
                own,
            )));
        }
        in_hand.add(begin, bytes);
        (records, next)
    }

    /// These are not in hand any more. Gives the bytes of each that was.
    fn take_out(&self, numbers: impl Iterator<Item = Option<u64>>) -> Vec<Option<usize>> {
        let mut in_hand = self.in_hand();
        numbers.map(|number| in_hand.take_out(number?)).collect()
    }

    fn forget(&self, numbers: impl Iterator<Item = Option<u64>>) {
        let taken = self.take_out(numbers);
        let mut state = self.lock();
        for bytes in taken.into_iter().flatten() {
            state.records -= 1;
            state.bytes -= bytes;
        }
    }
}

/// The number that a lease's name is.
fn number(id: &LeaseId) -> Option<u64> {
    id.0.parse().ok()
}

impl State {
    /// Writes a record behind the others, if it takes no more than `room`; else says what it takes.
    fn push(&mut self, parcel: EnvelopeRef<'_>, room: usize) -> Result<(), usize> {
        if self.ready.back().is_none_or(Chunk::is_full) {
            let memory = self.spare.pop();
            self.ready
                .push_back(memory.map_or_else(Chunk::with_capacity, Chunk::reuse));
        }
        let Some(chunk) = self.ready.back_mut() else {
            return Err(0);
        };
        self.bytes += chunk.push(parcel, room)? + RECORD_OVERHEAD;
        self.records += 1;
        Ok(())
    }

    /// Whether there are records that nobody had in hand yet. A chunk whose first record was too
    /// large is empty.
    fn is_ready(&self) -> bool {
        self.ready.front().is_some_and(|chunk| chunk.len() > 0)
    }

    /// What was put off and is due is older than what came since.
    fn promote_due(&mut self) {
        let not_due = self.later.split_off(&(Instant::now(), u64::MAX));
        let due = std::mem::replace(&mut self.later, not_due);
        for waiting in due.into_values().rev() {
            self.first.push_front(waiting);
        }
    }

    /// Chunks of up to so many records.
    fn take(&mut self, mut limit: usize) -> Vec<Chunk> {
        let mut taken = Vec::new();
        while let Some(chunk) = self.ready.front_mut().filter(|_| limit > 0) {
            if chunk.len() <= limit {
                limit -= chunk.len();
                taken.extend(self.ready.pop_front());
            } else {
                taken.push(chunk.split(limit));
                limit = 0;
            }
        }
        taken
    }
}

impl Outbox for Memory {
    fn is_durable(&self) -> bool {
        false
    }

    fn description(&self) -> String {
        "the outbox in memory".to_owned()
    }

    fn append(&self, parcel: Envelope) -> BoxFuture<'_, Result<(), AppendError>> {
        let kept = self
            .store(EnvelopeRef::from(&parcel))
            .map_err(|reason| AppendError {
                envelope: Box::new(parcel),
                reason,
            });
        ready(kept).boxed()
    }

    fn try_append(&self, parcel: EnvelopeRef<'_>) -> TryAppend {
        match self.store(parcel) {
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
                let arrival = self.due.notified();
                let (taken, next) = self.take(limit);
                if !taken.is_empty() {
                    return Ok(taken);
                }
                match next {
                    Some(due) => drop(tokio::time::timeout_at(due, arrival).await),
                    None => arrival.await,
                }
            }
        }
        .boxed()
    }

    fn mark_sending<'a>(&'a self, _: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        // A crash takes the records with it: none can be sent again.
        ready(Ok(())).boxed()
    }

    fn acknowledge(&self, ids: Vec<LeaseId>) -> BoxFuture<'_, Result<(), OutboxError>> {
        self.forget(ids.iter().map(number));
        ready(Ok(())).boxed()
    }

    fn acknowledge_records<'a>(
        &'a self,
        taken: &'a [LeasedRecord],
    ) -> BoxFuture<'a, Result<(), OutboxError>> {
        self.forget(taken.iter().map(LeasedRecord::number));
        ready(Ok(())).boxed()
    }

    fn recycle(&self, taken: Vec<LeasedRecord>) {
        let memory: Vec<_> = taken
            .into_iter()
            .filter_map(LeasedRecord::into_buffer)
            .filter(Chunk::fits)
            .collect();
        let mut state = self.lock();
        let room = MAX_SPARE_CHUNKS.saturating_sub(state.spare.len());
        state.spare.extend(memory.into_iter().take(room));
    }

    fn retry_later(
        &self,
        leases: Vec<Lease>,
        delay: Duration,
    ) -> BoxFuture<'_, Result<(), OutboxError>> {
        let due = Instant::now() + delay;
        let taken = self.take_out(leases.iter().map(|lease| number(&lease.id)));
        let mut state = self.lock();
        for (lease, bytes) in leases.into_iter().zip(taken) {
            if let Some(bytes) = bytes {
                state.next += 1;
                let place = (due, state.next);
                state.later.insert(place, ScheduledRecord { lease, bytes });
            }
        }
        drop(state);
        self.due.notify_one();
        ready(Ok(())).boxed()
    }

    fn dead_letter(&self, leases: Vec<Lease>) -> BoxFuture<'_, Result<(), OutboxError>> {
        self.acknowledge(leases.into_iter().map(|lease| lease.id).collect())
    }

    fn pending(&self) -> BoxFuture<'_, Result<usize, OutboxError>> {
        ready(Ok(self.lock().records)).boxed()
    }
}
