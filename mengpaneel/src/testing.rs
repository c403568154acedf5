//! Test kit for applications: returns the calls that the code under test recorded.

use std::future::Future;
use std::sync::Arc;

use actix_web::dev::ServiceResponse;

use crate::call::Calls;
use crate::flush::request_outcome;
use crate::record::mixpanel::Mixpanel;
use crate::record::recorder::{Include, ObservedCalls, Recorder, RequestOutcome};
use crate::record::visitor::Visitor;

const SUCCEEDED: RequestOutcome = RequestOutcome {
    is_success: true,
    is_routed: true,
    is_not_found: false,
};

/// Runs `body`, and returns its result and the calls that it recorded, `via(server)` calls
/// included.
///
/// Calls of jobs inside ([`Mengpaneel::scope`](crate::Mengpaneel::scope)) and of
/// [`as_user`](crate::Mengpaneel::as_user) are included, with or without a token. An `identify`
/// precedes the calls of each user.
///
/// ```
/// let ((), calls) = mengpaneel::testing::record(|| mengpaneel::track("Sign In", ()));
/// assert_eq!(calls.tracking[0].str_arg(0), Some("Sign In"));
/// ```
pub fn record<R>(body: impl FnOnce() -> R) -> (R, Calls) {
    let (recorder, observed) = new_recorder();
    let output = Mixpanel::new(Arc::clone(&recorder)).sync_scope(body);
    (output, collect_calls(&recorder, &observed))
}

/// Same as [`record`] for a future.
pub async fn record_async<F: Future>(future: F) -> (F::Output, Calls) {
    let (recorder, observed) = new_recorder();
    let output = Mixpanel::new(Arc::clone(&recorder)).scope(future).await;
    (output, collect_calls(&recorder, &observed))
}

/// Runs a request of an app under test, and returns its response and the recorded calls. `call`
/// must call the service, which routes the request, and return the service's future.
///
/// For an app that is wrapped in a [`Mengpaneel`](crate::Mengpaneel), with or without a token, the
/// result has the calls that the middleware would flush. These depend on the response's status and
/// route, the visitor's consent, and the setup function. As in production, calls recorded outside
/// of that middleware are missing. So are calls that an earlier request recorded, and calls of a
/// streamed body. With a token, the request is also tracked as usual.
///
/// An app that is not wrapped records as if it were.
///
/// # Errors
///
/// The error of the service.
///
/// ```
/// # actix_web::rt::System::new().block_on(async {
/// use actix_web::dev::Service as _;
/// use actix_web::{App, test, web};
/// use mengpaneel::{Mengpaneel, testing};
///
/// async fn visitor() {
///     mengpaneel::setup(|mixpanel| mixpanel.identify(42));
/// }
///
/// async fn sign_in() -> &'static str {
///     mengpaneel::track("Sign In", ());
///     "welcome"
/// }
///
/// let mengpaneel = Mengpaneel::builder("").build().unwrap(); // tests need no token
/// let app = App::new().route("/in", web::post().to(sign_in)).wrap(mengpaneel.with_setup(visitor));
/// let app = test::init_service(app).await;
/// let request = test::TestRequest::post().uri("/in").to_request();
/// let (response, calls) = testing::record_request(|| app.call(request)).await;
/// assert!(response.unwrap().status().is_success());
/// assert_eq!(calls.identity(), Some("42"));
/// assert_eq!(calls.tracking[0].str_arg(0), Some("Sign In"));
/// # });
/// ```
pub async fn record_request<B, F>(
    call: impl FnOnce() -> F,
) -> (Result<ServiceResponse<B>, actix_web::Error>, Calls)
where
    F: Future<Output = Result<ServiceResponse<B>, actix_web::Error>>,
{
    let (recorder, observed) = new_recorder();
    let mixpanel = Mixpanel::new(Arc::clone(&recorder));
    let future = mixpanel.sync_scope(call);
    let result = mixpanel.scope(future).await;
    let calls = observed.take().unwrap_or_else(|| {
        let failed = RequestOutcome {
            is_success: false,
            ..SUCCEEDED
        };
        finalize(
            &recorder,
            result
                .as_ref()
                .map_or(failed, |response| request_outcome(&recorder, response)),
        )
    });
    (result, calls)
}

/// Creates a test's own recorder, and the observer of the recorders inside.
fn new_recorder() -> (Arc<Recorder>, Arc<ObservedCalls>) {
    let observed = Arc::<ObservedCalls>::default();
    let recorder =
        Recorder::new(Visitor::default, Arc::default()).into_test_recorder(Arc::clone(&observed));
    (Arc::new(recorder), observed)
}

/// Returns the calls of a test's own recorder, then those of the recorders inside.
fn collect_calls(recorder: &Recorder, observed: &ObservedCalls) -> Calls {
    let mut calls = finalize(recorder, SUCCEEDED);
    calls.append(observed.take().unwrap_or_default());
    calls
}

fn finalize(recorder: &Recorder, outcome: RequestOutcome) -> Calls {
    let final_calls = recorder.finalize(outcome, Include::All).unwrap_or_default();
    final_calls.recorded_here()
}
