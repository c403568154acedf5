//! The flush: what a request recorded leaves, each set of calls by the first strategy that takes
//! it.
//!
//! Strategies know nothing of each other. Each is asked with a whole set, and either takes it or
//! declines with a reason before it has changed anything.

mod async_server_side;
mod body;
mod caching;
mod capable_client_side;
mod client_side;
mod consent;
mod declined;
mod delayed;
mod head;
mod replay;
mod server_side;
mod split;
mod stream;

use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;

use actix_session::Session;
use actix_web::HttpMessage as _;
use actix_web::body::{BodySize, MessageBody, to_bytes_limited};
use actix_web::cookie::Cookie;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{HeaderMap, HeaderValue};

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
use crate::record::recorder::{FinalCalls, Recorder};
use crate::record::strategy::Strategy;
use crate::request::info::RequestInfo;
use crate::settings::{KeyNames, Settings};

pub use crate::flush::body::Body;
pub(crate) use crate::flush::body::Content;
use crate::flush::declined::{DeclineReason, StrategyDeclined};

/// A page that is not in memory but tells its size is read up to this many bytes.
const MAX_PAGE_BYTES: u64 = 4 << 20;

/// What a Mengpaneel gives each request for its way.
pub(crate) struct Services {
    /// What was configured.
    pub settings: Arc<Settings>,
    /// What is written into pages.
    pub snippet: Arc<Snippet>,
    /// Where what goes by the server is handed in.
    pub dispatcher: Arc<Dispatcher>,
    /// Fallback copies of delayed calls.
    pub fallback: Fallback,
    /// Writes and reads carrier cookies. `None` without a `cookie_key`.
    pub carrier: Option<Carrier>,
}

/// A request and its response, while calls are put on their way.
pub(crate) struct Exchange<B> {
    /// What the ways there are built of.
    pub services: Arc<Services>,
    /// What was asked.
    pub info: Arc<RequestInfo>,
    /// What recorded, under whom; and records on, while a page is still being written.
    pub recorder: Arc<Recorder>,
    /// The session, where a `SessionMiddleware` stands outside of us.
    pub session: Option<Session>,
    /// The copy that is to be kept, of what was delayed here.
    pub fallback_copy: Option<Box<Envelope>>,
    /// On what the last request left, if this one replays that.
    pub claim: Option<Claim>,
    /// Encoded payload that an earlier version left in the session.
    pub session_payload: Option<String>,
    /// True if the visitor may be tracked.
    pub consent: ConsentStatus,
    /// mixpanel-js's cookie, for who has none yet.
    pub device_cookie: Option<Box<Cookie<'static>>>,
    /// The response's head.
    pub response: ServiceResponse<()>,
    /// Its body; always there between two strategies.
    pub body: Option<Content<B>>,
}

impl<B> Exchange<B> {
    /// Reports a wrong set-up that this request met.
    fn report(&self, mistake: &SetupMistake) {
        self.services
            .settings
            .mistakes
            .report(mistake, Some(self.response.request().path()));
    }
}

/// Calls on their way through the server.
struct Dispatch {
    parcel: Envelope,
    forced: Option<Strategy>,
}

