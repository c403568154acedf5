//! Outage of a server: logged once when it begins and once when it ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::outbox::redis::connection::address::Request;
use crate::outbox::redis::connection::error::QueryError;

/// Time without a failure after which any success ends the outage.
const QUIET_PERIOD: Duration = Duration::from_secs(30);

/// Outage of a server, and its last failure.
#[derive(Default)]
pub(crate) struct Outage {
    is_active: AtomicBool,
    last_failure: Mutex<Option<FailedRequest>>,
}

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
        *self
            .last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(failure);
        if !self.is_active.swap(true, Ordering::Relaxed) {
            tracing::error!(target: "mengpaneel", %error, "Redis cannot be reached; calls go to the next strategy until Redis is back");
        }
    }

    /// Ends the outage if `request` shows that Redis has recovered.
    pub(crate) fn record_success(&self, request: Request<'_>, address: &str) {
        if !self.is_active.load(Ordering::Relaxed) {
            return;
        }
        let has_recovered = {
            let last_failure = self
                .last_failure
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            last_failure.as_ref().is_none_or(|failure| {
                failure.time.elapsed() > QUIET_PERIOD
                    || failure
                        .name
                        .as_ref()
                        .is_none_or(|name| *name == request.name())
            })
        };
        if has_recovered && self.is_active.swap(false, Ordering::Relaxed) {
            tracing::info!(target: "mengpaneel", address, "Redis is back");
        }
    }
}
