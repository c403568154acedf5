//! A record in the worker's hands: taken apart, or as it stands written.

use std::ops::Range;
use std::sync::Arc;

use uuid::Uuid;

#[cfg(any(feature = "file", feature = "redis"))]
use crate::outbox::record;
use crate::outbox::{Lease, LeaseId};
use crate::record::envelope::codec;

/// A record in the worker's hands. Most are never taken apart: what is plain is said as it stands.
#[derive(Debug)]
pub enum Taken {
    /// Taken apart.
    Open(Box<Lease>),
    /// As it stands written, for the first time.
    Sealed(Sealed),
}

/// A record as it stands written, among others.
#[derive(Debug)]
pub struct Sealed {
    id: Name,
    all: Arc<Vec<u8>>,
    own: Range<usize>,
}

/// What a lease is called: a number is made a text only where somebody asks.
#[derive(Clone, Debug)]
pub(crate) enum Name {
    /// In memory.
    Number(u64),
    /// Elsewhere.
    #[cfg(any(feature = "file", feature = "redis"))]
    Text(LeaseId),
}

impl Name {
    fn into_id(self) -> LeaseId {
        match self {
            Self::Number(number) => LeaseId(number.to_string()),
            #[cfg(any(feature = "file", feature = "redis"))]
            Self::Text(id) => id,
        }
    }
}

impl Sealed {
    /// What stands at `own` must be a compact parcel.
    pub(crate) fn new(id: Name, all: &Arc<Vec<u8>>, own: Range<usize>) -> Self {
        Self {
            id,
            all: Arc::clone(all),
            own,
        }
    }

    pub(crate) fn written(&self) -> &[u8] {
        self.all.get(self.own.clone()).unwrap_or_default()
    }
}

/// Records that were found written, on their way to the worker.
#[cfg(any(feature = "file", feature = "redis"))]
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The sealed ones, one behind the other.
    all: Vec<u8>,
    records: Vec<Result<(LeaseId, Range<usize>), Lease>>,
}

#[cfg(any(feature = "file", feature = "redis"))]
impl Found {
    #[cfg(feature = "file")]
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    #[cfg(feature = "file")]
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Adds one, sealed if it is new and can be.
    pub(crate) fn add(
        &mut self,
        id: LeaseId,
        written: &[u8],
        abandoned: u32,
        in_doubt: bool,
    ) -> Result<(), serde_json::Error> {
        let one =
            if let Some(parcel) = record::sealed(written).filter(|_| abandoned == 0 && !in_doubt) {
                let start = self.all.len();
                self.all.extend_from_slice(parcel);
                Ok((id, start..self.all.len()))
            } else {
                let lease = record::read(id, written)?;
                Err(Lease {
                    abandoned,
                    in_doubt: in_doubt || lease.in_doubt,
                    ..lease
                })
            };
        self.records.push(one);
        Ok(())
    }

    pub(crate) fn into_taken(self) -> Vec<Taken> {
        let all = Arc::new(self.all);
        let taken = |one| match one {
            Ok((id, own)) => Taken::Sealed(Sealed::new(Name::Text(id), &all, own)),
            Err(lease) => Taken::from(lease),
        };
        self.records.into_iter().map(taken).collect()
    }
}

impl Taken {
    pub(crate) fn into_leases(records: Vec<Self>) -> Vec<Lease> {
        records.into_iter().filter_map(Self::into_lease).collect()
    }

    pub(crate) fn id(&self) -> LeaseId {
        match self {
            Self::Open(lease) => lease.id.clone(),
            Self::Sealed(sealed) => sealed.id.clone().into_id(),
        }
    }

    /// Its number, where it was leased from memory.
    pub(crate) fn number(&self) -> Option<u64> {
        match self {
            Self::Open(lease) => lease.id.0.parse().ok(),
            Self::Sealed(Sealed {
                id: Name::Number(number),
                ..
            }) => Some(*number),
            #[cfg(any(feature = "file", feature = "redis"))]
            Self::Sealed(_) => None,
        }
    }

    pub(crate) fn abandoned(&self) -> u32 {
        match self {
            Self::Open(lease) => lease.abandoned,
            Self::Sealed(_) => 0,
        }
    }

    /// The name of its parcel.
    pub(crate) fn parcel_id(&self) -> Option<Uuid> {
        match self {
            Self::Open(lease) => Some(lease.parcel.id),
            Self::Sealed(sealed) => codec::id(sealed.written()),
        }
    }

    /// Takes it apart; `None` only where it was no record.
    pub(crate) fn open(&mut self) -> Option<&mut Lease> {
        if let Self::Sealed(sealed) = self {
            let parcel = codec::read(sealed.written())?;
            *self = Self::Open(Box::new(Lease::new(sealed.id.clone().into_id(), parcel)));
        }
        match self {
            Self::Open(lease) => Some(lease),
            Self::Sealed(_) => None,
        }
    }

    /// The memory that it stands in, if nothing else does any more.
    pub(crate) fn into_memory(self) -> Option<Vec<u8>> {
        match self {
            Self::Open(_) => None,
            Self::Sealed(sealed) => Arc::into_inner(sealed.all),
        }
    }

    /// Whether something of it is to be sent again.
    pub(crate) fn is_unfinished(&self) -> bool {
        match self {
            Self::Open(lease) => lease
                .remaining
                .as_ref()
                .is_some_and(|left| !left.is_empty()),
            Self::Sealed(_) => false,
        }
    }

    pub(crate) fn into_lease(mut self) -> Option<Lease> {
        self.open()?;
        match self {
            Self::Open(lease) => Some(*lease),
            Self::Sealed(_) => None,
        }
    }
}

impl From<Lease> for Taken {
    fn from(lease: Lease) -> Self {
        Self::Open(Box::new(lease))
    }
}
