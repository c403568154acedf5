//! What is wrong with a stand-in: what tests of bad days switch on and off.

use std::sync::Arc;

use serde_json::Value;

use super::Store;
use crate::faults::{Fault, Faults};
use crate::received::Endpoint;

impl Store {
    /// Every request gets this status, and nothing is taken, until [`recover`](Self::recover).
    pub fn fail_with(&self, status: u16) {
        self.change(|state| state.faults.last(Fault::Status(status)));
    }

    /// The next `count` requests get this status, and nothing of them is taken.
    pub fn fail_next(&self, count: usize, status: u16) {
        self.change(|state| state.faults.fail_next(count, status));
    }

    /// Every request to this endpoint gets this status, and nothing of them is taken, until
    /// [`recover`](Self::recover).
    pub fn fail_at(&self, endpoint: Endpoint, status: u16) {
        self.change(|state| state.faults.fail_at(endpoint, status));
    }

    /// Failures by [`fail_with`](Self::fail_with) and [`fail_next`](Self::fail_next) say
    /// `Retry-After`, until [`recover`](Self::recover).
    pub fn retry_after(&self, seconds: u64) {
        self.change(|state| state.faults.set_retry_after(seconds));
    }

    /// Requests wait until [`recover`](Self::recover), and then go on.
    pub fn stall(&self) {
        self.change(|state| state.faults.last(Fault::Stall));
    }

    /// Connections are closed without an answer, and nothing is taken, until
    /// [`recover`](Self::recover).
    pub fn close_connections(&self) {
        self.change(|state| state.faults.last(Fault::Close));
    }

    /// What comes is taken, but connections are closed without an answer, until
    /// [`recover`](Self::recover).
    pub fn lose_answers(&self) {
        self.change(|state| state.faults.last(Fault::LoseAnswer));
    }

    /// Every record for which `refuse` says so is invalid, until [`recover`](Self::recover).
    pub fn refuse(&self, refuse: impl Fn(&Value) -> bool + Send + Sync + 'static) {
        self.change(|state| state.refuse = Some(Arc::new(refuse)));
    }

    /// All is well again.
    pub fn recover(&self) {
        self.change(|state| {
            state.faults = Faults::default();
            state.refuse = None;
        });
    }

    pub(crate) fn next_fault(&self, endpoint: Endpoint) -> Option<Fault> {
        self.lock().faults.next(endpoint)
    }

    pub(crate) fn retry_after_now(&self) -> Option<u64> {
        self.lock().faults.retry_after()
    }

    pub(crate) fn refuses(&self, record: &Value) -> bool {
        let refuse = self.lock().refuse.clone();
        refuse.is_some_and(|refuse| refuse(record))
    }

    /// Waits while requests are stalled.
    pub(crate) async fn stalled(&self) {
        let mut changes = self.changed.subscribe();
        while self.lock().faults.is_stalled() {
            let _ = changes.changed().await;
        }
    }
}
