//! The middleware: one request, from what the last one left to what this one leaves.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use actix_session::{Session, SessionExt as _};
use actix_web::body::MessageBody;
use actix_web::cookie::Cookie;
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use futures_util::future::LocalBoxFuture;

use crate::asked::Asked;
use crate::call::Calls;
use crate::claims::{Claim, Claimed};
use crate::current;
use crate::flush::{Body, Content, Exchange, Means};
use crate::mengpaneel::{Mengpaneel, On};
use crate::mixpanel::Mixpanel;
use crate::outbox::Aside;
use crate::parcel::Parcel;
use crate::recorder::{Ending, Extent, Recorder, Settled};
use crate::session::{self, Delayed, Unreadable};
use crate::visitor::{Visitor, opted_out};

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
        ready(Ok(Middleware { service, on: self.on().cloned() }))
    }
}

/// A service with a [`Mengpaneel`] around it.
#[derive(Debug)]
pub struct Middleware<S> {
    service: S,
    on: Option<Arc<On>>,
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
        let Some(on) = &self.on else { return self.pass(request) };
        if opted_out(request.headers(), &on.means.settings.cookies, on.means.settings.respect_dnt) {
            return self.pass(request);
        }
        let mut recording = Recording::begin(on, &request);
        recording.tell_no_session();
        let mixpanel = Mixpanel::new(Arc::clone(&recording.recorder));
        Handles::keep(&request, on, &mixpanel);
        // Routing and its guards run inside of `call` itself, extractors and handlers in its future.
        let answer = mixpanel.sync_scope(|| self.service.call(request));
        Box::pin(async move {
            let response = mixpanel.scope(answer).await?;
            Ok(recording.end(response).await)
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
    /// Lets a request through as if we were not there.
    fn pass(
        &self,
        request: ServiceRequest,
    ) -> LocalBoxFuture<'static, Result<ServiceResponse<Body<B>>, actix_web::Error>> {
        let mixpanel = Mixpanel::detached();
        let answer = mixpanel.sync_scope(|| self.service.call(request));
        Box::pin(async move { Ok(mixpanel.scope(answer).await?.map_body(|_, body| Body::own(body))) })
    }
}

/// A request that is being answered. Dropped before it is (a panic, a client that hung up, a
/// middleware that failed), it hands over what was recorded here, and leaves in the session what
/// had been replayed.
struct Recording {
    on: Arc<On>,
    asked: Arc<Asked>,
    recorder: Arc<Recorder>,
    session: Option<Session>,
    /// What the last request left, while it is not replayed.
    left: Left,
    /// What of it is, unless another process has it.
    replayed: Vec<Replayed>,
    claim: Option<Claim>,
    clear_cookie: bool,
    seed: Option<Box<Cookie<'static>>>,
}

/// What the last request left, as it came.
#[derive(Default)]
struct Left {
    in_cookie: Option<Box<Cookie<'static>>>,
    in_session: Option<String>,
}

/// Delayed calls that are ours to replay, as far as this process knows.
struct Replayed {
    delayed: Delayed,
    /// It stood in the session, not in the cookie of our own.
    in_session: bool,
}

impl Recording {
    fn begin(on: &Arc<On>, request: &ServiceRequest) -> Self {
        let settings = &on.means.settings;
        let asked = Arc::new(Asked::new(request.request(), settings));
        let session = session::is_present(request).then(|| request.get_session());
        let has_session = session.as_ref().is_some_and(|session| !session.entries().is_empty());
        let seeding = settings.seeding.as_ref().filter(|_| asked.is_navigation);
        let host = || asked.url().and_then(|url| url.host_str());
        let is_new = || asked.cookie(&settings.cookies).is_none();
        let seed = seeding.filter(|_| is_new()).and_then(|seeding| Some(Box::new(seeding.cookie(host()?))));
        let seeded = seed.as_ref().map(|seed| seed.value().to_owned());
        let (said, configured) = (Arc::clone(&asked), Arc::clone(settings));
        let recorder = on.recorder(move || {
            let visitor = said.visitor(&configured.cookies, has_session);
            Visitor { cookie: seeded.or(visitor.cookie), ..visitor }
        });
        let left = Left {
            in_cookie: settings.cookie_key.as_ref().and_then(|_| request.cookie(&settings.names.cookie).map(Box::new)),
            in_session: session.as_ref().and_then(|session| session::peek(session, &settings.names.session_key)),
        };
        let on = Arc::clone(on);
        let (replayed, claim) = (Vec::new(), None);
        let mut recording = Self { on, asked, recorder, session, left, replayed, claim, clear_cookie: false, seed };
        if recording.asked.can_replay() {
            recording.replay();
        }
        recording
    }

