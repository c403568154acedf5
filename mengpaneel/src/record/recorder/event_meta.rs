//! Metadata that an event gets at recording: `$insert_id`, `time` and the identity.

use serde_json::Value;
use uuid::Uuid;

use crate::call::json::{JsonRef, Scalar};
use crate::call::{Call, Method};
use crate::id::{IdGenerator, now_ms};
use crate::record::recorder::Recorder;
use crate::record::visitor::Visitor;

/// Properties by which Mixpanel deduplicates and dates an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventMeta {
    /// Unique ID of the event, sent as `$insert_id`.
    pub id: Uuid,
    /// Time in milliseconds since 1970, sent as `time`.
    time_ms: u64,
}

impl EventMeta {
    /// Creates the metadata of an event that happens now.
    pub(crate) fn now(ids: &IdGenerator) -> Self {
        let (id, time_ms) = ids.generate();
        Self { id, time_ms }
    }

    /// Returns the properties. Properties of the caller override them.
    pub(crate) fn members(self) -> [(&'static str, Scalar<'static>); 2] {
        [
            ("$insert_id", Scalar::Uuid(self.id)),
            ("time", Scalar::Unsigned(self.time_ms)),
        ]
    }
}

impl Recorder {
    /// Returns the metadata of an event that is recorded now.
    pub(crate) fn event_meta(&self) -> EventMeta {
        EventMeta::now(&self.services.id_generator)
    }
}

/// Adds the metadata to an event, except properties that the caller gave.
///
/// Returns the new ID, or `None` if the call is no event. A `time_event` call gets the current time
/// instead.
pub(crate) fn add_event_meta(call: &mut Call, ids: &IdGenerator) -> Option<Uuid> {
    if call.method() == &Method::TimeEvent && call.args().len() == 1 {
        // A browser starts the timer when it runs the call, and ignores this argument.
        let event = call.args().to_vec();
        *call = Call::new(
            Method::TimeEvent,
            [event, vec![Value::from(now_ms())]].concat(),
        );
    }
    if !call.method().is_track() {
        return None;
    }
    let meta = EventMeta::now(ids);
    call.default_properties(&meta.members());
    Some(meta.id)
}

/// Adds the identity at recording to an event that will be sent under another identity.
pub(crate) fn add_identity(call: &mut Call, identity: &str, visitor: &Visitor) {
    let is_user = |name: &[u8]| matches!(name, b"$user_id" | b"distinct_id");
    let has_user = |properties: JsonRef<'_>| properties.members().any(|(name, _)| is_user(name));
    if !call.method().is_track() || call.recorded_properties().is_some_and(has_user) {
        return;
    }
    let device = visitor.browser().device_id;
    if let Some(device) = device.as_deref() {
        call.default_properties(&[("$device_id", Scalar::Text(device))]);
    }
    let identity = Scalar::Text(identity);
    call.default_properties(&[("$user_id", identity), ("distinct_id", identity)]);
}
