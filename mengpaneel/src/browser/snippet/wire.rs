//! Wire form of calls: the header `X-Mengpaneel-Calls` and the ID of a setup.

use sha2::{Digest, Sha256};

use crate::call::json::{JsonRef, write_ascii, write_text};
use crate::call::{Call, Calls};

/// Returns the value of `X-Mengpaneel-Calls`: the calls as an ASCII JSON array, in the order of
/// their modes.
pub(crate) fn header(calls: &Calls, with_setup: bool) -> String {
    let (mut wire, mut header) = (Vec::with_capacity(512), Vec::new());
    let sent = calls
        .before_setup
        .iter()
        .chain(calls.setup.iter().filter(|_| with_setup))
        .chain(&calls.tracking);
    for call in sent {
        wire.push(if wire.is_empty() { b'[' } else { b',' });
        write_call(call, &mut wire, |args, to| {
            to.extend_from_slice(args.as_bytes());
        });
    }
    wire.extend_from_slice(if wire.is_empty() { b"[]" } else { b"]" });
    write_ascii(&wire, &mut header);
    String::from_utf8(header).unwrap_or_default()
}

/// Returns the ID of a setup: 16 hex digits of a hash of its method paths and arguments. The ID is
/// the same in every process and release, and for any order of the members of an object.
pub(crate) fn setup_id(setup: &[Call]) -> String {
    let (mut hash, mut wire) = (Sha256::new(), Vec::with_capacity(256));
    for call in setup {
        wire.clear();
        write_call(call, &mut wire, write_sorted);
        wire.push(b'\n');
        hash.update(&wire);
    }
    let mut id = String::with_capacity(16);
    for byte in hash.finalize().iter().take(8) {
        id.extend(
            [byte >> 4, byte & 15]
                .iter()
                .filter_map(|digit| char::from_digit((*digit).into(), 16)),
        );
    }
    id
}

/// Appends the wire form of a call, `[path, arguments]`, as JSON.
fn write_call(call: &Call, wire: &mut Vec<u8>, write_args: fn(JsonRef<'_>, &mut Vec<u8>)) {
    wire.push(b'[');
    for (index, name) in call.method().name().split('.').enumerate() {
        wire.push(if index == 0 { b'[' } else { b',' });
        write_text(name, wire);
    }
    wire.extend_from_slice(b"],");
    write_args(call.recorded_args().as_json(), wire);
    wire.push(b']');
}

/// Writes a value with the members of each object sorted by name.
fn write_sorted(value: JsonRef<'_>, to: &mut Vec<u8>) {
    let start = to.len();
    let mut members: Vec<_> = value.members().collect();
    members.sort_by_key(|(name, _)| *name);
    for (name, value) in members {
        to.extend_from_slice(if to.len() == start { b"{\"" } else { b",\"" });
        to.extend_from_slice(name);
        to.extend_from_slice(b"\":");
        write_sorted(value, to);
    }
    for item in value.items() {
        to.push(if to.len() == start { b'[' } else { b',' });
        write_sorted(item, to);
    }
    match value.first() {
        b'{' if to.len() > start => to.push(b'}'),
        b'[' if to.len() > start => to.push(b']'),
        _ => to.extend_from_slice(value.as_bytes()),
    }
}
