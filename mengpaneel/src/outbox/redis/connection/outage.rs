//! Outage of a server: logged once when it begins and once when it ends.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::outbox::redis::connection::address::Request;
use crate::outbox::redis::connection::error::QueryError;

/// Time without a failure after which any success ends the outage.
const QUIET_PERIOD: Duration = Duration::from_secs(30);

/// Last failure of the outage. `None` while there is no outage.
#[derive(Default)]
pub(crate) struct Outage(Mutex<Option<FailedRequest>>);

struct FailedRequest {
    time: Instant,
    /// Name of the request; `None` if there was no connection. A replica answers reads, so only
    /// the same request shows that Redis has recovered.
    name: Option<Vec<u8>>,
}

impl Outage {
    /// Begins the outage, unless it is active.
    pub(crate) fn record_failure(&self, error: &QueryError, request: Option<Request<'_>>) {
        let failure = FailedRequest {
            time: Instant::now(),
            name: request.map(Request::name),
        };
        if self.lock().replace(failure).is_none() {
            tracing::error!(target: "mengpaneel", %error, "Redis cannot be reached; calls go to the next strategy until Redis is back");
        }
    }

    /// Ends the outage if `request` shows that Redis has recovered.
    pub(crate) fn record_success(&self, request: Request<'_>, address: &str) {
        let has_recovered = |failure: &mut FailedRequest| {
            failure.time.elapsed() > QUIET_PERIOD
                || failure
                    .name
                    .as_ref()
                    .is_none_or(|name| *name == request.name())
        };
        if self.lock().take_if(has_recovered).is_some() {
            tracing::info!(target: "mengpaneel", address, "Redis is back");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<FailedRequest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
