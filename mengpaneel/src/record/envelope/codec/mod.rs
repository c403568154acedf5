//! Compact parcels: how they wait. One text is a fifth of what the same takes as values, what the
//! request's thread allocated it frees itself, and what is plain is read from it without being
//! taken apart.

mod read;
#[cfg(test)]
mod tests;
pub(crate) mod visitor_ref;

use crate::call::value::{write_len, write_text};
use crate::call::{Call, Method};
use crate::record::envelope::EnvelopeRef;
use crate::record::visitor::Visitor;

#[cfg(any(test, feature = "file", feature = "redis"))]
pub(crate) use crate::record::envelope::codec::read::validate;
pub(crate) use crate::record::envelope::codec::read::{decode, decode_header, id};
pub(crate) use crate::record::envelope::codec::visitor_ref::VisitorRef;

/// In place of a method's number, where it has none: its path follows.
const CUSTOM_METHOD: u8 = u8::MAX;

/// Methods that have a number. It stands in files that other versions read: what comes is added at
/// the end.
static METHOD_CODES: [Method; 12] = [
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
pub(crate) fn write<'a>(parcel: impl Into<EnvelopeRef<'a>>, to: &mut Vec<u8>) {
    let EnvelopeRef {
        id,
        visitor,
        context,
        calls,
        via_server,
    } = parcel.into();
    let Visitor {
        cookie,
        ip,
        user_agent,
        url,
        referrer,
        has_session,
        omitted,
    } = visitor;
    to.extend_from_slice(id.as_bytes());
    to.push(u8::from(via_server) | u8::from(*has_session) << 1 | u8::from(omitted.is_some()) << 2);
    for text in [cookie, ip, user_agent, url, referrer] {
        match text {
            // Nothing is told from an empty text.
            Some(text) => write_len(text.len() + 1, to),
            None => write_len(0, to),
        }
        to.extend_from_slice(text.as_deref().unwrap_or_default().as_bytes());
    }
    if let Some(omitted) = omitted {
        write_text(omitted, to);
    }
    write_calls(&[context], to);
    for calls in calls {
        write_calls(&[calls], to);
    }
}

/// Writes calls, those of each behind the one before, behind their number.
fn write_calls(calls: &[&[Call]], to: &mut Vec<u8>) {
    write_len(calls.iter().map(|calls| calls.len()).sum(), to);
    for call in calls.iter().copied().flatten() {
        write_call(call, to);
    }
}

fn write_call(call: &Call, to: &mut Vec<u8>) {
    let known = METHOD_CODES
        .iter()
        .position(|method| method == call.method());
    if let Some(number) = known
        .and_then(|number| u8::try_from(number).ok())
        .filter(|number| *number < CUSTOM_METHOD)
    {
        to.push(number);
    } else {
        to.push(CUSTOM_METHOD);
        let path = call.method().path();
        write_len(path.len(), to);
        for name in path {
            write_text(name, to);
        }
    }
    write_len(call.as_encoded().len(), to);
    to.extend_from_slice(call.as_encoded().as_encoded());
}
