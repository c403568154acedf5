//! Outboxes: queues of records between the requests that recorded their calls and delivery.
//!
//! A [`Record`] is an encoded envelope. Processes append records by [`Outbox`]; workers lease and
//! deliver them by [`Consumer`]. A new engine, or one that wraps another, needs these public items
//! only.
//!
//! # Life of a record
//!
//! ```text
//!                        lease                mark_sending
//! append ───▶ pending ──────────▶ leased ───────────────────▶ sending
//!             ▲  ▲  ▲                │                           │
//!             │  │  │                └─────────────┬─────────────┘
//!             │  │  │                              ├─ acknowledge ───▶ removed
//!             │  │  └──────── after a delay ───────┼─ retry_later
//!             │  └─ requeue ─── dead letter ◀──────┼─ dead_letter
//!             └── redelivered ─── orphaned ◀───────┘  none of these: the process died
//! ```
//!
//! * **pending**: waits in the outbox; due at once, or after the delay of a retry.
//! * **leased**: owned by one worker. [`mark_sending`](Consumer::mark_sending) marks a leased record
//!   with non-idempotent operations right before it is sent.
//! * **orphaned**: its worker died before it ended the lease. The record is redelivered, and
//!   [`redeliveries`](Lease::redeliveries) grows by one. From the second redelivery on, the record
//!   is leased alone.
//! * **in doubt**: orphaned while it was marked as sending; see [`Record::is_in_doubt`]. Its
//!   non-idempotent operations may have reached Mixpanel: they are reported, not sent again.
//! * **dead letter**: failed for good. The record stays readable in engines that store dead
//!   letters, and [`requeue`](Consumer::requeue) makes it pending again.
//!
//! A fallback copy (see [`schedule_fallback`](Outbox::schedule_fallback)) becomes a pending record
//! when it is due, unless a page sent its calls before.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod consumer;
mod failover;
pub(crate) mod fallback;
#[cfg(feature = "file")]
mod file;
mod from_url;
mod lease;
mod memory;
pub(crate) mod record;
#[cfg(any(feature = "redis", feature = "sidekiq"))]
mod redis;
#[cfg(feature = "sidekiq")]
mod sidekiq;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, pending, ready};
use thiserror::Error;
use uuid::Uuid;

pub use crate::outbox::consumer::Consumer;
pub use crate::outbox::failover::Failover;
pub use crate::outbox::fallback::ClaimResult;
#[cfg(feature = "file")]
pub use crate::outbox::file::{File, FileError, OnLocked};
pub use crate::outbox::from_url::from_url;
pub use crate::outbox::lease::{Lease, LeaseId};
pub use crate::outbox::memory::Memory;
pub use crate::outbox::record::{Record, RecordError, RecordRef};
#[cfg(feature = "redis")]
pub use crate::outbox::redis::Redis;
#[cfg(feature = "sidekiq")]
pub use crate::outbox::sidekiq::Sidekiq;

