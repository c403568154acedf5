//! What is written on an event when it is recorded: by what it is told apart, when it was, and whose
//! it is.

use serde_json::Value;
use uuid::Uuid;

use crate::call::{Call, Method};
use crate::clock::now_ms;
use crate::visitor::Visitor;
use crate::written::Seen;

/// Gives an event what Mixpanel tells copies by, unless the caller did: a name of its own, which is
/// given back.
pub(super) fn time_and_insert_id(call: &mut Call) -> Option<Uuid> {
    if call.method() == &Method::TimeEvent && call.args().len() == 1 {
        // A browser starts the clock when it makes the call, and ignores when that was.
        let event = call.args().to_vec();
        *call = Call::new(Method::TimeEvent, [event, vec![Value::from(now_ms())]].concat());
    }
    if !call.method().is_track() {
        return None;
    }
    let (id, mut buffer) = (Uuid::now_v7(), Uuid::encode_buffer());
    let insert_id = id.hyphenated().encode_lower(&mut buffer);
    // A UUID's own time never goes back, as the clock does where it was wrong.
    call.default_properties(&[("$insert_id", Seen::Text(insert_id)), ("time", Seen::Natural(now_ms()))]);
    Some(id)
}

/// Writes down whose event it was, since another will be identified when it is sent.
pub fn identity(call: &mut Call, identity: &str, visitor: &Visitor) {
    let tells = |name| call.property(name).is_some();
    if !call.method().is_track() || tells("$user_id") || tells("distinct_id") {
        return;
    }
    let device = visitor.browser().device_id;
    if let Some(device) = device.as_deref() {
        call.default_properties(&[("$device_id", Seen::Text(device))]);
    }
    call.default_properties(&[("$user_id", Seen::Text(identity)), ("distinct_id", Seen::Text(identity))]);
}
