//! Waiting for received data, in tests with or without an async runtime.

use std::time::{Duration, Instant};

use thiserror::Error;

use super::{Entry, Store};
use crate::received::Received;

/// Error: the expected data did not arrive in time.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no match within {deadline:?}; received: {came:?}")]
pub struct TimedOut {
    /// Duration of the wait.
    pub deadline: Duration,
    /// Descriptions of the log's entries.
    pub came: Vec<String>,
}

impl Store {
    /// Waits until `look` returns `Some`. It is called at once and after every change.
    ///
    /// # Errors
    ///
    /// [`TimedOut`] after `deadline`.
    pub async fn wait_for<T>(
        &self,
        deadline: Duration,
        mut look: impl FnMut(&Self) -> Option<T>,
    ) -> Result<T, TimedOut> {
        let mut changes = self.changed.subscribe();
        let found = async {
            loop {
                changes.mark_unchanged();
                if let Some(found) = look(self) {
                    return found;
                }
                // Cannot fail: `self` owns the sender.
                let _ = changes.changed().await;
            }
        };
        tokio::time::timeout(deadline, found)
            .await
            .map_err(|_| self.timed_out(deadline))
    }

    /// Blocking variant of [`wait_for`](Self::wait_for), for tests without an async runtime.
    ///
    /// # Errors
    ///
    /// [`TimedOut`] after `deadline`.
    pub fn wait_blocking<T>(
        &self,
        deadline: Duration,
        mut look: impl FnMut(&Self) -> Option<T>,
    ) -> Result<T, TimedOut> {
        let until = Instant::now() + deadline;
        loop {
            let seen = self.lock().changes;
            if let Some(found) = look(self) {
                return Ok(found);
            }
            let remaining = until.saturating_duration_since(Instant::now());
            if remaining.is_zero() {
                return Err(self.timed_out(deadline));
            }
            let guard = self
                .changed_condvar
                .wait_timeout_while(self.lock(), remaining, |state| state.changes == seen);
            drop(guard);
        }
    }

    /// Waits for the first counted event with that name.
    ///
    /// # Errors
    ///
    /// [`TimedOut`] after `deadline`.
    pub async fn wait_for_event(
        &self,
        deadline: Duration,
        name: &str,
    ) -> Result<Received, TimedOut> {
        self.wait_for(deadline, |store| store.counted_as(name).into_iter().next())
            .await
    }

    fn timed_out(&self, deadline: Duration) -> TimedOut {
        TimedOut {
            deadline,
            came: self.collect(|(_, entry)| describe(entry)),
        }
    }
}

fn describe(entry: &Entry) -> Option<String> {
    match entry {
        Entry::Received(received) => Some(format!(
            "{} {} of {:?}",
            received.endpoint,
            received.event(),
            received.distinct_id().unwrap_or_default()
        )),
        Entry::Refused(refused) => Some(format!(
            "{} rejected: {}",
            refused.endpoint, refused.message
        )),
        Entry::Request(request) => {
            Some(format!("{} status {:?}", request.endpoint, request.status))
        }
        Entry::Note(..) => None,
    }
}
