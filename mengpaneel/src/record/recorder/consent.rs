//! Consent of the visitor, during recording and at the end of the request.

use crate::metrics;
use crate::record::consent::{ConsentChange, ConsentState, Decision};
use crate::record::recorder::{
    Entry, FinalCalls, Mode, RecordedCall, Recorder, RequestOutcome, SetupBlock, State, event_meta,
};

impl Recorder {
    /// Sets the visitor's consent. Calls count while consent is granted; opt-in and opt-out calls
    /// always count.
    #[must_use]
    pub(crate) fn with_consent(self, decision: Decision) -> Self {
        self.lock().consent = Some(ConsentState::new(decision));
        self
    }

    /// Returns whether a call that is recorded now would count, as far as known before the request
    /// ends.
    pub(crate) fn is_recording(&self) -> bool {
        self.lock().may_record()
    }

    /// Records an opt-in or opt-out call.
    ///
    /// In a request the server sets mixpanel-js's cookie. Recorded is then only the companion call
    /// that mixpanel-js would send.
    pub(crate) fn record_change(&self, mut entry: Entry, change: ConsentChange) {
        let mut state = self.lock();
        let Some(consent) = &mut state.consent else {
            drop(state);
            return self.record_checked(entry, None, None);
        };
        consent.apply(change.kind);
        if state.flushed.is_some() {
            // The response's headers are sent, so its cookie cannot change. A page that is still
            // being written makes the call; otherwise the call is reported.
            drop(state);
            return self.record_checked(entry, None, None);
        }
        let companion = change.companion();
        let is_change_only = companion.is_none();
        if let Some(mut companion) = companion {
            event_meta::add_event_meta(&mut companion, &self.services.id_generator);
            entry.call = companion;
            entry.mode = Mode::Tracking;
            metrics::count_recorded(1);
        }
        let identity = state.identity().into_user();
        entry.seq = entry.seq.or_else(|| Some(state.reserve_seq()));
        state.push(RecordedCall {
            entry,
            identity,
            is_replayed: false,
            change: Some(change),
            is_change_only,
        });
    }
}

impl State {
    /// Returns whether a call that is recorded now would count, as far as known by now.
    pub(crate) fn may_record(&self) -> bool {
        self.consent.is_none_or(|consent| consent.now.is_granted)
    }

    /// Applies the opt-in and opt-out calls that count, in order with all other calls, and drops
    /// calls recorded without consent.
    ///
    /// After a later opt-in, setup that was recorded before it counts too: it describes the visitor
    /// and not an event.
    pub(crate) fn apply_consent(
        &mut self,
        final_calls: &mut FinalCalls,
        setup: Option<&mut SetupBlock>,
        recorded: &mut Vec<RecordedCall>,
        outcome: RequestOutcome,
    ) {
        let Some(state) = &mut self.consent else {
            return;
        };
        *state = state.restarted();
        let mut changes = vec![(None, state.now.is_granted)];
        recorded.retain_mut(|recorded| {
            let was_granted = state.now.is_granted;
            let Some(change) = recorded.change.take() else {
                return was_granted;
            };
            if !recorded.entry.condition.holds(outcome) {
                return false;
            }
            state.apply(change.kind);
            changes.push((recorded.entry.seq, state.now.is_granted));
            final_calls.consent_change = Some(change);
            !recorded.is_change_only && (was_granted || state.now.is_granted)
        });
        final_calls.consent = Some(state.now);
        if let Some(setup) = setup.filter(|_| !state.now.is_granted) {
            let granted_at = |seq: Option<u64>| changes.iter().rfind(|(from, _)| *from <= seq);
            setup
                .entries
                .retain(|entry| granted_at(entry.seq).is_some_and(|(_, is_granted)| *is_granted));
        }
    }
}
