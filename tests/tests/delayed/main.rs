//! What waits for the next request is never lost, doubled or given to somebody else.

mod carriers;
mod clients;
mod durable;
mod fake_mixpanel_js;
mod identity;
mod model;
mod origins;
mod races;
mod routes;

mod malformed_payloads;

use mengpaneel_tests::{SessionConfig, TestApp};

fn start_app() -> TestApp {
    TestApp::start(routes::routes)
}

fn with(sessions: &SessionConfig) -> TestApp {
    TestApp::with_sessions(sessions, routes::routes, |builder| builder)
}
