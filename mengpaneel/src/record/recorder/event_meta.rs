//! What is written on an event when it is recorded: by what it is told apart, when it was, and
//! whose it is.

use serde_json::Value;
use uuid::Uuid;

use crate::call::value::ValueRef;
use crate::call::{Call, Method};
use crate::id::{IdGenerator, now_ms};
use crate::record::visitor::Visitor;

/// What Mixpanel tells copies of an event by, and when it was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventMeta {
    /// Its name, which no other has.
    pub id: Uuid,
    /// In milliseconds since 1970.
    time: u64,
}

impl EventMeta {
    /// A new one.
    pub(crate) fn now(names: &IdGenerator) -> Self {
        let (id, time) = names.generate();
        Self { id, time }
    }

    /// What an event has of it, unless the caller says otherwise; in the order of their names.
    pub(crate) fn members(self) -> [(&'static str, ValueRef<'static>); 2] {
        [
            ("$insert_id", ValueRef::Uuid(self.id)),
            ("time", ValueRef::Unsigned(self.time)),
        ]
    }
}

/// Gives an event its stamp, unless the caller did. The stamp's name is given back.
pub(crate) fn add_event_meta(call: &mut Call, names: &IdGenerator) -> Option<Uuid> {
    if call.method() == &Method::TimeEvent && call.args().len() == 1 {
        // A browser starts the clock when it makes the call, and ignores when that was.
        let event = call.args().to_vec();
        *call = Call::new(
            Method::TimeEvent,
            [event, vec![Value::from(now_ms())]].concat(),
        );
    }
    if !call.method().is_track() {
        return None;
    }
    let stamp = EventMeta::now(names);
    call.default_properties(&stamp.members());
    Some(stamp.id)
}

/// Writes down whose event it was, since another will be identified when it is sent.
pub(crate) fn add_identity(call: &mut Call, identity: &str, visitor: &Visitor) {
    let tells = |name| call.property(name).is_some();
    if !call.method().is_track() || tells("$user_id") || tells("distinct_id") {
        return;
    }
    let device = visitor.browser().device_id;
    if let Some(device) = device.as_deref() {
        call.default_properties(&[("$device_id", ValueRef::Text(device.as_bytes()))]);
    }
    let identity = ValueRef::Text(identity.as_bytes());
    call.default_properties(&[("$user_id", identity), ("distinct_id", identity)]);
}
