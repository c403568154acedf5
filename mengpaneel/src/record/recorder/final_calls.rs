//! Calls that a recorder returns at the end of the request.

use crate::call::{Call, Calls, Mode};
use crate::record::consent::{ConsentChange, ConsentStatus};
use crate::record::recorder::Entry;
use crate::record::strategy::Strategy;

/// Calls that count, by route.
#[derive(Clone, Debug, Default)]
pub(crate) struct FinalCalls {
    /// Calls for the first strategy that does not decline.
    pub calls: Calls,
    /// Calls with `via(server)`.
    pub via_server: Calls,
    /// Strategy that the application prefers. `None` without a preference.
    pub preferred: Option<Strategy>,
    /// Consent of the visitor after all calls. `None` for a job, which has no visitor.
    pub consent: Option<ConsentStatus>,
    /// Last opt-in or opt-out that counts.
    pub consent_change: Option<ConsentChange>,
    /// Number of replayed calls of each mode. They precede the others.
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
    /// Returns the calls that this request recorded itself, including `via(server)` calls.
    pub(crate) fn recorded_here(&self) -> Calls {
        let Self {
            calls,
            via_server,
            replayed,
            ..
        } = self;
        let recorded =
            |calls: &[Call], replayed: usize| calls.iter().skip(replayed).cloned().collect();
        let mut recorded_calls = Calls {
            before_setup: recorded(&calls.before_setup, replayed.before_setup),
            setup: recorded(&calls.setup, replayed.setup),
            tracking: recorded(&calls.tracking, replayed.tracking),
        };
        recorded_calls.append(via_server.clone());
        recorded_calls
    }

    /// Sets the replayed setup.
    pub(crate) fn set_replayed_setup(&mut self, setup: Vec<Call>) {
        self.replayed.setup = setup.len();
        self.calls.setup = setup;
    }

    /// Adds a replayed call.
    pub(crate) fn push_replayed(&mut self, entry: Entry) {
        match entry.mode {
            Mode::BeforeSetup => self.replayed.before_setup += 1,
            Mode::Setup => self.replayed.setup += 1,
            Mode::Tracking => self.replayed.tracking += 1,
        }
        self.push(entry);
    }

    /// Adds a call.
    pub(crate) fn push(&mut self, entry: Entry) {
        let calls = if entry.via_server {
            &mut self.via_server
        } else {
            &mut self.calls
        };
        calls.mode_mut(entry.mode).push(entry.call);
    }
}
