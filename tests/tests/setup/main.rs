//! Setting up an application: the one wrap, wrong set-ups and their messages, and an application's
//! own tests.

mod misconfiguration;
mod record_request;
mod with_setup;

use actix_web::cookie::Key;
use mengpaneel::{Builder, Mengpaneel};
use stand_in::StandIn;

const PAGE: &str = "<!doctype html><html><head></head><body></body></html>";

fn build(stand_in: &StandIn, options: impl FnOnce(Builder) -> Builder) -> Mengpaneel {
    let builder = Mengpaneel::builder("demo")
        .api_host(stand_in.url())
        .cookie_key(Key::from(&[7; 64]));
    options(builder).build().unwrap()
}
