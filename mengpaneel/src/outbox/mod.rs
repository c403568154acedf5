//! Outboxes: where calls wait until the server delivers them, and the worker that delivers them.

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

/// Where calls wait until the server delivers them.
///
/// The worker takes records out with [`lease`](Self::lease), and gives each back by exactly one of
/// [`acknowledge`](Self::acknowledge), [`retry_later`](Self::retry_later) and
/// [`bury`](Self::bury). A record that is given back by none (its process died) is to be leased
/// again. Any number of threads may append while workers lease. A future that was polled once may
/// be dropped, and no record may be lost by that.
///
/// The suite `outbox::conformance`, behind the feature `conformance`, checks an engine for all of this.
#[doc = include_str!("example.md")]
pub trait Outbox: Send + Sync + 'static {
    /// Makes it ready; called once, when the Mengpaneel is built. What cannot be mended by waiting
    /// is an error here, a server that is away for now is not.
    ///
    /// # Errors
    /// What is in the way, and what to do.
    fn open(&self) -> Result<(), OutboxError> {
        Ok(())
    }

    /// Whether what waits is still there when this process has ended.
    fn is_durable(&self) -> bool {
        true
    }

    /// Name of the outbox in logs and errors, without secrets: `Redis at cache.example:6379`.
    /// Default: `the outbox`.
    fn description(&self) -> String {
        "the outbox".to_owned()
    }

    /// Returns whether this library translates what waits here, in this process or another. `false`
    /// where a foreign program does: then [`before_send`](crate::Builder::before_send) cannot
    /// be applied, and building fails with both.
    fn is_translated_here(&self) -> bool {
        true
    }

    /// Keeps a parcel, or hands it back: full, or unreachable. A parcel of the same
    /// [`id`](Envelope::id) is the same one, and may be kept once.
    fn append(&self, parcel: Envelope) -> BoxFuture<'_, Result<(), AppendError>>;

    /// As [`append`](Self::append), where nothing is to be waited for.
    #[doc(hidden)]
    fn try_append(&self, parcel: EnvelopeRef<'_>) -> TryAppend {
        let _ = parcel;
        TryAppend::Later
    }

    /// Up to `limit` records that are due, oldest first; waits until there is one. What was
    /// abandoned twice comes alone, so that it takes nothing with it a third time.
    fn lease(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>>;

    /// As [`lease`](Self::lease), for the worker, which need not take records apart to send them.
    #[doc(hidden)]
    fn lease_records(&self, limit: usize) -> BoxFuture<'_, Result<Vec<LeasedRecord>, OutboxError>> {
        self.lease(limit)
            .map_ok(|leases| leases.into_iter().map(LeasedRecord::from).collect())
            .boxed()
    }

    /// Notes that these records are being sent right now, before they are: when they are leased
    /// again after a crash, they are [`in_doubt`](Lease::in_doubt). Only those are marked that
    /// hold what would count twice.
    fn mark_sending<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>>;

    /// These are done with: delivered, or refused and reported.
    fn acknowledge(&self, ids: Vec<LeaseId>) -> BoxFuture<'_, Result<(), OutboxError>>;

    /// As [`acknowledge`](Self::acknowledge), for the worker.
    #[doc(hidden)]
    fn acknowledge_records<'a>(
        &'a self,
        taken: &'a [LeasedRecord],
    ) -> BoxFuture<'a, Result<(), OutboxError>> {
        self.acknowledge(taken.iter().map(LeasedRecord::id).collect())
    }

    /// The worker does not need these any more, whatever became of them.
    #[doc(hidden)]
    fn recycle(&self, taken: Vec<LeasedRecord>) {
        drop(taken);
    }

    /// These are due again after `delay`, as they are now: what was delivered of them is gone from
    /// [`Lease::remaining`], and nothing of it is in doubt.
    fn retry_later(
        &self,
        leases: Vec<Lease>,
        delay: Duration,
    ) -> BoxFuture<'_, Result<(), OutboxError>>;

    /// These are given up, and kept where a person can look at them, if the engine can.
    fn dead_letter(&self, leases: Vec<Lease>) -> BoxFuture<'_, Result<(), OutboxError>>;

    /// Up to `limit` of those that were buried, the latest first.
    fn dead_letters(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>> {
        let _ = limit;
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Puts up to `limit` dead letters back among the records that wait; returns how many. Those
    /// that were buried first come first. Each is due at once, as if nobody had had it in hand;
    /// one that was in doubt still is.
    ///
    /// The outbox's bounds hold: a record without room stays a dead letter. An engine that keeps no
    /// dead letters has none to put back, as by default.
    ///
    /// # Errors
    /// Where the outbox cannot be reached. Some records may have been put back by then.
    fn requeue(&self, limit: usize) -> BoxFuture<'_, Result<usize, OutboxError>> {
        let _ = limit;
        Box::pin(std::future::ready(Ok(0)))
    }

    /// Keeps a copy of calls that wait in a carrier cookie, under the parcel's [`id`](Envelope::id):
    /// a record like any other `after` this time, unless they were said in a page by then.
    /// Copies are not counted among those [waiting](Self::waiting). An engine may keep none, as
    /// by default: this process keeps them in memory then. One that does not know whether it
    /// kept it hands back what may be there twice: the events that tell whose they are.
    fn schedule_fallback(
        &self,
        parcel: Envelope,
        after: Duration,
    ) -> BoxFuture<'_, Result<(), AppendError>> {
        let _ = after;
        let declined = AppendError {
            envelope: Box::new(parcel),
            reason: "this outbox keeps no copies aside".into(),
        };
        Box::pin(std::future::ready(Err(declined)))
    }

    /// Claims a copy, before its calls are said in a page: it is not due as long as it is claimed,
    /// a minute at most.
    fn claim_fallback(&self, id: Uuid) -> BoxFuture<'_, Result<ClaimResult, OutboxError>> {
        let _ = id;
        Box::pin(std::future::ready(Ok(ClaimResult::NotFound)))
    }

    /// Ends a claim: the calls were said, and the copy goes; or they were not, and it waits on.
    fn finish_fallback(&self, id: Uuid, is_said: bool) -> BoxFuture<'_, Result<(), OutboxError>> {
        let _ = (id, is_said);
        Box::pin(std::future::ready(Ok(())))
    }

    /// How many records wait, leased ones included; those that another process has in hand are
    /// not counted.
    fn pending(&self) -> BoxFuture<'_, Result<usize, OutboxError>>;
}

