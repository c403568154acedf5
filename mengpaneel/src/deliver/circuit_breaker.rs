//! Circuit breaker: while Mixpanel is unavailable, one request at a time probes it, instead of a
//! queue of requests that all time out.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::deliver::http::retry::Backoff;

/// Open while Mixpanel is unavailable: nothing is sent, except one probe after each delay.
#[derive(Debug)]
pub(crate) struct CircuitBreaker(Mutex<State>);

#[derive(Debug)]
struct State {
    backoff: Backoff,
    open: Option<Open>,
    is_probing: bool,
}

#[derive(Clone, Debug)]
struct Open {
    until: Instant,
    reason: String,
}

/// Permission to send. Report the result with [`CircuitBreaker::record_success`] or
/// [`CircuitBreaker::record_failure`].
pub(crate) struct Permit<'a>(&'a CircuitBreaker);

impl CircuitBreaker {
    /// Creates a closed circuit breaker.
    pub(crate) fn new(backoff: Backoff) -> Self {
        Self(Mutex::new(State {
            backoff,
            open: None,
            is_probing: false,
        }))
    }

    /// Returns a permit to send, or the last error if the circuit is open.
    pub(crate) fn try_acquire(&self) -> Result<Permit<'_>, String> {
        let mut state = self.lock();
        if let Some(open) = &state.open {
            if state.is_probing || Instant::now() < open.until {
                return Err(open.reason.clone());
            }
            state.is_probing = true;
        }
        Ok(Permit(self))
    }

    /// Time until the next probe. `None` if a request may be sent now.
    pub(crate) fn time_until_probe(&self) -> Option<Duration> {
        let open = self.lock().open.clone()?;
        let remaining = open.until.saturating_duration_since(Instant::now());
        (!remaining.is_zero()).then_some(remaining)
    }

    /// Error that opened the circuit. `None` if it is closed.
    pub(crate) fn last_error(&self) -> Option<String> {
        self.lock().open.as_ref().map(|open| open.reason.clone())
    }

    /// Closes the circuit: Mixpanel answered.
    pub(crate) fn record_success(&self) {
        let mut state = self.lock();
        state.open = None;
        state.backoff.reset();
    }

    /// Opens the circuit and returns the delay until the next probe. `retry_after` is the time that
    /// Mixpanel requested.
    ///
    /// If several requests fail together, the first one sets the delay.
    pub(crate) fn record_failure(&self, retry_after: Option<Duration>, reason: &str) -> Duration {
        let mut state = self.lock();
        let now = Instant::now();
        if let Some(open) = state.open.as_ref().filter(|open| open.until > now) {
            return open.until - now;
        }
        let delay = state.backoff.next_delay(retry_after);
        state.open = Some(Open {
            until: now + delay,
            reason: reason.to_owned(),
        });
        delay
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.lock().is_probing = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn open_circuit_allows_one_probe_after_each_delay() {
        let breaker = CircuitBreaker::new(Backoff::new(1));
        let concurrent = [
            breaker.try_acquire().unwrap(),
            breaker.try_acquire().unwrap(),
        ];
        let delay = breaker.record_failure(None, "no route");
        assert!(breaker.record_failure(None, "the second of them") <= delay);
        drop(concurrent);
        assert_eq!(breaker.try_acquire().err().as_deref(), Some("no route"));

        tokio::time::advance(delay).await;
        assert_eq!(breaker.time_until_probe(), None);
        let probe = breaker.try_acquire().unwrap();
        assert!(breaker.try_acquire().is_err());
        let longer = breaker.record_failure(None, "still none");
        drop(probe);
        assert!(longer > Duration::from_secs(4) && breaker.try_acquire().is_err());

        tokio::time::advance(longer).await;
        let probe = breaker.try_acquire().unwrap();
        breaker.record_success();
        drop(probe);
        assert!(
            breaker.last_error().is_none()
                && breaker.try_acquire().is_ok()
                && breaker.try_acquire().is_ok()
        );
    }
}
