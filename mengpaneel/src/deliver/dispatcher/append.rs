//! Append of one record that continues if its caller is cancelled.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::deliver::dispatcher::{Dispatcher, NO_OUTBOX};
use crate::outbox::{AppendError, Record};

/// Append in progress. If dropped before its end, it continues on the delivery thread: until the
/// outbox answers, it is unknown whether the record was stored.
pub(crate) struct PendingAppend {
    dispatcher: Arc<Dispatcher>,
    append: Option<BoxFuture<'static, Result<(), AppendError>>>,
}

impl PendingAppend {
    pub(crate) fn new(dispatcher: &Arc<Dispatcher>, record: Record) -> Self {
        let outbox = dispatcher.outbox.clone();
        let append = async move {
            match outbox {
                Some(outbox) => outbox.append(record).await,
                None => Err(AppendError::new(record, NO_OUTBOX)),
            }
        };
        Self {
            dispatcher: Arc::clone(dispatcher),
            append: Some(append.boxed()),
        }
    }
}

impl Future for PendingAppend {
    type Output = Result<(), AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(append) = &mut self.append else {
            return Poll::Pending;
        };
        let result = ready!(append.poll_unpin(context));
        self.append = None;
        Poll::Ready(result)
    }
}

impl Drop for PendingAppend {
    fn drop(&mut self) {
        let Some(append) = self.append.take() else {
            return;
        };
        let dispatcher = Arc::clone(&self.dispatcher);
        let Some(guard) = dispatcher.shutdown.track(usize::MAX) else {
            return;
        };
        let runtime = dispatcher.runtime.clone();
        runtime.spawn(async move {
            if let Err(error) = append.await {
                dispatcher.deliver_detached(&error.record);
            }
            drop(guard);
        });
    }
}
