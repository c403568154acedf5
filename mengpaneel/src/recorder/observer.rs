//! Observer of a test: learns what the requests of an app under test record.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Recorder, Settled};
use crate::call::Calls;

/// Calls that were settled by the recorders of an app under test.
#[derive(Debug, Default)]
pub struct Observed(Mutex<Option<Calls>>);

impl Observed {
    /// Takes the calls, or `None` if no Mengpaneel recorded a request.
    pub fn take(&self) -> Option<Calls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn add(&self, calls: Calls) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().append(calls);
    }
}

/// Part of a recorder in a test.
#[derive(Clone)]
pub(super) enum Observer {
    /// Stands in for the middleware of an app that is not wrapped in one.
    StandIn(Arc<Observed>),
    /// Belongs to a middleware, and tells the test what it settles.
    Middleware(Arc<Observed>),
}

impl Recorder {
    /// The same recorder, as the test's own.
    #[must_use]
    pub fn standing_in(self, observed: Arc<Observed>) -> Self {
        Self { observer: Some(Observer::StandIn(observed)), ..self }
    }

    /// The same recorder, as a middleware's, which a test may observe.
    #[must_use]
    pub fn observed_by(self, observed: Option<Arc<Observed>>) -> Self {
        Self { observer: observed.map(Observer::Middleware), ..self }
    }

    /// Returns whether a test's own recorder stands in for a middleware.
    pub fn stands_in(&self) -> bool {
        matches!(self.observer, Some(Observer::StandIn(_)))
    }

    /// Returns the observer, which the recorders of middlewares further inside have too.
    pub fn observer(&self) -> Option<Arc<Observed>> {
        match self.observer.as_ref()? {
            Observer::StandIn(observed) | Observer::Middleware(observed) => Some(Arc::clone(observed)),
        }
    }

    /// Tells a test what was recorded here. Replayed calls were recorded by another request.
    pub(super) fn tell_observer(&self, settled: &Settled) {
        if let Some(Observer::Middleware(observed)) = &self.observer {
            observed.add(settled.recorded_here());
        }
    }
}
