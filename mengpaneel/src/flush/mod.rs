//! Flush: each set of recorded calls is delivered by the first strategy that accepts it.
//!
//! Strategies do not use each other. A strategy gets a whole set, and either accepts it or declines
//! with a reason before it has changed anything.

mod async_server_side;
mod body;
mod caching;
mod capable_client_side;
mod client_side;
mod consent;
mod declined;
mod delayed;
mod dispatch;
mod head;
mod own_headers;
mod page;
mod replay;
mod server_side;
mod split;
mod stream;

use std::error::Error;
use std::sync::Arc;

use actix_session::Session;
use actix_web::body::MessageBody;
use actix_web::cookie::Cookie;
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;

use crate::browser::snippet::Snippet;
use crate::call::{Call, Calls, Method};
use crate::delayed::carrier::Carrier;
use crate::delayed::claims::Claim;
use crate::delayed::fallback::Fallback;
use crate::deliver::dispatcher::Dispatcher;
use crate::error::setup_mistake::SetupMistake;
use crate::metrics;
use crate::record::consent::ConsentStatus;
use crate::record::envelope::Envelope;
use crate::record::mixpanel::Mixpanel;
use crate::record::recorder::{FinalCalls, Include, Recorder, RequestOutcome};
use crate::record::strategy::Strategy;
use crate::request::info::RequestInfo;
use crate::settings::Settings;

pub use crate::flush::body::Body;
pub(crate) use crate::flush::body::Content;
use crate::flush::declined::{DeclineReason, StrategyDeclined};
use crate::flush::dispatch::{Dispatch, PendingDispatch};

/// Services shared by all requests of one `Mengpaneel`.
pub(crate) struct Services {
    /// Configuration.
    pub settings: Arc<Settings>,
    /// Snippet that is injected into pages.
    pub snippet: Arc<Snippet>,
    /// Entry to the outbox and to delivery by the server.
    pub dispatcher: Arc<Dispatcher>,
    /// Fallback copies of delayed calls.
    pub fallback: Fallback,
    /// Writes and reads carrier cookies. `None` without a `cookie_key`.
    pub carrier: Option<Carrier>,
}

/// A request and its response while the recorded calls are flushed.
pub(crate) struct Exchange<B> {
    /// Services of the `Mengpaneel`.
    pub services: Arc<Services>,
    /// Facts of the request.
    pub info: Arc<RequestInfo>,
    /// Recorder of the request. Goes on recording while a streamed page is produced.
    pub recorder: Arc<Recorder>,
    /// Session of a `SessionMiddleware` that is wrapped outside. `None` without one.
    pub session: Option<Session>,
    /// Fallback copy to store for the calls that this response delays.
    pub fallback_copy: Option<Box<Envelope>>,
    /// Claim on the delayed calls that this response replays.
    pub claim: Option<Claim>,
    /// Encoded payload that an earlier version left in the session.
    pub session_payload: Option<String>,
    /// Consent of the visitor.
    pub consent: ConsentStatus,
    /// mixpanel-js's cookie, for a visitor who has none yet.
    pub device_cookie: Option<Box<Cookie<'static>>>,
    /// Head of the response.
    pub response: ServiceResponse<()>,
    /// Body of the response. Always `Some` between two strategies.
    pub body: Option<Content<B>>,
}

/// Outcome of flushing one set of calls.
#[derive(Clone, Copy, Default)]
struct FlushOutcome {
    /// True if a strategy accepted the set, or a dispatch was made of it.
    is_accepted: bool,
    /// True if the set is in the page.
    is_in_page: bool,
}

impl<B> Exchange<B> {
    /// Reports a wrong set-up that this request met.
    fn report_mistake(&self, mistake: &SetupMistake) {
        self.services
            .settings
            .mistakes
            .report(mistake, Some(self.response.request().path()));
    }

