//! Claims: the exclusive right of one request to replay a delayed payload.
//!
//! Two tabs that send one cookie bring one payload twice. The second tab drops its copy, unless the
//! response that carried the first copy was never sent. A payload that no request brings back (the
//! browser was closed, another redirect overwrote the cookie) has a fallback copy here.
//!
//! The protocol is described in [`crate::delayed`].

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::record::envelope::Envelope;

/// Maximum number of payloads that are remembered; the oldest are forgotten first.
const CAPACITY: usize = 65_536;
/// Time for which another process counts as running after a payload of it was seen.
const SIBLING_TTL: Duration = Duration::from_secs(60 * 60);

/// Called when a claim ends on a payload whose fallback copy is in the outbox, with `true` if the
/// calls were sent.
pub(crate) type OnFinish = Box<dyn Fn(Uuid, bool) + Send + Sync>;

/// State of the recent payloads of one `Mengpaneel`. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Claims(Arc<Inner>);

struct Inner {
    table: Mutex<Table>,
    /// Maximum number of fallback copies in memory.
    max_copies: usize,
    on_finish: Option<OnFinish>,
    /// ID made at the start. An unknown payload with a later ID comes from another process.
    start_id: Uuid,
}

#[derive(Debug, Default)]
struct Table {
    payloads: HashMap<Uuid, Payload>,
    /// IDs of the payloads, oldest first.
    order: VecDeque<Uuid>,
    /// Number of fallback copies in memory.
    copy_count: usize,
    /// Time at which a payload of another process was last seen.
    sibling_seen_at: Option<Instant>,
}

#[derive(Debug)]
struct Payload {
    state: PayloadState,
    /// Fallback copy in memory. `None` without room, or if the copy is in the outbox.
    copy: Option<Box<Envelope>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PayloadState {
    /// In a carrier cookie, or released by the request that claimed it.
    Pending,
    /// Claimed by a request whose response is not sent yet.
    Claimed,
    /// The calls were sent.
    Done,
}

/// Reason why a payload cannot be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClaimError {
    /// Another request holds the payload and may still fail.
    Held,
    /// The calls were already sent.
    Done,
}

/// State of a fallback copy when its time is over.
#[derive(Debug)]
pub(crate) enum Expiry {
    /// No request claimed the payload: the server delivers this copy.
    Deliver(Box<Envelope>),
    /// A request holds the payload and may still fail.
    Claimed,
    /// The calls were sent, or there is no copy in memory.
    Done,
}

impl Claims {
    /// Creates an empty table for up to `max_copies` fallback copies in memory. `on_finish` is
    /// called for payloads whose copy is in the outbox.
    pub(crate) fn new(max_copies: usize, on_finish: Option<OnFinish>) -> Self {
        Self(Arc::new(Inner {
            table: Mutex::default(),
            max_copies,
            on_finish,
            start_id: Uuid::now_v7(),
        }))
    }

    /// Adds a payload whose fallback copy is in the outbox.
    pub(crate) fn track_remote(&self, id: Uuid) {
        self.lock().insert(id, PayloadState::Pending, None);
    }

    /// Adds a fallback copy, whose payload a request may have claimed already. Returns `false` if
    /// the copy is not needed, or there was no room for it.
    pub(crate) fn insert(&self, copy: Envelope) -> bool {
        let mut table = self.lock();
        let (id, has_room) = (copy.id, table.copy_count < self.0.max_copies);
        let copy = has_room.then(|| Box::new(copy));
        match table.payloads.get_mut(&id) {
            Some(payload) if payload.state == PayloadState::Done => return false,
            Some(payload) => payload.copy = copy,
            None => table.insert(id, PayloadState::Pending, copy),
        }
        table.copy_count += usize::from(has_room);
        has_room
    }

