//! Late calls: recorded after the flush.
//!
//! Each late call is sent in an envelope of its own, together with its context. The context is the
//! calls that set the identity, the super properties and the groups of the late call.

use std::sync::{Arc, MutexGuard};

use uuid::Uuid;

use crate::call::{Call, Calls, Method};
use crate::error::{Failure, Reason};
use crate::record::consent::ConsentChange;
use crate::record::envelope::EnvelopeRef;
use crate::record::recorder::{Entry, FinalCalls, Recorder, State};

/// Most calls in the context of a late call. All of them travel with it.
const MAX_CONTEXT: usize = 256;

impl Recorder {
    /// Records a call after the flush.
    ///
    /// The call goes into the page that is still being written, if there is one, or else to the
    /// server.
    pub(super) fn record_late(
        &self,
        mut state: MutexGuard<'_, State>,
        entry: Entry,
        event_id: Option<Uuid>,
    ) {
        // The outcome of the request applies to a function that ended after the request too.
        if state
            .outcome
            .is_some_and(|outcome| !entry.condition.holds(outcome))
        {
            return;
        }
        if !state.may_record() && ConsentChange::from_call(&entry.call).is_none() {
            return;
        }
        if let (Some(buffer), false) = (&mut state.late_buffer, entry.via_server) {
            buffer.mode_mut(entry.mode).push(entry.call);
            return;
        }
        let context = state.context();
        let has_room = state.update_context(&entry.call);
        drop(state);
        if !has_room {
            let reason = format!(
                "more than {MAX_CONTEXT} calls would apply to each later one: {}",
                entry.call.method()
            );
            self.report(&Failure::for_calls(
                Reason::Unsupported(reason),
                vec![entry.call.clone()],
            ));
        }
        self.notify_observer_of_user(&context, &entry.call);
        if makes_message(entry.call.method()) {
            let id = event_id.unwrap_or_else(|| self.next_id());
            let envelope = EnvelopeRef::from_call(id, &self.visitor, &entry.call, entry.mode);
            (self.services.late_sink)(EnvelopeRef {
                context: &context,
                via_server: entry.via_server,
                ..envelope
            });
        }
    }

    /// Buffers late calls for a page that is still being written, until
    /// [`take_late_calls`](Self::take_late_calls).
    pub(crate) fn buffer_late_calls(&self) {
        self.lock().late_buffer = Some(Calls::default());
    }

    /// Takes the buffered late calls with their context, and ends buffering: later calls go to the
    /// server. `None` if there are none.
    pub(crate) fn take_late_calls(&self) -> Option<(Calls, Vec<Call>)> {
        let mut state = self.lock();
        let calls = state.late_buffer.take().filter(|calls| !calls.is_empty())?;
        let context = state.context().to_vec();
        for call in calls.iter() {
            state.update_context(call);
        }
        Some((calls, context))
    }
}

/// Returns whether a call makes a message of its own on the server.
fn makes_message(method: &Method) -> bool {
    !matches!(
        method,
        Method::Reset
            | Method::Register
            | Method::RegisterOnce
            | Method::Unregister
            | Method::TimeEvent
            | Method::Disable
    )
}

impl State {
    /// Returns the context of a call that is recorded now.
    pub(crate) fn context(&mut self) -> Arc<Vec<Call>> {
        let flushed = self.flushed.as_deref();
        Arc::clone(
            self.context
                .get_or_insert_with(|| Arc::new(flushed.map(context_after).unwrap_or_default())),
        )
    }

    /// Adds a call to the context of later ones, and removes the calls that it supersedes.
    /// Returns `false` if there is no room for the call.
    fn update_context(&mut self, call: &Call) -> bool {
        self.context();
        let Some(context) = &mut self.context else {
            return true;
        };
        let changes = has_lasting_effect(call.method())
            || context.iter().any(|earlier| is_superseded(earlier, call));
        if changes {
            apply_to_context(Arc::make_mut(context), call);
        }
        if context.len() <= MAX_CONTEXT {
            return true;
        }
        Arc::make_mut(context).pop();
        false
    }
}

/// Returns the context that the calls of a flush leave behind.
fn context_after(final_calls: &FinalCalls) -> Vec<Call> {
    let FinalCalls {
        calls, via_server, ..
    } = final_calls;
    let modes = [
        &calls.before_setup,
        &calls.setup,
        &via_server.setup,
        &calls.tracking,
        &via_server.tracking,
    ];
    let mut context = Vec::new();
    for call in modes.into_iter().flatten() {
        apply_to_context(&mut context, call);
    }
    context
}

fn apply_to_context(context: &mut Vec<Call>, call: &Call) {
    // The device of an alias depends on the user who was identified before it.
    let has_alias = context
        .iter()
        .any(|earlier| earlier.method() == &Method::Alias);
    if !(has_alias && call.method() == &Method::Identify) {
        context.retain(|earlier| !is_superseded(earlier, call));
    }
    if has_lasting_effect(call.method()) {
        context.push(call.clone());
    }
}

/// Returns whether a call affects later ones.
fn has_lasting_effect(method: &Method) -> bool {
    let is_identity = matches!(
        method,
        Method::Identify
            | Method::Alias
            | Method::SetGroup
            | Method::AddGroup
            | Method::RemoveGroup
    );
    let is_consent = matches!(
        method,
        Method::OptInTracking | Method::OptOutTracking | Method::ClearOptInOutTracking
    );
    is_identity || is_consent || !makes_message(method)
}

/// Returns whether `call` ends the effect of a call in the context.
fn is_superseded(earlier: &Call, call: &Call) -> bool {
    let is_same = || earlier.method() == call.method();
    match call.method() {
        // Disabled events and consent survive a reset.
        Method::Reset => !matches!(
            earlier.method(),
            Method::Disable
                | Method::OptInTracking
                | Method::OptOutTracking
                | Method::ClearOptInOutTracking
        ),
        Method::Identify => is_same(),
        Method::TimeEvent => is_same() && earlier.str_arg(0) == call.str_arg(0),
        Method::Register => {
            let names = |call: &Call| {
                call.properties()
                    .map(|properties| properties.keys().cloned().collect::<Vec<_>>())
            };
            is_same() && names(earlier) == names(call)
        }
        // An event stops its timer.
        method if method.is_track() => {
            earlier.method() == &Method::TimeEvent && earlier.str_arg(0) == call.str_arg(0)
        }
        _ => earlier == call,
    }
}
