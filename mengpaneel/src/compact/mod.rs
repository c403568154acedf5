//! Compact parcels: how they wait. One text is a fifth of what the same takes as values, what the
//! request's thread allocated it frees itself, and what is plain is read from it without being taken
//! apart.

mod read;
mod seen;
#[cfg(test)]
mod tests;

use serde_json::{Number, Value};

use crate::call::{Call, Calls, Method};
use crate::parcel::Parcel;
use crate::visitor::Visitor;

#[cfg(any(test, feature = "file", feature = "redis"))]
pub use read::is_whole;
pub use read::{Reader, begin, id, read};
pub use seen::{Seen, Visit};

/// In place of a method's number, where it has none: its path follows.
const OTHER: u8 = u8::MAX;

/// Methods that have a number. It stands in files that other versions read: what comes is added at
/// the end.
const NUMBERED: [Method; 12] = [
    Method::Track,
    Method::Identify,
    Method::PeopleSet,
    Method::Register,
    Method::Alias,
    Method::TrackPageview,
    Method::PeopleIncrement,
    Method::PeopleAppend,
    Method::PeopleSetOnce,
    Method::SetGroup,
    Method::Reset,
    Method::TimeEvent,
];

/// Appends a parcel to what is written.
pub fn write(parcel: &Parcel, to: &mut Vec<u8>) {
    let Parcel { id, visitor, context, calls, via_server } = parcel;
    let Visitor { cookie, ip, user_agent, url, referrer, has_session } = visitor;
    let Calls { before_setup, setup, tracking } = calls;
    to.extend_from_slice(id.as_bytes());
    to.push(u8::from(*via_server) | u8::from(*has_session) << 1);
    for text in [cookie, ip, user_agent, url, referrer] {
        match text {
            // Nothing is told from an empty text.
            Some(text) => write_len(text.len() + 1, to),
            None => write_len(0, to),
        }
        to.extend_from_slice(text.as_deref().unwrap_or_default().as_bytes());
    }
    for calls in [context, before_setup, setup, tracking] {
        write_len(calls.len(), to);
        for call in calls {
            write_call(call, to);
        }
    }
}

fn write_call(call: &Call, to: &mut Vec<u8>) {
    let known = NUMBERED.iter().position(|method| method == call.method());
    if let Some(number) = known.and_then(|number| u8::try_from(number).ok()).filter(|number| *number < OTHER) {
        to.push(number);
    } else {
        to.push(OTHER);
        let path = call.method().path();
        write_len(path.len(), to);
        for name in path {
            write_text(name, to);
        }
    }
    write_len(call.args().len(), to);
    for value in call.args() {
        write_value(value, to);
    }
}

fn write_value(value: &Value, to: &mut Vec<u8>) {
    match value {
        Value::Null => to.push(b'0'),
        Value::Bool(false) => to.push(b'f'),
        Value::Bool(true) => to.push(b't'),
        Value::Number(number) => write_number(number, to),
        Value::String(text) => {
            to.push(b's');
            write_text(text, to);
        }
        Value::Array(items) => {
            to.push(b'a');
            write_len(items.len(), to);
            for item in items {
                write_value(item, to);
            }
        }
        Value::Object(entries) => {
            to.push(b'o');
            write_len(entries.len(), to);
            for (key, value) in entries {
                write_text(key, to);
                write_value(value, to);
            }
        }
    }
}

fn write_number(number: &Number, to: &mut Vec<u8>) {
    if let Some(natural) = number.as_u64() {
        to.push(b'u');
        to.extend_from_slice(&natural.to_le_bytes());
    } else if let Some(integer) = number.as_i64() {
        to.push(b'i');
        to.extend_from_slice(&integer.to_le_bytes());
    } else if let Some(float) = number.as_f64().filter(|float| Number::from_f64(*float).as_ref() == Some(number)) {
        to.push(b'd');
        to.extend_from_slice(&float.to_le_bytes());
    } else {
        // With a feature of serde_json's, numbers may have more digits than that.
        to.push(b'n');
        write_text(&number.to_string(), to);
    }
}

fn write_text(text: &str, to: &mut Vec<u8>) {
    write_len(text.len(), to);
    to.extend_from_slice(text.as_bytes());
}

/// Seven bits in each byte; all but the last have the eighth too.
fn write_len(mut len: usize, to: &mut Vec<u8>) {
    loop {
        let [low, ..] = len.to_le_bytes();
        if len <= 0x7f {
            return to.push(low);
        }
        to.push(low | 0x80);
        len >>= 7;
    }
}
