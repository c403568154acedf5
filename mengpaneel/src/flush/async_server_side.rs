//! `async_server_side`: calls are enqueued in the outbox, and the server delivers them later.

use std::sync::Arc;

use crate::deliver::dispatcher::Dispatcher;
use crate::record::envelope::Envelope;

/// Enqueues an envelope.
///
/// # Errors
/// The reason why the outbox refused the envelope.
pub(crate) async fn flush(dispatcher: &Arc<Dispatcher>, envelope: &Envelope) -> Result<(), String> {
    dispatcher.enqueue(envelope).await
}
