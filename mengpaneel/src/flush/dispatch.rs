//! Dispatches: sets of calls that the server delivers, by `async_server_side` or `server_side`.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;

use actix_web::body::MessageBody;

use crate::call::{Call, Calls};
use crate::flush::{DeclineReason, Exchange, Services, async_server_side, server_side};
use crate::record::envelope::Envelope;
use crate::record::strategy::Strategy;

/// Envelope that the server delivers.
pub(crate) struct Dispatch {
    pub(crate) envelope: Envelope,
    /// Strategy that the application prefers. `None` without a preference.
    pub(crate) preferred: Option<Strategy>,
}

/// Dispatches that the response must wait for. If dropped (the client disconnects), the remaining
/// ones are enqueued in the background.
pub(crate) struct PendingDispatch {
    services: Arc<Services>,
    pub(crate) dispatches: VecDeque<Dispatch>,
}

impl PendingDispatch {
    pub(crate) fn new(services: &Arc<Services>, dispatches: Vec<Dispatch>) -> Self {
        Self {
            services: Arc::clone(services),
            dispatches: dispatches.into(),
        }
    }
}

impl Drop for PendingDispatch {
    fn drop(&mut self) {
        for Dispatch { envelope, .. } in self.dispatches.drain(..) {
            self.services.dispatcher.enqueue_detached(&envelope);
        }
    }
}

impl<B> Exchange<B>
where
    B: MessageBody,
    B::Error: Into<Box<dyn Error>>,
{
    pub(crate) async fn dispatch(
        &self,
        Dispatch {
            envelope,
            preferred,
        }: Dispatch,
    ) {
        let dispatcher = &self.services.dispatcher;
        // While Mixpanel is unreachable, calls that prefer `server_side` are enqueued too.
        if preferred != Some(Strategy::ServerSide) || dispatcher.prefers_outbox() {
            match async_server_side::flush(dispatcher, &envelope).await {
                Ok(()) => return self.report_flushed(Strategy::AsyncServerSide, &envelope.calls),
                Err(reason) => self.report_declined(
                    Strategy::AsyncServerSide,
                    &DeclineReason::Outbox.because(reason),
                ),
            }
        }
        server_side::flush(dispatcher, &envelope).await;
        self.report_flushed(Strategy::ServerSide, &envelope.calls);
    }
}

impl<B> Exchange<B> {
    /// Envelope of the calls that a browser strategy excluded from `calls`. Its context is the rest
    /// of the set without the events: the excluded calls were recorded under it.
    pub(crate) fn excluded_envelope(&self, calls: &Calls, excluded: Calls) -> Envelope {
        Envelope {
            context: context_of(calls, &excluded),
            ..self.recorder.envelope(excluded)
        }
    }

    /// Envelope of the calls marked `via(server)`. `None` if there is nothing but setup.
    ///
    /// Setup's profile calls are part of the envelope unless the other calls were flushed with
    /// them.
    pub(crate) fn via_server_envelope(
        &self,
        calls: &Calls,
        via_server: &Calls,
        is_setup_flushed: bool,
    ) -> Option<Envelope> {
        if via_server.is_setup_only() {
            return None;
        }
        let mut via_server = via_server.clone();
        let context: Vec<Call> = if is_setup_flushed {
            calls
                .before_setup
                .iter()
                .chain(&calls.setup)
                .cloned()
                .collect()
        } else {
            via_server.setup.splice(0..0, calls.setup.iter().cloned());
            Vec::new()
        };
        Some(Envelope {
            context,
            via_server: true,
            ..self.recorder.envelope(via_server)
        })
    }
}

/// Calls other than events that are in `calls` and not in `excluded`.
fn context_of(calls: &Calls, excluded: &Calls) -> Vec<Call> {
    let excluded: Vec<&Call> = excluded.iter().collect();
    calls
        .iter()
        .filter(|call| !call.method().is_track() && !excluded.contains(call))
        .cloned()
        .collect()
}
