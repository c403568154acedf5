//! `Mengpaneel`: one project of Mixpanel's, and what it takes to reach it.

pub(crate) mod job;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::deliver::dispatcher::Health;
use crate::deliver::flush_timeout::FlushTimeoutError;
use crate::flush::Services;
use crate::record::consent::Decision;
use crate::record::recorder::{Observed, Recorder, RecorderContext};
use crate::record::visitor::Visitor;
use crate::settings::Settings;

/// One project of Mixpanel's: the middleware for an app, and the scope for scripts and jobs.
///
/// Cheap to clone; it lives as long as its last clone. [`Mengpaneel::builder`] makes one. An app is
/// wrapped in [`with_setup`](Self::with_setup), or in a clone where no function tells who is signed
/// in:
///
/// ```
/// # fn main() -> Result<(), mengpaneel::BuildError> {
/// use actix_web::App;
/// use mengpaneel::Mengpaneel;
///
/// let mengpaneel = Mengpaneel::builder("token").build()?;
/// let app = App::new().wrap(mengpaneel.clone());
/// # let _ = app;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Mengpaneel {
    /// `None` without a token: nothing is recorded, flushed or injected.
    inner: Option<Arc<Inner>>,
    /// Shared by all clones, also without a token: their address tells one Mengpaneel from
    /// another.
    settings: Arc<Settings>,
}

/// A Mengpaneel that has a token.
pub(crate) struct Inner {
    pub(crate) services: Arc<Services>,
    pub(crate) shared: Arc<RecorderContext>,
}

impl Mengpaneel {
    /// A Mengpaneel that is on, or one without a token.
    pub(crate) fn new(settings: Arc<Settings>, on: Option<Inner>) -> Self {
        Self {
            inner: on.map(Arc::new),
            settings,
        }
    }

    pub(crate) fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    pub(crate) fn inner(&self) -> Option<&Arc<Inner>> {
        self.inner.as_ref()
    }

    /// Whether there is a token, and so anything to do.
    pub fn is_enabled(&self) -> bool {
        self.inner.is_some()
    }

    /// Waits until the server has sent what waits in the outbox, `deadline` at most. Scripts that
    /// end and tests need it; a server does not.
    ///
    /// Where other processes drain the outbox ([`concurrency(0)`](crate::Builder::concurrency)), it
    /// waits until everything recorded is in the outbox.
    ///
    /// # Errors
    /// [`FlushTimeoutError`]: the number of records that wait still, and the last error of a delivery. Delivery goes on.
    pub async fn flush(&self, deadline: Duration) -> Result<(), FlushTimeoutError> {
        match &self.inner {
            Some(on) => on.services.dispatcher.flush(deadline).await,
            None => Ok(()),
        }
    }

    /// How delivery goes, for a readiness probe; well where there is no token.
    ///
    /// ```
    /// # async fn probe(mengpaneel: mengpaneel::Mengpaneel) -> String {
    /// let health = mengpaneel.health().await;
    /// format!("{} wait; {}", health.pending, health.error.as_deref().unwrap_or("well"))
    /// # }
    /// ```
    pub async fn health(&self) -> Health {
        match &self.inner {
            Some(on) => on.services.dispatcher.health().await,
            None => Health::default(),
        }
    }

    /// Sends what waits, until `deadline` is over; takes nothing more. To be called once the server
    /// has stopped, after `server.await`.
    ///
    /// Where other processes drain the outbox ([`concurrency(0)`](crate::Builder::concurrency)),
    /// records that wait for them are no failure. While Mixpanel is away, attempts go on until
    /// the deadline. A request that is under way then is waited for, 15 seconds at most.
    ///
    /// # Errors
    /// [`FlushTimeoutError`]: the number of records that were left, and the last error of a delivery. Those in memory are lost, and
    /// `on_error` is called for each; those in a file or in Redis stay there for the next process.
    pub async fn shutdown(&self, deadline: Duration) -> Result<(), FlushTimeoutError> {
        match &self.inner {
            Some(on) => {
                on.services.fallback.enqueue_all();
                on.services.dispatcher.shutdown(deadline).await
            }
            None => Ok(()),
        }
    }
}

impl Inner {
    /// A recorder for a visitor on whose consent that was decided. Late calls go to the server.
    pub(crate) fn recorder_for(
        &self,
        decision: Decision,
        observer: Option<Arc<Observed>>,
        visitor: impl FnOnce() -> Visitor + Send + 'static,
    ) -> Arc<Recorder> {
        let recorder = Recorder::new(visitor, Arc::clone(&self.shared)).with_consent(decision);
        Arc::new(recorder.observed_by(observer))
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Services {
            settings,
            dispatcher: post,
            ..
        } = &*self.services;
        f.debug_struct("On")
            .field("settings", settings)
            .field("post", post)
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.services.fallback.enqueue_all();
    }
}
