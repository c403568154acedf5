//! JSON for places that read less than any JSON: scripts and headers.

use crate::call::json::scan::{find, marks_in_header, marks_in_script};

/// Writes JSON as JavaScript. Characters that could end a script or a line of JavaScript are
/// escaped, and all that are not ASCII: the script reads the same in any encoding of the page.
pub(crate) fn write_script(json: &[u8], to: &mut Vec<u8>) {
    write_escaped(json, |at| find(json, at, marks_in_script), to);
}

/// Writes JSON with visible ASCII characters and spaces only.
pub(crate) fn write_ascii(json: &[u8], to: &mut Vec<u8>) {
    write_escaped(json, |at| find(json, at, marks_in_header), to);
}

/// Writes JSON. `next` returns the position of the next character to escape from a position on.
/// Such characters must occur only inside strings.
#[inline]
fn write_escaped(json: &[u8], next: impl Fn(usize) -> usize, to: &mut Vec<u8>) {
    to.reserve(json.len());
    let mut start = 0;
    loop {
        let end = next(start);
        to.extend_from_slice(json.get(start..end).unwrap_or_default());
        let Some(first) = json.get(end) else { return };
        start = end + write_unit(*first, json.get(end..).unwrap_or_default(), to);
    }
}

/// Writes the first character as UTF-16 units (`\u003c`). Returns its length in UTF-8.
#[cold]
fn write_unit(first: u8, text: &[u8], to: &mut Vec<u8>) -> usize {
    let len = match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    };
    let c = text
        .get(..len)
        .and_then(|text| std::str::from_utf8(text).ok()?.chars().next());
    for unit in c
        .unwrap_or(char::REPLACEMENT_CHARACTER)
        .encode_utf16(&mut [0; 2])
    {
        let digit = |shift: u16| b"0123456789abcdef"[usize::from(*unit >> shift & 15)];
        to.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
    }
    // Of text that is not UTF-8, each byte is replaced.
    if c.is_some() { len } else { 1 }
}
