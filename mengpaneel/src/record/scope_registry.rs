//! Reports of calls that were recorded outside of any scope.
//!
//! Such a call belongs to no `Mengpaneel`, so this is the only state of the whole process.

use std::collections::HashSet;
use std::panic::Location;
use std::sync::{Mutex, PoisonError, Weak};

use crate::call::{Call, Method};
use crate::error::{ErrorReporter, Failure, Reason};

/// Reporters of all live `Mengpaneel`s.
static REPORTERS: Mutex<Vec<Weak<ErrorReporter>>> = Mutex::new(Vec::new());
/// Call sites that were reported. Bounded by the number of call sites in the program.
static REPORTED_AT: Mutex<Option<HashSet<&'static Location<'static>>>> = Mutex::new(None);

/// Subscribes a `Mengpaneel`'s `on_error` to calls outside of any scope, one per call site.
pub(crate) fn subscribe(reporter: Weak<ErrorReporter>) {
    let mut reporters = REPORTERS.lock().unwrap_or_else(PoisonError::into_inner);
    reporters.retain(|known| known.strong_count() > 0);
    reporters.push(reporter);
}

/// Reports a call outside of any scope, once for each call site.
pub(crate) fn report(site: &'static Location<'static>, method: &Method) {
    let is_new = REPORTED_AT
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert_default()
        .insert(site);
    if !is_new {
        return;
    }
    let failure = Failure::for_calls(
        Reason::OutsideScope(site),
        vec![Call::new(method.clone(), vec![])],
    );
    let reporters: Vec<_> = {
        let reporters = REPORTERS.lock().unwrap_or_else(PoisonError::into_inner);
        reporters.iter().filter_map(Weak::upgrade).collect()
    };
    if reporters.is_empty() {
        ErrorReporter::default().report(&failure);
    }
    for reporter in reporters {
        reporter.report(&failure);
    }
}
