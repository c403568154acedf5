//! Handles of a request: the recorder of each Mengpaneel that is wrapped around its app or scope.

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

/// Handle of the innermost Mengpaneel, and those of the ones outside of it.
pub(crate) struct ProjectHandles {
    settings: Arc<Settings>,
    mixpanel: Mixpanel,
    outer: Option<Box<ProjectHandles>>,
}

impl ProjectHandles {
    /// Adds the innermost handle of a request. Its Mengpaneel must differ from those outside of it
    /// by name.
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

    /// Returns the handle of that Mengpaneel, or `None` where it is not wrapped around the caller.
    pub(crate) fn get(request: &HttpRequest, mengpaneel: &Mengpaneel) -> Option<Mixpanel> {
        request
            .extensions()
            .get::<Self>()?
            .of(mengpaneel.settings())
    }

    fn has_name(&self, name: Option<&str>) -> bool {
        self.settings.names.name.as_deref() == name
            || self
                .outer
                .as_ref()
                .is_some_and(|outer| outer.has_name(name))
    }

    fn of(&self, settings: &Arc<Settings>) -> Option<Mixpanel> {
        if Arc::ptr_eq(&self.settings, settings) {
            return Some(self.mixpanel.clone());
        }
        self.outer.as_ref()?.of(settings)
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
    ///     marketing.for_request(&request).track("Lead", ());
    ///     "thank you"
    /// }
    /// ```
    pub fn for_request(&self, request: &HttpRequest) -> Mixpanel {
        let without = || {
            if self.is_enabled() {
                Mixpanel::outside()
            } else {
                Mixpanel::detached()
            }
        };
        ProjectHandles::get(request, self).unwrap_or_else(without)
    }
}

/// The handle of the request. Where the middleware is missing, one that records nothing; each place
/// that tries is reported once to `on_error`.
impl FromRequest for Mixpanel {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(current::current()))
    }
}
