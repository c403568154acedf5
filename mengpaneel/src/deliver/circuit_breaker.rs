//! The circuit: that Mixpanel is away is found out by one request at a time, not by a queue of
//! time-outs.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::deliver::http::retry::Backoff;

/// Open while Mixpanel is away: then nothing is sent but, once the wait is over, one probe.
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
    why: String,
}

/// Leave to send: what came of it is to be told by [`Circuit::worked`] or [`Circuit::failed`].
pub(crate) struct Permit<'a>(&'a CircuitBreaker);

impl CircuitBreaker {
    pub(crate) fn new(backoff: Backoff) -> Self {
        Self(Mutex::new(State {
            backoff,
            open: None,
            is_probing: false,
        }))
    }

    /// Leave to send, or why there is no sense in it.
    pub(crate) fn try_acquire(&self) -> Result<Permit<'_>, String> {
        let mut state = self.lock();
        if let Some(away) = &state.open {
            if state.is_probing || Instant::now() < away.until {
                return Err(away.why.clone());
            }
            state.is_probing = true;
        }
        Ok(Permit(self))
    }

    /// How long there is no sense in sending.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        let away = self.lock().open.clone()?;
        let wait = away.until.saturating_duration_since(Instant::now());
        (!wait.is_zero()).then_some(wait)
    }

    /// Why Mixpanel is away, where it is.
    pub(crate) fn last_error(&self) -> Option<String> {
        self.lock().open.as_ref().map(|away| away.why.clone())
    }

    /// Mixpanel answered.
    pub(crate) fn record_success(&self) {
        let mut state = self.lock();
        state.open = None;
        state.backoff.reset();
    }

    /// Mixpanel did not, or asked to be left alone. Answers how long that is. Of several that fail
    /// together the first counts.
    pub(crate) fn record_failure(&self, after: Option<Duration>, why: &str) -> Duration {
        let mut state = self.lock();
        let now = Instant::now();
        if let Some(away) = state.open.as_ref().filter(|away| away.until > now) {
            return away.until - now;
        }
        let wait = state.backoff.next_delay(after);
        state.open = Some(Open {
            until: now + wait,
            why: why.to_owned(),
        });
        wait
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
    async fn while_mixpanel_is_away_one_probe_is_sent_once_the_wait_is_over() {
        let circuit = CircuitBreaker::new(Backoff::new(1));
        let together = [
            circuit.try_acquire().unwrap(),
            circuit.try_acquire().unwrap(),
        ];
        let wait = circuit.record_failure(None, "no route");
        assert!(circuit.record_failure(None, "the second of them") <= wait);
        drop(together);
        assert_eq!(circuit.try_acquire().err().as_deref(), Some("no route"));

        tokio::time::advance(wait).await;
        assert_eq!(circuit.remaining(), None);
        let probe = circuit.try_acquire().unwrap();
        assert!(circuit.try_acquire().is_err());
        let longer = circuit.record_failure(None, "still none");
        drop(probe);
        assert!(longer > Duration::from_secs(4) && circuit.try_acquire().is_err());

        tokio::time::advance(longer).await;
        let probe = circuit.try_acquire().unwrap();
        circuit.record_success();
        drop(probe);
        assert!(
            circuit.last_error().is_none()
                && circuit.try_acquire().is_ok()
                && circuit.try_acquire().is_ok()
        );
    }
}
