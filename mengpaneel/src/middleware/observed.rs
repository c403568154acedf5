//! Request of an app under test whose Mengpaneel has no token: the test learns what it records, and
//! nothing is flushed.

use std::sync::Arc;

use actix_web::dev::{ServiceRequest, ServiceResponse};

use crate::middleware::{FAILED, ending};
use crate::record::recorder::{Extent, Observed, Recorder, Shared};
use crate::request::info::Asked;
use crate::settings::Settings;

/// State of such a request in flight. If dropped before the response is ready, it settles as
/// failed.
pub(crate) struct ObservedRequest {
    recorder: Arc<Recorder>,
}

impl ObservedRequest {
    pub(crate) fn new(
        request: &ServiceRequest,
        settings: &Arc<Settings>,
        observed: Arc<Observed>,
    ) -> Self {
        let decision = settings
            .consent
            .decide(request.request(), &settings.cookies);
        let asked = Asked::new(request.request(), settings);
        let settings = Arc::clone(settings);
        let visitor = move || {
            asked
                .visitor(&settings.cookies, false)
                .restricted(&settings)
        };
        let recorder = Recorder::new(visitor, Arc::<Shared>::default()).with_consent(decision);
        Self {
            recorder: Arc::new(recorder.observed_by(Some(observed))),
        }
    }

    pub(crate) fn recorder(&self) -> &Arc<Recorder> {
        &self.recorder
    }

    pub(crate) fn finish<B>(&self, response: &ServiceResponse<B>) {
        self.recorder
            .settle(ending(&self.recorder, response), Extent::Everything);
    }
}

impl Drop for ObservedRequest {
    fn drop(&mut self) {
        self.recorder.settle(FAILED, Extent::RecordedHere);
    }
}
