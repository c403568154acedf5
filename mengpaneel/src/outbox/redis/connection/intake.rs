//! True if Redis takes records: a server that is there and refuses them is asked once in a while,
//! not by every request.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::outbox::redis::connection::{QueryError, RECONNECT_BACKOFF};

/// True if Redis takes records, as far as is known; logged when it changes.
#[derive(Debug, Default)]
pub(crate) struct Intake(Mutex<Option<Refusal>>);

#[derive(Debug)]
struct Refusal {
    until: Instant,
    why: String,
}

impl Intake {
    /// Why there is no sense in asking right now, if there is none.
    pub(crate) fn refusal(&self) -> Option<QueryError> {
        let refusal = self.lock();
        refusal
            .as_ref()
            .filter(|refusal| Instant::now() < refusal.until)
            .map(|refusal| QueryError::Refused(refusal.why.clone()))
    }

    /// Notes what the Redis at that address answered. Whether it can be reached is the link's to
    /// tell.
    pub(crate) fn note<T>(&self, answer: &Result<T, QueryError>, address: &str) {
        match answer {
            Ok(_) => {
                if self.lock().take().is_some() {
                    tracing::info!(target: "mengpaneel", address, "Redis takes records again");
                }
            }
            Err(trouble @ QueryError::Refused(why)) => {
                let refusal = Refusal {
                    until: Instant::now() + RECONNECT_BACKOFF,
                    why: why.clone(),
                };
                if self.lock().replace(refusal).is_none() {
                    tracing::error!(target: "mengpaneel", "{trouble}; calls go the next way until it takes records again");
                }
            }
            Err(_) => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Refusal>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
