//! Guards that report what a delivery past the outbox leaves undone.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::call::Call;
use crate::deliver::sender::Sender;
use crate::error::{Failure, Reason};

/// Calls of a delivery that nobody waits for. If dropped before its end (the process shuts down),
/// they are reported.
pub(crate) struct UnfinishedGuard<'a> {
    pub(crate) sender: &'a Sender,
    pub(crate) calls: Vec<Call>,
}

impl Drop for UnfinishedGuard<'_> {
    fn drop(&mut self) {
        if !self.calls.is_empty() {
            let reason =
                Reason::InDoubt("the time to shut down was over before Mixpanel answered".into());
            self.sender
                .report(&Failure::for_calls(reason, std::mem::take(&mut self.calls)));
        }
    }
}

/// Answer to a delivery that is waited for: what did not reach Mixpanel. If dropped before it was
/// read (the request or job was cancelled), that is reported.
pub(crate) struct ResultGuard {
    pub(crate) failed: oneshot::Receiver<Vec<Failure>>,
    pub(crate) sender: Arc<Sender>,
}

impl Drop for ResultGuard {
    fn drop(&mut self) {
        // From here on the delivery tells of it.
        self.failed.close();
        for failure in self.failed.try_recv().iter().flatten() {
            self.sender.report(failure);
        }
    }
}
