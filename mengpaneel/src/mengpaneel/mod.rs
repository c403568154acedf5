//! `Mengpaneel`: the handle of one Mixpanel project, which an application holds.

pub(crate) mod job;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::deliver::dispatcher::Health;
use crate::deliver::flush_timeout::FlushTimeoutError;
use crate::flush::Services;
use crate::record::consent::Decision;
use crate::record::recorder::{ObservedCalls, Recorder, RecorderServices};
use crate::record::visitor::Visitor;
use crate::settings::Settings;

/// Handle of one Mixpanel project: the middleware of an app, and the scope of scripts and jobs.
///
/// Cheap to clone; delivery runs until the last clone is dropped. [`Mengpaneel::builder`] creates
/// one. Wrap an app in [`with_setup`](Self::with_setup), or in a clone if there is no setup
/// function:
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
    /// Configuration, shared by all clones, also without a token. Its address identifies the
    /// Mengpaneel.
    settings: Arc<Settings>,
}

/// State of a Mengpaneel with a token.
pub(crate) struct Inner {
    pub(crate) services: Arc<Services>,
    pub(crate) recorder_services: Arc<RecorderServices>,
}

impl Mengpaneel {
    /// Creates a handle. `inner` is `None` without a token.
    pub(crate) fn new(settings: Arc<Settings>, inner: Option<Inner>) -> Self {
        Self {
            inner: inner.map(Arc::new),
            settings,
        }
    }

    pub(crate) fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    pub(crate) fn inner(&self) -> Option<&Arc<Inner>> {
        self.inner.as_ref()
    }

    /// Returns whether there is a token. Without one, tracking is disabled.
    pub fn is_enabled(&self) -> bool {
        self.inner.is_some()
    }

    /// Waits until all pending records are delivered, for at most `timeout`. Tests and short
    /// scripts need this; servers do not.
    ///
    /// If other processes deliver from the outbox
    /// ([`concurrency(0)`](crate::Builder::concurrency)), this waits until all recorded calls are
    /// in the outbox.
    ///
    /// # Errors
    /// [`FlushTimeoutError`] with the number of pending records and the last delivery error, if the
    /// time is over. Delivery continues in the background.
    pub async fn flush(&self, timeout: Duration) -> Result<(), FlushTimeoutError> {
        match &self.inner {
            Some(inner) => inner.services.dispatcher.flush(timeout).await,
            None => Ok(()),
        }
    }

    /// Returns the delivery status for health checks. Without a token the status is always healthy.
    ///
    /// ```
    /// # async fn probe(mengpaneel: mengpaneel::Mengpaneel) -> String {
    /// let health = mengpaneel.health().await;
    /// format!("{} pending; {}", health.pending, health.error.as_deref().unwrap_or("healthy"))
    /// # }
    /// ```
    pub async fn health(&self) -> Health {
        match &self.inner {
            Some(inner) => inner.services.dispatcher.health().await,
            None => Health::default(),
        }
    }

    /// Delivers all pending records, for at most `timeout`, and accepts no more. Call it after
    /// the server has stopped, after `server.await`.
    ///
    /// If other processes deliver from the outbox
    /// ([`concurrency(0)`](crate::Builder::concurrency)), their pending records are not an error.
    /// While Mixpanel is unreachable, attempts continue until the deadline. An HTTP request in
    /// flight at the deadline is awaited for at most 15 seconds more.
    ///
    /// # Errors
    /// [`FlushTimeoutError`] with the number of undelivered records and the last delivery error.
    /// Records in memory are lost, and `on_error` is called for each of their calls. Records in a
    /// file or in Redis remain there for the next process.
    pub async fn shutdown(&self, timeout: Duration) -> Result<(), FlushTimeoutError> {
        match &self.inner {
            Some(inner) => {
                inner.services.fallback.enqueue_all();
                inner.services.dispatcher.shutdown(timeout).await
            }
            None => Ok(()),
        }
    }
}

impl Inner {
    /// Creates a recorder for a visitor with a consent decision. The server delivers late calls.
    pub(crate) fn recorder_for(
        &self,
        decision: Decision,
        observer: Option<Arc<ObservedCalls>>,
        visitor: impl FnOnce() -> Visitor + Send + 'static,
    ) -> Arc<Recorder> {
        let recorder =
            Recorder::new(visitor, Arc::clone(&self.recorder_services)).with_consent(decision);
        Arc::new(recorder.observed_by(observer))
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Services {
            settings,
            dispatcher,
            ..
        } = &*self.services;
        f.debug_struct("Inner")
            .field("settings", settings)
            .field("dispatcher", dispatcher)
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.services.fallback.enqueue_all();
    }
}
