//! Envelope: the calls of one request, with everything that the server needs to deliver them as the
//! visitor's browser would.

pub(crate) mod codec;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::call::{Call, Calls, Mode};
use crate::record::visitor::Visitor;

/// Calls that the server delivers, and their visitor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Identifies the envelope in every outbox. IDs of one `Mengpaneel` are strictly increasing.
    pub id: Uuid,
    /// Visitor under whom the calls were recorded.
    pub visitor: Visitor,
    /// Calls that set the identity and the properties of each event, but are delivered elsewhere.
    ///
    /// They change the translation's state and make no message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<Call>,
    /// Calls to deliver.
    pub calls: Calls,
    /// True for `via(server)` calls. No bot filter applies to them, and a request without a
    /// visitor adds no IP address, browser or URL.
    #[serde(default)]
    pub via_server: bool,
}

impl Envelope {
    /// Creates an envelope of calls recorded under `visitor`.
    #[must_use]
    pub fn new(visitor: Visitor, calls: Calls) -> Self {
        Self {
            id: Uuid::now_v7(),
            visitor,
            context: Vec::new(),
            calls,
            via_server: false,
        }
    }

    /// Retains only events with a `$user_id`, of which Mixpanel drops copies by `$insert_id`. Calls
    /// that are no events become context. `None` without such an event.
    pub(crate) fn retain_deduplicable(self) -> Option<Self> {
        let is_deduplicable =
            |call: &Call| call.method().is_track() && call.property("$user_id").is_some();
        let Calls {
            before_setup,
            setup,
            tracking,
        } = self.calls;
        let (tracking, rest): (Vec<_>, Vec<_>) = tracking.into_iter().partition(is_deduplicable);
        let others = rest.into_iter().filter(|call| !call.method().is_track());
        let context = self.context.into_iter().chain(before_setup).chain(setup);
        let context = context.chain(others).collect();
        let has_any = !tracking.is_empty();
        let calls = Calls {
            tracking,
            ..Calls::default()
        };
        has_any.then_some(Self {
            context,
            calls,
            ..self
        })
    }
}

/// Borrowed envelope.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EnvelopeRef<'a> {
    pub(crate) id: Uuid,
    pub(crate) visitor: &'a Visitor,
    pub(crate) context: &'a [Call],
    /// Calls by mode, in the order of the modes.
    pub(crate) calls: [&'a [Call]; 3],
    pub(crate) via_server: bool,
}

impl<'a> EnvelopeRef<'a> {
    /// Creates an envelope of a single call.
    pub(crate) fn from_call(id: Uuid, visitor: &'a Visitor, call: &'a Call, mode: Mode) -> Self {
        let calls_of = |other| {
            if other == mode {
                std::slice::from_ref(call)
            } else {
                &[]
            }
        };
        let calls = [Mode::BeforeSetup, Mode::Setup, Mode::Tracking].map(calls_of);
        Self {
            id,
            visitor,
            context: &[],
            calls,
            via_server: false,
        }
    }
}

impl<'a> From<&'a Envelope> for EnvelopeRef<'a> {
    fn from(envelope: &'a Envelope) -> Self {
        let Envelope {
            id,
            visitor,
            context,
            calls,
            via_server,
        } = envelope;
        let calls: [&[Call]; 3] = [&calls.before_setup, &calls.setup, &calls.tracking];
        Self {
            id: *id,
            visitor,
            context,
            calls,
            via_server: *via_server,
        }
    }
}
