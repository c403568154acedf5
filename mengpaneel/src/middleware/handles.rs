//! Handles of a request: one for each Mengpaneel that is wrapped around its app or scope.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};

use crate::error::setup_mistake::SetupMistake;
use crate::mengpaneel::Mengpaneel;
use crate::record::current;
use crate::record::mixpanel::Mixpanel;
use crate::settings::Settings;

/// Linked list of handles, from the innermost Mengpaneel to the outermost.
pub(crate) struct ProjectHandles {
    settings: Arc<Settings>,
    mixpanel: Mixpanel,
    outer: Option<Box<ProjectHandles>>,
}

impl ProjectHandles {
    /// Adds the innermost handle of a request. Reports a mistake if a Mengpaneel outside has the
    /// same name.
    pub(crate) fn insert(request: &ServiceRequest, mengpaneel: &Mengpaneel, mixpanel: &Mixpanel) {
        let mut extensions = request.extensions_mut();
        let outer = extensions.remove::<Self>().map(Box::new);
        let settings = Arc::clone(mengpaneel.settings());
        if outer
            .as_ref()
            .is_some_and(|outer| outer.has_name(settings.names.name.as_deref()))
        {
            settings
                .mistakes
                .report(&SetupMistake::SameName, Some(request.path()));
        }
        extensions.insert(Self {
            settings,
            mixpanel: mixpanel.clone(),
            outer,
        });
    }

    /// Returns the handle of a Mengpaneel. `None` if the request did not pass through it.
    pub(crate) fn get(request: &HttpRequest, mengpaneel: &Mengpaneel) -> Option<Mixpanel> {
        request
            .extensions()
            .get::<Self>()?
            .find(mengpaneel.settings())
    }

    fn has_name(&self, name: Option<&str>) -> bool {
        self.settings.names.name.as_deref() == name
            || self
                .outer
                .as_ref()
                .is_some_and(|outer| outer.has_name(name))
    }

    fn find(&self, settings: &Arc<Settings>) -> Option<Mixpanel> {
        if Arc::ptr_eq(&self.settings, settings) {
            return Some(self.mixpanel.clone());
        }
        self.outer.as_ref()?.find(settings)
    }
}

impl Mengpaneel {
    /// Returns the handle of a request for this project.
    ///
    /// Use it if several Mengpaneels are wrapped around one app: free functions, attributes and the
    /// extractor record for the innermost one.
    ///
    /// ```
    /// use actix_web::{HttpRequest, web};
    /// use mengpaneel::Mengpaneel;
    ///
    /// async fn buy(request: HttpRequest, marketing: web::Data<Mengpaneel>) -> &'static str {
    ///     mengpaneel::track("Buy", ());
    ///     marketing.for_request(&request).track("Lead", ());
    ///     "thank you"
    /// }
    /// ```
    pub fn for_request(&self, request: &HttpRequest) -> Mixpanel {
        let fallback = || {
            if self.is_enabled() {
                Mixpanel::outside_scope()
            } else {
                Mixpanel::detached()
            }
        };
        ProjectHandles::get(request, self).unwrap_or_else(fallback)
    }
}

/// Extracts the handle of the request. Without the middleware, the handle records nothing, and each
/// call site that uses it is reported once to `on_error`.
impl FromRequest for Mixpanel {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(current::current()))
    }
}