    /// Says once what is wrong with how the app is wrapped, in the lines that are right.
    fn tell_no_session(&self) {
        if self.session.is_none() && !self.on.told_no_session.swap(true, Ordering::Relaxed) {
            tracing::error!(
                target: "mengpaneel",
                "no SessionMiddleware stands outside of the Mengpaneel, so no calls can wait for the page after a \
                 redirect: they go by the server. The last `wrap` is the outermost:\n    \
                 .wrap(mengpaneel.clone())\n    .wrap(SessionMiddleware::new(store, key))"
            );
        }
    }

    /// Takes what the last request left, from the session and from the cookie of our own. What
    /// another request has stays there: that one may fail still.
    fn replay(&mut self) {
        let on = Arc::clone(&self.on);
        let (names, left) = (&on.means.settings.names, std::mem::take(&mut self.left));
        // The cookie is older than what a session that was begun after the purge holds.
        let cookie = left.in_cookie.zip(on.means.settings.cookie_key.as_ref());
        if let Some((cookie, key)) = cookie
            && self.claim(session::open(*cookie, key), false)
        {
            self.clear_cookie = true;
        }
        if let (Some(raw), Some(session)) = (left.in_session, self.session.clone())
            && self.claim(session::read(&raw), true)
        {
            session.remove(&names.session_key);
        }
    }

    /// Claims a payload, if it is ours to replay. Answers whether it is done with.
    fn claim(&mut self, read: Result<Delayed, Unreadable>, in_session: bool) -> bool {
        let delayed = match read {
            Ok(delayed) => delayed,
            Err(why) => {
                tracing::warn!(target: "mengpaneel", "delayed calls that cannot be replayed are ignored: {why}");
                return true;
            }
        };
        match self.on.means.claims.claim(delayed.id) {
            Ok(claim) => {
                self.claim = Some(Claim::join(self.claim.take(), claim));
                self.replayed.push(Replayed { delayed, in_session });
                true
            }
            Err(claimed) => {
                tracing::debug!(target: "mengpaneel", id = %delayed.id, ?claimed, "delayed calls that another request has");
                claimed == Claimed::Done
            }
        }
    }

    /// Has the recorder replay what is ours, by the word of the outbox too, which knows what other
    /// processes and the server did.
    async fn confirm(&mut self) {
        for Replayed { delayed, in_session } in std::mem::take(&mut self.replayed) {
            let id = delayed.id;
            let claimed = match self.on.means.post.claim(id).await {
                Aside::Yours | Aside::Unknown => {
                    if let Some(claim) = &mut self.claim {
                        claim.also_elsewhere(id);
                    }
                    self.recorder.replay(delayed.calls);
                    continue;
                }
                Aside::Elsewhere => Claimed::Elsewhere,
                Aside::Said => Claimed::Done,
            };
            tracing::debug!(target: "mengpaneel", %id, ?claimed, "delayed calls that another process has");
            if let Some(claim) = &mut self.claim {
                claim.lose(id, claimed);
            }
            if claimed == Claimed::Done {
                continue;
            }
            // That one may fail still.
            match &self.session {
                Some(session) if in_session => {
                    session::put_back(session, &self.on.means.settings.names.session_key, &delayed);
                }
                _ => self.clear_cookie = false,
            }
        }
    }

    /// Takes after all what was left where it was, if this answer would take its place, or if the
    /// handler threw the session away with it.
    fn catch_up<B>(&mut self, exchange: &Exchange<B>)
    where
        B: MessageBody,
        B::Error: Into<Box<dyn Error>>,
    {
        if self.left.in_session.is_none() && self.left.in_cookie.is_none() {
            return;
        }
        let key = &self.on.means.settings.names.session_key;
        let is_gone =
            self.left.in_session.is_some() && self.session.as_ref().is_some_and(|session| !session.contains_key(key));
        if is_gone || (self.recorder.has_recorded() && exchange.would_delay()) {
            self.replay();
        }
    }

