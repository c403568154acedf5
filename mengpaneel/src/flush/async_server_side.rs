//! `async_server_side`: calls are enqueued in the outbox, and the server delivers them later.

use std::sync::Arc;

use crate::deliver::dispatcher::Dispatcher;
use crate::outbox::AppendError;
use crate::record::envelope::Envelope;

/// Enqueues an envelope.
///
/// # Errors
/// [`AppendError`] with the envelope, if the outbox refused it.
pub(crate) async fn flush(
    dispatcher: &Arc<Dispatcher>,
    envelope: Envelope,
) -> Result<(), AppendError> {
    dispatcher.enqueue(envelope).await
}
