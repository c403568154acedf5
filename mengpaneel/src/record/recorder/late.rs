//! Calls after the flush. Each leaves by itself, together with the calls on which it depends: who
//! is there, and what goes with each event.

use std::sync::Arc;

use crate::call::{Call, Method};
use crate::record::recorder::{FinalCalls, State};

/// Number of calls that may be in force for each later one: all of them travel with it.
pub(crate) const MAX_CONTEXT: usize = 256;

/// Returns whether the server has something to send for a call by itself.
pub(crate) fn makes_message(method: &Method) -> bool {
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
    /// Returns the calls on which a call of now depends.
    pub(crate) fn context(&mut self) -> Arc<Vec<Call>> {
        let flushed = self.flushed.as_deref();
        Arc::clone(
            self.context
                .get_or_insert_with(|| Arc::new(flushed.map(context_of).unwrap_or_default())),
        )
    }

    /// Keeps a call on which later ones depend, in the place of those that it makes obsolete.
    /// Returns false where there is no room for it.
    pub(crate) fn keep_for_later(&mut self, call: &Call) -> bool {
        self.context();
        let Some(context) = &mut self.context else {
            return true;
        };
        let is_kept = is_in_force(call.method());
        if is_kept || context.iter().any(|kept| is_obsolete(kept, call)) {
            keep(Arc::make_mut(context), call);
        }
        if context.len() <= MAX_CONTEXT {
            return true;
        }
        Arc::make_mut(context).pop();
        false
    }
}

/// Returns the calls of a flush that are in force behind it.
fn context_of(settled: &FinalCalls) -> Vec<Call> {
    let FinalCalls {
        calls, via_server, ..
    } = settled;
    let modes = [
        &calls.before_setup,
        &calls.setup,
        &via_server.setup,
        &calls.tracking,
        &via_server.tracking,
    ];
    let mut context = Vec::new();
    for call in modes.into_iter().flatten() {
        keep(&mut context, call);
    }
    context
}

fn keep(context: &mut Vec<Call>, call: &Call) {
    // The device of an alias depends on who was identified before it.
    let is_alias_first = context.iter().any(|kept| kept.method() == &Method::Alias);
    if !(is_alias_first && call.method() == &Method::Identify) {
        context.retain(|kept| !is_obsolete(kept, call));
    }
    if is_in_force(call.method()) {
        context.push(call.clone());
    }
}

/// Returns whether a call changes what later ones come to.
fn is_in_force(method: &Method) -> bool {
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

/// Returns whether a call that is in force makes no difference behind another.
fn is_obsolete(kept: &Call, call: &Call) -> bool {
    let is_same = || kept.method() == call.method();
    match call.method() {
        // What is disabled stays so, and so does consent.
        Method::Reset => !matches!(
            kept.method(),
            Method::Disable
                | Method::OptInTracking
                | Method::OptOutTracking
                | Method::ClearOptInOutTracking
        ),
        Method::Identify => is_same(),
        Method::TimeEvent => is_same() && kept.str_arg(0) == call.str_arg(0),
        Method::Register => {
            let names = |call: &Call| {
                call.properties()
                    .map(|own| own.keys().cloned().collect::<Vec<_>>())
            };
            is_same() && names(kept) == names(call)
        }
        // An event stops its clock.
        method if method.is_track() => {
            kept.method() == &Method::TimeEvent && kept.str_arg(0) == call.str_arg(0)
        }
        _ => kept == call,
    }
}
