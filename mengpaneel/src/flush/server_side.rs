//! `server_side`: the server delivers during the request, and the response waits for at most the
//! configured timeout.
//!
//! This is the last strategy. Calls that cannot be delivered are enqueued if the outbox has room by
//! then, otherwise they are reported to `on_error`.

use crate::deliver::dispatcher::Dispatcher;
use crate::record::envelope::Envelope;

/// Delivers an envelope, enqueues it, or reports its calls.
pub(crate) async fn flush(dispatcher: &Dispatcher, envelope: &Envelope) {
    dispatcher.deliver_or_report(envelope).await;
}
