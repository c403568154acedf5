//! JSON of what was written.

use std::fmt::Write as _;

use serde::Serialize;

use crate::call::value::read::Decoder;
use crate::call::value::seen::ValueRef;

/// What the JSON is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    /// To be sent.
    Plain,
    /// To stand in a script: it cannot end that, is one line of JavaScript, and reads the same in
    /// whatever encoding the browser takes the page to be: ASCII.
    Script,
}

/// Writes the next value as JSON. `None` only where none was written.
pub(crate) fn json(reader: &mut Decoder<'_>, style: Escape, to: &mut Vec<u8>) -> Option<()> {
    let before = *reader;
    match reader.byte()? {
        b'a' => {
            to.push(b'[');
            for place in 0..reader.len()? {
                if place > 0 {
                    to.push(b',');
                }
                json(reader, style, to)?;
            }
            to.push(b']');
        }
        b'o' => {
            to.push(b'{');
            for place in 0..reader.len()? {
                if place > 0 {
                    to.push(b',');
                }
                bytes_as_json(reader.name()?, style, to);
                to.push(b':');
                json(reader, style, to)?;
            }
            to.push(b'}');
        }
        b'n' => to.extend_from_slice(reader.name()?),
        b's' => bytes_as_json(reader.name()?, style, to),
        _ => {
            *reader = before;
            match reader.read()? {
                ValueRef::Null => to.extend_from_slice(b"null"),
                ValueRef::Bool(truth) => number(&truth, to),
                ValueRef::Natural(natural) => number(&natural, to),
                ValueRef::Integer(integer) => number(&integer, to),
                ValueRef::Float(float) => number(&float, to),
                ValueRef::Text(text) => bytes_as_json(text, style, to),
                ValueRef::Name(_) | ValueRef::Nested(_) | ValueRef::Value(_) => return None,
            }
        }
    }
    Some(())
}

fn number(number: &(impl Serialize + ?Sized), to: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = serde_json::to_writer(to, number);
}

/// Writes a text as JSON, with its quotes. Few have anything to escape.
pub(crate) fn text_as_json(text: &str, style: Escape, to: &mut Vec<u8>) {
    bytes_as_json(text.as_bytes(), style, to);
}

/// The same of a text's bytes.
#[inline]
pub(crate) fn bytes_as_json(text: &[u8], style: Escape, to: &mut Vec<u8>) {
    if !style.must_escape(text) {
        to.reserve(text.len() + 2);
        to.push(b'"');
        to.extend_from_slice(text);
        to.push(b'"');
        return;
    }
    escaped_as_json(text, style, to);
}

#[cold]
fn escaped_as_json(text: &[u8], style: Escape, to: &mut Vec<u8>) {
    let begin = to.len();
    number(&*String::from_utf8_lossy(text), to);
    if style == Escape::Script {
        let json = to.split_off(begin);
        let escaped = escape(&String::from_utf8_lossy(&json), |c| {
            !c.is_ascii() || matches!(c, '<' | '>' | '&')
        });
        to.extend_from_slice(escaped.as_bytes());
    }
}

/// Whether JSON that was put together from texts as they are says what they say: it has so many
/// quotes, those around them, and nothing else that would have to be escaped.
pub(crate) fn needs_no_escaping(json: &[u8], quotes: usize) -> bool {
    let (mut found, mut is_plain) = (0, true);
    // Sixteen bytes are looked at together, as many quotes counted as a byte can tell.
    for part in json.chunks(16 * 128) {
        let (words, rest) = part.as_chunks();
        let mut last = [b' '; 16];
        last[..rest.len()].copy_from_slice(rest);
        let (mut here, mut other) = ([0_u8; 16], [0_u8; 16]);
        for word in words.iter().chain([&last]) {
            for ((byte, here), other) in word.iter().zip(&mut here).zip(&mut other) {
                *here += u8::from(*byte == b'"');
                *other |= u8::from(*byte < b' ') | u8::from(*byte == b'\\');
            }
        }
        found += here.iter().map(|here| usize::from(*here)).sum::<usize>();
        is_plain &= other == [0; 16];
    }
    is_plain && found == quotes
}

impl Escape {
    /// Whether something in a text cannot stand as it is. Eight bytes are looked at together.
    #[inline]
    fn must_escape(self, text: &[u8]) -> bool {
        let found = match self {
            Self::Plain => any(text, in_json),
            Self::Script => any(text, in_script),
        };
        found & every(0x80) != 0
    }
}

/// What is found in a text, of which eight bytes are looked at together.
#[inline]
fn any(text: &[u8], find: fn(u64) -> u64) -> u64 {
    let (words, rest) = text.as_chunks();
    let found = words
        .iter()
        .fold(0, |found, word| found | find(u64::from_le_bytes(*word)));
    if rest.is_empty() {
        return found;
    }
    // What is left is looked at with what stands before it, which does no harm to see twice.
    if let Some(last) = text.last_chunk() {
        return found | find(u64::from_le_bytes(*last));
    }
    if let (Some(first), Some(last)) = (rest.first_chunk(), rest.last_chunk()) {
        return find(
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)),
        );
    }
    find(
        rest.iter()
            .fold(every(b' '), |word, byte| word << 8 | u64::from(*byte)),
    )
}

/// Has the sign of a byte if there is one that must be escaped in JSON. A byte that borrowed may
/// give its own to the next: only whether there is any counts.
#[inline]
fn in_json(word: u64) -> u64 {
    below(word, 0x20) | below(word ^ every(b'\\'), 1) | below(word ^ every(b'"'), 1)
}

/// The same in a script. `"` and `&`, `<` and `>` differ in one bit; what is not ASCII has its
/// sign.
#[inline]
fn in_script(word: u64) -> u64 {
    let quotes = below((word | every(0x04)) ^ every(b'&'), 1);
    let brackets = below((word | every(0x02)) ^ every(b'>'), 1);
    below(word, 0x20) | below(word ^ every(b'\\'), 1) | quotes | brackets | word
}

/// Has the sign of a byte if there is one below that.
#[inline]
fn below(word: u64, bound: u8) -> u64 {
    word.wrapping_sub(every(bound)) & !word
}

/// Eight times a byte.
const fn every(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Writes these characters of a JSON text as their UTF-16 units, `\u003c`: they stand in texts
/// only.
pub(crate) fn escape(json: &str, which: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if which(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}