    async fn end<B>(&mut self, response: ServiceResponse<B>) -> ServiceResponse<Body<B>>
    where
        B: MessageBody,
        B::Error: Into<Box<dyn Error>>,
    {
        let mut body = None;
        let response = response.map_body(|_, own| body = Some(Content::Own { body: own }));
        let status = response.status();
        let mut exchange = Exchange {
            means: Arc::clone(&self.on.means),
            asked: Arc::clone(&self.asked),
            recorder: Arc::clone(&self.recorder),
            session: self.session.clone(),
            aside: None,
            claim: None,
            clear_cookie: false,
            seed: self.seed.take(),
            response,
            body,
        };
        exchange.read_page().await;
        let succeeded = !status.is_client_error() && !status.is_server_error();
        let routed = !self.recorder.asks_for_route() || exchange.response.request().match_pattern().is_some();
        let ending = Ending { succeeded, routed };
        self.catch_up(&exchange);
        // What few requests wait for is kept out of the future that each of them moves.
        if !self.replayed.is_empty() {
            Box::pin(self.confirm()).await;
        }
        let settled = self.recorder.settle(ending, Extent::Everything);
        exchange.clear_cookie = self.clear_cookie;
        exchange.claim = self.claim.take();
        let waiting = exchange.flush(settled.as_deref());
        if exchange.waits(&waiting) {
            Box::pin(exchange.wait(waiting)).await;
        }
        exchange.respond()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let ending = Ending { succeeded: false, routed: true };
        let Some(settled) = self.recorder.settle(ending, Extent::RecordedHere) else { return };
        let Settled { calls, via_server, .. } = &*settled;
        let parcel = |calls: &Calls| self.recorder.parcel(calls.clone());
        if !calls.is_setup_only() {
            self.on.means.post.hand_over(parcel(calls));
        }
        if !via_server.is_setup_only() {
            let context = calls.before_setup.iter().chain(&calls.setup).cloned().collect();
            self.on.means.post.hand_over(Parcel { context, via_server: true, ..parcel(via_server) });
        }
    }
}

/// The handles of one request, where several Mengpaneels are wrapped around an app: the innermost,
/// and those of the ones outside of it.
struct Handles {
    means: Arc<Means>,
    mixpanel: Mixpanel,
    outer: Option<Box<Handles>>,
}

impl Handles {
    fn keep(request: &ServiceRequest, on: &On, mixpanel: &Mixpanel) {
        let mut extensions = request.extensions_mut();
        let outer = extensions.remove::<Self>().map(Box::new);
        extensions.insert(Self { means: Arc::clone(&on.means), mixpanel: mixpanel.clone(), outer });
    }

    fn of(&self, on: &On) -> Option<Mixpanel> {
        if Arc::ptr_eq(&self.means, &on.means) {
            return Some(self.mixpanel.clone());
        }
        self.outer.as_ref()?.of(on)
    }
}

impl Mengpaneel {
    /// The handle of a request for this project, where several Mengpaneels are wrapped around one
    /// app: the free functions, the attributes and the extractor record for the innermost of them.
    ///
    /// ```
    /// use actix_web::{HttpRequest, web};
    /// use mengpaneel::Mengpaneel;
    ///
    /// async fn buy(request: HttpRequest, marketing: web::Data<Mengpaneel>) -> &'static str {
    ///     mengpaneel::track("Buy", ());
    ///     marketing.of(&request).track("Lead", ());
    ///     "thank you"
    /// }
    /// ```
    pub fn of(&self, request: &HttpRequest) -> Mixpanel {
        let extensions = request.extensions();
        let own = self.on().zip(extensions.get::<Handles>()).and_then(|(on, handles)| handles.of(on));
        own.unwrap_or_else(Mixpanel::detached)
    }
}

/// The handle of the request: its own where the middleware is, one that records nothing elsewhere.
impl FromRequest for Mixpanel {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(current::current()))
    }
}
