//! Options of delivery by the server.

use std::sync::Arc;
use std::time::Duration;

use crate::config::Builder;
use crate::deliver::http::host::ApiHost;
use crate::error::{ErrorReporter, Failure};
use crate::outbox::Outbox;
use crate::translate::message::Message;

/// # Delivery by the server
impl Builder {
    /// Sets the host that the server delivers to: a [`Region`](crate::Region), or the base URL of a
    /// proxy. Default: [`Region::Us`](crate::Region::Us).
    pub fn api_host(self, api_host: impl Into<ApiHost>) -> Self {
        Self {
            api_host: api_host.into(),
            ..self
        }
    }

    /// Sets the outbox, where calls are pending until the server delivers them. Default:
    /// [`Memory`](crate::outbox::Memory).
    pub fn outbox(self, outbox: impl Outbox) -> Self {
        Self {
            outbox: Some(Arc::new(outbox)),
            ..self
        }
    }

    /// Removes the outbox: calls that no browser can run are delivered before the response is sent.
    pub fn no_outbox(self) -> Self {
        Self {
            outbox: None,
            ..self
        }
    }

    /// Uses memory, and logs an error, if the outbox cannot be opened: a damaged file, a full disk.
    /// Default: [`build`](Self::build) fails.
    pub fn failover_to_memory(self) -> Self {
        Self {
            failover_to_memory: true,
            ..self
        }
    }

    /// Sets the number of batches that are delivered concurrently from the outbox. Default: 1,
    /// which preserves the order of arrival.
    ///
    /// With 0 this process only fills the outbox. Other processes drain it, such as the program
    /// `mengpaneel-worker`. [`build`](Self::build) then fails if no other process can reach the
    /// outbox.
    pub fn concurrency(self, batches: usize) -> Self {
        Self {
            concurrency: batches,
            ..self
        }
    }

    /// Sets the number of times that a record may be leased by a process that crashes before the
    /// lease ends. The record then becomes a dead letter and is reported, since it may cause the
    /// crashes. Default: 10.
    pub fn max_redeliveries(self, deliveries: u32) -> Self {
        Self {
            max_redeliveries: deliveries,
            ..self
        }
    }

    /// Sets a service account that authorises `/import` instead of the token.
    pub fn service_account(
        self,
        user: impl Into<String>,
        secret: impl Into<String>,
        project_id: impl Into<String>,
    ) -> Self {
        Self {
            service_account: Some((user.into(), secret.into(), project_id.into())),
            ..self
        }
    }

    /// Sets the timeout of one request to Mixpanel. Default: 10 seconds.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets how long pending calls are still delivered after the last clone was dropped. Default:
    /// 10 seconds.
    pub fn shutdown_timeout(self, timeout: Duration) -> Self {
        Self {
            shutdown_timeout: timeout,
            ..self
        }
    }

    /// Sets how long records are retried while Mixpanel is unavailable, counted from the time of
    /// recording. Default: 30 days; `/import` accepts events of any age.
    ///
    /// An older record expires at the next failed attempt. It becomes a dead letter if the outbox
    /// stores those, and `on_error` is called with its calls. Older records are also retried while
    /// Mixpanel has been unavailable for less than an hour, as far as this process knows.
    ///
    /// No record expires while Mixpanel rejects the credentials. The size bounds of the outbox
    /// apply at any age. Records in memory are lost when the process ends.
    pub fn retry_for(self, retry_for: Duration) -> Self {
        Self { retry_for, ..self }
    }

    /// Sets how long delayed calls may be pending before the server delivers them. They have no
    /// page if the visitor left, or if another redirect overwrote the cookie. Default: five
    /// minutes.
    ///
    /// The fallback copy is stored in the outbox if that is a file or Redis. There it outlives the
    /// process, and all processes that share a Redis know who delivered it. Otherwise the copy is
    /// stored in memory, and is lost if the process is killed.
    ///
    /// In two cases the server delivers only calls that Mixpanel can deduplicate: events of
    /// visitors who were identified. The first is another process that answers the same visitors
    /// and shares no Redis with this one. The second is an orderly shutdown with copies in memory.
    pub fn fallback_after(self, time: Duration) -> Self {
        Self {
            fallback_after: time,
            ..self
        }
    }

    /// Sets the maximum number of fallback copies in memory. Default: 10,000. Calls beyond it are
    /// delivered only by the page.
    pub fn max_fallback_copies(self, copies: usize) -> Self {
        Self {
            max_fallback_copies: copies,
            ..self
        }
    }

    /// Sets a hook that is called with each message before the server sends it, and may change it.
    /// `false` drops the message, as with [`Vec::retain_mut`]. The hook is not called for messages
    /// that browsers send.
    ///
    /// ```
    /// # use mengpaneel::Mengpaneel;
    /// let builder = Mengpaneel::builder("token").before_send(|message| {
    ///     if let Some(properties) = message.body.get_mut("properties") {
    ///         properties["ip"] = "0".into(); // no visitor is located
    ///     }
    ///     message.body["event"] != "Health Check"
    /// });
    /// # let _ = builder;
    /// ```
    pub fn before_send(self, hook: impl Fn(&mut Message) -> bool + Send + Sync + 'static) -> Self {
        Self {
            before_send: Some(Arc::new(hook)),
            ..self
        }
    }

    /// Sets a hook that is called for every call that the server could not deliver, and for every
    /// recording mistake, with the reason. Each failure is logged too, at most a hundred in ten
    /// seconds. A panic of the hook is logged.
    ///
    /// The hook is not called for calls that a browser received and did not send. Nor is it called
    /// for visitors without consent, or for events of bots, which mixpanel-js ignores; the feature
    /// `metrics` counts those events.
    pub fn on_error(self, hook: impl Fn(&Failure) + Send + Sync + 'static) -> Self {
        Self {
            reporter: ErrorReporter::new(hook),
            ..self
        }
    }
}
