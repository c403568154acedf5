//! Outboxes: where calls wait until the server delivers them, and the worker that delivers them.

mod circuit;
mod last_sets;
mod memory;
mod post;
mod sender;
mod worker;

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::parcel::Parcel;

pub use crate::server::{Endpoint, Message};
pub use memory::Memory;
pub(crate) use post::Post;
pub use post::{Health, NotSent};
pub(crate) use sender::BeforeSend;
pub use sender::Undelivered;

/// Where calls wait until the server delivers them.
///
/// The worker takes records out with [`lease`](Self::lease), and gives each back by exactly one of
/// [`acknowledge`](Self::acknowledge), [`retry_later`](Self::retry_later) and
/// [`bury`](Self::bury). A record that is given back by none (its process died) is to be leased
/// again. Any number of threads may append while one worker leases.
pub trait Outbox: Send + Sync + 'static {
    /// Keeps a parcel, or hands it back: full, or unreachable.
    fn append(&self, parcel: Parcel) -> BoxFuture<'_, Result<(), Declined>>;

    /// Up to `limit` records that are due, oldest first; waits until there is one.
    fn lease(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>>;

    /// Notes that these records are being sent right now, before they are: after a crash, what
    /// would count twice must be reported and not sent again.
    fn mark_sending<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>>;

    /// These are done with: delivered, or refused and reported.
    fn acknowledge(&self, ids: Vec<LeaseId>) -> BoxFuture<'_, Result<(), OutboxError>>;

    /// These are due again after `delay`, as they are now: what was delivered of them is gone from
    /// [`Lease::remaining`].
    fn retry_later(&self, leases: Vec<Lease>, delay: Duration) -> BoxFuture<'_, Result<(), OutboxError>>;

    /// These are given up, and kept where a person can look at them, if the engine can.
    fn bury(&self, leases: Vec<Lease>) -> BoxFuture<'_, Result<(), OutboxError>>;

    /// How many records wait, leased ones included.
    fn waiting(&self) -> BoxFuture<'_, Result<usize, OutboxError>>;
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
    pub parcel: Parcel,
    /// What is left of it once a part was delivered; `None` before the first attempt.
    pub remaining: Option<Vec<Message>>,
    /// How often it was tried.
    pub attempts: u32,
}

/// An outbox that does not take a parcel: it comes back, for the next strategy.
#[derive(Debug, Error)]
#[error("the outbox did not take the calls: {reason}")]
pub struct Declined {
    /// The parcel, unchanged.
    pub parcel: Box<Parcel>,
    /// Why.
    pub reason: String,
}

/// An outbox that cannot do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the outbox failed: {0}")]
pub struct OutboxError(pub String);
