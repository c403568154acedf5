//! The circuit: that Mixpanel is away is found out by one request at a time, not by a queue of
//! time-outs.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::deliver::http::retry::Backoff;

/// Open while Mixpanel is away: then nothing is sent but, once the wait is over, one probe.
#[derive(Debug)]
pub(crate) struct Circuit(Mutex<State>);

#[derive(Debug)]
struct State {
    backoff: Backoff,
    away: Option<Away>,
    is_probing: bool,
}

#[derive(Clone, Debug)]
struct Away {
    until: Instant,
    why: String,
}

/// Leave to send: what came of it is to be told by [`Circuit::worked`] or [`Circuit::failed`].
pub(crate) struct Leave<'a>(&'a Circuit);

impl Circuit {
    pub(crate) fn new(backoff: Backoff) -> Self {
        Self(Mutex::new(State {
            backoff,
            away: None,
            is_probing: false,
        }))
    }

    /// Leave to send, or why there is no sense in it.
    pub(crate) fn enter(&self) -> Result<Leave<'_>, String> {
        let mut state = self.lock();
        if let Some(away) = &state.away {
            if state.is_probing || Instant::now() < away.until {
                return Err(away.why.clone());
            }
            state.is_probing = true;
        }
        Ok(Leave(self))
    }

    /// How long there is no sense in sending.
    pub(crate) fn wait(&self) -> Option<Duration> {
        let away = self.lock().away.clone()?;
        let wait = away.until.saturating_duration_since(Instant::now());
        (!wait.is_zero()).then_some(wait)
    }

    /// Why Mixpanel is away, where it is.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.lock().away.as_ref().map(|away| away.why.clone())
    }

    /// Mixpanel answered.
    pub(crate) fn worked(&self) {
        let mut state = self.lock();
        state.away = None;
        state.backoff.reset();
    }

    /// Mixpanel did not, or asked to be left alone. Answers how long that is. Of several that fail
    /// together the first counts.
    pub(crate) fn failed(&self, after: Option<Duration>, why: &str) -> Duration {
        let mut state = self.lock();
        let now = Instant::now();
        if let Some(away) = state.away.as_ref().filter(|away| away.until > now) {
            return away.until - now;
        }
        let wait = state.backoff.after(after);
        state.away = Some(Away {
            until: now + wait,
            why: why.to_owned(),
        });
        wait
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.lock().is_probing = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn while_mixpanel_is_away_one_probe_is_sent_once_the_wait_is_over() {
        let circuit = Circuit::new(Backoff::new(1));
        let together = [circuit.enter().unwrap(), circuit.enter().unwrap()];
        let wait = circuit.failed(None, "no route");
        assert!(circuit.failed(None, "the second of them") <= wait);
        drop(together);
        assert_eq!(circuit.enter().err().as_deref(), Some("no route"));

        tokio::time::advance(wait).await;
        assert_eq!(circuit.wait(), None);
        let probe = circuit.enter().unwrap();
        assert!(circuit.enter().is_err());
        let longer = circuit.failed(None, "still none");
        drop(probe);
        assert!(longer > Duration::from_secs(4) && circuit.enter().is_err());

        tokio::time::advance(longer).await;
        let probe = circuit.enter().unwrap();
        circuit.worked();
        drop(probe);
        assert!(circuit.trouble().is_none() && circuit.enter().is_ok() && circuit.enter().is_ok());
    }
}