/// Names a leased record in its outbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeaseId(pub String);

/// A record that the worker has in its hands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// Its name in the outbox.
    pub id: LeaseId,
    /// What is to be delivered.
    pub envelope: Envelope,
    /// What is left of it once a part was delivered; `None` before the first attempt.
    pub remaining: Option<Vec<Message>>,
    /// How often it was tried.
    pub attempts: u32,
    /// How often it was leased and given back by nobody, as when the process died of it.
    pub redeliveries: u32,
    /// Whether it was marked as being sent when it was abandoned: it may have arrived.
    pub in_doubt: bool,
}

impl Lease {
    /// A record that nobody had in hand before.
    #[must_use]
    pub fn new(id: LeaseId, parcel: Envelope) -> Self {
        Self {
            id,
            envelope: parcel,
            remaining: None,
            attempts: 0,
            redeliveries: 0,
            in_doubt: false,
        }
    }
}

/// An outbox that does not take a parcel: it comes back, for the next strategy.
#[derive(Debug, Error)]
#[error("the outbox did not take the calls: {reason}")]
pub struct AppendError {
    /// The parcel, unchanged.
    pub envelope: Box<Envelope>,
    /// Why.
    pub reason: String,
}

/// What became of a parcel that was to be kept at once.
#[doc(hidden)]
#[derive(Debug)]
pub enum TryAppend {
    /// It is kept.
    Stored,
    /// It is not, for this reason.
    Declined(String),
    /// It takes waiting.
    Later,
}

/// An outbox that cannot do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the outbox failed: {0}")]
pub struct OutboxError(pub String);
