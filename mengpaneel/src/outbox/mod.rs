//! Outboxes: queues of envelopes between the requests that recorded them and delivery.
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
//! * **leased**: owned by one worker. [`mark_sending`](Outbox::mark_sending) marks a leased record
//!   with non-idempotent operations right before it is sent.
//! * **orphaned**: its worker died before it ended the lease. The record is redelivered, and
//!   [`redeliveries`](Lease::redeliveries) grows by one. From the second redelivery on, the record
//!   is leased alone.
//! * **in doubt**: orphaned while it was marked as sending; see [`Lease::in_doubt`]. Its
//!   non-idempotent operations may have reached Mixpanel: they are reported, not sent again.
//! * **dead letter**: failed for good. The record stays readable in engines that store dead
//!   letters, and [`requeue`](Outbox::requeue) makes it pending again.
//!
//! A fallback copy (see [`schedule_fallback`](Outbox::schedule_fallback)) becomes a pending record
//! when it is due, unless a page sent its calls before.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub(crate) mod fallback;
#[cfg(feature = "file")]
mod file;
mod from_url;
pub(crate) mod leased;
mod memory;
#[cfg(any(feature = "file", feature = "redis"))]
mod record;
#[cfg(any(feature = "redis", feature = "sidekiq"))]
mod redis;
#[cfg(feature = "sidekiq")]
mod sidekiq;

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, TryFutureExt as _};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::call::Call;
use crate::record::envelope::{Envelope, EnvelopeRef};
use crate::translate::message::Message;

pub use crate::outbox::fallback::ClaimResult;
#[cfg(feature = "file")]
pub use crate::outbox::file::{File, FileError, OnLocked};
pub use crate::outbox::from_url::from_url;
#[doc(hidden)]
pub use crate::outbox::leased::LeasedRecord;
pub use crate::outbox::memory::Memory;
#[cfg(feature = "redis")]
pub use crate::outbox::redis::Redis;
#[cfg(feature = "sidekiq")]
pub use crate::outbox::sidekiq::Sidekiq;

/// Queue of envelopes that wait for delivery by the server.
///
/// The worker leases records with [`lease`](Self::lease). It ends each lease by exactly one of
/// [`acknowledge`](Self::acknowledge), [`retry_later`](Self::retry_later) and
/// [`dead_letter`](Self::dead_letter). A record whose lease nobody ends (the process died) must be
/// leased again. The [module](self) shows a record's life.
///
/// Any number of threads may append while workers lease. A future may be dropped after it was
/// polled, and no record may be lost by that.
///
/// The suite `outbox::conformance`, behind the feature `conformance`, checks an engine for all of
/// this.
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

    /// Returns whether this library translates the records, in this process or another. `false`
    /// where a foreign program does: then [`before_send`](crate::Builder::before_send) cannot
    /// be applied, and building fails with both.
    fn is_translated_here(&self) -> bool {
        true
    }

    /// Stores an envelope. Envelopes with the same [`id`](Envelope::id) are the same envelope, and
    /// may be stored once.
    ///
    /// # Errors
    /// [`AppendError`] with the envelope, if the outbox is full or unreachable.
    fn append(&self, envelope: Envelope) -> BoxFuture<'_, Result<(), AppendError>>;

    /// Appends as [`append`](Self::append) does, where that needs no waiting.
    #[doc(hidden)]
    fn try_append(&self, envelope: EnvelopeRef<'_>) -> TryAppend {
        let _ = envelope;
        TryAppend::Later
    }

    /// Leases up to `limit` records that are due, oldest first; waits until there is one. A record
    /// that was orphaned twice is leased alone, so that a third crash affects no other record.
    fn lease(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>>;

    /// Leases as [`lease`](Self::lease) does, for the worker, which can send most records without
    /// decoding them.
    #[doc(hidden)]
    fn lease_records(&self, limit: usize) -> BoxFuture<'_, Result<Vec<LeasedRecord>, OutboxError>> {
        self.lease(limit)
            .map_ok(|leases| leases.into_iter().map(LeasedRecord::from).collect())
            .boxed()
    }

    /// Marks records as being sent, before they are sent: leased again after a crash, they are
    /// [`in_doubt`](Lease::in_doubt). The worker marks only records with operations that would
    /// count twice.
    fn mark_sending<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>>;

    /// Removes records that were delivered, or refused and reported.
    fn acknowledge(&self, ids: Vec<LeaseId>) -> BoxFuture<'_, Result<(), OutboxError>>;

    /// Removes records as [`acknowledge`](Self::acknowledge) does, for the worker.
    #[doc(hidden)]
    fn acknowledge_records<'a>(
        &'a self,
        records: &'a [LeasedRecord],
    ) -> BoxFuture<'a, Result<(), OutboxError>> {
        self.acknowledge(records.iter().map(LeasedRecord::id).collect())
    }

    /// Recycles the memory of records that the worker no longer needs, whatever their outcome.
    #[doc(hidden)]
    fn recycle(&self, records: Vec<LeasedRecord>) {
        drop(records);
    }

    /// Makes records due again after `delay`, in their current state: delivered parts are no
    /// longer in [`Lease::remaining`], and nothing is in doubt.
    fn retry_later(
        &self,
        leases: Vec<Lease>,
        delay: Duration,
    ) -> BoxFuture<'_, Result<(), OutboxError>>;

    /// Gives up on records. An engine that supports it stores them as dead letters, for a person to
    /// read.
    fn dead_letter(&self, leases: Vec<Lease>) -> BoxFuture<'_, Result<(), OutboxError>>;

    /// Returns up to `limit` dead letters, latest first. Default: none.
    fn dead_letters(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>> {
        let _ = limit;
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Makes up to `limit` dead letters pending again, oldest first; returns their number. Each is
    /// due at once, as if it had never been leased; one that was in doubt still is.
    ///
    /// The outbox's bounds hold: a record without room stays a dead letter. Default, for an engine
    /// without dead letters: none.
    ///
    /// # Errors
    /// The outbox cannot be reached. Some records may be pending again by then.
    fn requeue(&self, limit: usize) -> BoxFuture<'_, Result<usize, OutboxError>> {
        let _ = limit;
        Box::pin(std::future::ready(Ok(0)))
    }

    /// Stores a fallback copy of calls in a carrier cookie, under the envelope's
    /// [`id`](Envelope::id). The copy becomes an ordinary record when `after` is over, unless a
    /// page sent the calls by then.
    ///
    /// Copies are not counted as [pending](Self::pending). An engine may store none, as by default:
    /// this process then stores them in memory.
    ///
    /// # Errors
    /// [`AppendError`] with the envelope. If the outcome is unknown, the envelope has only what may
    /// be delivered twice: events with the identity of their user.
    fn schedule_fallback(
        &self,
        envelope: Envelope,
        after: Duration,
    ) -> BoxFuture<'_, Result<(), AppendError>> {
        let _ = after;
        let error = AppendError {
            envelope: Box::new(envelope),
            reason: "this outbox stores no fallback copies".into(),
        };
        Box::pin(std::future::ready(Err(error)))
    }

    /// Claims a fallback copy before a page sends its calls. A claimed copy is not due; a claim
    /// holds for a minute at most.
    fn claim_fallback(&self, id: Uuid) -> BoxFuture<'_, Result<ClaimResult, OutboxError>> {
        let _ = id;
        Box::pin(std::future::ready(Ok(ClaimResult::NotFound)))
    }

    /// Ends a claim. With `is_sent`, a page sent the calls and the copy is removed. Otherwise the
    /// copy is released and waits again.
    fn finish_fallback(&self, id: Uuid, is_sent: bool) -> BoxFuture<'_, Result<(), OutboxError>> {
        let _ = (id, is_sent);
        Box::pin(std::future::ready(Ok(())))
    }

    /// Returns the number of pending records. Leased records count, except those that another
    /// process has leased.
    fn pending(&self) -> BoxFuture<'_, Result<usize, OutboxError>>;
}

