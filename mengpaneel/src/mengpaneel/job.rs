//! Jobs and scripts: work outside of any request, and calls on behalf of one user.

use std::future::Future;
use std::sync::Arc;

use crate::call::Mode;
use crate::deliver::dispatcher::Dispatcher;
use crate::deliver::sender::UndeliveredError;
use crate::mengpaneel::{Inner, Mengpaneel};
use crate::record::current;
use crate::record::envelope::Envelope;
use crate::record::mixpanel::{Id, Mixpanel};
use crate::record::recorder::{FinalCalls, Include, Recorder, RequestOutcome};
use crate::record::visitor::Visitor;

const SUCCEEDED: RequestOutcome = RequestOutcome {
    is_success: true,
    is_routed: true,
    is_not_found: false,
};

impl Mengpaneel {
    /// Runs a job, and enqueues its recorded calls at its end. Returns the job's own output.
    ///
    /// Tracking cannot fail the job: calls that cannot be delivered are reported to `on_error`.
    /// With `no_outbox()` or a full outbox the calls are delivered before this returns, which takes
    /// at most `timeout`. A job that panics or is cancelled enqueues the calls recorded by then,
    /// except those that count only on success.
    ///
    /// A job has no visitor, so the rules of consent do not apply: check consent before recording.
    /// A job inside a request or another job is independent, and inherits no identity.
    ///
    /// A program must call [`shutdown`](Self::shutdown) before it ends. Otherwise pending records
    /// in the memory outbox are lost.
    ///
    /// ```
    /// # use std::io;
    /// # async fn charge() -> Result<f64, io::Error> { Ok(9.0) }
    /// async fn renew(user_id: i64) -> Result<(), io::Error> {
    ///     mengpaneel::setup(|mixpanel| mixpanel.identify(user_id));
    ///     let amount = charge().await?;
    ///     mengpaneel::track("Renew Subscription", serde_json::json!({"Amount": amount}));
    ///     Ok(())
    /// }
    ///
    /// # async fn demo(mengpaneel: mengpaneel::Mengpaneel) -> Result<(), io::Error> {
    /// mengpaneel.scope(renew(42)).await?; // the error is the job's own
    /// # Ok(())
    /// # }
    /// ```
    pub async fn scope<F: Future>(&self, job: F) -> F::Output {
        let Some(guard) = JobGuard::begin(self) else {
            return Mixpanel::detached().scope(job).await;
        };
        let output = guard.mixpanel().scope(job).await;
        if let Some((envelope, dispatcher)) = guard.finalize(true)
            && dispatcher.enqueue(&envelope).await.is_err()
        {
            dispatcher.deliver_or_report(&envelope).await;
        }
        output
    }

    /// Runs a job, and delivers its recorded calls before it returns, without the outbox. Returns
    /// the job's own output and the result of the delivery.
    ///
    /// Undelivered messages are reported to the caller only. `on_error` is called for them only if
    /// the caller drops the future. The result does not cover calls that cannot be translated into
    /// messages, such as an oversized event or a profile call without a user. These are
    /// reported to `on_error` as usual. Otherwise this is the same as [`scope`](Self::scope).
    ///
    /// ```
    /// # async fn renew(mengpaneel: mengpaneel::Mengpaneel) {
    /// let (renewed, delivered) = mengpaneel
    ///     .scope_now(async {
    ///         mengpaneel::track("Renew Subscriptions", ());
    ///         3
    ///     })
    ///     .await;
    /// if let Err(error) = delivered {
    ///     eprintln!("{renewed} subscriptions were renewed, but {error}");
    /// }
    /// # }
    /// ```
    pub async fn scope_now<F: Future>(&self, job: F) -> (F::Output, Result<(), UndeliveredError>) {
        let Some(guard) = JobGuard::begin(self) else {
            return (Mixpanel::detached().scope(job).await, Ok(()));
        };
        let output = guard.mixpanel().scope(job).await;
        let delivered = match guard.finalize(true) {
            Some((envelope, dispatcher)) => dispatcher.deliver(&envelope).await,
            None => Ok(()),
        };
        (output, delivered)
    }

