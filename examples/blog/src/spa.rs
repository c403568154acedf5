//! A page whose buttons call the other routes by script.

use actix_web::{HttpResponse, route};
use askama::Template;

use crate::pages::{self, Frame};
use crate::problem::Problem;

#[derive(Template)]
#[template(path = "spa.html")]
struct Spa {
    frame: Frame,
    /// Loads mengpaneel.js, which runs what the answers to scripts bring.
    mengpaneel: String,
}

#[route("/spa", method = "GET", method = "HEAD")]
pub(crate) async fn page(frame: Frame) -> Result<HttpResponse, Problem> {
    pages::ok(&Spa {
        frame,
        mengpaneel: mengpaneel::script().tag(),
    })
}
