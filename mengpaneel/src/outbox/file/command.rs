//! Commands to the thread that owns the file, and the channels of its replies.

use tokio::sync::oneshot::Sender;

use crate::outbox::file::mutation::Mutation;
use crate::outbox::file::store::Store;
use crate::outbox::{Lease, OutboxError};

/// Channel for a result.
pub(crate) type Reply<T> = Sender<Result<T, OutboxError>>;

/// Command to the thread.
pub(crate) enum Command {
    /// Change of the file. Many changes share one commit.
    Write(Mutation, Reply<()>),
    Lease(usize, Reply<Vec<Lease>>),
    /// Operation that shares no commit.
    Run(Box<dyn FnOnce(&mut Store) + Send>),
}
