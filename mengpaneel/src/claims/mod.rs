//! Claims: what became of each delayed payload, so that its calls are made, and made once.
//!
//! Two tabs that send one cookie bring one payload twice: the second drops its copy, unless the
//! answer that carried the first never got out. A payload that nobody brings back (the visitor
//! went away, another redirect overwrote the cookie) has a copy here, kept aside for the server.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::call::{Call, Calls};
use crate::parcel::Parcel;

/// How many payloads are remembered.
const BOUND: usize = 65_536;
/// How long another process is thought to be there once it was noticed.
const SIBLING: Duration = Duration::from_secs(60 * 60);

/// Hears how a claim ended on a payload whose copy is kept elsewhere: whether its calls are on
/// their way.
pub(crate) type Told = Box<dyn Fn(Uuid, bool) + Send + Sync>;

/// What became of the payloads of late.
#[derive(Clone, Debug)]
pub(crate) struct Claims(Arc<Shared>);

struct Shared {
    known: Mutex<Known>,
    /// How many copies are kept aside.
    max_aside: usize,
    /// Where copies are kept that outlive this process.
    told: Option<Told>,
    /// An ID made after this one by somebody else tells of another process.
    since: Uuid,
}

#[derive(Debug, Default)]
struct Known {
    payloads: HashMap<Uuid, Payload>,
    order: VecDeque<Uuid>,
    aside: usize,
    sibling: Option<Instant>,
}

#[derive(Debug)]
enum Payload {
    /// Waits in a carrier cookie, or was released by the request that claimed it.
    Waiting(Copy),
    /// A request that has it is being answered.
    Claimed(Copy),
    /// Its calls are on their way.
    Done,
}

/// The copy that is kept aside, if there was room.
type Copy = Option<Box<Parcel>>;

/// Reason why a payload cannot be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClaimError {
    /// Another request holds it and may still fail.
    HeldElsewhere,
    /// Its calls are on their way already.
    Done,
}

/// What became of a payload that was kept aside.
#[derive(Debug)]
pub(crate) enum Unclaimed {
    /// Nobody claimed it: here is what the server is to say.
    Copy(Box<Parcel>),
    /// A request has it, and may fail still.
    InUse,
    /// There is nothing to do.
    Gone,
}

impl Default for Claims {
    fn default() -> Self {
        Self::new(10_000)
    }
}

impl Claims {
    /// Claims that keep up to `max_aside` copies.
    pub(crate) fn new(max_aside: usize) -> Self {
        Self::telling(max_aside, None)
    }

    /// Claims that keep up to `max_aside` copies, and tell how those ended that are kept elsewhere.
    pub(crate) fn telling(max_aside: usize, told: Option<Told>) -> Self {
        Self(Arc::new(Shared {
            known: Mutex::default(),
            max_aside,
            told,
            since: Uuid::now_v7(),
        }))
    }

    /// Remembers a payload that is on its way to the browser, and whose copy is kept elsewhere.
    pub(crate) fn kept_elsewhere(&self, id: Uuid) {
        self.lock().put(id, Payload::Waiting(None));
    }

    /// Keeps a copy of a payload that is on its way to the browser. Answers whether there was room.
    pub(crate) fn keep_aside(&self, id: Uuid, parcel: Parcel) -> bool {
        let mut known = self.lock();
        let has_room = known.aside < self.0.max_aside;
        known.aside += usize::from(has_room);
        known.put(id, Payload::Waiting(has_room.then(|| Box::new(parcel))));
        has_room
    }

    /// Claims a payload that a request brought.
    ///
    /// # Errors
    /// Who has it instead.
    pub(crate) fn claim(&self, id: Uuid) -> Result<Claim, ClaimError> {
        let mut known = self.lock();
        match known.payloads.get_mut(&id) {
            Some(Payload::Done) => return Err(ClaimError::Done),
            Some(Payload::Claimed(_)) => return Err(ClaimError::HeldElsewhere),
            Some(waiting) => {
                let copy = waiting.take();
                *waiting = Payload::Claimed(copy);
            }
            None => {
                if id.get_version_num() == 7 && id > self.0.since {
                    known.sibling = Some(Instant::now());
                }
                known.put(id, Payload::Claimed(None));
            }
        }
        Ok(Claim {
            claims: self.clone(),
            ids: vec![id],
            elsewhere: Vec::new(),
            kept: false,
        })
    }