    /// Checks that `added` bytes fit in the response's head.
    fn check_head(&self, added: usize) -> Result<(), StrategyDeclined> {
        let bytes = self.head_bytes() + added;
        let max_bytes = self.services.settings.max_header_bytes;
        if bytes <= max_bytes {
            return Ok(());
        }
        let text = format!(
            "the response's head would have {bytes} bytes, more than max_header_bytes ({max_bytes})"
        );
        Err(DeclineReason::TooLarge.because(text))
    }

    /// Upper bound of the bytes in the response's head, without the calls.
    fn head_bytes(&self) -> usize {
        let request_cookie_bytes = self.info.cookies().iter().map(HeaderValue::len).sum();
        head::max_bytes(&self.response, self.session.as_ref(), request_cookie_bytes)
    }

    /// Scope of the request, in which its body is polled.
    fn scope(&self) -> Mixpanel {
        Mixpanel::new(Arc::clone(&self.recorder))
    }

    fn report_flushed(&self, strategy: Strategy, calls: &Calls) {
        metrics::count_flushed(strategy.name(), calls.iter().count());
        if !tracing::enabled!(target: "mengpaneel::flush", tracing::Level::DEBUG) {
            return;
        }
        let (method, path) = (&self.info.method, self.response.request().path());
        let events: Vec<&str> = calls
            .iter()
            .filter(|call| call.method().is_track())
            .filter_map(event_name)
            .collect();
        tracing::debug!(
            target: "mengpaneel::flush",
            strategy = strategy.name(), %method, path, calls = calls.iter().count(), events = events.join(", "),
            "flushed"
        );
    }

    fn report_declined(&self, strategy: Strategy, reason: &StrategyDeclined) {
        metrics::count_declined(strategy.name(), reason.label());
        let (method, path) = (&self.info.method, self.response.request().path());
        tracing::debug!(target: "mengpaneel::flush", strategy = strategy.name(), %method, path, %reason, "declined");
    }
}

