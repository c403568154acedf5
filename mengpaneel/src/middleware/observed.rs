//! Requests of an app under test whose Mengpaneel has no token.
//!
//! The test gets the recorded calls, and nothing is flushed.

use std::sync::Arc;

use actix_web::dev::{ServiceRequest, ServiceResponse};

use crate::flush::request_outcome;
use crate::middleware::FAILED;
use crate::record::recorder::{Include, ObservedCalls, Recorder, RecorderServices};
use crate::request::info::RequestInfo;
use crate::settings::Settings;

/// State of such a request in flight. If dropped before the response is ready, the request counts
/// as failed.
pub(crate) struct ObservedRequest {
    recorder: Arc<Recorder>,
}

impl ObservedRequest {
    pub(crate) fn new(
        request: &ServiceRequest,
        settings: &Arc<Settings>,
        observed: Arc<ObservedCalls>,
    ) -> Self {
        let decision = settings
            .consent
            .decide(request.request(), &settings.cookies);
        let info = RequestInfo::new(request.request(), settings);
        let settings = Arc::clone(settings);
        let visitor = move || info.visitor(&settings.cookies, false).restricted(&settings);
        let recorder =
            Recorder::new(visitor, Arc::<RecorderServices>::default()).with_consent(decision);
        Self {
            recorder: Arc::new(recorder.observed_by(Some(observed))),
        }
    }

    pub(crate) fn recorder(&self) -> &Arc<Recorder> {
        &self.recorder
    }

    pub(crate) fn finalize<B>(&self, response: &ServiceResponse<B>) {
        self.recorder
            .finalize(request_outcome(&self.recorder, response), Include::All);
    }
}

impl Drop for ObservedRequest {
    fn drop(&mut self) {
        self.recorder.finalize(FAILED, Include::RecordedOnly);
    }
}
