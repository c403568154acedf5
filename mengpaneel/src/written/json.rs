//! JSON of what was written.

use std::fmt::Write as _;

use serde::Serialize;

use super::read::Reader;
use super::seen::Seen;

/// What the JSON is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// To be sent.
    Plain,
    /// To stand in a script: it cannot end that, is one line of JavaScript, and reads the same in
    /// whatever encoding the browser takes the page to be: ASCII.
    Script,
}

/// Writes the next value as JSON. `None` only where none was written.
pub fn json(reader: &mut Reader<'_>, style: Style, to: &mut Vec<u8>) -> Option<()> {
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
            match reader.seen()? {
                Seen::Null => to.extend_from_slice(b"null"),
                Seen::Bool(truth) => number(&truth, to),
                Seen::Natural(natural) => number(&natural, to),
                Seen::Integer(integer) => number(&integer, to),
                Seen::Float(float) => number(&float, to),
                Seen::Text(text) => text_as_json(text, style, to),
                Seen::Nested(_) | Seen::Value(_) => return None,
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
pub fn text_as_json(text: &str, style: Style, to: &mut Vec<u8>) {
    bytes_as_json(text.as_bytes(), style, to);
}

/// The bytes of a text.
fn bytes_as_json(text: &[u8], style: Style, to: &mut Vec<u8>) {
    let escaped = style.escaped();
    // Without a way out, so that the loop is a short one.
    if text.iter().fold(0, |all, byte| all | kind(*byte)) & escaped == 0 {
        to.push(b'"');
        to.extend_from_slice(text);
        to.push(b'"');
        return;
    }
    let begin = to.len();
    number(&*String::from_utf8_lossy(text), to);
    if style == Style::Script {
        let json = to.split_off(begin);
        let escaped = escape(&String::from_utf8_lossy(&json), |c| !c.is_ascii() || matches!(c, '<' | '>' | '&'));
        to.extend_from_slice(escaped.as_bytes());
    }
}

impl Style {
    fn escaped(self) -> u8 {
        match self {
            Self::Plain => IN_JSON,
            Self::Script => IN_JSON | IN_SCRIPT,
        }
    }
}

const IN_JSON: u8 = 1;
const IN_SCRIPT: u8 = 2;

/// What must be escaped where.
const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < kinds.len() {
        kinds[byte] = match byte {
            0..=0x1f | 0x22 | 0x5c => IN_JSON,
            0x26 | 0x3c | 0x3e | 0x80.. => IN_SCRIPT,
            _ => 0,
        };
        byte += 1;
    }
    kinds
};

fn kind(byte: u8) -> u8 {
    KINDS.get(usize::from(byte)).copied().unwrap_or(IN_JSON)
}

/// Writes these characters of a JSON text as their UTF-16 units, `\u003c`: they stand in texts only.
pub fn escape(json: &str, which: impl Fn(char) -> bool) -> String {
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
