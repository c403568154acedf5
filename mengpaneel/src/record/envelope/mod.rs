//! A parcel: the calls of one request on their way through the server, with what it takes to say
//! them as the visitor's own browser would have.

pub(crate) mod codec;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::call::{Call, Calls, Mode};
use crate::record::visitor::Visitor;

/// Calls that the server delivers, and under whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Names the parcel wherever it waits. Of two that one Mengpaneel made, the later one is the
    /// greater.
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

impl Envelope {
    /// A parcel of calls recorded under `visitor`.
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

    /// Keeps only what may be delivered twice: events that say whose they are, of which Mixpanel
    /// drops copies by `$insert_id`. The other calls become context. `None` without such an event.
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
        let context = [self.context, before_setup, setup, others.collect()].concat();
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

/// A parcel as it is seen: its parts stand elsewhere, and are taken only where it has to wait for
/// something.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct EnvelopeRef<'a> {
    pub(crate) id: Uuid,
    pub(crate) visitor: &'a Visitor,
    pub(crate) context: &'a [Call],
    /// By mode, in their order.
    pub(crate) calls: [&'a [Call]; 3],
    pub(crate) via_server: bool,
}

impl<'a> EnvelopeRef<'a> {
    /// Of a single call.
    pub(crate) fn from_call(id: Uuid, visitor: &'a Visitor, call: &'a Call, mode: Mode) -> Self {
        let only = |its| {
            if its == mode {
                std::slice::from_ref(call)
            } else {
                &[]
            }
        };
        let calls = [Mode::BeforeSetup, Mode::Setup, Mode::Tracking].map(only);
        Self {
            id,
            visitor,
            context: &[],
            calls,
            via_server: false,
        }
    }

    /// Takes it.
    pub(crate) fn to_envelope(self) -> Envelope {
        let Self {
            id,
            visitor,
            context,
            calls,
            via_server,
        } = self;
        let [before_setup, setup, tracking] = calls.map(<[Call]>::to_vec);
        let calls = Calls {
            before_setup,
            setup,
            tracking,
        };
        Envelope {
            id,
            visitor: visitor.clone(),
            context: context.to_vec(),
            calls,
            via_server,
        }
    }
}

impl<'a> From<&'a Envelope> for EnvelopeRef<'a> {
    fn from(parcel: &'a Envelope) -> Self {
        let Envelope {
            id,
            visitor,
            context,
            calls,
            via_server,
        } = parcel;
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
