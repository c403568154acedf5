//! Tags and doctypes as almost all are written, read in one go where they lie whole before us. The
//! rest is read byte by byte.

use memchr::memchr;

use crate::browser::tokens::name::Name;
use crate::browser::tokens::{LONGEST_NAME, State, Token, Tokenizer, is_space};

/// A tag as almost all are written, that lies whole before us.
struct SimpleTag<'t> {
    name: &'t [u8],
    end_tag: bool,
    self_closing: bool,
    length: usize,
}

/// The bytes of which names are made, and values that need no quotes.
const SIMPLE_TAGS: [bool; 256] = {
    let all = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut plain = [false; 256];
    let mut place = 0;
    while place < all.len() {
        plain[all[place] as usize] = true;
        place += 1;
    }
    plain
};

/// How many of these bytes are plain, if one follows that is not.
fn simple_tag(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| {
        !SIMPLE_TAGS
            .get(usize::from(*byte))
            .copied()
            .unwrap_or_default()
    })
}

impl<'t> SimpleTag<'t> {
    /// Reads what begins with `<`. `None` where a byte asks for more than a glance, or a tag's
    /// attributes are wanted.
    fn read(ahead: &'t [u8]) -> Option<Self> {
        let end_tag = *ahead.get(1)? == b'/';
        let from = if end_tag { 2 } else { 1 };
        let rest = ahead.get(from..)?;
        if !rest.first()?.is_ascii_alphabetic() {
            return None;
        }
        let name = rest.get(..simple_tag(rest)?)?;
        let wanted = is_needed(name);
        let mut at = from + name.len();
        loop {
            match *ahead.get(at)? {
                b'>' => {
                    return Some(Self {
                        name,
                        end_tag,
                        self_closing: false,
                        length: at + 1,
                    });
                }
                b'/' if *ahead.get(at + 1)? == b'>' => {
                    return Some(Self {
                        name,
                        end_tag,
                        self_closing: true,
                        length: at + 2,
                    });
                }
                byte if is_space(byte) => {
                    at += 1;
                    let ahead = ahead.get(at..)?;
                    if ahead.first()?.is_ascii_alphabetic() {
                        at += attribute(wanted, ahead)?;
                    }
                }
                _ => return None,
            }
        }
    }
}

/// Returns how the attribute begins for whose sake a tag is read byte by byte; of an AMP document
/// it is `amp`, `amp4ads` or `amp4email`.
fn is_needed(tag: &[u8]) -> Option<&'static [u8]> {
    if tag.eq_ignore_ascii_case(b"meta") {
        Some(b"http-equiv")
    } else if tag.eq_ignore_ascii_case(b"html") {
        Some(b"amp")
    } else {
        None
    }
}

/// How long the attribute is that begins here: `name`, `name=value` or `name="value"`. `None` where
/// it is the wanted one.
fn attribute(wanted: Option<&[u8]>, ahead: &[u8]) -> Option<usize> {
    let name = simple_tag(ahead)?;
    if let Some(wanted) = wanted
        && ahead
            .get(..name)?
            .get(..wanted.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(wanted))
    {
        return None;
    }
    let is_meta = wanted == Some(b"http-equiv");
    let is_charset =
        is_meta && name == b"charset".len() && ahead.get(..name)?.eq_ignore_ascii_case(b"charset");
    if *ahead.get(name)? != b'=' {
        return Some(name).filter(|_| !is_charset);
    }
    let value = ahead.get(name + 1..)?;
    let length = match *value.first()? {
        quote @ (b'"' | b'\'') => closing(quote, value.get(1..)?)? + 2,
        _ => simple_tag(value).filter(|length| *length > 0)?,
    };
    // Any other charset is looked at with the tag's attributes.
    let is_usual = || {
        let label = value.get(..length).unwrap_or_default();
        label
            .trim_ascii_start()
            .strip_prefix(b"\"")
            .unwrap_or(label)
            .get(..5)
            .is_some_and(is_utf_8)
            && length <= 7
    };
    (!is_charset || is_usual()).then_some(name + 1 + length)
}

/// Returns whether these bytes are `utf-8`.
fn is_utf_8(label: &[u8]) -> bool {
    label.eq_ignore_ascii_case(b"utf-8")
}

/// Where the quote is. Most values are short: those are looked through before a search is set up.
fn closing(quote: u8, value: &[u8]) -> Option<usize> {
    let near = value.get(..16).unwrap_or(value);
    near.iter()
        .position(|byte| *byte == quote)
        .or_else(|| memchr(quote, value))
}

impl Tokenizer {
    /// Reads the tag that begins here in one go, where it is written as almost all are. Tells `on`
    /// of it, and how many bytes that were.
    pub(crate) fn try_whole_tag(
        &mut self,
        ahead: &[u8],
        mut on: impl FnMut(&mut Self, Token),
    ) -> usize {
        if let Some(length) = self.doctype(ahead) {
            on(self, Token::Doctype);
            self.position += length;
            return length;
        }
        let Some(tag) = (match self.state {
            State::Data => SimpleTag::read(ahead),
            State::Raw => SimpleTag::read(ahead)
                .filter(|tag| tag.end_tag && tag.name.eq_ignore_ascii_case(&self.element)),
            _ => None,
        }) else {
            return 0;
        };
        if tag.name.len() > LONGEST_NAME {
            return 0;
        }
        self.start = self.position;
        self.end_tag = tag.end_tag;
        self.self_closing = tag.self_closing;
        self.attributes.clear();
        self.name = Name::lower(tag.name);
        let token = self.emit();
        on(self, token);
        self.position += tag.length;
        tag.length
    }

    /// The length of the doctype that begins here.
    fn doctype(&mut self, ahead: &[u8]) -> Option<usize> {
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
