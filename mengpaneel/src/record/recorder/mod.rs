//! Recorder of the calls of one request, job or script, and the rules of the modes.
//!
//! The recorder does not depend on HTTP. [`Recorder::finalize`] runs once the outcome of the
//! request is known: it selects the calls that count, orders them, and adds the identity of each
//! event.

mod condition;
mod consent;
pub(crate) mod event_meta;
pub(crate) mod final_calls;
mod ids;
mod late;
mod observer;
mod services;
mod state;

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::call::{Call, Calls, Method, Mode};
use crate::error::{Failure, Reason};
use crate::metrics;
use crate::record::consent::ConsentChange;
use crate::record::envelope::Envelope;
use crate::record::strategy::Strategy;
use crate::record::visitor::Visitor;

pub(crate) use crate::record::recorder::condition::{Condition, RequestOutcome};
pub(crate) use crate::record::recorder::final_calls::FinalCalls;
pub(crate) use crate::record::recorder::ids::CallSite;
pub(crate) use crate::record::recorder::observer::ObservedCalls;
use crate::record::recorder::observer::Observer;
pub(crate) use crate::record::recorder::services::{LateSink, RecorderServices};
use crate::record::recorder::state::{Identity, RecordedCall, SetupBlock, State};

/// Set of recorded calls that [`Recorder::finalize`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Include {
    /// Replayed calls and those of this request.
    All,
    /// Calls of this request only. Replayed calls stay with their carrier.
    RecordedOnly,
}

/// Recorded call with its mode, route and condition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// The call itself.
    pub call: Call,
    /// Mode of the call.
    pub mode: Mode,
    /// True for a `via(server)` call.
    pub via_server: bool,
    /// Condition under which the call counts.
    pub condition: Condition,
    /// Sequence number from [`Recorder::reserve_seq`]. `None` for the next number at recording.
    pub seq: Option<u64>,
}

/// Point in the sequence of recorded calls; see [`Recorder::rollback`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checkpoint {
    recorded: usize,
    setups: usize,
}

/// Visitor, built on first use.
type LazyVisitor = LazyLock<Visitor, Box<dyn FnOnce() -> Visitor + Send>>;

/// Recorder of the calls of one request, job or script.
pub(crate) struct Recorder {
    state: Mutex<State>,
    visitor: LazyVisitor,
    services: Arc<RecorderServices>,
    /// Test that observes the recorder.
    observer: Option<Observer>,
}

impl Recorder {
    /// Creates an empty recorder for calls of `visitor`, which is built on first use.
    pub(crate) fn new(
        visitor: impl FnOnce() -> Visitor + Send + 'static,
        services: Arc<RecorderServices>,
    ) -> Self {
        Self {
            state: Mutex::default(),
            visitor: LazyLock::new(Box::new(visitor)),
            services,
            observer: None,
        }
    }

    /// Returns the visitor.
    pub(crate) fn visitor(&self) -> &Visitor {
        &self.visitor
    }

    /// Reports a failure.
    pub(crate) fn report(&self, failure: &Failure) {
        self.services.reporter.report(failure);
    }

    /// Returns a new ID, greater than every ID before it.
    pub(crate) fn next_id(&self) -> Uuid {
        self.services.id_generator.generate().0
    }

    /// Creates an envelope of calls under this recorder's visitor.
    pub(crate) fn envelope(&self, calls: Calls) -> Envelope {
        let id = self.next_id();
        Envelope {
            id,
            visitor: self.visitor.clone(),
            context: Vec::new(),
            calls,
            via_server: false,
        }
    }

    /// Reports an invalid ID, once per call site and `Mengpaneel`. `call` is the call that was
    /// dropped for it; `None` if only the ID was removed.
    pub(crate) fn reject(&self, reason: Reason, call: Option<Call>) {
        if call
            .as_ref()
            .is_some_and(|call| call.method() == &Method::Identify)
        {
            self.lock().is_user_unknown = true;
        }
        if self.services.reported_problems.is_new(&reason) {
            self.report(&Failure::for_calls(reason, call.into_iter().collect()));
        }
    }

    /// Removes the invalid IDs of a call and reports them. Returns whether the call is still to be
    /// recorded.
    fn check(&self, call: &mut Call, site: Option<CallSite>) -> bool {
        if ids::are_valid(call) {
            return true;
        }
        let original = call.clone();
        let mut reasons = Vec::new();
        let is_valid = ids::check(call, site, |reason| reasons.push(reason));
        for reason in reasons {
            self.reject(reason, (!is_valid).then(|| original.clone()));
        }
        is_valid
    }

    /// Begins a setup. If `condition` holds in the end, it replaces earlier and replayed setup.
    pub(crate) fn begin_setup(&self, condition: Condition) {
        let mut state = self.lock();
        state.is_user_unknown = false;
        if state.flushed.is_some() {
            return;
        }
        if condition == Condition::Always {
            state.is_setup_decided = true;
            state.setups.clear();
        }
        state.setups.push(SetupBlock {
            condition,
            identity: None,
            entries: Vec::new(),
        });
    }

