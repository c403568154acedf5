//! Reports calls that were recorded outside of any scope: the only state that the whole process
//! shares, since such a call belongs to no Mengpaneel.

use std::collections::HashSet;
use std::panic::Location;
use std::sync::{Mutex, PoisonError, Weak};

use crate::call::{Call, Method};
use crate::error::{ErrorReporter, Failure, Reason};

/// Reporters of every Mengpaneel that lives.
static REPORTERS: Mutex<Vec<Weak<ErrorReporter>>> = Mutex::new(Vec::new());
/// Places that were reported. Bounded by the places in the program's code.
static REPORTED_AT: Mutex<Option<HashSet<&'static Location<'static>>>> = Mutex::new(None);

/// Has a Mengpaneel's `on_error` called for each place that records outside of any scope.
pub(crate) fn subscribe(failures: Weak<ErrorReporter>) {
    let mut reporters = REPORTERS.lock().unwrap_or_else(PoisonError::into_inner);
    reporters.retain(|reporter| reporter.strong_count() > 0);
    reporters.push(failures);
}

/// Reports, once for each place, a call that no Mengpaneel collects.
pub(crate) fn report(place: &'static Location<'static>, method: &Method) {
    let is_new = REPORTED_AT
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert_default()
        .insert(place);
    if !is_new {
        return;
    }
    let failure = Failure::for_calls(
        Reason::OutsideScope(place),
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
