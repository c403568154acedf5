//! Middleware of a whole app: the Mengpaneel with the setup function inside.

use std::error::Error;
use std::future::{Ready, ready};

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::{FromRequest, Handler};

use crate::flush::Body;
use crate::mengpaneel::Mengpaneel;
use crate::middleware::Middleware;
use crate::middleware::before::{Before, BeforeMiddleware};

impl Mengpaneel {
    /// Returns a middleware that tracks an app, a scope or a resource, and runs `f` before its
    /// handlers. `f` identifies the signed-in user. Wrap a session middleware outside, so that `f`
    /// can read the session.
    ///
    /// The arguments of `f` are extractors. They see an empty body; the handler gets the whole one.
    /// If an extractor fails, `f` does not run, and the request continues. Setup of a function
    /// that ran replaces replayed setup, even if the function recorded none. Without a token, `f`
    /// does not run.
    ///
    /// Inside of an app that is wrapped in the same Mengpaneel, this is the same as
    /// [`before`](Self::before).
    ///
    /// ```
    /// # fn main() -> Result<(), mengpaneel::BuildError> {
    /// use actix_web::App;
    /// use mengpaneel::Mengpaneel;
    ///
    /// async fn visitor() {
    ///     mengpaneel::setup(|mixpanel| mixpanel.register(serde_json::json!({"Site": "blog"})));
    /// }
    ///
    /// let mengpaneel = Mengpaneel::builder("token").build()?;
    /// let app = App::new().wrap(mengpaneel.with_setup(visitor));
    /// # let _ = app;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_setup<F, Args>(&self, f: F) -> WithSetup<F, Args>
    where
        F: Handler<Args>,
        Args: FromRequest,
    {
        WithSetup {
            before: self.before(f),
        }
    }
}

/// Middleware that [`Mengpaneel::with_setup`] returns, for an app, a scope or a resource.
#[derive(Debug)]
pub struct WithSetup<F, Args> {
    before: Before<F, Args>,
}

impl<F: Clone, Args> Clone for WithSetup<F, Args> {
    fn clone(&self) -> Self {
        Self {
            before: self.before.clone(),
        }
    }
}

impl<S, B, F, Args> Transform<S, ServiceRequest> for WithSetup<F, Args>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    S::Future: 'static,
    F: Handler<Args>,
    Args: FromRequest + 'static,
    B: MessageBody + 'static,
    B::Error: Into<Box<dyn Error>>,
{
    type Response = ServiceResponse<Body<B>>;
    type Error = actix_web::Error;
    type Transform = Middleware<BeforeMiddleware<S, F, Args>>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(Middleware::around(
            self.before.around(service),
            self.before.mengpaneel(),
        )))
    }
}