    /// Marks the setup as decided by this request, even if it identifies no user. Replayed setup
    /// does not run then.
    pub(crate) fn mark_setup_decided(&self) {
        self.lock().is_setup_decided = true;
    }

    /// Returns whether any call depends on whether the request is routed to a handler.
    pub(crate) fn needs_route_outcome(&self) -> bool {
        let state = self.lock();
        state
            .setups
            .iter()
            .any(|setup| setup.condition == Condition::Routed || setup.needs_route_outcome())
            || state
                .recorded
                .iter()
                .any(|recorded| recorded.entry.condition == Condition::Routed)
    }

    /// Prefers a strategy. If it declines, the next one is tried.
    pub(crate) fn prefer(&self, strategy: Strategy) {
        self.lock().preferred = Some(strategy);
    }

    /// Reserves a sequence number for a call that is recorded later.
    pub(crate) fn reserve_seq(&self) -> u64 {
        self.lock().reserve_seq()
    }

    /// Returns the current point, for [`rollback`](Self::rollback).
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        let state = self.lock();
        Checkpoint {
            recorded: state.recorded.len(),
            setups: state.setups.len(),
        }
    }

    /// Removes the calls recorded between two points: by guards whose route was not selected.
    pub(crate) fn rollback(&self, from: Checkpoint, to: Checkpoint) {
        let mut state = self.lock();
        let within = |from: usize, to: usize, len: usize| from.min(to).min(len)..to.min(len);
        let recorded = within(from.recorded, to.recorded, state.recorded.len());
        state.remove(recorded);
        // An unconditional setup removed the setups before it, so the list may be shorter.
        let setups = within(from.setups, to.setups, state.setups.len());
        state.setups.drain(setups);
    }

    /// Records a call. After the flush the server delivers it under the request's visitor.
    #[track_caller]
    pub(crate) fn record(&self, entry: Entry) {
        self.record_at(entry, CallSite::caller());
    }

    /// Records a call of a given call site.
    pub(crate) fn record_at(&self, mut entry: Entry, site: CallSite) {
        if !self.check(&mut entry.call, Some(site)) {
            return;
        }
        let event_id = event_meta::add_event_meta(&mut entry.call, &self.services.id_generator);
        match ConsentChange::from_call(&entry.call) {
            Some(change) => self.record_change(entry, change),
            None => self.record_checked(entry, event_id, Some(site)),
        }
    }

    /// Records an event that has its metadata, with `event_id` as `$insert_id`. IDs are checked only
    /// if there are any: a search in every event would take a tenth of the recording time.
    pub(crate) fn record_with_meta(&self, mut entry: Entry, event_id: Uuid, site: CallSite) {
        let may_have_id = entry.call.recorded_args().names().may_have_id();
        if !may_have_id || self.check(&mut entry.call, Some(site)) {
            self.record_checked(entry, Some(event_id), Some(site));
        }
    }

    /// Records a call whose IDs were checked.
    fn record_checked(&self, mut entry: Entry, event_id: Option<Uuid>, site: Option<CallSite>) {
        let mut state = self.lock();
        if state.may_record() {
            metrics::count_recorded(1);
        }
        if state.is_user_unknown && !state.knows_user(&entry.call) {
            drop(state);
            let subject = ids::describe(entry.call.method().name().as_ref(), site);
            return self.reject(Reason::UnknownUser(subject), Some(entry.call));
        }
        if state.flushed.is_some() {
            return self.record_late(state, entry, event_id);
        }
        if entry.mode == Mode::Setup {
            state.record_setup(entry);
        } else {
            let identity = state.identity().into_user();
            entry.seq = entry.seq.or_else(|| Some(state.reserve_seq()));
            state.push(RecordedCall {
                entry,
                identity,
                is_replayed: false,
                change: None,
                is_change_only: false,
            });
        }
    }

    /// Returns the ID under which Mixpanel counts the visitor now. `None` if it is unknown.
    pub(crate) fn distinct_id(&self) -> Option<String> {
        // The rejected `identify` meant a user other than the cookie's.
        if self.lock().is_user_unknown {
            return None;
        }
        match self.identity()? {
            Identity::User(id) => Some(id.to_string()),
            Identity::Reset => None,
            Identity::Unchanged => self.visitor.browser().current_id().map(str::to_owned),
        }
    }

    /// Returns the ID of the visitor's browser. `None` if the server cannot know it.
    pub(crate) fn device_id(&self) -> Option<String> {
        match self.identity()? {
            Identity::Reset => None,
            Identity::User(_) | Identity::Unchanged => self.visitor.browser().device_id,
        }
    }

    /// Returns the identity that the recorded calls set. `None` if the visitor may not be tracked.
    fn identity(&self) -> Option<Identity> {
        let mut state = self.lock();
        state.may_record().then(|| state.identity())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
