//! `async_server_side`: the calls wait in the outbox until the server delivers them.

use std::sync::Arc;

use crate::deliver::dispatcher::Post;
use crate::outbox::Declined;
use crate::record::envelope::Parcel;

/// Puts a parcel in the outbox, or hands it back.
pub(crate) async fn flush(post: &Arc<Post>, parcel: Parcel) -> Result<(), Declined> {
    post.enqueue(parcel).await
}
