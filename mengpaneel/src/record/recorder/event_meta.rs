//! Metadata that an event gets at recording: `$insert_id`, `time` and the identity.

use uuid::Uuid;

use crate::call::json::{JsonRef, Scalar};
use crate::call::{Call, Method};
use crate::id::{IdGenerator, now_ms};
use crate::record::recorder::Recorder;

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
        let mut args = call.args().to_vec();
        args.push(now_ms().into());
        *call = Call::new(Method::TimeEvent, args);
    }
    if !call.method().is_track() {
        return None;
    }
    let meta = EventMeta::now(ids);
    call.default_properties(&meta.members());
    Some(meta.id)
}

/// Adds the identity at recording to an event that will be sent under another identity. `device_id`
/// returns the device of the visitor's cookie.
pub(crate) fn add_identity<'d>(
    call: &mut Call,
    identity: &str,
    device_id: impl FnOnce() -> Option<&'d str>,
) {
    let is_user = |name: &[u8]| matches!(name, b"$user_id" | b"distinct_id");
    let has_user = |properties: JsonRef<'_>| properties.members().any(|(name, _)| is_user(name));
    if !call.method().is_track() || call.recorded_properties().is_some_and(has_user) {
        return;
    }
    let identity = Scalar::Text(identity);
    let device_id = device_id().map(|id| ("$device_id", Scalar::Text(id)));
    let members = [("$user_id", identity), ("distinct_id", identity)];
    let members: Vec<_> = members.into_iter().chain(device_id).collect();
    call.default_properties(&members);
}
