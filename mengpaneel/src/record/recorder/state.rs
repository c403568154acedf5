//! State of a recorder, and the rules that select the calls at the end of the request.

use std::cell::LazyCell;
use std::ops::Range;
use std::sync::Arc;

use crate::call::{Call, Calls, Method, Mode};
use crate::record::consent::{ConsentChange, ConsentState};
use crate::record::recorder::{
    Condition, Entry, FinalCalls, Include, LazyVisitor, Recorder, RequestOutcome, event_meta,
};
use crate::record::strategy::Strategy;

/// State of a recorder.
#[derive(Default)]
pub(crate) struct State {
    /// Calls of `before_setup` and `tracking`, replayed ones first.
    pub(crate) recorded: Vec<RecordedCall>,
    /// Calls of this request that change the identity. The last one applies to each new call.
    identified: Vec<IdentityChange>,
    pub(crate) setups: Vec<SetupBlock>,
    pub(crate) replayed_setup: Vec<Call>,
    /// True if this request decided its setup: replayed setup does not run.
    pub(crate) is_setup_decided: bool,
    /// True if the last `identify` was rejected: profile calls after it belong to an unknown user.
    pub(crate) is_user_unknown: bool,
    pub(crate) preferred: Option<Strategy>,
    pub(crate) last_seq: u64,
    /// Consent of the visitor, changed by opt-in and opt-out calls. `None` for a job: its consent
    /// calls are recorded like any other.
    pub(crate) consent: Option<ConsentState>,
    /// Outcome of the request. `None` until it is flushed.
    pub(crate) outcome: Option<RequestOutcome>,
    /// Calls of the flush, on which the context of late calls is based. `None` before the flush.
    pub(crate) flushed: Option<Arc<FinalCalls>>,
    /// Context of late calls. `None` until there is a late call.
    pub(crate) context: Option<Arc<Vec<Call>>>,
    /// Late calls for a page that is still being written. `None` if they go to the server.
    pub(crate) late_buffer: Option<Calls>,
}

/// Recorded call of `before_setup` or `tracking`.
pub(crate) struct RecordedCall {
    pub(crate) entry: Entry,
    /// User who was identified at recording. `None` if no user was.
    pub(crate) identity: Option<Arc<str>>,
    pub(crate) is_replayed: bool,
    /// Opt-in or opt-out that the call makes.
    pub(crate) change: Option<ConsentChange>,
    /// True if the entry has no call besides that change.
    pub(crate) is_change_only: bool,
}

/// Recorded call that changes the identity.
struct IdentityChange {
    /// Index among the recorded calls.
    index: usize,
    mode: Mode,
    identity: Identity,
}

/// Identity that the calls of a request set.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Identity {
    /// No call changed the identity.
    #[default]
    Unchanged,
    /// User with this ID.
    User(Arc<str>),
    /// No user, after a `reset`.
    Reset,
}

impl Identity {
    /// Returns the identity that a call sets, or `None` if the call does not change it.
    fn set_by(call: &Call) -> Option<Self> {
        match call.method() {
            Method::Identify => call.str_arg(0).map(|id| Self::User(id.into())),
            Method::Reset => Some(Self::Reset),
            _ => None,
        }
    }

    /// Returns the identified user. `None` if there is none.
    pub(crate) fn into_user(self) -> Option<Arc<str>> {
        match self {
            Self::User(id) => Some(id),
            Self::Unchanged | Self::Reset => None,
        }
    }
}

/// Setup recorded in one block. A later block replaces it.
pub(crate) struct SetupBlock {
    pub(crate) condition: Condition,
    pub(crate) identity: Option<Arc<str>>,
    pub(crate) entries: Vec<Entry>,
}

impl SetupBlock {
    /// Returns whether any call of the block depends on routing.
    pub(crate) fn needs_route_outcome(&self) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.condition == Condition::Routed)
    }
}

impl State {
    /// Returns the next sequence number.
    pub(crate) fn reserve_seq(&mut self) -> u64 {
        self.last_seq += 1;
        self.last_seq
    }

    /// Returns whether the user of a call is known after a rejected `identify`. The next valid
    /// `identify` or a `reset` ends that state.
    pub(crate) fn knows_user(&mut self, call: &Call) -> bool {
        self.is_user_unknown = !matches!(call.method(), Method::Identify | Method::Reset);
        !(self.is_user_unknown && call.method().is_people())
    }

    /// Adds a call of this request.
    pub(crate) fn push(&mut self, recorded: RecordedCall) {
        if let Some(identity) = Identity::set_by(&recorded.entry.call) {
            let (index, mode) = (self.recorded.len(), recorded.entry.mode);
            self.identified.push(IdentityChange {
                index,
                mode,
                identity,
            });
        }
        self.recorded.push(recorded);
    }

    /// Removes a range of recorded calls.
    pub(crate) fn remove(&mut self, range: Range<usize>) {
        self.identified.retain_mut(|identified| {
            let remains = !range.contains(&identified.index);
            if identified.index >= range.end {
                identified.index -= range.len();
            }
            remains
        });
        self.recorded.drain(range);
    }

