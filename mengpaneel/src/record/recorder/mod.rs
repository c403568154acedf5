//! The recorder: what one request, job or script recorded, and the rules of the modes.
//!
//! It knows nothing of HTTP. Calls are kept as they come; [`Recorder::settle`] decides, once it is
//! known how the request ended, which of them count, in which order, and whose they are.

mod condition;
mod consent;
pub(crate) mod event_meta;
pub(crate) mod final_calls;
mod ids;
mod late;
mod observer;
mod state;

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::call::{Call, Calls, Method, Mode};
use crate::error::{ErrorReporter, Failure, Reason};
use crate::id::IdGenerator;
use crate::metrics;
use crate::record::consent::ConsentChange;
use crate::record::envelope::{Envelope, EnvelopeRef};
use crate::record::strategy::Strategy;
use crate::record::visitor::Visitor;

pub(crate) use crate::record::recorder::condition::{Condition, RequestOutcome};
pub(crate) use crate::record::recorder::event_meta::EventMeta;
pub(crate) use crate::record::recorder::final_calls::FinalCalls;
pub(crate) use crate::record::recorder::ids::CallSite;
use crate::record::recorder::late::{MAX_CONTEXT, makes_message};
pub(crate) use crate::record::recorder::observer::Observed;
use crate::record::recorder::observer::Observer;
use crate::record::recorder::state::{Identity, Recorded, SetupBlock, State};

/// Which of the recorded calls are settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Include {
    /// All.
    All,
    /// Only what was recorded here: what was replayed stays where it waited.
    RecordedOnly,
}

/// A call, and how it was recorded.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// What was called.
    pub call: Call,
    /// When it runs.
    pub mode: Mode,
    /// Whether the application asked for the server.
    pub via_server: bool,
    /// What decides whether it counts.
    pub condition: Condition,
    /// Its place among the calls of its mode, where that is not the end; see [`Recorder::ticket`].
    pub seq: Option<u64>,
}

/// A point in what was recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checkpoint {
    recorded: usize,
    setups: usize,
}

/// Who is there, put together when somebody first wants to know.
type LateVisitor = LazyLock<Visitor, Box<dyn FnOnce() -> Visitor + Send>>;

