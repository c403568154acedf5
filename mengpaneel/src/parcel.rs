//! A parcel: the calls of one request on their way through the server, with what it takes to say
//! them as the visitor's own browser would have.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::call::{Call, Calls};
use crate::visitor::Visitor;

/// Calls that the server delivers, and under whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parcel {
    /// Names the parcel wherever it waits. Of two that one Mengpaneel made, the later one is the greater.
    pub id: Uuid,
    /// Who was there.
    pub visitor: Visitor,
    /// Calls that decide who it is and what goes with each event, but are delivered elsewhere (or
    /// were already): they change the translation's state and make no message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<Call>,
    /// The calls to deliver.
    pub calls: Calls,
    /// Whether the application asked for the server (`via(server)`): then nothing is taken for a
    /// bot's, and a request that shows no visitor lends no address, browser or URL.
    #[serde(default)]
    pub via_server: bool,
}

impl Parcel {
    /// A parcel of calls recorded under `visitor`.
    #[must_use]
    pub fn new(visitor: Visitor, calls: Calls) -> Self {
        Self { id: Uuid::now_v7(), visitor, context: Vec::new(), calls, via_server: false }
    }
}
