//! Observer of the calls that the requests of an app under test record.

use std::sync::{Arc, Mutex, PoisonError};

use crate::call::{Call, Calls, Method};
use crate::record::recorder::{FinalCalls, Recorder};

/// Calls that the recorders of an app under test finalized.
#[derive(Debug, Default)]
pub(crate) struct ObservedCalls(Mutex<Option<Calls>>);

impl ObservedCalls {
    /// Takes the calls. `None` if no `Mengpaneel` recorded a request.
    pub(crate) fn take(&self) -> Option<Calls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn add(&self, calls: Calls) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_default()
            .append(calls);
    }

    /// Adds a call of a user's handle after the `identify` that applies to it.
    fn add_of_user(&self, identity: Option<&Call>, call: &Call) {
        let mut observed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tracking = &mut observed.get_or_insert_default().tracking;
        if tracking.iter().rfind(|call| is_identity(call)) != identity {
            tracking.extend(identity.cloned());
        }
        if !is_identity(call) {
            tracking.push(call.clone());
        }
    }
}

/// Role of a recorder in a test.
#[derive(Clone)]
pub(crate) enum Observer {
    /// Recorder of the test itself, for an app without the middleware.
    Test(Arc<ObservedCalls>),
    /// Recorder of a middleware or a job, which notifies the test of its final calls.
    Middleware(Arc<ObservedCalls>),
    /// Recorder of a user's handle, which notifies the test of each call.
    User(Arc<ObservedCalls>),
}

fn is_identity(call: &Call) -> bool {
    matches!(call.method(), Method::Identify | Method::Reset)
}

impl Recorder {
    /// Marks the recorder as the test's own.
    #[must_use]
    pub(crate) fn into_test_recorder(self, observed: Arc<ObservedCalls>) -> Self {
        Self {
            observer: Some(Observer::Test(observed)),
            ..self
        }
    }

    /// Sets the test that observes the recorder of a middleware or job.
    #[must_use]
    pub(crate) fn observed_by(self, observed: Option<Arc<ObservedCalls>>) -> Self {
        Self {
            observer: observed.map(Observer::Middleware),
            ..self
        }
    }

    /// Sets the test that observes the recorder of a user's handle.
    #[must_use]
    pub(crate) fn observed_for_user(self, observed: Option<Arc<ObservedCalls>>) -> Self {
        Self {
            observer: observed.map(Observer::User),
            ..self
        }
    }

    /// Returns whether the recorder is the test's own.
    pub(crate) fn is_test_recorder(&self) -> bool {
        matches!(self.observer, Some(Observer::Test(_)))
    }

    /// Returns the observer, which the recorders of inner middlewares share. `None` outside of
    /// tests.
    pub(crate) fn observer(&self) -> Option<Arc<ObservedCalls>> {
        match self.observer.as_ref()? {
            Observer::Test(observed)
            | Observer::Middleware(observed)
            | Observer::User(observed) => Some(Arc::clone(observed)),
        }
    }

    /// Notifies the test of the calls recorded here. Replayed calls belong to another request.
    pub(crate) fn notify_observer(&self, final_calls: &FinalCalls) {
        if let Some(Observer::Middleware(observed)) = &self.observer {
            observed.add(final_calls.recorded_here());
        }
    }

    /// Notifies the test of a call of a user's handle, to which `context` applies.
    pub(crate) fn notify_observer_of_user(&self, context: &[Call], call: &Call) {
        if let Some(Observer::User(observed)) = &self.observer {
            let identity = Some(call).filter(|call| is_identity(call));
            observed.add_of_user(
                identity.or_else(|| context.iter().rfind(|call| is_identity(call))),
                call,
            );
        }
    }
}
