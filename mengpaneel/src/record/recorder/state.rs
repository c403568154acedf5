//! State of a recorder, and the rules by which calls count once the request has ended.

use std::ops::Range;
use std::sync::Arc;

use crate::call::{Call, Calls, Method, Mode};
use crate::record::consent::{ConsentChange, ConsentState};
use crate::record::recorder::{
    Condition, Entry, FinalCalls, Include, LateVisitor, RequestOutcome, event_meta,
};
use crate::record::strategy::Strategy;

#[derive(Default)]
pub(crate) struct State {
    /// `before_setup` and `tracking`, replayed ones first.
    pub(crate) recorded: Vec<Recorded>,
    /// The calls among them that say who is there, replayed ones excepted: each call is recorded
    /// under the last.
    identified: Vec<Identified>,
    pub(crate) setups: Vec<SetupBlock>,
    pub(crate) replayed_setup: Vec<Call>,
    /// Somebody said who is there, or that nobody is: replayed setup gives way.
    pub(crate) setup_decided: bool,
    /// The last `identify` was rejected: profile calls behind it are not those of the visitor's
    /// last user.
    pub(crate) is_user_unknown: bool,
    pub(crate) forced: Option<Strategy>,
    pub(crate) tickets: u64,
    /// The visitor's consent: at first as the request came, then as the last opt-in or opt-out
    /// call left it. `None` for a job: its consent calls are recorded as any other.
    pub(crate) consent: Option<ConsentState>,
    /// End of the request, once it was flushed.
    pub(crate) ending: Option<RequestOutcome>,
    /// Calls that left when the request was flushed: late calls belong to them.
    pub(crate) flushed: Option<Arc<FinalCalls>>,
    /// Calls on which late calls depend, once there is a late call.
    pub(crate) context: Option<Arc<Vec<Call>>>,
    /// Late calls that a page which is still being written may take along.
    pub(crate) late_buffer: Option<Calls>,
}

pub(crate) struct Recorded {
    pub(crate) entry: Entry,
    /// User who was identified when the call was recorded.
    pub(crate) identity: Option<Arc<str>>,
    pub(crate) replayed: bool,
    /// The opt-in or opt-out that the call makes.
    pub(crate) change: Option<ConsentChange>,
    /// True if the entry is nothing but that change.
    pub(crate) is_change_only: bool,
}

/// A recorded call that says who is there.
struct Identified {
    /// Position among the recorded calls.
    index: usize,
    mode: Mode,
    identity: Identity,
}

/// What the calls of a request say of who is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Identity {
    /// Nothing: who was there before.
    #[default]
    Unchanged,
    /// This user.
    User(Arc<str>),
    /// Nobody any more.
    Reset,
}

impl Identity {
    /// What a single call says; `None` where that is nothing.
    fn set_by(call: &Call) -> Option<Self> {
        match call.method() {
            Method::Identify => call.str_arg(0).map(|id| Self::User(id.into())),
            Method::Reset => Some(Self::Reset),
            _ => None,
        }
    }

    /// The user who is identified.
    pub(crate) fn into_user(self) -> Option<Arc<str>> {
        match self {
            Self::User(id) => Some(id),
            Self::Unchanged | Self::Reset => None,
        }
    }
}

pub(crate) struct SetupBlock {
    pub(crate) condition: Condition,
    pub(crate) identity: Option<Arc<str>>,
    pub(crate) entries: Vec<Entry>,
}

impl SetupBlock {
    pub(crate) fn needs_route_outcome(&self) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.condition == Condition::Routed)
    }
}

impl State {
    pub(crate) fn reserve_seq(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// Returns whether it is known whose a call is, after an `identify` that was rejected. The next
    /// one ends that.
    pub(crate) fn knows_user(&mut self, call: &Call) -> bool {
        self.is_user_unknown = !matches!(call.method(), Method::Identify | Method::Reset);
        !(self.is_user_unknown && call.method().is_people())
    }

    /// Adds a call of this request.
    pub(crate) fn push(&mut self, recorded: Recorded) {
        if let Some(identity) = Identity::set_by(&recorded.entry.call) {
            let (index, mode) = (self.recorded.len(), recorded.entry.mode);
            self.identified.push(Identified {
                index,
                mode,
                identity,
            });
        }
        self.recorded.push(recorded);
    }

    /// Removes calls as if they had not been recorded.
    pub(crate) fn remove(&mut self, range: Range<usize>) {
        self.identified.retain_mut(|identified| {
            let is_kept = !range.contains(&identified.index);
            if identified.index >= range.end {
                identified.index -= range.len();
            }
            is_kept
        });
        self.recorded.drain(range);
    }

    pub(crate) fn record_setup(&mut self, mut entry: Entry) {
        entry.seq = entry.seq.or_else(|| Some(self.reserve_seq()));
        self.setup_decided |= entry.condition == Condition::Always;
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

    /// Returns what was recorded so far of who is there: when tracking, else by the last setup,
    /// else before it.
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
        let set_up = || {
            self.setups
                .last()
                .and_then(|setup| setup.identity.clone())
                .map(Identity::User)
        };
        last(true)
            .or_else(set_up)
            .or_else(|| last(false))
            .unwrap_or_default()
    }

    pub(crate) fn finalize(
        &mut self,
        ending: RequestOutcome,
        extent: Include,
        visitor: &LateVisitor,
    ) -> FinalCalls {
        let mut settled = FinalCalls {
            forced: self.forced,
            ..FinalCalls::default()
        };
        let setups = std::mem::take(&mut self.setups);
        let mut setup = setups
            .into_iter()
            .rfind(|setup| setup.condition.holds(ending));
        let mut recorded = std::mem::take(&mut self.recorded);
        recorded.sort_by_key(|recorded| recorded.entry.seq);
        self.apply_consent(&mut settled, setup.as_mut(), &mut recorded, ending);
        // All calls of a job go by the server, as one set in their order.
        let is_job = self.consent.is_none();
        let replayed = std::mem::take(&mut self.replayed_setup);
        match setup {
            Some(setup) => {
                for mut entry in setup
                    .entries
                    .into_iter()
                    .filter(|entry| entry.condition.holds(ending))
                {
                    entry.via_server &= !is_job;
                    settled.put(entry);
                }
            }
            None if !self.setup_decided && extent == Include::All => {
                settled.put_replayed_setup(replayed);
            }
            None => {}
        }
        // Calls `via(server)` are a set of their own, under setup and what that set itself says of
        // who is there.
        let set_up = settled.calls.identity().map(Arc::<str>::from);
        let mut effective = [set_up.clone(), set_up];
        recorded.sort_by_key(|recorded| (recorded.entry.mode, recorded.entry.seq));
        let counts = |recorded: &Recorded| {
            let is_asked_for = extent == Include::All || !recorded.replayed;
            is_asked_for && recorded.entry.condition.holds(ending)
        };
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
            if let Some(under) = recorded
                .identity
                .filter(|under| Some(under) != effective.as_ref())
            {
                event_meta::add_identity(&mut recorded.entry.call, &under, visitor);
            }
            if recorded.replayed {
                settled.put_replayed(recorded.entry);
            } else {
                settled.put(recorded.entry);
            }
        }
        settled
    }
}