/// Queue of records that wait for delivery by the server.
///
/// Any number of threads may append while workers lease. The [module](self) shows a record's life.
/// The suite `outbox::conformance`, behind the feature `conformance`, checks an engine.
///
/// # Cancellation
/// A future may be dropped after it was polled. The operation then happened completely or not at
/// all.
#[doc = include_str!("example.md")]
pub trait Outbox: Send + Sync + 'static {
    /// Prepares the outbox. Called once, when the `Mengpaneel` is built.
    ///
    /// # Errors
    /// A problem that waiting does not solve, with its remedy. A server that is unreachable for now
    /// is no error.
    fn open(&self) -> Result<(), OutboxError> {
        Ok(())
    }

    /// Returns whether pending records survive the end of this process.
    fn is_durable(&self) -> bool {
        true
    }

    /// Name of the outbox in logs and errors, without secrets: `Redis at cache.example:6379`.
    /// Default: `the outbox`.
    fn description(&self) -> String {
        "the outbox".to_owned()
    }

    /// Stores a record. Records with the same [`id`](Record::id) are the same record, and may be
    /// stored once.
    ///
    /// # Errors
    /// [`AppendError`] with the record, if the outbox is full or unreachable.
    fn append(&self, record: Record) -> BoxFuture<'_, Result<(), AppendError>>;

    /// Stores a record as [`append`](Self::append) does, if that needs no waiting. Default:
    /// [`TryAppendError::WouldBlock`].
    ///
    /// # Errors
    /// [`TryAppendError`] if the record is not stored.
    fn try_append(&self, record: RecordRef<'_>) -> Result<(), TryAppendError> {
        let _ = record;
        Err(TryAppendError::WouldBlock)
    }

    /// Returns the number of pending records. Leased records count, except those that another
    /// process has leased.
    ///
    /// # Errors
    /// The outbox cannot be reached.
    fn pending(&self) -> BoxFuture<'_, Result<usize, OutboxError>>;

    /// Returns the consumer side, by which workers deliver the records. `None`, the default, where a
    /// foreign program delivers them: then [`before_send`](crate::Builder::before_send) cannot be
    /// applied, and building fails with both.
    fn consumer(&self) -> Option<&dyn Consumer> {
        None
    }

    /// Runs work beside appends and leases, such as moving records. The delivery thread of each
    /// `Mengpaneel` runs it until its shutdown ends, and then drops the future. Default: none.
    fn run_in_background(&self) -> BoxFuture<'_, ()> {
        pending().boxed()
    }

    /// Stores a fallback copy of calls in a carrier cookie, under the [`id`](Record::id) of the
    /// record. The copy becomes an ordinary record when `after` is over, unless a page sent the
    /// calls by then.
    ///
    /// Copies are not counted as [pending](Self::pending). An engine may store none, as by default:
    /// this process then stores them in memory.
    ///
    /// # Errors
    /// [`AppendError`] with the record. If the outcome is unknown, the record has only what may be
    /// delivered twice, [`Record::deduplicable`], or no calls.
    fn schedule_fallback(
        &self,
        record: Record,
        after: Duration,
    ) -> BoxFuture<'_, Result<(), AppendError>> {
        let _ = after;
        let reason = "this outbox stores no fallback copies";
        ready(Err(AppendError::new(record, reason))).boxed()
    }

    /// Claims a fallback copy before a page sends its calls. A claimed copy is not due; a claim
    /// holds for a minute at most. Default: [`ClaimResult::NotFound`].
    ///
    /// # Errors
    /// The outbox cannot be reached.
    fn claim_fallback(&self, id: Uuid) -> BoxFuture<'_, Result<ClaimResult, OutboxError>> {
        let _ = id;
        ready(Ok(ClaimResult::NotFound)).boxed()
    }

    /// Ends a claim. With `is_sent`, a page sent the calls and the copy is removed. Otherwise the
    /// copy is released and waits again.
    ///
    /// # Errors
    /// The outbox cannot be reached.
    fn finish_fallback(&self, id: Uuid, is_sent: bool) -> BoxFuture<'_, Result<(), OutboxError>> {
        let _ = (id, is_sent);
        ready(Ok(())).boxed()
    }
}

impl<O: Outbox + ?Sized> Outbox for Arc<O> {
    fn open(&self) -> Result<(), OutboxError> {
        (**self).open()
    }

    fn is_durable(&self) -> bool {
        (**self).is_durable()
    }

    fn description(&self) -> String {
        (**self).description()
    }

    fn append(&self, record: Record) -> BoxFuture<'_, Result<(), AppendError>> {
        (**self).append(record)
    }

    fn try_append(&self, record: RecordRef<'_>) -> Result<(), TryAppendError> {
        (**self).try_append(record)
    }

    fn pending(&self) -> BoxFuture<'_, Result<usize, OutboxError>> {
        (**self).pending()
    }

    fn consumer(&self) -> Option<&dyn Consumer> {
        (**self).consumer()
    }

    fn run_in_background(&self) -> BoxFuture<'_, ()> {
        (**self).run_in_background()
    }

    fn schedule_fallback(
        &self,
        record: Record,
        after: Duration,
    ) -> BoxFuture<'_, Result<(), AppendError>> {
        (**self).schedule_fallback(record, after)
    }

    fn claim_fallback(&self, id: Uuid) -> BoxFuture<'_, Result<ClaimResult, OutboxError>> {
        (**self).claim_fallback(id)
    }

    fn finish_fallback(&self, id: Uuid, is_sent: bool) -> BoxFuture<'_, Result<(), OutboxError>> {
        (**self).finish_fallback(id, is_sent)
    }
}

/// Refusal of an outbox to store a record. The next strategy gets the calls.
#[derive(Debug, Error)]
#[error("the outbox did not accept the calls: {reason}")]
pub struct AppendError {
    /// Record that was not stored.
    pub record: Record,
    /// Reason of the refusal.
    pub reason: String,
}

impl AppendError {
    /// Creates the refusal of a record.
    #[must_use]
    pub fn new(record: Record, reason: impl Into<String>) -> Self {
        Self {
            record,
            reason: reason.into(),
        }
    }
}

/// Reason why a record was not stored without waiting.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TryAppendError {
    /// The append needs waiting: use [`Outbox::append`].
    #[error("the append needs waiting: use `append`")]
    WouldBlock,
    /// The outbox is full or fails, for this reason.
    #[error("{0}")]
    Declined(String),
}

/// Failure of an outbox operation.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the outbox failed: {0}")]
pub struct OutboxError(pub String);
