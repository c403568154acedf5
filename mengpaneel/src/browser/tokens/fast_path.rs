//! Fast path: common tags and doctypes that are complete in the buffer are read at once. The others
//! are read byte by byte.

use memchr::memchr;

use crate::browser::tokens::name::Name;
use crate::browser::tokens::{MAX_NAME_LEN, State, Token, Tokenizer, is_space};

/// Tag in the most common notation, complete in the buffer.
struct SimpleTag<'t> {
    name: &'t [u8],
    is_end_tag: bool,
    is_self_closing: bool,
    length: usize,
}

/// True for the bytes that names and unquoted values consist of.
const IS_NAME_BYTE: [bool; 256] = {
    let all = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut table = [false; 256];
    let mut index = 0;
    while index < all.len() {
        table[all[index] as usize] = true;
        index += 1;
    }
    table
};

/// Returns the length of the name at the start of these bytes. `None` if it may be incomplete.
fn name_len(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| {
        !IS_NAME_BYTE
            .get(usize::from(*byte))
            .copied()
            .unwrap_or_default()
    })
}

impl<'t> SimpleTag<'t> {
    /// Reads the tag at the `<`. `None` if the notation is uncommon, or if its attributes are
    /// needed.
    fn read(ahead: &'t [u8]) -> Option<Self> {
        let is_end_tag = *ahead.get(1)? == b'/';
        let from = if is_end_tag { 2 } else { 1 };
        let rest = ahead.get(from..)?;
        if !rest.first()?.is_ascii_alphabetic() {
            return None;
        }
        let name = rest.get(..name_len(rest)?)?;
        let needed = needed_attribute(name);
        let mut index = from + name.len();
        loop {
            match *ahead.get(index)? {
                b'>' => {
                    return Some(Self {
                        name,
                        is_end_tag,
                        is_self_closing: false,
                        length: index + 1,
                    });
                }
                b'/' if *ahead.get(index + 1)? == b'>' => {
                    return Some(Self {
                        name,
                        is_end_tag,
                        is_self_closing: true,
                        length: index + 2,
                    });
                }
                byte if is_space(byte) => {
                    index += 1;
                    let ahead = ahead.get(index..)?;
                    if ahead.first()?.is_ascii_alphabetic() {
                        index += attribute_len(needed, ahead)?;
                    }
                }
                _ => return None,
            }
        }
    }
}

/// Returns the prefix of the attributes that a tag is read byte by byte for. `None` if there are
/// none. AMP documents have `amp`, `amp4ads` or `amp4email`.
fn needed_attribute(tag: &[u8]) -> Option<&'static [u8]> {
    if tag.eq_ignore_ascii_case(b"meta") {
        Some(b"http-equiv")
    } else if tag.eq_ignore_ascii_case(b"html") {
        Some(b"amp")
    } else {
        None
    }
}

/// Returns the length of the attribute that begins here: `name`, `name=value` or `name="value"`.
/// `None` if the attribute is needed or its notation is uncommon.
fn attribute_len(needed: Option<&[u8]>, ahead: &[u8]) -> Option<usize> {
    let name = name_len(ahead)?;
    if let Some(needed) = needed
        && ahead
            .get(..name)?
            .get(..needed.len())
            .is_some_and(|prefix| prefix.eq_ignore_ascii_case(needed))
    {
        return None;
    }
    let is_meta = needed == Some(b"http-equiv");
    let is_charset =
        is_meta && name == b"charset".len() && ahead.get(..name)?.eq_ignore_ascii_case(b"charset");
    if *ahead.get(name)? != b'=' {
        return Some(name).filter(|_| !is_charset);
    }
    let value = ahead.get(name + 1..)?;
    let length = match *value.first()? {
        quote @ (b'"' | b'\'') => find_quote(quote, value.get(1..)?)? + 2,
        _ => name_len(value).filter(|length| *length > 0)?,
    };
    // Any other charset is read byte by byte, with the other attributes of the tag.
    let is_utf_8_label = || {
        let label = value.get(..length).unwrap_or_default();
        label
            .trim_ascii_start()
            .strip_prefix(b"\"")
            .unwrap_or(label)
            .get(..5)
            .is_some_and(is_utf_8)
            && length <= 7
    };
    (!is_charset || is_utf_8_label()).then_some(name + 1 + length)
}

/// Returns whether these bytes are `utf-8`.
fn is_utf_8(label: &[u8]) -> bool {
    label.eq_ignore_ascii_case(b"utf-8")
}

/// Returns the index of the closing quote. Most values are short: a loop over 16 bytes avoids the
/// setup cost of `memchr`.
fn find_quote(quote: u8, value: &[u8]) -> Option<usize> {
    let first_bytes = value.get(..16).unwrap_or(value);
    first_bytes
        .iter()
        .position(|byte| *byte == quote)
        .or_else(|| memchr(quote, value))
}

impl Tokenizer {
    /// Reads the common tag or doctype that begins here at once, and calls `on_token` with it.
    /// Returns its length in bytes, or 0 if it must be read byte by byte.
    pub(crate) fn try_whole_tag(
        &mut self,
        ahead: &[u8],
        mut on_token: impl FnMut(&mut Self, Token),
    ) -> usize {
        if let Some(length) = self.doctype_len(ahead) {
            on_token(self, Token::Doctype);
            self.position += length;
            return length;
        }
        let Some(tag) = (match self.state {
            State::Data => SimpleTag::read(ahead),
            State::Raw => SimpleTag::read(ahead)
                .filter(|tag| tag.is_end_tag && tag.name.eq_ignore_ascii_case(&self.element)),
            _ => None,
        }) else {
            return 0;
        };
        if tag.name.len() > MAX_NAME_LEN {
            return 0;
        }
        self.start = self.position;
        self.is_end_tag = tag.is_end_tag;
        self.is_self_closing = tag.is_self_closing;
        self.attributes.clear();
        self.name = Name::from_bytes(tag.name);
        let token = self.emit();
        on_token(self, token);
        self.position += tag.length;
        tag.length
    }

    /// Returns the length of the doctype that begins here. `None` if there is none, or if it is
    /// incomplete.
    fn doctype_len(&mut self, ahead: &[u8]) -> Option<usize> {
        const DOCTYPE: &[u8] = b"<!doctype";
        if *ahead.get(1)? != b'!' || self.state != State::Data {
            return None;
        }
        if !ahead.get(..DOCTYPE.len())?.eq_ignore_ascii_case(DOCTYPE) {
            return None;
        }
        self.start = self.position;
        Some(memchr(b'>', ahead)? + 1)
    }
}
