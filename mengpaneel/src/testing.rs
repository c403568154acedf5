//! For an application's own tests: what the code under test recorded.

use std::future::Future;
use std::sync::Arc;

use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;

use crate::call::Calls;
use crate::mixpanel::Mixpanel;
use crate::recorder::{Ending, Extent, Recorder};
use crate::visitor::Visitor;

const SUCCEEDED: Ending = Ending { succeeded: true, routed: true, not_found: false };

/// Runs `body` and gives what it returned and recorded, `via(server)` calls among the others.
///
/// ```
/// let ((), calls) = mengpaneel::testing::record(|| mengpaneel::track("Sign In", ()));
/// assert_eq!(calls.tracking[0].str_arg(0), Some("Sign In"));
/// ```
pub fn record<R>(body: impl FnOnce() -> R) -> (R, Calls) {
    let recorder = recorder();
    let returned = Mixpanel::new(Arc::clone(&recorder)).sync_scope(body);
    (returned, settle(&recorder, SUCCEEDED))
}

/// As [`record`], for a future.
pub async fn record_async<F: Future>(future: F) -> (F::Output, Calls) {
    let recorder = recorder();
    let returned = Mixpanel::new(Arc::clone(&recorder)).scope(future).await;
    (returned, settle(&recorder, SUCCEEDED))
}

/// What a request recorded: `call` makes its future, as a service does, and routes it meanwhile.
///
/// Calls that wait for the status of the response, or for a route, count exactly where they do below the
/// middleware.
///
/// # Errors
///
/// As the service's.
pub async fn record_request<B, F>(call: impl FnOnce() -> F) -> (Result<ServiceResponse<B>, actix_web::Error>, Calls)
where
    F: Future<Output = Result<ServiceResponse<B>, actix_web::Error>>,
{
    let recorder = recorder();
    let mixpanel = Mixpanel::new(Arc::clone(&recorder));
    let future = mixpanel.sync_scope(call);
    let answer = mixpanel.scope(future).await;
    let status = answer.as_ref().ok().map(ServiceResponse::status);
    let succeeded = status.is_some_and(|status| !status.is_client_error() && !status.is_server_error());
    // Calls of a guard count only where a route was found for the request.
    let is_matched = |answer: &ServiceResponse<B>| answer.request().match_pattern().is_some();
    let routed = !recorder.asks_for_route() || answer.as_ref().map_or(true, is_matched);
    let not_found = status == Some(StatusCode::NOT_FOUND);
    let calls = settle(&recorder, Ending { succeeded, routed, not_found });
    (answer, calls)
}

fn recorder() -> Arc<Recorder> {
    Arc::new(Recorder::new(Visitor::default, Arc::default()))
}

fn settle(recorder: &Recorder, ending: Ending) -> Calls {
    let settled = recorder.settle(ending, Extent::Everything).map(Arc::unwrap_or_clone).unwrap_or_default();
    let mut calls = settled.calls;
    calls.before_setup.extend(settled.via_server.before_setup);
    calls.setup.extend(settled.via_server.setup);
    calls.tracking.extend(settled.via_server.tracking);
    calls
}