impl<B> Exchange<B>
where
    B: MessageBody,
    B::Error: Into<Box<dyn Error>>,
{
    /// Reads the page into memory, if it is one, so that strategies need not wait. To be done
    /// before calls are settled: a client that hangs up meanwhile loses none.
    pub(crate) async fn read_page(&mut self) {
        if let Some(body) = self.unread_page() {
            // Boxed, so that the future of the other requests stays small.
            self.body = Some(Box::pin(self.scope().scope(read(body))).await);
        }
    }

    /// The page, where it is to be read piece by piece.
    fn unread_page(&mut self) -> Option<B> {
        client_side::is_page(self).ok()?;
        let Some(Content::Own { body }) = self.body.take() else {
            return None;
        };
        self.body = Some(match body.try_into_bytes() {
            Ok(bytes) => Content::Whole { bytes },
            Err(body) if matches!(body.size(), BodySize::Sized(size) if size <= MAX_PAGE_BYTES) => {
                return Some(body);
            }
            Err(body) => Content::Own { body },
        });
        None
    }

    /// Checks that `added` bytes fit in the response's head.
    fn check_head(&self, added: usize) -> Result<(), StrategyDeclined> {
        let (bytes, bound) = (
            self.head_bytes() + added,
            self.services.settings.max_header_bytes,
        );
        if bytes <= bound {
            return Ok(());
        }
        let text =
            format!("the response's head would have {bytes} bytes, more than max_header ({bound})");
        Err(DeclineReason::TooLarge.because(text))
    }

    /// Upper bound of the bytes in the response's head, as it is now.
    fn head_bytes(&self) -> usize {
        let request_cookie_bytes = self.info.cookies().iter().map(HeaderValue::len).sum();
        head::bytes(&self.response, self.session.as_ref(), request_cookie_bytes)
    }

    /// Puts everything on its way; what is left is to be waited for.
    pub(crate) fn flush(&mut self, settled: Option<&FinalCalls>) -> PendingDispatch {
        self.remove_foreign_calls();
        let mut shipments = Vec::new();
        let nothing = FinalCalls::default();
        let FinalCalls {
            calls,
            via_server,
            forced,
            consent,
            consent_change,
            ..
        } = settled.unwrap_or(&nothing);
        if let Some(change) = consent_change {
            consent::set_cookie(self, change);
        }
        self.consent = consent.unwrap_or(self.consent);
        let is_granted = self.consent.is_granted;
        let forced = if is_granted {
            *forced
        } else {
            (*forced).max(Some(Strategy::AsyncServerSide))
        };
        let left = self.flush_calls(calls, forced, &mut shipments);
        if !left.in_page {
            client_side::inject_loader(self);
        }
        if let Some(parcel) = self.via_server(calls, via_server, left.somehow) {
            shipments.push(Dispatch { parcel, forced });
        }
        if is_granted {
            self.set_device_cookie();
        }
        PendingDispatch {
            means: Arc::clone(&self.services),
            dispatches: shipments.into(),
        }
    }

    /// Scope of the request, in which its body is polled.
    fn scope(&self) -> Mixpanel {
        Mixpanel::new(Arc::clone(&self.recorder))
    }

    /// Removes headers with which an application, or a server behind it, would have the client run
    /// calls.
    fn remove_foreign_calls(&mut self) {
        if !self
            .response
            .request()
            .extensions()
            .contains::<OwnCallsHeader>()
        {
            remove_calls(self.response.headers_mut(), &self.services.settings.names);
        }
    }

    /// Whether something is to be waited for before the response may leave.
    pub(crate) fn waits(&self, waiting: &PendingDispatch) -> bool {
        self.fallback_copy.is_some() || !waiting.dispatches.is_empty()
    }

    /// Waits for what is on its way.
    pub(crate) async fn wait(&mut self, mut waiting: PendingDispatch) {
        delayed::schedule_fallback(self).await;
        while let Some(shipment) = waiting.dispatches.pop_front() {
            self.dispatch(shipment).await;
        }
    }

    /// Gives the response.
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

    /// A cookie is one visitor's: where others may be shown the response, mixpanel-js makes its
    /// own.
    fn set_device_cookie(&mut self) {
        let Some(seed) = self.device_cookie.take() else {
            return;
        };
        if !caching::may_be_shared(self.response.headers()) {
            self.set_cookie(HeaderValue::try_from(seed.to_string()).ok());
        }
    }

    /// Tries the strategies in their order.
    fn flush_calls(
        &mut self,
        calls: &Calls,
        forced: Option<Strategy>,
        shipments: &mut Vec<Dispatch>,
    ) -> Flushed {
        if calls.is_empty() {
            return Flushed::default();
        }
        let from = forced.unwrap_or(Strategy::Delayed);
        for strategy in Strategy::ALL
            .into_iter()
            .filter(|strategy| *strategy >= from)
        {
            let taken = match strategy {
                Strategy::Delayed => delayed::flush(self, calls),
                Strategy::ClientSide => client_side::flush(self, calls),
                Strategy::CapableClientSide => capable_client_side::flush(self, calls),
                Strategy::AsyncServerSide | Strategy::ServerSide => break,
            };
            match taken {
                Ok(others) => {
                    self.report_flushed(strategy, calls);
                    if !others.is_setup_only() || !others.setup.is_empty() {
                        let parcel = Envelope {
                            context: context_of(calls, &others),
                            ..self.parcel(others)
                        };
                        shipments.push(Dispatch {
                            parcel,
                            forced: None,
                        });
                    }
                    return Flushed {
                        somehow: true,
                        in_page: strategy == Strategy::ClientSide,
                    };
                }
                Err(declined) => {
                    self.report_declined(strategy, &declined);
                    if let Some(mistake) = declined.mistake(calls) {
                        self.report(&mistake);
                    }
                }
            }
        }
        if calls.is_setup_only() {
            return Flushed::default();
        }
        shipments.push(Dispatch {
            parcel: self.parcel(calls.clone()),
            forced,
        });
        Flushed {
            somehow: true,
            in_page: false,
        }
    }

    /// What the application wants sent by the server. Setup's own profile calls go with it unless
    /// they leave with the other calls.
    fn via_server(&self, calls: &Calls, via_server: &Calls, setup_left: bool) -> Option<Envelope> {
        if via_server.is_setup_only() {
            return None;
        }
        let mut via_server = via_server.clone();
        let context: Vec<Call> = if setup_left {
            calls
                .before_setup
                .iter()
                .chain(&calls.setup)
                .cloned()
                .collect()
        } else {
            via_server.setup.splice(0..0, calls.setup.iter().cloned());
            Vec::new()
        };
        Some(Envelope {
            context,
            via_server: true,
            ..self.parcel(via_server)
        })
    }

    async fn dispatch(&self, Dispatch { parcel, forced }: Dispatch) {
        let calls = parcel.calls.clone();
        // Where Mixpanel is away, what was to be said at once waits for it.
        let parcel = if forced == Some(Strategy::ServerSide) && !self.services.dispatcher.is_away()
        {
            parcel
        } else {
            match async_server_side::flush(&self.services.dispatcher, parcel).await {
                Ok(()) => return self.report_flushed(Strategy::AsyncServerSide, &calls),
                Err(declined) => {
                    self.report_declined(
                        Strategy::AsyncServerSide,
                        &DeclineReason::Outbox.because(declined.reason),
                    );
                    *declined.envelope
                }
            }
        };
        server_side::flush(&self.services.dispatcher, parcel).await;
        self.report_flushed(Strategy::ServerSide, &calls);
    }

    fn parcel(&self, calls: Calls) -> Envelope {
        self.recorder.parcel(calls)
    }

    fn report_flushed(&self, strategy: Strategy, calls: &Calls) {
        metrics::flushed(strategy.name(), calls.iter().count());
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
        metrics::declined(strategy.name(), reason.label());
        let (method, path) = (&self.info.method, self.response.request().path());
        tracing::debug!(target: "mengpaneel::flush", strategy = strategy.name(), %method, path, %reason, "declined");
    }
}

