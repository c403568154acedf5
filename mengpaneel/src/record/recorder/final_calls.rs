//! Calls that a recorder hands out when it is settled.

use crate::call::{Call, Calls, Mode};
use crate::record::consent::{ConsentChange, ConsentStatus};
use crate::record::recorder::Entry;
use crate::record::strategy::Strategy;

/// The calls that count, by the way they take.
#[derive(Clone, Debug, Default)]
pub(crate) struct FinalCalls {
    /// For the best strategy there is.
    pub calls: Calls,
    /// For the server, because the application asked for it.
    pub via_server: Calls,
    /// How the application asked that they go, if it did.
    pub forced: Option<Strategy>,
    /// The status on the visitor's consent once all calls ran; `None` for a job, which has no
    /// visitor.
    pub consent: Option<ConsentStatus>,
    /// The last opt-in or opt-out that counts.
    pub consent_change: Option<ConsentChange>,
    /// Number of calls of each mode that were replayed: they stand first.
    pub replayed: ReplayedCalls,
}

/// Number of replayed calls of each mode.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReplayedCalls {
    before_setup: usize,
    setup: usize,
    tracking: usize,
}

impl FinalCalls {
    /// Calls that this request recorded itself, `via(server)` calls among the others.
    pub(crate) fn recorded_here(&self) -> Calls {
        let Self {
            calls,
            via_server,
            replayed,
            ..
        } = self;
        let own = |calls: &[Call], replayed: usize| calls.iter().skip(replayed).cloned().collect();
        let mut own = Calls {
            before_setup: own(&calls.before_setup, replayed.before_setup),
            setup: own(&calls.setup, replayed.setup),
            tracking: own(&calls.tracking, replayed.tracking),
        };
        own.append(via_server.clone());
        own
    }

    /// Puts the setup in place that the last request left.
    pub(crate) fn put_replayed_setup(&mut self, setup: Vec<Call>) {
        self.replayed.setup = setup.len();
        self.calls.setup = setup;
    }

    /// Puts a call in place that the last request left.
    pub(crate) fn put_replayed(&mut self, entry: Entry) {
        match entry.mode {
            Mode::BeforeSetup => self.replayed.before_setup += 1,
            Mode::Setup => self.replayed.setup += 1,
            Mode::Tracking => self.replayed.tracking += 1,
        }
        self.put(entry);
    }

    pub(crate) fn put(&mut self, entry: Entry) {
        let calls = if entry.via_server {
            &mut self.via_server
        } else {
            &mut self.calls
        };
        calls.mode_mut(entry.mode).push(entry.call);
    }
}
