//! HTML tokens, one byte at a time: enough of the standard's tokenizer to know what is a tag.

pub(crate) mod fast_path;
use memchr::{memchr, memchr2};

mod markup;
mod name;
mod raw_text;
mod tag;

use crate::browser::tokens::name::Name;

/// What a byte completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// Text that is white space, to the tree builder.
    Space,
    /// Any other text.
    Text,
    /// A comment, or what becomes one.
    Comment,
    /// `<![CDATA[`, which is a comment in HTML and text in SVG.
    Cdata,
    Doctype,
    Start,
    End,
}

/// How the content of an element is read, up to its own end tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Raw {
    /// `title`, `style`, `textarea` and their like.
    #[default]
    Text,
    Script,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Data,
    CharRef,
    TagOpen,
    EndTagOpen,
    TagName,
    BeforeAttr,
    AttrName,
    AfterAttr,
    BeforeValue,
    Value(u8),
    Unquoted,
    AfterValue,
    SelfClosing,
    Markup,
    /// Dashes seen in a row, and whether the two of `<!--` are among them.
    Comment(u8, bool),
    CommentBang,
    Bogus(Token),
    Doctype,
    Raw,
    RawLess,
    /// The name of an end tag, in raw text or (`true`) in escaped script data.
    RawEnd(bool),
    /// Script data after `<!--`: dashes seen in a row, and whether doubly escaped.
    Escaped(u8, bool),
    EscapedLess(bool),
    /// A tag name inside of escaped script data; `true` if it opens double escaping.
    EscapedName(bool),
    EscapeStart(u8),
}

/// An attribute of a `meta` or `html` tag, the only tags whose attributes are kept.
pub(crate) type Attribute = (Vec<u8>, Vec<u8>);

/// No name that matters is longer.
const LONGEST_NAME: usize = 16;
/// More of a `meta` tag's attribute is not kept.
const LONGEST_VALUE: usize = 64 * 1024;

/// The tokenizer's state between two bytes.
#[derive(Debug, Default)]
pub(crate) struct Tokenizer {
    state: State,
    raw: Raw,
    position: usize,
    /// Whether the byte is to be read once more.
    again: bool,
    /// Where the token that is being read began.
    start: usize,
    end_tag: bool,
    self_closing: bool,
    name: Name,
    /// The element whose raw text is being read.
    element: Name,
    attributes: Vec<Attribute>,
}

impl Tokenizer {
    /// Where the token that was just completed, or is being read, begins.
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// The tag's name in lower case, cut where it is longer than any that matters.
    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    /// Takes a byte as not there.
    pub(crate) fn skip(&mut self) {
        self.position += 1;
    }

    /// Whether no token is being read.
    pub(crate) fn is_idle(&self) -> bool {
        self.state == State::Data
    }

    /// How many bytes were read.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// What the end of the document makes of the token that is being read.
    pub(crate) fn at_end(&self) -> Option<Token> {
        match self.state {
            State::CharRef => Some(reference(&self.name, false)),
            State::TagOpen | State::EndTagOpen => Some(Token::Text),
            State::Markup | State::Comment(..) | State::CommentBang => Some(Token::Comment),
            State::Bogus(token) => Some(token),
            State::Doctype => Some(Token::Doctype),
            _ => None,
        }
    }

    pub(crate) fn self_closing(&self) -> bool {
        self.self_closing
    }

    pub(crate) fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// Before which byte nothing can change its meaning any more: the start of a token that is
    /// being read, unless that is raw text.
    pub(crate) fn settled(&self) -> usize {
        if matches!(self.state, State::Data | State::Raw) {
            self.position
        } else {
            self.start
        }
    }

    /// Whether the next byte would be read as ordinary content.
    pub(crate) fn in_data(&self) -> bool {
        matches!(self.state, State::Data | State::CharRef)
    }

    /// Reads what follows the start tag just completed as raw text.
    pub(crate) fn enter(&mut self, raw: Raw) {
        self.raw = raw;
        self.element = self.name;
        self.state = State::Raw;
    }