/// ID of a leased record in its outbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeaseId(pub String);

/// Record that the worker has leased.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// ID of the record in the outbox.
    pub id: LeaseId,
    /// Calls to deliver, with their visitor.
    #[serde(rename = "parcel")]
    pub envelope: Envelope,
    /// Messages that remain after a partial delivery; `None` before the first attempt.
    pub remaining: Option<Vec<Message>>,
    /// Number of delivery attempts.
    pub attempts: u32,
    /// Number of leases that nobody ended, as when the process died of the record.
    #[serde(rename = "abandoned")]
    pub redeliveries: u32,
    /// True if the record was marked as being sent when it was orphaned: it may have arrived.
    pub in_doubt: bool,
}

impl Lease {
    /// Creates the lease of a record that was never leased before.
    #[must_use]
    pub fn new(id: LeaseId, envelope: Envelope) -> Self {
        Self {
            id,
            envelope,
            remaining: None,
            attempts: 0,
            redeliveries: 0,
            in_doubt: false,
        }
    }

    /// Returns the calls that are not delivered yet.
    pub(crate) fn remaining_calls(&self) -> Vec<Call> {
        match &self.remaining {
            Some(remaining) => remaining
                .iter()
                .map(|message| message.call.clone())
                .collect(),
            None => self.envelope.calls.iter().cloned().collect(),
        }
    }
}

/// Refusal of an outbox to store an envelope. The next strategy gets the envelope.
#[derive(Debug, Error)]
#[error("the outbox did not accept the calls: {reason}")]
pub struct AppendError {
    /// Envelope that was not stored.
    pub envelope: Box<Envelope>,
    /// Reason of the refusal.
    pub reason: String,
}

/// Result of an append without waiting.
#[doc(hidden)]
#[derive(Debug)]
pub enum TryAppend {
    /// The envelope is stored.
    Stored,
    /// The envelope is not stored, for this reason.
    Declined(String),
    /// The append needs waiting: use [`Outbox::append`].
    Later,
}

/// Failure of an outbox operation.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the outbox failed: {0}")]
pub struct OutboxError(pub String);