/// Shipments that wait for the one before them. A client that hangs up meanwhile loses none.
pub(crate) struct PendingDispatch {
    means: Arc<Services>,
    dispatches: VecDeque<Dispatch>,
}

impl Drop for PendingDispatch {
    fn drop(&mut self) {
        for Dispatch { parcel, .. } in self.dispatches.drain(..) {
            self.means.dispatcher.enqueue_detached(parcel);
        }
    }
}

/// Marks a request whose response carries calls of ours: they stay where another Mengpaneel stands
/// outside.
pub(crate) struct OwnCallsHeader;

/// Removes the headers that carry calls, where we did not set them: a client would run what they
/// say.
fn remove_calls(headers: &mut HeaderMap, names: &KeyNames) {
    for name in [&names.calls, &names.setup] {
        if headers.contains_key(name) {
            headers.remove(name);
        }
    }
}

/// How a set of calls left.
#[derive(Clone, Copy, Default)]
struct Flushed {
    somehow: bool,
    in_page: bool,
}

async fn read<B: MessageBody>(body: B) -> Content<B>
where
    B::Error: Into<Box<dyn Error>>,
{
    match to_bytes_limited(body, usize::try_from(MAX_PAGE_BYTES).unwrap_or(usize::MAX)).await {
        Ok(Ok(bytes)) => Content::Whole { bytes },
        Ok(Err(error)) => Content::Broken {
            error: Some(error.into()),
        },
        Err(error) => Content::Broken {
            error: Some(error.into()),
        },
    }
}

/// The calls under which `others` were recorded: all that are not among them.
fn context_of(calls: &Calls, others: &Calls) -> Vec<Call> {
    let others: Vec<&Call> = others.iter().collect();
    calls
        .iter()
        .filter(|call| !call.method().is_track() && !others.contains(call))
        .cloned()
        .collect()
}

fn event_name(call: &Call) -> Option<&str> {
    match call.method() {
        Method::TrackPageview => Some("$mp_web_page_view"),
        _ => call.str_arg(0),
    }
}