    /// Returns a handle that records on behalf of one user, outside of any request. Use it for
    /// webhooks, command-line programs, and past events, which have a `time` property.
    ///
    /// Each call is enqueued when it is recorded, without a `scope`. Super properties that the
    /// handle registers apply to its later calls. Inside a request or a job the handle is
    /// independent of both. Its events have neither the visitor's device nor the visitor's IP
    /// address, and the rules of consent do not apply.
    ///
    /// ```
    /// use serde_json::json;
    ///
    /// # async fn import(mengpaneel: mengpaneel::Mengpaneel) {
    /// let user = mengpaneel.as_user(42);
    /// user.track("Renew", json!({"Plan": "Pro", "time": 1_767_225_600_000_u64}));
    /// user.people().increment("Renewals", 1);
    /// # }
    /// ```
    #[track_caller]
    pub fn as_user(&self, id: impl Id) -> Mixpanel {
        let observer = current::observer();
        if self.inner().is_none() && observer.is_none() {
            return Mixpanel::detached();
        }
        let recorder = Arc::new(new_recorder(self.inner()).observed_for_user(observer));
        let mixpanel = Mixpanel::new(Arc::clone(&recorder)).via_server();
        mixpanel.in_mode(Mode::Setup).identify(id);
        // Each later call is enqueued on its own, since the recorder is finalized.
        drop(recorder.finalize(SUCCEEDED, Include::All));
        mixpanel
    }
}

/// Creates a recorder without a visitor. Without a token, only a test reads the recorded calls.
fn new_recorder(inner: Option<&Arc<Inner>>) -> Recorder {
    let Some(inner) = inner else {
        return Recorder::new(Visitor::default, Arc::default());
    };
    let settings = Arc::clone(&inner.services.settings);
    Recorder::new(
        move || Visitor::default().restricted(&settings),
        Arc::clone(&inner.recorder_services),
    )
}

/// State of a running job. If dropped before the end of the job (panic, cancellation), it enqueues
/// the recorded calls, except those that count only on success.
struct JobGuard {
    recorder: Arc<Recorder>,
    /// `None` without a token, in a test.
    dispatcher: Option<Arc<Dispatcher>>,
}

impl JobGuard {
    /// Begins a job. `None` if there is neither a token nor a test that reads the recorded calls.
    fn begin(mengpaneel: &Mengpaneel) -> Option<Self> {
        let (inner, observer) = (mengpaneel.inner(), current::observer());
        if inner.is_none() && observer.is_none() {
            return None;
        }
        let recorder = Arc::new(new_recorder(inner).observed_by(observer));
        Some(Self {
            recorder,
            dispatcher: inner.map(|inner| Arc::clone(&inner.services.dispatcher)),
        })
    }

    fn mixpanel(&self) -> Mixpanel {
        Mixpanel::new(Arc::clone(&self.recorder))
    }

    /// Finalizes the recorder. Returns the envelope of the job's calls and its dispatcher, or
    /// `None` if there is nothing but setup, or no token.
    fn finalize(&self, is_success: bool) -> Option<(Envelope, &Arc<Dispatcher>)> {
        let final_calls = self.recorder.finalize(
            RequestOutcome {
                is_success,
                ..SUCCEEDED
            },
            Include::All,
        )?;
        let FinalCalls {
            mut calls,
            via_server,
            ..
        } = Arc::unwrap_or_clone(final_calls);
        calls.append(via_server);
        if calls.is_setup_only() {
            return None;
        }
        let envelope = Envelope {
            via_server: true,
            ..self.recorder.envelope(calls)
        };
        Some((envelope, self.dispatcher.as_ref()?))
    }
}

impl Drop for JobGuard {
    fn drop(&mut self) {
        if let Some((envelope, dispatcher)) = self.finalize(false) {
            dispatcher.enqueue_detached(&envelope);
        }
    }
}
