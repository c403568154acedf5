//! Waiting for what is to arrive, in tests with a runtime and without.

use std::time::{Duration, Instant};

use thiserror::Error;

use super::{Entry, Store};
use crate::received::Received;

/// What was waited for did not come.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("nothing that fits came within {deadline:?}; what came: {came:?}")]
pub struct TimedOut {
    /// How long was waited.
    pub deadline: Duration,
    /// What arrived instead, one line each.
    pub came: Vec<String>,
}

impl Store {
    /// Waits until `look` finds what it looks for; it looks again whenever something arrives.
    ///
    /// # Errors
    ///
    /// [`TimedOut`] when that takes longer than `deadline`.
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
                // Never an error: the sender is in `self`.
                let _ = changes.changed().await;
            }
        };
        tokio::time::timeout(deadline, found)
            .await
            .map_err(|_| self.timed_out(deadline))
    }

    /// As [`wait_for`](Self::wait_for), for tests without a runtime: this thread waits.
    ///
    /// # Errors
    ///
    /// [`TimedOut`] when that takes longer than `deadline`.
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
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.timed_out(deadline));
            }
            let woken = self
                .changed_too
                .wait_timeout_while(self.lock(), left, |state| state.changes == seen);
            drop(woken);
        }
    }

    /// Waits for the first counted event of that name.
    ///
    /// # Errors
    ///
    /// [`TimedOut`] when that takes longer than `deadline`.
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
        Entry::Received(one) => Some(format!(
            "{} {} of {:?}",
            one.endpoint,
            one.event(),
            one.distinct_id().unwrap_or_default()
        )),
        Entry::Refused(one) => Some(format!("{} refused: {}", one.endpoint, one.message)),
        Entry::Request(one) => Some(format!("{} answered {:?}", one.endpoint, one.status)),
        Entry::Note(..) => None,
    }
}
