//! Middleware: state of a request in flight, from its arrival to the flush of its calls.
//!
//! Only this folder implements Actix's `Transform` and `Service`.

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
use crate::record::recorder::{FinalCalls, Include, ObservedCalls, Recorder, RequestOutcome};
use crate::record::visitor::Visitor;
use crate::request::info::RequestInfo;

pub(crate) use crate::middleware::handles::ProjectHandles;
use crate::middleware::observed::ObservedRequest;

/// Outcome of a request without a response.
const FAILED: RequestOutcome = RequestOutcome {
    is_success: false,
    is_routed: true,
    is_not_found: false,
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

/// Service that is wrapped in a [`Mengpaneel`].
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

/// Returns whether a service is wrapped in a `SessionMiddleware` of any version, without a setup
/// function inside of that middleware. A session middleware in a `Condition` does not count.
///
/// The check uses the name of the service's type. The result is for a log line only, since the
/// compiler does not guarantee such names.
fn is_around_session<S>() -> bool {
    let name = std::any::type_name::<S>();
    let Some(session_at) = name.find("actix_session::middleware::") else {
        return false;
    };
    let has_function_inside = name
        .rfind("::BeforeMiddleware<")
        .is_some_and(|function_at| session_at < function_at);
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
        let Some(inner) = self.mengpaneel.inner() else {
            return match observer {
                Some(observer) => self.observe(request, observer),
                None => self.bypass(request),
            };
        };
        let settings = &inner.services.settings;
        let decision = settings
            .consent
            .decide(request.request(), &settings.cookies);
        let mut state = RequestState::new(inner, &request, decision, observer);
        if self.has_session_inside && state.session.is_none() {
            settings
                .mistakes
                .report(&SetupMistake::SessionInside, Some(request.path()));
        }
        if state.info.is_origin_hidden {
            settings
                .mistakes
                .report(&SetupMistake::HostHidden, Some(request.path()));
        }
        let mixpanel = Mixpanel::new(Arc::clone(&state.recorder));
        ProjectHandles::insert(&request, &self.mengpaneel, &mixpanel);
        // Routing and its guards run in `call` itself, extractors and handlers in its future.
        let future = mixpanel.sync_scope(|| self.service.call(request));
        Box::pin(async move {
            let response = mixpanel.scope(future).await?;
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
    /// Passes a request on without recording: the Mengpaneel has no token.
    fn bypass(
        &self,
        request: ServiceRequest,
    ) -> LocalBoxFuture<'static, Result<ServiceResponse<Body<B>>, actix_web::Error>> {
        let mixpanel = Mixpanel::detached();
        ProjectHandles::insert(&request, &self.mengpaneel, &mixpanel);
        let future = mixpanel.sync_scope(|| self.service.call(request));
        Box::pin(async move {
            let response = mixpanel.scope(future).await?;
            Ok(response.map_body(|_, body| Body::passthrough(body, Some(mixpanel))))
        })
    }

    /// Reports the calls of a request to a test. Nothing is flushed without a token.
    fn observe(
        &self,
        request: ServiceRequest,
        observed: Arc<ObservedCalls>,
    ) -> LocalBoxFuture<'static, Result<ServiceResponse<Body<B>>, actix_web::Error>> {
        let state = ObservedRequest::new(&request, self.mengpaneel.settings(), observed);
        let mixpanel = Mixpanel::new(Arc::clone(state.recorder()));
        ProjectHandles::insert(&request, &self.mengpaneel, &mixpanel);
        let future = mixpanel.sync_scope(|| self.service.call(request));
        Box::pin(async move {
            let response = mixpanel.scope(future).await?;
            state.finalize(&response);
            Ok(response.map_body(|_, body| Body::passthrough(body, Some(mixpanel))))
        })
    }

    /// Passes a request on that the same Mengpaneel records in an outer scope already.
    fn call_inner(
        &self,
        request: ServiceRequest,
    ) -> LocalBoxFuture<'static, Result<ServiceResponse<Body<B>>, actix_web::Error>> {
        let future = self.service.call(request);
        Box::pin(async move {
            Ok(future
                .await?
                .map_body(|_, body| Body::passthrough(body, None)))
        })
    }
}