    /// Passes over the bytes ahead that change nothing, and tells how many there were. Text changes
    /// nothing where `text_is_idle`, and white space never does.
    pub(crate) fn pass(&mut self, ahead: &[u8], text_is_idle: bool) -> usize {
        let until = |found: Option<usize>| found.unwrap_or(ahead.len());
        let count = match self.state {
            State::Data if text_is_idle => until(memchr(b'<', ahead)),
            State::Data => until(ahead.iter().position(|byte| !is_space(*byte))),
            State::Raw => until(memchr(b'<', ahead)),
            State::Comment(0, false) => until(memchr(b'-', ahead)),
            State::Bogus(_) | State::Doctype => until(memchr(b'>', ahead)),
            State::Escaped(0, _) => until(memchr2(b'-', b'<', ahead)),
            State::Value(quote) => {
                let count = until(memchr(quote, ahead));
                self.values(ahead.get(..count).unwrap_or_default());
                count
            }
            _ => 0,
        };
        self.position += count;
        count
    }

    /// Reads one byte and tells `on` what it completed.
    pub(crate) fn push(&mut self, byte: u8, mut on: impl FnMut(&mut Self, Token)) {
        loop {
            self.again = false;
            if let Some(token) = self.step(byte) {
                on(self, token);
            }
            if !self.again {
                break;
            }
        }
        self.position += 1;
    }

    fn go(&mut self, state: State) -> Option<Token> {
        self.state = state;
        None
    }

    /// Has the same byte read once more, in another state.
    fn again(&mut self, state: State) -> Option<Token> {
        self.again = true;
        self.go(state)
    }

    fn step(&mut self, byte: u8) -> Option<Token> {
        match self.state {
            State::Data => self.data(byte),
            State::CharRef => self.char_ref(byte),
            State::Markup
            | State::Comment(..)
            | State::CommentBang
            | State::Bogus(_)
            | State::Doctype => self.markup(byte),
            State::Raw
            | State::RawLess
            | State::RawEnd(_)
            | State::Escaped(..)
            | State::EscapedLess(_)
            | State::EscapedName(_)
            | State::EscapeStart(_) => self.raw(byte),
            _ => self.tag(byte),
        }
    }

    fn data(&mut self, byte: u8) -> Option<Token> {
        self.start = self.position;
        match byte {
            b'<' => self.go(State::TagOpen),
            b'&' => {
                self.name.clear();
                self.go(State::CharRef)
            }
            _ if is_space(byte) => Some(Token::Space),
            _ => Some(Token::Text),
        }
    }

    /// Only references to white space matter: any other is text.
    fn char_ref(&mut self, byte: u8) -> Option<Token> {
        let goes_on = match &*self.name {
            [] => byte == b'#' || byte.is_ascii_alphanumeric(),
            [b'#'] if byte.eq_ignore_ascii_case(&b'x') => true,
            [b'#', b'x' | b'X', ..] => byte.is_ascii_hexdigit(),
            [b'#', ..] => byte.is_ascii_digit(),
            _ => byte.is_ascii_alphanumeric(),
        };
        if goes_on && self.name.len() < LONGEST_NAME {
            let leads = matches!(&*self.name, [b'#'] | [b'#', b'x' | b'X']);
            if !(leads && byte == b'0') {
                self.name.push(byte);
            }
            return None;
        }
        if byte == b';' {
            self.state = State::Data;
        } else {
            self.again(State::Data);
        }
        Some(reference(&self.name, byte == b';'))
    }

    fn done(&mut self, token: Token) -> Token {
        self.state = State::Data;
        token
    }
}

/// Appends in lower case, up to a bound.
fn keep(name: &mut Vec<u8>, byte: u8, most: usize) {
    if name.len() < most {
        name.push(byte.to_ascii_lowercase());
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\x0c' | b'\r' | b' ')
}

/// What `&…` stands for, with or without the semicolon that ends it.
fn reference(name: &[u8], semicolon: bool) -> Token {
    let Some(number) = name.strip_prefix(b"#") else {
        return match name {
            b"Tab" | b"NewLine" if semicolon => Token::Space,
            _ => Token::Text,
        };
    };
    let (digits, radix) = match number {
        [b'x' | b'X', hex @ ..] => (hex, 16),
        decimal => (decimal, 10),
    };
    let code = std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| u8::from_str_radix(digits, radix).ok());
    if code.is_some_and(is_space) {
        Token::Space
    } else {
        Token::Text
    }
}
