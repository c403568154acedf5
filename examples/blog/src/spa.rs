//! Page whose buttons send AJAX requests to the other routes.

use actix_web::{HttpResponse, route};
use askama::Template;

use crate::error::BlogError;
use crate::pages::{self, Layout};

#[derive(Template)]
#[template(path = "spa.html")]
struct SpaPage {
    layout: Layout,
    /// Script tag of mengpaneel.js, which runs the calls in responses to AJAX requests.
    mengpaneel: String,
}

#[route("/spa", method = "GET", method = "HEAD")]
pub(crate) async fn page(layout: Layout) -> Result<HttpResponse, BlogError> {
    pages::render(&SpaPage {
        layout,
        mengpaneel: mengpaneel::script().tag(),
    })
}
