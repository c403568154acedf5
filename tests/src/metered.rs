//! Outbox that counts the operations of another one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use mengpaneel::outbox::{
    AppendError, ClaimResult, Consumer, Lease, Outbox, OutboxError, Record, RecordRef,
    TryAppendError,
};
use uuid::Uuid;

/// Outbox that counts the records appended to and leased from another one.
#[derive(Debug, Default)]
pub struct Metered<O> {
    inner: O,
    appended: AtomicUsize,
    leased: AtomicUsize,
}

impl<O> Metered<O> {
    /// Wraps an outbox.
    pub fn new(inner: O) -> Self {
        Self {
            inner,
            appended: AtomicUsize::new(0),
            leased: AtomicUsize::new(0),
        }
    }

    /// Number of records that the outbox accepted.
    pub fn appended(&self) -> usize {
        self.appended.load(Ordering::Relaxed)
    }

    /// Number of leases that workers received.
    pub fn leased(&self) -> usize {
        self.leased.load(Ordering::Relaxed)
    }
}

impl<O: Outbox> Outbox for Metered<O> {
    fn open(&self) -> Result<(), OutboxError> {
        self.inner.open()
    }

    fn is_durable(&self) -> bool {
        self.inner.is_durable()
    }

    fn description(&self) -> String {
        self.inner.description()
    }

    fn append(&self, record: Record) -> BoxFuture<'_, Result<(), AppendError>> {
        let append = self.inner.append(record);
        append
            .inspect(|appended| {
                if appended.is_ok() {
                    self.appended.fetch_add(1, Ordering::Relaxed);
                }
            })
            .boxed()
    }

    fn try_append(&self, record: RecordRef<'_>) -> Result<(), TryAppendError> {
        self.inner.try_append(record)?;
        self.appended.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn pending(&self) -> BoxFuture<'_, Result<usize, OutboxError>> {
        self.inner.pending()
    }

    fn consumer(&self) -> Option<&dyn Consumer> {
        self.inner.consumer().map(|_| self as &dyn Consumer)
    }

    fn run_in_background(&self) -> BoxFuture<'_, ()> {
        self.inner.run_in_background()
    }

    fn schedule_fallback(
        &self,
        record: Record,
        after: Duration,
    ) -> BoxFuture<'_, Result<(), AppendError>> {
        self.inner.schedule_fallback(record, after)
    }

    fn claim_fallback(&self, id: Uuid) -> BoxFuture<'_, Result<ClaimResult, OutboxError>> {
        self.inner.claim_fallback(id)
    }

    fn finish_fallback(&self, id: Uuid, is_sent: bool) -> BoxFuture<'_, Result<(), OutboxError>> {
        self.inner.finish_fallback(id, is_sent)
    }
}

impl<O: Outbox> Metered<O> {
    /// Consumer of the wrapped outbox. An outbox without one has no worker, which would call it.
    fn delegate(&self) -> &dyn Consumer {
        self.inner.consumer().expect("an outbox with a consumer")
    }
}

impl<O: Outbox> Consumer for Metered<O> {
    fn lease(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>> {
        let lease = self.delegate().lease(limit);
        lease
            .inspect(|leased| {
                let count = leased.as_ref().map_or(0, Vec::len);
                self.leased.fetch_add(count, Ordering::Relaxed);
            })
            .boxed()
    }

    fn mark_sending<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        self.delegate().mark_sending(leases)
    }

    fn acknowledge<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        self.delegate().acknowledge(leases)
    }

    fn retry_later<'a>(
        &'a self,
        leases: &'a [Lease],
        delay: Duration,
    ) -> BoxFuture<'a, Result<(), OutboxError>> {
        self.delegate().retry_later(leases, delay)
    }

    fn dead_letter<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        self.delegate().dead_letter(leases)
    }

    fn dead_letters(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Record>, OutboxError>> {
        self.delegate().dead_letters(limit)
    }

    fn requeue(&self, limit: usize) -> BoxFuture<'_, Result<usize, OutboxError>> {
        self.delegate().requeue(limit)
    }
}
