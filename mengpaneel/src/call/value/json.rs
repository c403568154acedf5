//! JSON of encoded values.

use std::fmt::Write as _;

use serde::Serialize;

use crate::call::value::decoder::Decoder;
use crate::call::value::value_ref::ValueRef;

/// Characters that are escaped in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    /// Characters that JSON requires to be escaped.
    Plain,
    /// Also characters that could end a script or a line of JavaScript, and all that are not ASCII.
    /// The script then reads the same in any encoding of the page.
    Script,
}

/// Writes the next value as JSON. `None` if the encoding is invalid.
pub(crate) fn write_json(decoder: &mut Decoder<'_>, style: Escape, to: &mut Vec<u8>) -> Option<()> {
    let start = *decoder;
    match decoder.byte()? {
        b'a' => {
            to.push(b'[');
            for index in 0..decoder.len()? {
                if index > 0 {
                    to.push(b',');
                }
                write_json(decoder, style, to)?;
            }
            to.push(b']');
        }
        b'o' => {
            to.push(b'{');
            for index in 0..decoder.len()? {
                if index > 0 {
                    to.push(b',');
                }
                bytes_as_json(decoder.name()?, style, to);
                to.push(b':');
                write_json(decoder, style, to)?;
            }
            to.push(b'}');
        }
        b'n' => to.extend_from_slice(decoder.name()?),
        b's' => bytes_as_json(decoder.name()?, style, to),
        _ => {
            *decoder = start;
            match decoder.read()? {
                ValueRef::Null => to.extend_from_slice(b"null"),
                ValueRef::Bool(value) => serialize(&value, to),
                ValueRef::Unsigned(value) => serialize(&value, to),
                ValueRef::Negative(value) => serialize(&value, to),
                ValueRef::Float(value) => serialize(&value, to),
                ValueRef::Text(text) => bytes_as_json(text, style, to),
                ValueRef::Uuid(_) | ValueRef::Encoded(_) | ValueRef::Value(_) => return None,
            }
        }
    }
    Some(())
}

fn serialize(value: &(impl Serialize + ?Sized), to: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = serde_json::to_writer(to, value);
}

/// Writes text as a JSON string, with quotes.
pub(crate) fn text_as_json(text: &str, style: Escape, to: &mut Vec<u8>) {
    bytes_as_json(text.as_bytes(), style, to);
}

/// Writes the bytes of a text as a JSON string, with quotes. Few texts need escaping.
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
    let start = to.len();
    serialize(&*String::from_utf8_lossy(text), to);
    if style == Escape::Script {
        let json = to.split_off(start);
        let escaped = escape(&String::from_utf8_lossy(&json), |c| {
            !c.is_ascii() || matches!(c, '<' | '>' | '&')
        });
        to.extend_from_slice(escaped.as_bytes());
    }
}

/// Returns whether JSON that was made of unescaped texts is correct. That is so if it has exactly
/// `quotes` quotes, and nothing else that must be escaped.
pub(crate) fn needs_no_escaping(json: &[u8], quotes: usize) -> bool {
    let (mut found, mut is_plain) = (0, true);
    // Sixteen bytes are compared at once. A part is so short that no byte of a count overflows.
    for part in json.chunks(16 * 128) {
        let (words, rest) = part.as_chunks();
        let mut last = [b' '; 16];
        last[..rest.len()].copy_from_slice(rest);
        let (mut counts, mut others) = ([0_u8; 16], [0_u8; 16]);
        for word in words.iter().chain([&last]) {
            for ((byte, count), other) in word.iter().zip(&mut counts).zip(&mut others) {
                *count += u8::from(*byte == b'"');
                *other |= u8::from(*byte < b' ') | u8::from(*byte == b'\\');
            }
        }
        found += counts
            .iter()
            .map(|count| usize::from(*count))
            .sum::<usize>();
        is_plain &= others == [0; 16];
    }
    is_plain && found == quotes
}

impl Escape {
    /// Returns whether a text needs escaping. Compares eight bytes at once.
    #[inline]
    fn must_escape(self, text: &[u8]) -> bool {
        let found = match self {
            Self::Plain => scan(text, marks_for_json),
            Self::Script => scan(text, marks_for_script),
        };
        found & repeat(0x80) != 0
    }
}

/// Combines the marks of all words of eight bytes. The sign bit of a byte is a mark.
#[inline]
fn scan(text: &[u8], marks: fn(u64) -> u64) -> u64 {
    let (words, rest) = text.as_chunks();
    let found = words
        .iter()
        .fold(0, |found, word| found | marks(u64::from_le_bytes(*word)));
    if rest.is_empty() {
        return found;
    }
    // The last word overlaps the one before it: scanning bytes twice does no harm.
    if let Some(last) = text.last_chunk() {
        return found | marks(u64::from_le_bytes(*last));
    }
    if let (Some(first), Some(last)) = (rest.first_chunk(), rest.last_chunk()) {
        return marks(
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)),
        );
    }
    marks(
        rest.iter()
            .fold(repeat(b' '), |word, byte| word << 8 | u64::from(*byte)),
    )
}

/// Marks bytes that must be escaped in JSON. A borrow may mark a wrong byte beside a right one, so
/// only the presence of a mark counts.
#[inline]
fn marks_for_json(word: u64) -> u64 {
    below(word, 0x20) | below(word ^ repeat(b'\\'), 1) | below(word ^ repeat(b'"'), 1)
}

/// Marks bytes that must be escaped in a script. `"` and `&`, and `<` and `>`, differ in one bit.
/// Bytes that are not ASCII have their sign bit set.
#[inline]
fn marks_for_script(word: u64) -> u64 {
    let quotes = below((word | repeat(0x04)) ^ repeat(b'&'), 1);
    let brackets = below((word | repeat(0x02)) ^ repeat(b'>'), 1);
    below(word, 0x20) | below(word ^ repeat(b'\\'), 1) | quotes | brackets | word
}

/// Marks bytes below `bound`.
#[inline]
fn below(word: u64, bound: u8) -> u64 {
    word.wrapping_sub(repeat(bound)) & !word
}

/// Returns a word of eight equal bytes.
const fn repeat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Escapes the characters that `must_escape` selects as UTF-16 units (`\u003c`). Such characters
/// must occur only inside strings of the JSON.
pub(crate) fn escape(json: &str, must_escape: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if must_escape(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}
