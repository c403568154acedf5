//! `async_server_side`: the calls wait in the outbox until the server delivers them.

use std::sync::Arc;

use crate::deliver::dispatcher::Dispatcher;
use crate::outbox::AppendError;
use crate::record::envelope::Envelope;

/// Puts a parcel in the outbox, or hands it back.
pub(crate) async fn flush(post: &Arc<Dispatcher>, parcel: Envelope) -> Result<(), AppendError> {
    post.enqueue(parcel).await
}