    /// Takes the copy of a payload that was not claimed in time; a later claim finds it done.
    pub(crate) fn unclaimed(&self, id: Uuid) -> Unclaimed {
        let mut known = self.lock();
        let copy = match known.payloads.get_mut(&id) {
            Some(Payload::Claimed(Some(_))) => return Unclaimed::InUse,
            Some(waiting @ Payload::Waiting(Some(_))) => waiting.done(),
            _ => None,
        };
        known.aside -= usize::from(copy.is_some());
        let is_alone = known.sibling.is_none_or(|seen| seen.elapsed() > SIBLING);
        match copy {
            Some(parcel) if is_alone => Unclaimed::Copy(parcel),
            Some(parcel) => told_apart(*parcel)
                .map_or(Unclaimed::Gone, |parcel| Unclaimed::Copy(Box::new(parcel))),
            None => Unclaimed::Gone,
        }
    }

    /// At the end: the copies that may go out though the next process may be brought the payload.
    pub(crate) fn leave(&self) -> Vec<Parcel> {
        let mut known = self.lock();
        known.aside = 0;
        let copies: Vec<_> = known
            .payloads
            .values_mut()
            .filter_map(Payload::take)
            .collect();
        drop(known);
        copies
            .into_iter()
            .filter_map(|parcel| told_apart(*parcel))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn put(&mut self, id: Uuid, payload: Payload) {
        self.payloads.insert(id, payload);
        self.order.push_back(id);
        if self.order.len() > BOUND
            && let Some(oldest) = self.order.pop_front()
            && let Some(mut forgotten) = self.payloads.remove(&oldest)
        {
            self.aside -= usize::from(forgotten.take().is_some());
        }
    }

    fn settle(&mut self, id: Uuid, kept: bool) {
        let Some(payload) = self.payloads.get_mut(&id) else {
            return;
        };
        if kept {
            let copy = payload.done();
            self.aside -= usize::from(copy.is_some());
        } else {
            let copy = payload.take();
            *payload = Payload::Waiting(copy);
        }
    }
}

impl Payload {
    fn take(&mut self) -> Copy {
        match self {
            Self::Waiting(copy) | Self::Claimed(copy) => copy.take(),
            Self::Done => None,
        }
    }

    fn done(&mut self) -> Copy {
        let copy = self.take();
        *self = Self::Done;
        copy
    }
}

/// What may be said twice, here and by who is brought the payload: events that tell whose they are,
/// since Mixpanel counts such copies once. The rest of the calls only say under what.
pub(crate) fn told_apart(parcel: Parcel) -> Option<Parcel> {
    let Parcel { calls, context, .. } = parcel;
    let is_told = |call: &Call| call.method().is_track() && call.property("$user_id").is_some();
    let (tracking, rest): (Vec<_>, Vec<_>) = calls.tracking.into_iter().partition(is_told);
    let others = rest.into_iter().filter(|call| !call.method().is_track());
    let context = [context, calls.before_setup, calls.setup, others.collect()].concat();
    let has_any = !tracking.is_empty();
    let calls = Calls {
        tracking,
        ..Calls::default()
    };
    has_any.then_some(Parcel {
        context,
        calls,
        ..parcel
    })
}

/// A claim, given back when it is dropped before it was kept.
#[derive(Debug)]
#[must_use = "a claim that is dropped is given back"]
pub(crate) struct Claim {
    claims: Claims,
    ids: Vec<Uuid>,
    /// Those of them whose copies are kept elsewhere, and claimed there too.
    elsewhere: Vec<Uuid>,
    kept: bool,
}

impl Claim {
    /// One claim on what two were on.
    pub(crate) fn join(first: Option<Self>, mut second: Self) -> Self {
        if let Some(mut first) = first {
            second.ids.append(&mut first.ids);
            second.elsewhere.append(&mut first.elsewhere);
        }
        second
    }

    /// This one was claimed where its copy is kept, and is settled there too.
    pub(crate) fn also_elsewhere(&mut self, id: Uuid) {
        self.elsewhere.push(id);
    }

    /// Lets go of one payload: another process has it, and may fail still, or is done with it.
    pub(crate) fn lose(&mut self, id: Uuid, error: ClaimError) {
        self.ids.retain(|own| *own != id);
        self.claims.lock().settle(id, error == ClaimError::Done);
    }

    /// The calls are on their way: copies of them are dropped from here on.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut known = self.claims.lock();
        for id in &self.ids {
            known.settle(*id, self.kept);
        }
        drop(known);
        if let Some(told) = &self.claims.0.told {
            self.elsewhere.iter().for_each(|id| told(*id, self.kept));
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claims")
            .field("max_aside", &self.max_aside)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
