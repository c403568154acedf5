//! Thread that has the connections of one outbox.

use std::io;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::outbox::OutboxError;

/// Handle of the thread. The thread ends when the handle is dropped.
pub(crate) struct ConnectionThread {
    runtime: Handle,
    _end: oneshot::Sender<()>,
}

impl ConnectionThread {
    /// Starts a thread for the outbox with this description. At its end, the thread waits for
    /// `background`.
    ///
    /// # Errors
    /// [`OutboxError`] if the thread cannot start.
    pub(crate) fn start(
        name: &str,
        description: &str,
        background: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Self, OutboxError> {
        let error = |error: io::Error| {
            OutboxError(format!(
                "cannot start the thread for {description}: {error}"
            ))
        };
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(error)?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let run = move || {
            runtime.block_on(async {
                let background = tokio::spawn(background);
                drop(ended.await);
                drop(background.await);
            });
        };
        let builder = thread::Builder::new().name(name.to_owned());
        builder.spawn(run).map_err(error)?;
        Ok(Self {
            runtime: handle,
            _end: end,
        })
    }

    /// Runs work on the thread. If the caller is cancelled, the work continues.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.runtime.spawn(work)
    }
}