    /// Claims a payload that a request brought.
    ///
    /// # Errors
    /// [`ClaimError`] if another request holds the payload or has sent its calls.
    pub(crate) fn claim(&self, id: Uuid) -> Result<Claim, ClaimError> {
        let mut table = self.lock();
        let payload = table.payloads.get_mut(&id);
        match payload.map(|payload| &mut payload.state) {
            Some(PayloadState::Done) => return Err(ClaimError::Done),
            Some(PayloadState::Claimed) => return Err(ClaimError::Held),
            Some(pending) => *pending = PayloadState::Claimed,
            None => {
                if id.get_version_num() == 7 && id > self.0.start_id {
                    table.sibling_seen_at = Some(Instant::now());
                }
                table.insert(id, PayloadState::Claimed, None);
            }
        }
        Ok(Claim {
            claims: self.clone(),
            ids: vec![id],
            remote: Vec::new(),
            is_committed: false,
        })
    }

    /// Takes the fallback copy of a payload that was not claimed in time. A later claim finds the
    /// payload done.
    pub(crate) fn expire(&self, id: Uuid) -> Expiry {
        let mut table = self.lock();
        let Some(payload) = table.payloads.get_mut(&id) else {
            return Expiry::Done;
        };
        if payload.copy.is_some() && payload.state == PayloadState::Claimed {
            return Expiry::Claimed;
        }
        let Some(copy) = payload.copy.take() else {
            return Expiry::Done;
        };
        payload.state = PayloadState::Done;
        table.copy_count -= 1;
        let is_alone = table
            .sibling_seen_at
            .is_none_or(|seen| seen.elapsed() > SIBLING_TTL);
        if is_alone {
            return Expiry::Deliver(copy);
        }
        // Another process may replay the same payload.
        let copy = copy.retain_deduplicable().map(Box::new);
        copy.map_or(Expiry::Done, Expiry::Deliver)
    }

    /// Takes all fallback copies at shutdown, without the calls that would count twice if the next
    /// process replays the payload.
    pub(crate) fn drain(&self) -> Vec<Envelope> {
        let mut table = self.lock();
        table.copy_count = 0;
        let copies: Vec<_> = table
            .payloads
            .values_mut()
            .filter_map(|payload| payload.copy.take())
            .collect();
        drop(table);
        copies
            .into_iter()
            .filter_map(|copy| copy.retain_deduplicable())
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn insert(&mut self, id: Uuid, state: PayloadState, copy: Option<Box<Envelope>>) {
        self.payloads.insert(id, Payload { state, copy });
        self.order.push_back(id);
        if self.order.len() > CAPACITY
            && let Some(oldest) = self.order.pop_front()
            && let Some(forgotten) = self.payloads.remove(&oldest)
        {
            self.copy_count -= usize::from(forgotten.copy.is_some());
        }
    }

    /// Ends a claim: the calls were sent, or the payload is pending again.
    fn finish(&mut self, id: Uuid, is_sent: bool) {
        let Some(payload) = self.payloads.get_mut(&id) else {
            return;
        };
        if is_sent {
            payload.state = PayloadState::Done;
            self.copy_count -= usize::from(payload.copy.take().is_some());
        } else {
            payload.state = PayloadState::Pending;
        }
    }
}

/// Claim on one or more payloads. Dropped before [`commit`](Self::commit), it releases them.
#[derive(Debug)]
#[must_use = "a claim that is dropped releases its payloads"]
pub(crate) struct Claim {
    claims: Claims,
    ids: Vec<Uuid>,
    /// Payloads of `ids` that are claimed in the outbox too.
    remote: Vec<Uuid>,
    is_committed: bool,
}

impl Claim {
    /// Joins two claims into one.
    pub(crate) fn join(first: Option<Self>, mut second: Self) -> Self {
        if let Some(mut first) = first {
            second.ids.append(&mut first.ids);
            second.remote.append(&mut first.remote);
        }
        second
    }

    /// Adds a payload of this claim that is claimed in the outbox too, and must be finished there.
    pub(crate) fn add_remote(&mut self, id: Uuid) {
        self.remote.push(id);
    }

    /// Marks the calls as sent: later copies of the payloads are dropped.
    pub(crate) fn commit(mut self) {
        self.is_committed = true;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut table = self.claims.lock();
        for id in &self.ids {
            table.finish(*id, self.is_committed);
        }
        drop(table);
        if let Some(on_finish) = &self.claims.0.on_finish {
            self.remote
                .iter()
                .for_each(|id| on_finish(*id, self.is_committed));
        }
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claims")
            .field("max_copies", &self.max_copies)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
