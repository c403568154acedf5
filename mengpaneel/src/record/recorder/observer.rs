//! Observer of a test: learns what the requests of an app under test record.

use std::sync::{Arc, Mutex, PoisonError};

use crate::call::{Call, Calls, Method};
use crate::record::recorder::{FinalCalls, Recorder};

/// Calls that were settled by the recorders of an app under test.
#[derive(Debug, Default)]
pub(crate) struct Observed(Mutex<Option<Calls>>);

impl Observed {
    /// Takes the calls, or `None` if no Mengpaneel recorded a request.
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

    /// Adds a call of a user, behind the `identify` that says whose it is.
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

/// Part of a recorder in a test.
#[derive(Clone)]
pub(crate) enum Observer {
    /// Stands in for the middleware of an app that is not wrapped in one.
    StandIn(Arc<Observed>),
    /// Belongs to a middleware or a job, and tells the test what it settles.
    Middleware(Arc<Observed>),
    /// Belongs to a handle of one user, and tells the test of each call.
    User(Arc<Observed>),
}

fn is_identity(call: &Call) -> bool {
    matches!(call.method(), Method::Identify | Method::Reset)
}

impl Recorder {
    /// The same recorder, as the test's own.
    #[must_use]
    pub(crate) fn standing_in(self, observed: Arc<Observed>) -> Self {
        Self {
            observer: Some(Observer::StandIn(observed)),
            ..self
        }
    }

    /// The same recorder, as a middleware's, which a test may observe.
    #[must_use]
    pub(crate) fn observed_by(self, observed: Option<Arc<Observed>>) -> Self {
        Self {
            observer: observed.map(Observer::Middleware),
            ..self
        }
    }

    /// The same recorder, as that of a user's handle, which a test may observe.
    #[must_use]
    pub(crate) fn observed_for_user(self, observed: Option<Arc<Observed>>) -> Self {
        Self {
            observer: observed.map(Observer::User),
            ..self
        }
    }

    /// Returns whether a test's own recorder stands in for a middleware.
    pub(crate) fn stands_in(&self) -> bool {
        matches!(self.observer, Some(Observer::StandIn(_)))
    }

    /// Returns the observer, which the recorders of middlewares further inside have too.
    pub(crate) fn observer(&self) -> Option<Arc<Observed>> {
        match self.observer.as_ref()? {
            Observer::StandIn(observed)
            | Observer::Middleware(observed)
            | Observer::User(observed) => Some(Arc::clone(observed)),
        }
    }

    /// Tells a test what was recorded here. Replayed calls were recorded by another request.
    pub(crate) fn notify_observer(&self, settled: &FinalCalls) {
        if let Some(Observer::Middleware(observed)) = &self.observer {
            observed.add(settled.recorded_here());
        }
    }

    /// Tells a test of a call by a user's handle. `context` is in force for it.
    pub(crate) fn notify_observer_of_user(&self, context: &[Call], call: &Call) {
        if let Some(Observer::User(observed)) = &self.observer {
            let own = Some(call).filter(|call| is_identity(call));
            observed.add_of_user(
                own.or_else(|| context.iter().rfind(|call| is_identity(call))),
                call,
            );
        }
    }
}
