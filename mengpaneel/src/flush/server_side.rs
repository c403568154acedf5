//! `server_side`: the server delivers right now, and the response waits for it, as long as its
//! time-out at most. The last way: what it cannot deliver waits in the
//! outbox, if that has room by then, or is told.

use crate::deliver::dispatcher::Dispatcher;
use crate::record::envelope::Envelope;

/// Delivers a parcel, keeps it, or tells of it.
pub(crate) async fn flush(post: &Dispatcher, parcel: Envelope) {
    post.deliver_or_report(parcel).await;
}
