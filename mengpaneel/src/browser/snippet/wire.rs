//! Wire form of calls: the header `X-Mengpaneel-Calls` and the ID of a setup.

use sha2::{Digest, Sha256};

use crate::call::value::{Escape, escape, text_as_json, write_json};
use crate::call::{Call, Calls};

/// Returns the value of `X-Mengpaneel-Calls`: the calls as an ASCII JSON array, in the order of
/// their modes.
pub(crate) fn header(calls: &Calls, with_setup: bool) -> String {
    let mut wire = Vec::with_capacity(512);
    let sent = calls
        .before_setup
        .iter()
        .chain(calls.setup.iter().filter(|_| with_setup))
        .chain(&calls.tracking);
    for call in sent {
        wire.push(if wire.is_empty() { b'[' } else { b',' });
        write_call(call, &mut wire);
    }
    wire.extend_from_slice(if wire.is_empty() { b"[]" } else { b"]" });
    escape(&String::from_utf8_lossy(&wire), |c| {
        !(' '..='~').contains(&c)
    })
}

/// Returns the ID of a setup: 16 hex digits of a hash of its method paths and arguments. The ID is
/// the same in every process and release.
pub(crate) fn setup_id(setup: &[Call]) -> String {
    let (mut hash, mut wire) = (Sha256::new(), Vec::with_capacity(256));
    for call in setup {
        wire.clear();
        write_call(call, &mut wire);
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
fn write_call(call: &Call, wire: &mut Vec<u8>) {
    wire.push(b'[');
    for (index, name) in call.method().name().split('.').enumerate() {
        wire.push(if index == 0 { b'[' } else { b',' });
        text_as_json(name, Escape::Plain, wire);
    }
    wire.extend_from_slice(b"],[");
    let args = call.as_encoded();
    if let Some(mut decoder) = args.decoder_at(0) {
        for index in 0..args.len() {
            if index > 0 {
                wire.push(b',');
            }
            // Recorded arguments are complete, so that decoding cannot fail.
            let _ = write_json(&mut decoder, Escape::Plain, wire);
        }
    }
    wire.extend_from_slice(b"]]");
}
