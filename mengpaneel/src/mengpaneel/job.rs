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
    succeeded: true,
    routed: true,
    not_found: false,
};

impl Mengpaneel {
    /// Runs a job, and puts what it recorded into the outbox at its end. Returns the job's own
    /// output.
    ///
    /// Tracking cannot fail the job: what cannot be delivered goes to `on_error`. With
    /// `no_outbox()` or a full outbox the calls are delivered at once, which takes at most
    /// `timeout`. A job that panics or is cancelled hands over what it recorded by hand.
    ///
    /// A job has no visitor, so the rules of consent do not apply: check consent before recording.
    /// A job within a request or another job is one of its own, and inherits no identity.
    ///
    /// A program that ends must call [`shutdown`](Self::shutdown): what waits in the memory outbox
    /// is lost otherwise.
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
        let Some(running) = JobGuard::begin(self) else {
            return Mixpanel::detached().scope(job).await;
        };
        let output = running.mixpanel().scope(job).await;
        if let Some((parcel, post)) = running.finish(true)
            && let Err(declined) = post.enqueue(parcel).await
        {
            post.deliver_or_report(*declined.envelope).await;
        }
        output
    }

    /// Runs a job, and delivers what it recorded at once, past the outbox. Returns the job's own
    /// output, and whether the calls arrived.
    ///
    /// The result tells of messages that were sent and did not arrive, and is for the caller alone:
    /// `on_error` is called for them only where the caller stopped waiting. Calls that no
    /// message can be made of (an event that is too large, a profile of nobody) are reported to
    /// `on_error` as everywhere, and are not part of the result. All else
    /// is as in [`scope`](Self::scope).
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
        let Some(running) = JobGuard::begin(self) else {
            return (Mixpanel::detached().scope(job).await, Ok(()));
        };
        let output = running.mixpanel().scope(job).await;
        let delivered = match running.finish(true) {
            Some((parcel, post)) => post.deliver(parcel).await,
            None => Ok(()),
        };
        (output, delivered)
    }

    /// Returns a handle that records on behalf of one user, outside of any request: for webhooks,
    /// programs of the command line, and events of the past, which are given a `time`.
    ///
    /// Each call goes into the outbox when it is recorded, and needs no `scope`. What the handle
    /// registers goes with its later calls. Within a request or a job the handle is independent
    /// of both: events have neither the visitor's device nor their address, and the rules of
    /// consent do not apply.
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
        let recorder = Arc::new(recorder(self.inner()).observed_for_user(observer));
        let mixpanel = Mixpanel::new(Arc::clone(&recorder)).via_server();
        mixpanel.in_mode(Mode::Setup).identify(id);
        // Whatever is recorded from here on leaves by itself.
        drop(recorder.finalize(SUCCEEDED, Include::All));
        mixpanel
    }
}

/// A recorder of what belongs to no visitor. Without a token it is a test's, and what it records
/// leaves nowhere.
fn recorder(on: Option<&Arc<Inner>>) -> Recorder {
    let Some(on) = on else {
        return Recorder::new(Visitor::default, Arc::default());
    };
    let settings = Arc::clone(&on.services.settings);
    Recorder::new(
        move || Visitor::default().restricted(&settings),
        Arc::clone(&on.shared),
    )
}

/// A job that is running. If dropped before its end (panic, cancellation), it hands over what was
/// recorded by hand.
struct JobGuard {
    recorder: Arc<Recorder>,
    /// `None` without a token, in a test.
    post: Option<Arc<Dispatcher>>,
}

impl JobGuard {
    /// Begins a job; `None` where nobody wants to know what it records.
    fn begin(mengpaneel: &Mengpaneel) -> Option<Self> {
        let (on, observer) = (mengpaneel.inner(), current::observer());
        if on.is_none() && observer.is_none() {
            return None;
        }
        let recorder = Arc::new(recorder(on).observed_by(observer));
        Some(Self {
            recorder,
            post: on.map(|on| Arc::clone(&on.services.dispatcher)),
        })
    }

    fn mixpanel(&self) -> Mixpanel {
        Mixpanel::new(Arc::clone(&self.recorder))
    }

    /// Calls of the job, and who delivers them. `None` if there is nothing but setup.
    fn finish(&self, succeeded: bool) -> Option<(Envelope, &Arc<Dispatcher>)> {
        let settled = self.recorder.finalize(
            RequestOutcome {
                succeeded,
                ..SUCCEEDED
            },
            Include::All,
        )?;
        let FinalCalls {
            mut calls,
            via_server,
            ..
        } = Arc::unwrap_or_clone(settled);
        calls.append(via_server);
        let parcel = self.recorder.parcel(calls);
        let parcel = (!parcel.calls.is_setup_only()).then_some(Envelope {
            via_server: true,
            ..parcel
        })?;
        Some((parcel, self.post.as_ref()?))
    }
}

impl Drop for JobGuard {
    fn drop(&mut self) {
        if let Some((parcel, post)) = self.finish(false) {
            post.enqueue_detached(parcel);
        }
    }
}
