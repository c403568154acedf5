//! `before(f)`: a function that runs before the handler, with any extractors: the gem's
//! `before_action :setup_mixpanel`.

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::{FromRequest, Handler};
use futures_util::future::LocalBoxFuture;

use crate::current;
use crate::log_text::one_line;
use crate::mengpaneel::Mengpaneel;

impl Mengpaneel {
    /// Runs `f` before the handlers of an app, a scope or a resource that is wrapped in this, and
    /// after what the last request left was replayed. It takes any extractors; they see an empty
    /// body, the handler's stays whole. Where one of them fails, `f` does not run, and the request
    /// goes on.
    ///
    /// A function that ran has spoken: setup that was replayed gives way to it, even where it
    /// recorded none. To be wrapped inside of the Mengpaneel itself:
    ///
    /// ```
    /// # fn main() -> Result<(), mengpaneel::BuildError> {
    /// use actix_web::App;
    /// use mengpaneel::Mengpaneel;
    ///
    /// async fn visit() {
    ///     mengpaneel::setup(|mixpanel| mixpanel.register(serde_json::json!({"Site": "blog"})));
    /// }
    ///
    /// let mengpaneel = Mengpaneel::builder("token").build()?;
    /// let app = App::new().wrap(mengpaneel.before(visit)).wrap(mengpaneel.clone());
    /// # let _ = app;
    /// # Ok(())
    /// # }
    /// ```
    pub fn before<F, Args>(&self, f: F) -> Before<F, Args>
    where
        F: Handler<Args>,
        Args: FromRequest,
    {
        Before { f, args: PhantomData }
    }
}

/// What [`Mengpaneel::before`] gives: to be wrapped around an app, a scope or a resource.
#[derive(Debug)]
pub struct Before<F, Args> {
    f: F,
    args: PhantomData<fn(Args)>,
}

impl<F: Clone, Args> Clone for Before<F, Args> {
    fn clone(&self) -> Self {
        Self { f: self.f.clone(), args: PhantomData }
    }
}

impl<S, B, F, Args> Transform<S, ServiceRequest> for Before<F, Args>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    F: Handler<Args>,
    Args: FromRequest + 'static,
    B: 'static,
{
    type Response = ServiceResponse<B>;
    type Error = actix_web::Error;
    type Transform = BeforeMiddleware<S, F, Args>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(BeforeMiddleware { service: Rc::new(service), f: self.f.clone(), args: PhantomData }))
    }
}

/// A service with a [`Before`] around it.
#[derive(Debug)]
pub struct BeforeMiddleware<S, F, Args> {
    service: Rc<S>,
    f: F,
    args: PhantomData<fn(Args)>,
}

impl<S, B, F, Args> Service<ServiceRequest> for BeforeMiddleware<S, F, Args>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    F: Handler<Args>,
    Args: FromRequest + 'static,
    B: 'static,
{
    type Response = ServiceResponse<B>;
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let recorder = current::try_current().and_then(|mixpanel| mixpanel.recorder().cloned());
        let Some(recorder) = recorder else { return Box::pin(self.service.call(request)) };
        let (service, f) = (Rc::clone(&self.service), self.f.clone());
        Box::pin(async move {
            match Args::from_request(request.request(), &mut Payload::None).await {
                Ok(args) => {
                    f.call(args).await;
                    recorder.speak();
                }
                Err(error) => {
                    let error: actix_web::Error = error.into();
                    let error = one_line(&error.to_string());
                    tracing::debug!(target: "mengpaneel", "an extractor of a before() failed, so it does not run: {error}");
                }
            }
            service.call(request).await
        })
    }
}