/// State of a request in flight.
///
/// If dropped before the response is ready (panic, disconnect, failed middleware), it enqueues the
/// recorded calls. Delayed calls that the request brought remain in their cookies.
struct RequestState {
    inner: Arc<Inner>,
    info: Arc<RequestInfo>,
    recorder: Arc<Recorder>,
    session: Option<Session>,
    /// Encoded payload that an earlier version left in the session.
    session_payload: Option<String>,
    /// Consent of the visitor when the request arrived.
    consent: ConsentStatus,
    /// mixpanel-js's cookie for a visitor without one. `None` if the response must not set it.
    device_cookie: Option<Box<Cookie<'static>>>,
}

impl RequestState {
    fn new(
        inner: &Arc<Inner>,
        request: &ServiceRequest,
        decision: Decision,
        observer: Option<Arc<ObservedCalls>>,
    ) -> Self {
        let settings = &inner.services.settings;
        let info = Arc::new(RequestInfo::new(request.request(), settings));
        let session = session_payload::is_present(request).then(|| request.get_session());
        let has_session = session
            .as_ref()
            .is_some_and(|session| !session.entries().is_empty());
        let is_granted = decision.now.is_granted;
        let device_cookie_settings = settings
            .device_cookie
            .as_ref()
            .filter(|_| is_granted && info.is_navigation());
        let host = || info.url().and_then(|url| url.host_str());
        let is_new = || info.cookie(&settings.cookies).is_none();
        let device_cookie = device_cookie_settings
            .filter(|_| is_new())
            .and_then(|settings| Some(Box::new(settings.cookie(host()?))));
        let new_cookie = device_cookie
            .as_ref()
            .map(|cookie| cookie.value().to_owned());
        let (visitor_info, visitor_settings) = (Arc::clone(&info), Arc::clone(settings));
        let recorder = inner.recorder_for(decision, observer, move || {
            let visitor = visitor_info.visitor(&visitor_settings.cookies, has_session);
            let visitor = Visitor {
                cookie: new_cookie.or(visitor.cookie),
                ..visitor
            };
            visitor.restricted(&visitor_settings)
        });
        let (key, consent) = (&settings.names.session_key, decision.now);
        let session_payload = session
            .as_ref()
            .and_then(|session| session.entries().get(key).cloned());
        Self {
            inner: Arc::clone(inner),
            info,
            recorder,
            session,
            session_payload,
            consent,
            device_cookie,
        }
    }

    async fn finish<B>(&mut self, response: ServiceResponse<B>) -> ServiceResponse<Body<B>>
    where
        B: MessageBody,
        B::Error: Into<Box<dyn Error>>,
    {
        let mut body = None;
        let response = response.map_body(|_, original| {
            body = Some(Content::Passthrough { body: original });
        });
        let mut exchange = Exchange {
            services: Arc::clone(&self.inner.services),
            info: Arc::clone(&self.info),
            recorder: Arc::clone(&self.recorder),
            session: self.session.clone(),
            fallback_copy: None,
            claim: None,
            session_payload: self.session_payload.take(),
            consent: self.consent,
            device_cookie: self.device_cookie.take(),
            response,
            body,
        };
        exchange.run().await;
        exchange.respond()
    }
}

impl Drop for RequestState {
    fn drop(&mut self) {
        let Some(final_calls) = self.recorder.finalize(FAILED, Include::RecordedOnly) else {
            return;
        };
        let FinalCalls {
            calls,
            via_server,
            consent_change,
            ..
        } = &*final_calls;
        if consent_change.is_some() {
            let path = Quoted(self.info.url().map(url::Url::path).unwrap_or_default());
            let text = format!(
                "the response to {} {path} was not sent, so the visitor's opt-in or opt-out was not stored",
                self.info.method
            );
            self.recorder
                .report(&Failure::for_calls(Reason::Unsupported(text), vec![]));
        }
        let envelope = |calls: &Calls| self.recorder.envelope(calls.clone());
        if !calls.is_setup_only() {
            self.inner
                .services
                .dispatcher
                .enqueue_detached(&envelope(calls));
        }
        if !via_server.is_setup_only() {
            let context = calls
                .before_setup
                .iter()
                .chain(&calls.setup)
                .cloned()
                .collect();
            self.inner.services.dispatcher.enqueue_detached(&Envelope {
                context,
                via_server: true,
                ..envelope(via_server)
            });
        }
    }
}
