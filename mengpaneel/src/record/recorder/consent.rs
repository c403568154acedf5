//! Consent of the visitor, while calls are recorded and when they are settled.

use crate::metrics;
use crate::record::consent::{ConsentChange, ConsentState, Decision};
use crate::record::recorder::{
    Entry, FinalCalls, Mode, Recorded, Recorder, RequestOutcome, SetupBlock, State, event_meta,
};

impl Recorder {
    /// The same recorder for a visitor who may or may not be tracked. Calls count while consent is
    /// granted; opt-in and opt-out calls always do.
    #[must_use]
    pub(crate) fn with_consent(self, decision: Decision) -> Self {
        self.lock().consent = Some(ConsentState::new(decision));
        self
    }

    /// Returns whether a call that is recorded now would count, as far as is known before the
    /// request ends.
    pub(crate) fn is_recording(&self) -> bool {
        self.lock().may_record()
    }

    /// Records an opt-in or opt-out call. In a request the server sets mixpanel-js's cookie for it,
    /// so that what is left to record is what mixpanel-js sends along with it.
    pub(crate) fn record_change(&self, mut entry: Entry, change: ConsentChange) {
        let mut state = self.lock();
        let Some(consent) = &mut state.consent else {
            drop(state);
            return self.record_checked(entry, None, None);
        };
        consent.apply(change.kind);
        if state.flushed.is_some() {
            // The response is on its way, so its cookie cannot change: a page that is still being
            // written makes the call, else it is reported.
            drop(state);
            return self.record_checked(entry, None, None);
        }
        let companion = change.companion();
        let is_change_only = companion.is_none();
        if let Some(mut companion) = companion {
            event_meta::add_event_meta(&mut companion, &self.shared.ids);
            entry.call = companion;
            entry.mode = Mode::Tracking;
            metrics::recorded(1);
        }
        let under = state.identity().into_user();
        entry.seq = entry.seq.or_else(|| Some(state.reserve_seq()));
        state.push(Recorded {
            entry,
            identity: under,
            replayed: false,
            change: Some(change),
            is_change_only,
        });
    }
}

impl State {
    /// Returns whether a call that is recorded now would count, as far as is known by now.
    pub(crate) fn may_record(&self) -> bool {
        self.consent.is_none_or(|consent| consent.now.is_granted)
    }

    /// Applies the opt-in and opt-out calls that count, in their order among all calls, and drops
    /// what was recorded without consent. Setup says who is there, not what happened: a later
    /// opt-in keeps it.
    pub(crate) fn apply_consent(
        &mut self,
        settled: &mut FinalCalls,
        setup: Option<&mut SetupBlock>,
        recorded: &mut Vec<Recorded>,
        ending: RequestOutcome,
    ) {
        let Some(state) = &mut self.consent else {
            return;
        };
        *state = state.restarted();
        let mut statuss = vec![(None, state.now.is_granted)];
        recorded.retain_mut(|recorded| {
            let before = state.now.is_granted;
            let Some(change) = recorded.change.take() else {
                return before;
            };
            if !recorded.entry.condition.holds(ending) {
                return false;
            }
            state.apply(change.kind);
            statuss.push((recorded.entry.seq, state.now.is_granted));
            settled.consent_change = Some(change);
            !recorded.is_change_only && (before || state.now.is_granted)
        });
        settled.consent = Some(state.now);
        if let Some(setup) = setup.filter(|_| !state.now.is_granted) {
            let granted_at =
                |ticket: Option<u64>| statuss.iter().rfind(|(from, _)| *from <= ticket);
            setup
                .entries
                .retain(|entry| granted_at(entry.seq).is_some_and(|(_, is_granted)| *is_granted));
        }
    }
}
