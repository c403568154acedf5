//! Calls that a recorder hands out when it is settled.

use super::Entry;
use crate::call::{Call, Calls};
use crate::consent::{ConsentChange, ConsentStatus};
use crate::strategy::Strategy;

/// The calls that count, by the way they take.
#[derive(Clone, Debug, Default)]
pub struct Settled {
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
}

impl Settled {
    /// Calls set up by the time of the flush, which decide whose later events are.
    pub(super) fn context(&self) -> [&[Call]; 3] {
        [&self.calls.before_setup, &self.calls.setup, &self.via_server.setup]
    }

    pub(super) fn put(&mut self, entry: Entry) {
        let calls = if entry.via_server { &mut self.via_server } else { &mut self.calls };
        calls.mode_mut(entry.mode).push(entry.call);
    }
}