/// Where a parcel goes that was recorded after its request was flushed.
pub(crate) type LateSink = Arc<dyn Fn(EnvelopeRef<'_>) + Send + Sync>;

/// What the recorders of one Mengpaneel share.
pub(crate) struct RecorderContext {
    /// Where failures of recording are told.
    pub reporter: Arc<ErrorReporter>,
    /// Where what is recorded late goes.
    pub late_sink: LateSink,
    /// What gives events and parcels their names.
    pub ids: IdGenerator,
    /// Problems with IDs that were reported.
    pub reported: ids::Reported,
}

impl Default for RecorderContext {
    /// Late calls go nowhere.
    fn default() -> Self {
        Self {
            reporter: Arc::default(),
            late_sink: Arc::new(|_| {}),
            ids: IdGenerator::default(),
            reported: ids::Reported::default(),
        }
    }
}

/// Collects the calls of one request, job or script.
pub(crate) struct Recorder {
    state: Mutex<State>,
    visitor: LateVisitor,
    shared: Arc<RecorderContext>,
    /// Test that observes what is recorded.
    observer: Option<Observer>,
}

impl Recorder {
    /// An empty recorder for what happens under `visitor`.
    pub(crate) fn new(
        visitor: impl FnOnce() -> Visitor + Send + 'static,
        shared: Arc<RecorderContext>,
    ) -> Self {
        Self {
            state: Mutex::default(),
            visitor: LazyLock::new(Box::new(visitor)),
            shared,
            observer: None,
        }
    }

    /// Who is there.
    pub(crate) fn visitor(&self) -> &Visitor {
        &self.visitor
    }

    /// Where failures of recording are told.
    pub(crate) fn report(&self, failure: &Failure) {
        self.shared.reporter.report(failure);
    }

    /// A stamp for an event that is recorded now.
    pub(crate) fn event_meta(&self) -> EventMeta {
        EventMeta::now(&self.shared.ids)
    }

    /// Returns a new ID, greater than every ID before it.
    pub(crate) fn next_id(&self) -> Uuid {
        self.shared.ids.generate().0
    }

    /// A parcel of calls that were recorded here.
    pub(crate) fn parcel(&self, calls: Calls) -> Envelope {
        let id = self.next_id();
        Envelope {
            id,
            visitor: self.visitor.clone(),
            context: Vec::new(),
            calls,
            via_server: false,
        }
    }

    /// Reports an ID that is nobody's, once for each place and each Mengpaneel. `call` was not
    /// recorded for it.
    pub(crate) fn reject(&self, reason: Reason, call: Option<Call>) {
        if call
            .as_ref()
            .is_some_and(|call| call.method() == &Method::Identify)
        {
            self.lock().is_user_unknown = true;
        }
        if self.shared.reported.is_new(&reason) {
            self.report(&Failure::for_calls(reason, call.into_iter().collect()));
        }
    }

    /// Removes the IDs of a call that are nobody's. Returns whether there is still something to
    /// record.
    fn check(&self, call: &mut Call, place: Option<CallSite>) -> bool {
        if ids::are_known(call) {
            return true;
        }
        let given = call.clone();
        let mut reasons = Vec::new();
        let is_left = ids::check(call, place, |reason| reasons.push(reason));
        for reason in reasons {
            self.reject(reason, (!is_left).then(|| given.clone()));
        }
        is_left
    }

    /// Puts the calls in place that the last request left. What is replayed later stands behind
    /// them.
    pub(crate) fn replay(&self, mut calls: Calls) {
        for mode in [Mode::BeforeSetup, Mode::Setup, Mode::Tracking] {
            calls
                .mode_mut(mode)
                .retain_mut(|call| self.check(call, None));
        }
        let mut state = self.lock();
        if !calls.setup.is_empty() {
            state.replayed_setup = calls.setup;
        }
        let modes = [
            (Mode::BeforeSetup, calls.before_setup),
            (Mode::Tracking, calls.tracking),
        ];
        for (mode, calls) in modes {
            state
                .recorded
                .extend(calls.into_iter().map(|call| Recorded {
                    entry: Entry {
                        call,
                        mode,
                        via_server: false,
                        condition: Condition::Always,
                        seq: Some(0),
                    },
                    identity: None,
                    replayed: true,
                    change: None,
                    is_change_only: false,
                }));
        }
    }

    /// Enters setup: what was set up before is dropped if `condition` turns out to hold, and so is
    /// setup that was replayed.
    pub(crate) fn begin_setup(&self, condition: Condition) {
        let mut state = self.lock();
        state.is_user_unknown = false;
        if state.flushed.is_some() {
            return;
        }
        if condition == Condition::Always {
            state.setup_decided = true;
            state.setups.clear();
        }
        state.setups.push(SetupBlock {
            condition,
            identity: None,
            entries: Vec::new(),
        });
    }

    /// Says that this request has its own word on who is there, even where that word is none.
    pub(crate) fn mark_setup_decided(&self) {
        self.lock().setup_decided = true;
    }

    /// Whether it matters that the request found its way to a handler.
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

    /// Asks for a strategy; one that cannot take the calls falls on to the next.
    pub(crate) fn prefer(&self, strategy: Strategy) {
        self.lock().forced = Some(strategy);
    }

    /// A place among the calls, for one that is recorded later and belongs here.
    pub(crate) fn reserve_seq(&self) -> u64 {
        self.lock().reserve_seq()
    }

    /// A point in what was recorded so far, for [`take_back`](Self::take_back).
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        let state = self.lock();
        Checkpoint {
            recorded: state.recorded.len(),
            setups: state.setups.len(),
        }
    }

    /// Takes back what was recorded from one point to another: by guards whose route was not taken.
    pub(crate) fn rollback(&self, from: Checkpoint, to: Checkpoint) {
        let mut state = self.lock();
        let within = |from: usize, to: usize, len: usize| from.min(to).min(len)..to.min(len);
        let recorded = within(from.recorded, to.recorded, state.recorded.len());
        state.remove(recorded);
        // A setup that counts for sure has taken the place of those before it.
        let setups = within(from.setups, to.setups, state.setups.len());
        state.setups.drain(setups);
    }

    /// Records a call. After the flush it goes to the server, under its request's visitor.
    #[track_caller]
    pub(crate) fn record(&self, entry: Entry) {
        self.record_at(entry, CallSite::of_caller());
    }

    /// Records a call that was called at a place.
    pub(crate) fn record_at(&self, mut entry: Entry, place: CallSite) {
        if !self.check(&mut entry.call, Some(place)) {
            return;
        }
        let stamp = event_meta::add_event_meta(&mut entry.call, &self.shared.ids);
        match ConsentChange::of(&entry.call) {
            Some(change) => self.record_change(entry, change),
            None => self.record_checked(entry, stamp, Some(place)),
        }
    }

    /// Records a call that has its stamp, if it is an event: one of that name. Its IDs are checked
    /// only where `place` is given: to look for them in each event would take a tenth of what
    /// recording takes.
    pub(crate) fn record_with_meta(
        &self,
        mut entry: Entry,
        id: Option<Uuid>,
        place: Option<CallSite>,
    ) {
        if place.is_none() || self.check(&mut entry.call, place) {
            self.record_checked(entry, id, place);
        }
    }

    /// Records a call whose IDs were checked.
    fn record_checked(&self, mut entry: Entry, id: Option<Uuid>, place: Option<CallSite>) {
        let mut state = self.lock();
        if state.may_record() {
            metrics::recorded(1);
        }
        if state.is_user_unknown && !state.knows_user(&entry.call) {
            drop(state);
            let what = ids::describe(entry.call.method().name().as_ref(), place);
            return self.reject(Reason::UnknownUser(what), Some(entry.call));
        }
        if state.flushed.is_some() {
            // The function ended after the request did: its calls count as if it had ended before.
            if state
                .ending
                .is_some_and(|ending| !entry.condition.holds(ending))
            {
                return;
            }
            if !state.may_record() && ConsentChange::of(&entry.call).is_none() {
                return;
            }
            if let (Some(held), false) = (&mut state.late_buffer, entry.via_server) {
                held.mode_mut(entry.mode).push(entry.call);
                return;
            }
            let context = state.context();
            let is_kept = state.keep_for_later(&entry.call);
            drop(state);
            if !is_kept {
                let why = format!(
                    "more than {MAX_CONTEXT} calls would be in force for each later one: {}",
                    entry.call.method()
                );
                self.report(&Failure::for_calls(
                    Reason::Unsupported(why),
                    vec![entry.call.clone()],
                ));
            }
            self.notify_observer_of_user(&context, &entry.call);
            if makes_message(entry.call.method()) {
                let id = id.unwrap_or_else(|| self.next_id());
                let parcel = EnvelopeRef::from_call(id, &self.visitor, &entry.call, entry.mode);
                (self.shared.late_sink)(EnvelopeRef {
                    context: &context,
                    via_server: entry.via_server,
                    ..parcel
                });
            }
            return;
        }
        if entry.mode == Mode::Setup {
            state.record_setup(entry);
        } else {
            let under = state.identity().into_user();
            entry.seq = entry.seq.or_else(|| Some(state.reserve_seq()));
            state.push(Recorded {
                entry,
                identity: under,
                replayed: false,
                change: None,
                is_change_only: false,
            });
        }
    }

    /// Decides what counts and hands it out, once: `None` after that. From here on what is recorded
    /// is late.
    pub(crate) fn finalize(
        &self,
        ending: RequestOutcome,
        extent: Include,
    ) -> Option<Arc<FinalCalls>> {
        let mut state = self.lock();
        if state.flushed.is_some() {
            return None;
        }
        let settled = Arc::new(state.finalize(ending, extent, &self.visitor));
        state.ending = Some(ending);
        state.flushed = Some(Arc::clone(&settled));
        drop(state);
        self.notify_observer(&settled);
        Some(settled)
    }

    /// Returns the ID that Mixpanel would count the visitor as by now.
    pub(crate) fn distinct_id(&self) -> Option<String> {
        // Whoever the rejected `identify` meant, it is not the cookie's user.
        if self.lock().is_user_unknown {
            return None;
        }
        match self.identity()? {
            Identity::User(id) => Some(id.to_string()),
            Identity::Reset => None,
            Identity::Unchanged => self.visitor.browser().current_id().map(str::to_owned),
        }
    }

    /// Returns the ID of the visitor's browser, as far as the server can know it.
    pub(crate) fn device_id(&self) -> Option<String> {
        match self.identity()? {
            Identity::Reset => None,
            Identity::User(_) | Identity::Unchanged => self.visitor.browser().device_id,
        }
    }

    /// What was recorded so far of who is there; `None` where the visitor may not be tracked.
    fn identity(&self) -> Option<Identity> {
        let mut state = self.lock();
        state.may_record().then(|| state.identity())
    }

    /// Keeps late calls for a page that is still being written, until they are taken.
    pub(crate) fn buffer_late_calls(&self) {
        self.lock().late_buffer = Some(Calls::default());
    }

    /// The late calls that were kept, with those of the flush that decide whose they are. From here
    /// on late calls go to the server again.
    pub(crate) fn take_late_calls(&self) -> Option<(Calls, Vec<Call>)> {
        let mut state = self.lock();
        let held = state.late_buffer.take().filter(|held| !held.is_empty())?;
        let context = state.context().to_vec();
        for call in held.iter() {
            state.keep_for_later(call);
        }
        Some((held, context))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
