//! Memory of a refusal: a Redis that is reachable but refuses records is tried once in a while, not
//! by every request.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::outbox::redis::connection::{QueryError, RECONNECT_BACKOFF};

/// Last refusal of Redis to accept records. `None` if Redis accepts them, as far as is known.
///
/// Logs once when a refusal begins and once when it ends.
#[derive(Debug, Default)]
pub(crate) struct LastRefusal(Mutex<Option<Refusal>>);

#[derive(Debug)]
struct Refusal {
    until: Instant,
    reason: String,
}

impl LastRefusal {
    /// Returns the refusal if Redis must not be tried again yet.
    pub(crate) fn current(&self) -> Option<QueryError> {
        let refusal = self.lock();
        refusal
            .as_ref()
            .filter(|refusal| Instant::now() < refusal.until)
            .map(|refusal| QueryError::Refused(refusal.reason.clone()))
    }

    /// Records the result of an append to the Redis at `address`.
    ///
    /// The connection logs whether Redis is reachable.
    pub(crate) fn record<T>(&self, result: &Result<T, QueryError>, address: &str) {
        match result {
            Ok(_) => {
                if self.lock().take().is_some() {
                    tracing::info!(target: "mengpaneel", address, "Redis accepts records again");
                }
            }
            Err(QueryError::Refused(reason)) => {
                let refusal = Refusal {
                    until: Instant::now() + RECONNECT_BACKOFF,
                    reason: reason.clone(),
                };
                if self.lock().replace(refusal).is_none() {
                    tracing::error!(target: "mengpaneel", address, reason, "Redis refuses records; calls go to the next strategy until Redis accepts records again");
                }
            }
            Err(_) => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Refusal>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
