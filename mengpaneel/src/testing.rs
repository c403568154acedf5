//! For an application's own tests: what the code under test recorded.

use std::future::Future;
use std::sync::Arc;

use actix_web::dev::ServiceResponse;

use crate::call::Calls;
use crate::middleware::ending;
use crate::record::mixpanel::Mixpanel;
use crate::record::recorder::{Include, Observed, Recorder, RequestOutcome};
use crate::record::visitor::Visitor;

const SUCCEEDED: RequestOutcome = RequestOutcome {
    succeeded: true,
    routed: true,
    not_found: false,
};

/// Runs `body` and gives what it returned and recorded, `via(server)` calls among the others.
///
/// Jobs that run inside ([`Mengpaneel::scope`](crate::Mengpaneel::scope)), and calls by
/// [`as_user`](crate::Mengpaneel::as_user), are among them, with or without a token. Each user's
/// calls stand behind an `identify` of that user.
///
/// ```
/// let ((), calls) = mengpaneel::testing::record(|| mengpaneel::track("Sign In", ()));
/// assert_eq!(calls.tracking[0].str_arg(0), Some("Sign In"));
/// ```
pub fn record<R>(body: impl FnOnce() -> R) -> (R, Calls) {
    let (recorder, observed) = recorder();
    let returned = Mixpanel::new(Arc::clone(&recorder)).sync_scope(body);
    (returned, all(&recorder, &observed))
}

/// As [`record`], for a future.
pub async fn record_async<F: Future>(future: F) -> (F::Output, Calls) {
    let (recorder, observed) = recorder();
    let returned = Mixpanel::new(Arc::clone(&recorder)).scope(future).await;
    (returned, all(&recorder, &observed))
}

/// Runs a request of an app under test, and returns its response and what it recorded. `call` makes
/// its future, as a service does, and routes it meanwhile.
///
/// Of an app that is wrapped in a [`Mengpaneel`](crate::Mengpaneel), with or without a token, these
/// are the calls that the middleware counts: by the response's status and route, by the visitor's
/// consent, and with the setup function. What is recorded outside of that middleware is missing, as
/// it is in production; so are calls that an earlier request recorded, and those of a body that is
/// streamed. With a token, the request is tracked as ever.
///
/// An app that is not wrapped records as if it were.
///
/// # Errors
///
/// As the service's.
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
    let (recorder, observed) = recorder();
    let mixpanel = Mixpanel::new(Arc::clone(&recorder));
    let future = mixpanel.sync_scope(call);
    let answer = mixpanel.scope(future).await;
    let calls = observed.take().unwrap_or_else(|| {
        let failed = RequestOutcome {
            succeeded: false,
            ..SUCCEEDED
        };
        finalize(
            &recorder,
            answer
                .as_ref()
                .map_or(failed, |answer| ending(&recorder, answer)),
        )
    });
    (answer, calls)
}

/// A test's own recorder, and what learns of the recorders inside.
fn recorder() -> (Arc<Recorder>, Arc<Observed>) {
    let observed = Arc::<Observed>::default();
    let recorder =
        Recorder::new(Visitor::default, Arc::default()).standing_in(Arc::clone(&observed));
    (Arc::new(recorder), observed)
}

/// Calls of a test's own recorder, then those of the recorders inside.
fn all(recorder: &Recorder, observed: &Observed) -> Calls {
    let mut calls = finalize(recorder, SUCCEEDED);
    calls.append(observed.take().unwrap_or_default());
    calls
}

fn finalize(recorder: &Recorder, ending: RequestOutcome) -> Calls {
    let settled = recorder.finalize(ending, Include::All).unwrap_or_default();
    settled.recorded_here()
}
