//! Consumer side of an outbox.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, ready};

use crate::outbox::{Lease, OutboxError, Record};

/// Consumer side of an [`Outbox`](crate::outbox::Outbox): leases of records, and their ends.
///
/// The worker ends each lease by exactly one of [`acknowledge`](Self::acknowledge),
/// [`retry_later`](Self::retry_later) and [`dead_letter`](Self::dead_letter). A record whose lease
/// nobody ends (the process died) must be leased again.
///
/// # Cancellation
/// A future may be dropped after it was polled. A dropped [`lease`](Self::lease) loses no record: it
/// is leased again, at once or as an orphaned record. The other operations happen completely or not
/// at all.
///
/// # Errors
/// Every operation returns [`OutboxError`] if the outbox fails. The worker repeats `lease` and
/// `acknowledge` after a delay. After another error it goes on, and relies on the redelivery of
/// orphaned records.
pub trait Consumer: Send + Sync {
    /// Leases up to `limit` records that are due, oldest first; waits until there is one. A record
    /// that was orphaned twice is leased alone, so that a third crash affects no other record.
    fn lease(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>>;

    /// Marks records as being sent, before they are sent: leased again after a crash, they are
    /// [in doubt](Record::is_in_doubt). The worker marks only records with operations that would
    /// count twice.
    fn mark_sending<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>>;

    /// Removes records that were delivered, or refused and reported. A lease that was ended before
    /// is ignored.
    fn acknowledge<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>>;

    /// Stores each [`Lease::record`] in its current state, and makes it due again after `delay`.
    fn retry_later<'a>(
        &'a self,
        leases: &'a [Lease],
        delay: Duration,
    ) -> BoxFuture<'a, Result<(), OutboxError>>;

    /// Gives up on records. An engine that supports it stores each [`Lease::record`] in its current
    /// state as a dead letter, for a person to read; others remove them.
    fn dead_letter<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>>;

    /// Returns up to `limit` dead letters, latest first. Default: none.
    fn dead_letters(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Record>, OutboxError>> {
        let _ = limit;
        ready(Ok(Vec::new())).boxed()
    }

    /// Makes up to `limit` dead letters pending again, oldest first; returns their number. Each is
    /// due at once, as if it had never been leased; one that was in doubt still is.
    ///
    /// The outbox's bounds hold: a record without room stays a dead letter. Some records may be
    /// pending again if an error is returned. Default, for an engine without dead letters: none.
    fn requeue(&self, limit: usize) -> BoxFuture<'_, Result<usize, OutboxError>> {
        let _ = limit;
        ready(Ok(0)).boxed()
    }
}
