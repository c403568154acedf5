//! What waits for the next request is never lost, doubled or given to somebody else.

mod carriers;
mod clients;
mod durable;
mod hostile;
mod identity;
mod js;
mod model;
mod origins;
mod routes;

mod trouble;

use mengpaneel_tests::{Sessions, Workshop};

fn workshop() -> Workshop {
    Workshop::start(routes::routes)
}

fn with(sessions: &Sessions) -> Workshop {
    Workshop::with_sessions(sessions, routes::routes, |builder| builder)
}