    /// Adds a call to the current setup block.
    pub(crate) fn record_setup(&mut self, mut entry: Entry) {
        entry.seq = entry.seq.or_else(|| Some(self.reserve_seq()));
        self.is_setup_decided |= entry.condition == Condition::Always;
        if self.setups.is_empty() {
            self.setups.push(SetupBlock {
                condition: entry.condition,
                identity: None,
                entries: Vec::new(),
            });
        }
        if let Some(setup) = self.setups.last_mut() {
            if entry.call.method() == &Method::Identify {
                setup.identity = entry.call.str_arg(0).map(Arc::from);
            }
            setup.entries.push(entry);
        }
    }

    /// Returns the identity that the recorded calls set: by tracking calls, or else by the last
    /// setup, or else by before-setup calls.
    pub(crate) fn identity(&mut self) -> Identity {
        if self.flushed.is_some() {
            return self
                .context()
                .iter()
                .rev()
                .find_map(Identity::set_by)
                .unwrap_or_default();
        }
        let last = |is_tracking: bool| {
            let mut latest_first = self.identified.iter().rev();
            let found =
                latest_first.find(|identified| (identified.mode == Mode::Tracking) == is_tracking);
            found.map(|identified| identified.identity.clone())
        };
        let from_setup = || {
            self.setups
                .last()
                .and_then(|setup| setup.identity.clone())
                .map(Identity::User)
        };
        last(true)
            .or_else(from_setup)
            .or_else(|| last(false))
            .unwrap_or_default()
    }

    /// Takes the calls that count after this outcome, and adds to each event the identity at
    /// recording if another one will be in force.
    pub(crate) fn finalize(
        &mut self,
        outcome: RequestOutcome,
        include: Include,
        visitor: &LazyVisitor,
    ) -> FinalCalls {
        let mut final_calls = FinalCalls {
            preferred: self.preferred,
            ..FinalCalls::default()
        };
        let setups = std::mem::take(&mut self.setups);
        let mut setup = setups
            .into_iter()
            .rfind(|setup| setup.condition.holds(outcome));
        let mut recorded = std::mem::take(&mut self.recorded);
        recorded.sort_by_key(|recorded| recorded.entry.seq);
        self.apply_consent(&mut final_calls, setup.as_mut(), &mut recorded, outcome);
        // The server delivers all calls of a job, as one set in their order.
        let is_job = self.consent.is_none();
        let replayed = std::mem::take(&mut self.replayed_setup);
        match setup {
            Some(setup) => {
                for mut entry in setup
                    .entries
                    .into_iter()
                    .filter(|entry| entry.condition.holds(outcome))
                {
                    entry.via_server &= !is_job;
                    final_calls.push(entry);
                }
            }
            None if !self.is_setup_decided && include == Include::All => {
                final_calls.set_replayed_setup(replayed);
            }
            None => {}
        }
        // `via(server)` calls are a set of their own: their identity is that of setup, changed by
        // calls of that set only.
        let setup_identity = final_calls.calls.identity().map(Arc::<str>::from);
        let mut effective = [setup_identity.clone(), setup_identity];
        recorded.sort_by_key(|recorded| (recorded.entry.mode, recorded.entry.seq));
        let counts = |recorded: &RecordedCall| {
            let is_included = include == Include::All || !recorded.is_replayed;
            is_included && recorded.entry.condition.holds(outcome)
        };
        let device_id = LazyCell::new(|| visitor.browser().device_id);
        for mut recorded in recorded.into_iter().filter(counts) {
            recorded.entry.via_server &= !is_job;
            let effective = &mut effective[usize::from(recorded.entry.via_server)];
            match recorded.entry.call.method() {
                Method::Identify if recorded.entry.mode == Mode::Tracking => {
                    *effective = recorded.entry.call.str_arg(0).map(Arc::from);
                }
                Method::Reset => *effective = None,
                _ => {}
            }
            if let Some(identity) = recorded
                .identity
                .filter(|identity| Some(identity) != effective.as_ref())
            {
                event_meta::add_identity(&mut recorded.entry.call, &identity, || {
                    device_id.as_deref()
                });
            }
            if recorded.is_replayed {
                final_calls.push_replayed(recorded.entry);
            } else {
                final_calls.push(recorded.entry);
            }
        }
        final_calls
    }
}

impl Recorder {
    /// Adds the calls of an earlier request, before those of this request. Calls of a later replay
    /// follow those of an earlier one.
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
                .extend(calls.into_iter().map(|call| RecordedCall {
                    entry: Entry {
                        call,
                        mode,
                        via_server: false,
                        condition: Condition::Always,
                        seq: Some(0),
                    },
                    identity: None,
                    is_replayed: true,
                    change: None,
                    is_change_only: false,
                }));
        }
    }

    /// Returns the calls that count after this outcome, once: `None` after that. Calls recorded
    /// from here on are late.
    pub(crate) fn finalize(
        &self,
        outcome: RequestOutcome,
        include: Include,
    ) -> Option<Arc<FinalCalls>> {
        let mut state = self.lock();
        if state.flushed.is_some() {
            return None;
        }
        let final_calls = Arc::new(state.finalize(outcome, include, &self.visitor));
        state.outcome = Some(outcome);
        state.flushed = Some(Arc::clone(&final_calls));
        drop(state);
        self.notify_observer(&final_calls);
        Some(final_calls)
    }
}
