//! Setup function of an app, a scope or a resource: the gem's `before_action :setup_mixpanel`.

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::{FromRequest, Handler};
use futures_util::future::LocalBoxFuture;

use crate::error::log_text::one_line;
use crate::error::setup_mistake::SetupMistake;
use crate::mengpaneel::Mengpaneel;
use crate::middleware::ProjectHandles;
use crate::record::current::try_current;
use crate::record::mixpanel::Mixpanel;

impl Mengpaneel {
    /// Returns a middleware that runs `f` before the handlers of a scope or a resource.
    ///
    /// The app must be wrapped in the same Mengpaneel, by [`with_setup`](Self::with_setup) or a
    /// clone. Otherwise `f` does not run, and an ERROR is logged once. `f` replaces the app's own
    /// setup function.
    ///
    /// The arguments of `f` are extractors. They see an empty body; the handler gets the whole one.
    /// If an extractor fails, `f` does not run, and the request continues. Setup of a function
    /// that ran replaces replayed setup, even if the function recorded none. Without a token, `f`
    /// does not run.
    ///
    /// ```
    /// # fn main() -> Result<(), mengpaneel::BuildError> {
    /// use actix_web::{App, web};
    /// use mengpaneel::Mengpaneel;
    ///
    /// async fn visitor() {}
    ///
    /// async fn administrator() {
    ///     mengpaneel::setup(|mixpanel| mixpanel.register(serde_json::json!({"Site": "administration"})));
    /// }
    ///
    /// let mengpaneel = Mengpaneel::builder("token").build()?;
    /// let app = App::new()
    ///     .service(web::scope("/admin").wrap(mengpaneel.before(administrator)))
    ///     .wrap(mengpaneel.with_setup(visitor));
    /// # let _ = app;
    /// # Ok(())
    /// # }
    /// ```
    pub fn before<F, Args>(&self, f: F) -> Before<F, Args>
    where
        F: Handler<Args>,
        Args: FromRequest,
    {
        Before {
            mengpaneel: self.clone(),
            f,
            args: PhantomData,
        }
    }
}

/// Middleware that [`Mengpaneel::before`] returns, for an app, a scope or a resource.
#[derive(Debug)]
pub struct Before<F, Args> {
    mengpaneel: Mengpaneel,
    f: F,
    args: PhantomData<fn(Args)>,
}

impl<F: Clone, Args> Before<F, Args> {
    /// Wraps a service, so that the setup function runs first.
    pub(crate) fn around<S>(&self, service: S) -> BeforeMiddleware<S, F, Args> {
        BeforeMiddleware {
            service: Rc::new(service),
            before: self.clone(),
        }
    }

    pub(crate) fn mengpaneel(&self) -> &Mengpaneel {
        &self.mengpaneel
    }
}

impl<F: Handler<Args>, Args: FromRequest> Before<F, Args> {
    /// Runs the setup function. Returns `false` if an extractor failed, and the function did not
    /// run.
    async fn run(&self, request: &ServiceRequest) -> bool {
        match Args::from_request(request.request(), &mut Payload::None).await {
            Ok(args) => {
                self.f.call(args).await;
                true
            }
            Err(error) => {
                self.report_extractor(&error.into(), request);
                false
            }
        }
    }
}

impl<F, Args> Before<F, Args> {
    /// Logs that the setup function did not run. A client error is expected (nobody is signed in,
    /// for example); a server error is a mistake of the application.
    fn report_extractor(&self, error: &actix_web::Error, request: &ServiceRequest) {
        let status = error.as_response_error().status_code();
        let error = error.to_string();
        if status.is_server_error() {
            self.report(&SetupMistake::ExtractorFails { status, error }, request);
        } else {
            let error = one_line(&error);
            tracing::debug!(target: "mengpaneel", %status, %error, "an extractor of a setup function refused the request; the function did not run");
        }
    }

    fn report(&self, mistake: &SetupMistake, request: &ServiceRequest) {
        self.mengpaneel
            .settings()
            .mistakes
            .report(mistake, Some(request.path()));
    }
}

/// Returns the recorder of a test for an app that is not wrapped in a Mengpaneel. `None` outside of
/// such a test.
fn test_recorder() -> Option<Mixpanel> {
    try_current().filter(|mixpanel| {
        mixpanel
            .recorder()
            .is_some_and(|recorder| recorder.is_test_recorder())
    })
}

impl<F: Clone, Args> Clone for Before<F, Args> {
    fn clone(&self) -> Self {
        Self {
            mengpaneel: self.mengpaneel.clone(),
            f: self.f.clone(),
            args: PhantomData,
        }
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
        ready(Ok(self.around(service)))
    }
}

/// Service that is wrapped in a [`Before`].
#[derive(Debug)]
pub struct BeforeMiddleware<S, F, Args> {
    service: Rc<S>,
    before: Before<F, Args>,
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
        let handle = ProjectHandles::get(request.request(), &self.before.mengpaneel);
        let Some(mixpanel) = handle.or_else(test_recorder) else {
            self.before.report(&SetupMistake::BeforeOutside, &request);
            return Box::pin(self.service.call(request));
        };
        let Some(recorder) = mixpanel.recorder().cloned() else {
            return Box::pin(self.service.call(request));
        };
        let (service, before) = (Rc::clone(&self.service), self.before.clone());
        Box::pin(async move {
            // Another Mengpaneel may be wrapped between this function and its own Mengpaneel.
            if mixpanel.scope(before.run(&request)).await {
                recorder.mark_setup_decided();
            }
            service.call(request).await
        })
    }
}
