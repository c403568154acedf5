//! Lease: a record that a worker owns until it ends the lease.

use std::fmt;

use crate::outbox::Record;

/// ID of a lease, chosen by the engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LeaseId {
    /// Number, such as that of a row.
    Number(u128),
    /// Text, such as the ID of an entry in a stream.
    Text(String),
    /// ID in one of several outboxes, after the index of that outbox.
    Nested(usize, Box<LeaseId>),
}

impl From<u128> for LeaseId {
    fn from(number: u128) -> Self {
        Self::Number(number)
    }
}

impl From<String> for LeaseId {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
            Self::Nested(index, id) => write!(f, "{index}/{id}"),
        }
    }
}

/// Record that a worker has leased.
///
/// ```
/// use mengpaneel::outbox::{Lease, Record};
/// use mengpaneel::{Calls, Envelope, Visitor};
///
/// let record = Record::new(&Envelope::new(Visitor::default(), Calls::default()));
/// let lease = Lease::new(7_u128, record).redelivered(1, true);
/// assert_eq!(lease.redeliveries, 1);
/// assert!(lease.record.is_in_doubt());
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Lease {
    /// ID of the lease in its outbox.
    pub id: LeaseId,
    /// Record in its current state.
    pub record: Record,
    /// Number of earlier leases that nobody ended, as when the process died of the record.
    pub redeliveries: u32,
}

impl Lease {
    /// Creates the lease of a record that is not redelivered.
    #[must_use]
    pub fn new(id: impl Into<LeaseId>, record: Record) -> Self {
        Self {
            id: id.into(),
            record,
            redeliveries: 0,
        }
    }

    /// Sets the number of earlier leases that nobody ended. `was_sending` is true if the last of
    /// them was [marked as sending](crate::outbox::Consumer::mark_sending): the record is in doubt.
    #[must_use]
    pub fn redelivered(self, redeliveries: u32, was_sending: bool) -> Self {
        let in_doubt = was_sending || self.record.is_in_doubt();
        Self {
            record: self.record.mark_in_doubt(in_doubt),
            redeliveries,
            ..self
        }
    }
}
