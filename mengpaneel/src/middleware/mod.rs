//! The middleware: one request, from what the last one left to what this one leaves.

pub(crate) mod before;
pub mod guard;
mod handles;
mod observed;
pub(crate) mod script;
pub(crate) mod with_setup;

use std::error::Error;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_session::{Session, SessionExt as _};
use actix_web::body::MessageBody;
use actix_web::cookie::Cookie;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::StatusCode;
use futures_util::future::LocalBoxFuture;

use crate::call::Calls;
use crate::delayed::session_payload;
use crate::error::log_text::Quoted;
use crate::error::setup_mistake::SetupMistake;
use crate::error::{Failure, Reason};
use crate::flush::{Body, Content, Exchange};
use crate::mengpaneel::{Inner, Mengpaneel};
use crate::record::consent::{ConsentStatus, Decision};
use crate::record::current;
use crate::record::envelope::Envelope;
use crate::record::mixpanel::Mixpanel;
use crate::record::recorder::{FinalCalls, Include, Observed, Recorder, RequestOutcome};
use crate::record::visitor::Visitor;
use crate::request::info::RequestInfo;

pub(crate) use crate::middleware::handles::ProjectHandles;
use crate::middleware::observed::ObservedRequest;

/// Ending of a request that got no response.
const FAILED: RequestOutcome = RequestOutcome {
    succeeded: false,
    routed: true,
    not_found: false,
};

impl<S, B> Transform<S, ServiceRequest> for Mengpaneel
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
    B::Error: Into<Box<dyn Error>>,
{
    type Response = ServiceResponse<Body<B>>;
    type Error = actix_web::Error;
    type Transform = Middleware<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(Middleware::around(service, self)))
    }
}

/// A service with a [`Mengpaneel`] around it.
#[derive(Debug)]
pub struct Middleware<S> {
    service: S,
    mengpaneel: Mengpaneel,
    /// True if a session middleware is wrapped inside.
    has_session_inside: bool,
}

impl<S> Middleware<S> {
    pub(crate) fn around(service: S, mengpaneel: &Mengpaneel) -> Self {
        Self {
            service,
            mengpaneel: mengpaneel.clone(),
            has_session_inside: is_around_session::<S>(),
        }
    }
}

/// Returns whether a service has a `SessionMiddleware` of any version around it, with no setup
/// function inside, by its type's name: for a log line only, since such names are no promise of the
/// compiler's. A session that may be switched off does not count.
fn is_around_session<S>() -> bool {
    let name = std::any::type_name::<S>();
    let Some(session) = name.find("actix_session::middleware::") else {
        return false;
    };
    let has_function_inside = name
        .rfind("::BeforeMiddleware<")
        .is_some_and(|function| session < function);
    !has_function_inside && !name.contains("::ConditionMiddleware<")
}

impl<S, B> Service<ServiceRequest> for Middleware<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
    B::Error: Into<Box<dyn Error>>,
{
    type Response = ServiceResponse<Body<B>>;
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        if ProjectHandles::get(request.request(), &self.mengpaneel).is_some() {
            return self.call_inner(request);
        }
        let observer = current::observer();
        let Some(on) = self.mengpaneel.inner() else {
            return match observer {
                Some(test) => self.observe(request, test),
                None => self.bypass(request),
            };
        };
        let settings = &on.services.settings;
        let decision = settings
            .consent
            .decide(request.request(), &settings.cookies);
        let mut state = RequestState::new(on, &request, decision, observer);
        if self.has_session_inside && state.session.is_none() {
            settings
                .mistakes
                .report(&SetupMistake::SessionInside, Some(request.path()));
        }
        if state.asked.is_origin_hidden {
            settings
                .mistakes
                .report(&SetupMistake::HostHidden, Some(request.path()));
        }
        let mixpanel = Mixpanel::new(Arc::clone(&state.recorder));
        ProjectHandles::insert(&request, &self.mengpaneel, &mixpanel);
        // Routing and its guards run inside of `call` itself, extractors and handlers in its
        // future.
        let answer = mixpanel.sync_scope(|| self.service.call(request));
        Box::pin(async move {
            let response = mixpanel.scope(answer).await?;
            Ok(state.finish(response).await)
        })
    }
}

impl<S, B> Middleware<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
    B::Error: Into<Box<dyn Error>>,
{
    /// Lets a request through as if the Mengpaneel were not there: it has no token.
    fn bypass(
        &self,
        request: ServiceRequest,
    ) -> LocalBoxFuture<'static, Result<ServiceResponse<Body<B>>, actix_web::Error>> {
        let mixpanel = Mixpanel::detached();
        ProjectHandles::insert(&request, &self.mengpaneel, &mixpanel);
        let answer = mixpanel.sync_scope(|| self.service.call(request));
        Box::pin(async move {
            let response = mixpanel.scope(answer).await?;
            Ok(response.map_body(|_, body| Body::passthrough(body, Some(mixpanel))))
        })
    }

    /// Tells a test what a request records. Without a token nothing is flushed.
    fn observe(
        &self,
        request: ServiceRequest,
        observed: Arc<Observed>,
    ) -> LocalBoxFuture<'static, Result<ServiceResponse<Body<B>>, actix_web::Error>> {
        let state = ObservedRequest::new(&request, self.mengpaneel.settings(), observed);
        let mixpanel = Mixpanel::new(Arc::clone(state.recorder()));
        ProjectHandles::insert(&request, &self.mengpaneel, &mixpanel);
        let answer = mixpanel.sync_scope(|| self.service.call(request));
        Box::pin(async move {
            let response = mixpanel.scope(answer).await?;
            state.finish(&response);
            Ok(response.map_body(|_, body| Body::passthrough(body, Some(mixpanel))))
        })
    }

    /// Passes on a request that the same Mengpaneel records already, wrapped around an outer scope
    /// too.
    fn call_inner(
        &self,
        request: ServiceRequest,
    ) -> LocalBoxFuture<'static, Result<ServiceResponse<Body<B>>, actix_web::Error>> {
        let answer = self.service.call(request);
        Box::pin(async move {
            Ok(answer
                .await?
                .map_body(|_, body| Body::passthrough(body, None)))
        })
    }
}

