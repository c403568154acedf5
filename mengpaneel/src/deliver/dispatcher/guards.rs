//! Guards that report the unfinished part of a delivery that bypasses the outbox.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::deliver::sender::Sender;
use crate::error::{Failure, Reason};
use crate::outbox::Record;

/// Record that is delivered without a waiting caller. If dropped before the delivery ends (the
/// process shuts down), it reports the record's calls.
pub(crate) struct UnfinishedGuard<'a> {
    pub(crate) sender: &'a Sender,
    /// `None` once the delivery has ended.
    pub(crate) record: Option<&'a Record>,
}

impl Drop for UnfinishedGuard<'_> {
    fn drop(&mut self) {
        if let Some(record) = self.record {
            let reason =
                Reason::InDoubt("the shutdown deadline passed before Mixpanel answered".into());
            self.sender
                .report(&Failure::for_calls(reason, record.calls()));
        }
    }
}

/// Failures of a delivery whose caller waits. If dropped before they were received (the request or
/// job was cancelled), it reports them.
pub(crate) struct ResultGuard {
    pub(crate) failures: oneshot::Receiver<Vec<Failure>>,
    pub(crate) sender: Arc<Sender>,
}

impl Drop for ResultGuard {
    fn drop(&mut self) {
        // Once the channel is closed, the delivery itself reports its failures.
        self.failures.close();
        for failure in self.failures.try_recv().iter().flatten() {
            self.sender.report(failure);
        }
    }
}