impl<B> Exchange<B>
where
    B: MessageBody,
    B::Error: Into<Box<dyn Error>>,
{
    /// Replays delayed calls, flushes the calls of the request, and waits for what the response
    /// must wait for.
    ///
    /// If dropped before its end, every claim is released, and the remaining calls are enqueued.
    pub(crate) async fn run(&mut self) {
        self.read_page().await;
        let outcome = request_outcome(&self.recorder, &self.response);
        // Few requests bring delayed calls: boxed, so that the future of the others stays small.
        if self.has_incoming() {
            if self.consent.is_granted {
                Box::pin(self.replay()).await;
            } else {
                Box::pin(self.discard()).await;
            }
        }
        let final_calls = self.recorder.finalize(outcome, Include::All);
        let pending = self.flush(final_calls.as_deref());
        if self.fallback_copy.is_some() || !pending.dispatches.is_empty() {
            Box::pin(self.wait(pending)).await;
        }
    }

    /// Stores the fallback copy, then dispatches one envelope after the other.
    async fn wait(&mut self, mut pending: PendingDispatch) {
        if let Some(copy) = self.fallback_copy.take() {
            let after = self.services.settings.fallback_after;
            self.services.fallback.schedule(*copy, after).await;
        }
        while let Some(dispatch) = pending.dispatches.pop_front() {
            self.dispatch(dispatch).await;
        }
    }

    /// Flushes the calls of a finalized recorder. Returns the dispatches that remain to be done;
    /// `None` as calls means that nothing was recorded.
    fn flush(&mut self, final_calls: Option<&FinalCalls>) -> PendingDispatch {
        self.remove_untrusted_call_headers();
        let mut dispatches = Vec::new();
        let empty = FinalCalls::default();
        let FinalCalls {
            calls,
            via_server,
            preferred,
            consent,
            consent_change,
            ..
        } = final_calls.unwrap_or(&empty);
        if let Some(change) = consent_change {
            consent::set_cookie(self, change);
        }
        self.consent = consent.unwrap_or(self.consent);
        let is_granted = self.consent.is_granted;
        let preferred = if is_granted {
            *preferred
        } else {
            (*preferred).max(Some(Strategy::AsyncServerSide))
        };
        let flushed = self.flush_calls(calls, preferred, &mut dispatches);
        if !flushed.is_in_page {
            client_side::inject_loader(self);
        }
        if let Some(envelope) = self.via_server_envelope(calls, via_server, flushed.is_accepted) {
            dispatches.push(Dispatch {
                envelope,
                preferred,
            });
        }
        if is_granted {
            self.set_device_cookie();
        }
        PendingDispatch::new(&self.services, dispatches)
    }

    /// Returns the response. Its body holds the claim on replayed calls.
    pub(crate) fn respond(self) -> ServiceResponse<Body<B>> {
        let scope = Some(self.scope());
        let Self {
            response,
            body,
            claim,
            ..
        } = self;
        response.map_body(|_, ()| {
            Body::new(
                body.unwrap_or(Content::Broken { error: None }),
                claim,
                scope,
            )
        })
    }

    /// Sets mixpanel-js's cookie unless a shared cache may keep the response: the cookie is one
    /// visitor's. In that case mixpanel-js makes its own.
    fn set_device_cookie(&mut self) {
        let Some(cookie) = self.device_cookie.take() else {
            return;
        };
        if !caching::may_be_shared(self.response.headers()) {
            self.set_cookie(HeaderValue::try_from(cookie.to_string()).ok());
        }
    }

    /// Tries the strategies in order, beginning with the preferred one.
    fn flush_calls(
        &mut self,
        calls: &Calls,
        preferred: Option<Strategy>,
        dispatches: &mut Vec<Dispatch>,
    ) -> FlushOutcome {
        if calls.is_empty() {
            return FlushOutcome::default();
        }
        let first = preferred.unwrap_or(Strategy::Delayed);
        for strategy in Strategy::ALL
            .into_iter()
            .filter(|strategy| *strategy >= first)
        {
            let result = match strategy {
                Strategy::Delayed => delayed::flush(self, calls),
                Strategy::ClientSide => client_side::flush(self, calls),
                Strategy::CapableClientSide => capable_client_side::flush(self, calls),
                Strategy::AsyncServerSide | Strategy::ServerSide => break,
            };
            match result {
                Ok(excluded) => {
                    self.report_flushed(strategy, calls);
                    if !excluded.is_setup_only() || !excluded.setup.is_empty() {
                        dispatches.push(Dispatch {
                            envelope: self.excluded_envelope(calls, excluded),
                            preferred: None,
                        });
                    }
                    return FlushOutcome {
                        is_accepted: true,
                        is_in_page: strategy == Strategy::ClientSide,
                    };
                }
                Err(declined) => {
                    self.report_declined(strategy, &declined);
                    if let Some(mistake) = declined.mistake(calls) {
                        self.report_mistake(&mistake);
                    }
                }
            }
        }
        if calls.is_setup_only() {
            return FlushOutcome::default();
        }
        dispatches.push(Dispatch {
            envelope: self.recorder.envelope(calls.clone()),
            preferred,
        });
        FlushOutcome {
            is_accepted: true,
            is_in_page: false,
        }
    }
}

/// Returns the outcome of a request. Calls of guards count only if a route was found.
pub(crate) fn request_outcome<B>(
    recorder: &Recorder,
    response: &ServiceResponse<B>,
) -> RequestOutcome {
    let status = response.status();
    RequestOutcome {
        is_success: !status.is_client_error() && !status.is_server_error(),
        is_routed: !recorder.needs_route_outcome() || response.request().match_pattern().is_some(),
        is_not_found: status == StatusCode::NOT_FOUND,
    }
}

/// Event name of a track call. `None` if it is not a string.
fn event_name(call: &Call) -> Option<&str> {
    match call.method() {
        Method::TrackPageview => Some("$mp_web_page_view"),
        _ => call.str_arg(0),
    }
}