/// Ending of a request, by its response. A guard's calls count only where a route was found.
pub(crate) fn ending<B>(recorder: &Recorder, response: &ServiceResponse<B>) -> RequestOutcome {
    let status = response.status();
    RequestOutcome {
        succeeded: !status.is_client_error() && !status.is_server_error(),
        routed: !recorder.needs_route_outcome() || response.request().match_pattern().is_some(),
        not_found: status == StatusCode::NOT_FOUND,
    }
}

/// State of a request in flight. If dropped before the response is ready (panic, disconnect, failed
/// middleware), it enqueues what was recorded here; delayed calls that the request brought stay
/// where they are.
struct RequestState {
    on: Arc<Inner>,
    asked: Arc<RequestInfo>,
    recorder: Arc<Recorder>,
    session: Option<Session>,
    /// Encoded payload that an earlier version left in the session.
    session_payload: Option<String>,
    /// True if the visitor may be tracked, as the request came.
    consent: ConsentStatus,
    seed: Option<Box<Cookie<'static>>>,
}

impl RequestState {
    fn new(
        on: &Arc<Inner>,
        request: &ServiceRequest,
        decision: Decision,
        observer: Option<Arc<Observed>>,
    ) -> Self {
        let settings = &on.services.settings;
        let asked = Arc::new(RequestInfo::new(request.request(), settings));
        let session = session_payload::is_present(request).then(|| request.get_session());
        let has_session = session
            .as_ref()
            .is_some_and(|session| !session.entries().is_empty());
        let is_granted = decision.now.is_granted;
        let seeding = settings
            .device_cookie
            .as_ref()
            .filter(|_| is_granted && asked.is_navigation());
        let host = || asked.url().and_then(|url| url.host_str());
        let is_new = || asked.cookie(&settings.cookies).is_none();
        let seed = seeding
            .filter(|_| is_new())
            .and_then(|seeding| Some(Box::new(seeding.cookie(host()?))));
        let seeded = seed.as_ref().map(|seed| seed.value().to_owned());
        let (said, configured) = (Arc::clone(&asked), Arc::clone(settings));
        let recorder = on.recorder_for(decision, observer, move || {
            let visitor = said.visitor(&configured.cookies, has_session);
            let visitor = Visitor {
                cookie: seeded.or(visitor.cookie),
                ..visitor
            };
            visitor.restricted(&configured)
        });
        let (key, consent) = (&settings.names.session_key, decision.now);
        let session_payload = session
            .as_ref()
            .and_then(|session| session_payload::encoded(session, key));
        Self {
            on: Arc::clone(on),
            asked,
            recorder,
            session,
            session_payload,
            consent,
            seed,
        }
    }

    async fn finish<B>(&mut self, response: ServiceResponse<B>) -> ServiceResponse<Body<B>>
    where
        B: MessageBody,
        B::Error: Into<Box<dyn Error>>,
    {
        let mut body = None;
        let response = response.map_body(|_, own| body = Some(Content::Passthrough { body: own }));
        let mut exchange = Exchange {
            services: Arc::clone(&self.on.services),
            info: Arc::clone(&self.asked),
            recorder: Arc::clone(&self.recorder),
            session: self.session.clone(),
            fallback_copy: None,
            claim: None,
            session_payload: self.session_payload.take(),
            consent: self.consent,
            device_cookie: self.seed.take(),
            response,
            body,
        };
        exchange.read_page().await;
        let ending = ending(&self.recorder, &exchange.response);
        // Few requests bring anything: boxed, so that the future of the others stays small.
        if exchange.has_incoming() {
            if self.consent.is_granted {
                Box::pin(exchange.replay()).await;
            } else {
                Box::pin(exchange.discard()).await;
            }
        }
        let settled = self.recorder.finalize(ending, Include::All);
        let waiting = exchange.flush(settled.as_deref());
        if exchange.must_wait(&waiting) {
            Box::pin(exchange.wait(waiting)).await;
        }
        exchange.respond()
    }
}

impl Drop for RequestState {
    fn drop(&mut self) {
        let Some(settled) = self.recorder.finalize(FAILED, Include::RecordedOnly) else {
            return;
        };
        let FinalCalls {
            calls,
            via_server,
            consent_change,
            ..
        } = &*settled;
        if consent_change.is_some() {
            let path = Quoted(self.asked.url().map(url::Url::path).unwrap_or_default());
            let why = format!(
                "the response to {} {path} did not reach the visitor, and with it their opt-in or opt-out was not stored",
                self.asked.method
            );
            self.recorder
                .report(&Failure::for_calls(Reason::Unsupported(why), vec![]));
        }
        let parcel = |calls: &Calls| self.recorder.parcel(calls.clone());
        if !calls.is_setup_only() {
            self.on.services.dispatcher.enqueue_detached(parcel(calls));
        }
        if !via_server.is_setup_only() {
            let context = calls
                .before_setup
                .iter()
                .chain(&calls.setup)
                .cloned()
                .collect();
            self.on.services.dispatcher.enqueue_detached(Envelope {
                context,
                via_server: true,
                ..parcel(via_server)
            });
        }
    }
}
