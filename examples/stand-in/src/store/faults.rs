//! Fault injection for tests.

use std::sync::Arc;

use serde_json::Value;

use super::Store;
use crate::faults::{Fault, Faults};
use crate::received::Endpoint;

impl Store {
    /// Fails every request with this status until [`recover`](Self::recover). Nothing is stored.
    pub fn fail_with(&self, status: u16) {
        self.change(|state| state.faults.set_permanent(Fault::Status(status)));
    }

    /// Fails the next `count` requests with this status. Nothing is stored.
    pub fn fail_next(&self, count: usize, status: u16) {
        self.change(|state| state.faults.fail_next(count, status));
    }

    /// Fails every request to one endpoint with this status until [`recover`](Self::recover).
    /// Nothing is stored.
    pub fn fail_at(&self, endpoint: Endpoint, status: u16) {
        self.change(|state| state.faults.fail_at(endpoint, status));
    }

    /// Adds `Retry-After` to the responses of [`fail_with`](Self::fail_with),
    /// [`fail_next`](Self::fail_next) and [`fail_at`](Self::fail_at) until
    /// [`recover`](Self::recover).
    pub fn retry_after(&self, seconds: u64) {
        self.change(|state| state.faults.set_retry_after(seconds));
    }

    /// Holds requests until [`recover`](Self::recover), then handles them.
    pub fn stall(&self) {
        self.change(|state| state.faults.set_permanent(Fault::Stall));
    }

    /// Closes connections without a response until [`recover`](Self::recover). Nothing is stored.
    pub fn close_connections(&self) {
        self.change(|state| state.faults.set_permanent(Fault::Close));
    }

    /// Stores records, but closes connections without a response until [`recover`](Self::recover).
    pub fn lose_answers(&self) {
        self.change(|state| state.faults.set_permanent(Fault::LoseResponse));
    }

    /// Rejects every record for which `refuse` returns true, until [`recover`](Self::recover).
    pub fn refuse(&self, refuse: impl Fn(&Value) -> bool + Send + Sync + 'static) {
        self.change(|state| state.reject = Some(Arc::new(refuse)));
    }

    /// Ends all injected faults.
    pub fn recover(&self) {
        self.change(|state| {
            state.faults = Faults::default();
            state.reject = None;
        });
    }

    pub(crate) fn next_fault(&self, endpoint: Endpoint) -> Option<Fault> {
        self.lock().faults.next_for(endpoint)
    }

    pub(crate) fn retry_after_seconds(&self) -> Option<u64> {
        self.lock().faults.retry_after()
    }

    pub(crate) fn rejects(&self, record: &Value) -> bool {
        let reject = self.lock().reject.clone();
        reject.is_some_and(|reject| reject(record))
    }

    /// Waits while requests are stalled.
    pub(crate) async fn wait_while_stalled(&self) {
        let mut changes = self.changed.subscribe();
        while self.lock().faults.is_stalled() {
            let _ = changes.changed().await;
        }
    }
}
