//! HTML tokenizer, one byte at a time: the part of the standard's tokenizer that tells tags from
//! other text.

use memchr::{memchr, memchr2};

mod fast_path;
mod markup;
mod name;
mod raw_text;
mod tag;

use crate::browser::tokens::name::Name;

/// Token that a byte completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// Text that is white space for the tree builder.
    Space,
    /// Other text.
    Text,
    /// Comment, or markup that the standard turns into one.
    Comment,
    /// `<![CDATA[`, which is a comment in HTML and text in SVG.
    Cdata,
    Doctype,
    Start,
    End,
}

/// Kind of raw text in an element, up to the end tag of the element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Raw {
    /// `title`, `style`, `textarea` and similar elements.
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
    /// Number of consecutive dashes, and `true` if those of `<!--` are among them.
    Comment(u8, bool),
    CommentBang,
    Bogus(Token),
    Doctype,
    Raw,
    RawLess,
    /// Name of an end tag, in raw text or (`true`) in escaped script data.
    RawEnd(bool),
    /// Script data after `<!--`: number of consecutive dashes, and `true` if doubly escaped.
    Escaped(u8, bool),
    EscapedLess(bool),
    /// Tag name in escaped script data; `true` if it opens double escaping.
    EscapedName(bool),
    EscapeStart(u8),
}

/// Name and value of an attribute. Only those of `meta` and `html` tags are stored.
pub(crate) type Attribute = (Vec<u8>, Vec<u8>);

/// Longest stored name, in bytes. No relevant name is longer.
const MAX_NAME_LEN: usize = 16;
/// Longest stored attribute value, in bytes.
const MAX_VALUE_LEN: usize = 64 * 1024;

/// State of the tokenizer between two bytes.
#[derive(Debug, Default)]
pub(crate) struct Tokenizer {
    state: State,
    raw: Raw,
    position: usize,
    /// True if the current byte must be read once more, in another state.
    reconsume: bool,
    /// Byte offset at which the current token began.
    start: usize,
    is_end_tag: bool,
    is_self_closing: bool,
    name: Name,
    /// Element whose raw text is being read.
    element: Name,
    attributes: Vec<Attribute>,
}

impl Tokenizer {
    /// Returns the byte offset of the token that was just completed or is being read.
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// Returns the name of the tag in lower case, truncated to [`MAX_NAME_LEN`].
    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    /// Ignores one byte.
    pub(crate) fn skip(&mut self) {
        self.position += 1;
    }

    /// Returns whether no token is being read.
    pub(crate) fn is_idle(&self) -> bool {
        self.state == State::Data
    }

    /// Returns the number of bytes read.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// Returns the token that an end of the page would complete. `None` if there is none.
    pub(crate) fn token_at_end(&self) -> Option<Token> {
        match self.state {
            State::CharRef => Some(reference_token(&self.name, false)),
            State::TagOpen | State::EndTagOpen => Some(Token::Text),
            State::Markup | State::Comment(..) | State::CommentBang => Some(Token::Comment),
            State::Bogus(token) => Some(token),
            State::Doctype => Some(Token::Doctype),
            _ => None,
        }
    }

    pub(crate) fn is_self_closing(&self) -> bool {
        self.is_self_closing
    }

    pub(crate) fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// Returns the number of bytes whose meaning cannot change any more: those before the token
    /// that is being read. Raw text counts in full.
    pub(crate) fn releasable(&self) -> usize {
        if matches!(self.state, State::Data | State::Raw) {
            self.position
        } else {
            self.start
        }
    }

    /// Returns whether the next byte would be read as ordinary content.
    pub(crate) fn is_in_data(&self) -> bool {
        matches!(self.state, State::Data | State::CharRef)
    }

    /// Reads the content after the start tag just completed as raw text.
    pub(crate) fn enter_raw(&mut self, raw: Raw) {
        self.raw = raw;
        self.element = self.name;
        self.state = State::Raw;
    }

    /// Skips the bytes that change nothing, and returns their number. White space changes nothing;
    /// neither does text if `can_skip_text`.
    pub(crate) fn skip_ahead(&mut self, ahead: &[u8], can_skip_text: bool) -> usize {
        let until = |found: Option<usize>| found.unwrap_or(ahead.len());
        let count = match self.state {
            State::Data if can_skip_text => until(memchr(b'<', ahead)),
            State::Data => until(ahead.iter().position(|byte| !is_space(*byte))),
            State::Raw => until(memchr(b'<', ahead)),
            State::Comment(0, false) => until(memchr(b'-', ahead)),
            State::Bogus(_) | State::Doctype => until(memchr(b'>', ahead)),
            State::Escaped(0, _) => until(memchr2(b'-', b'<', ahead)),
            State::Value(quote) => {
                let count = until(memchr(quote, ahead));
                self.push_value(ahead.get(..count).unwrap_or_default());
                count
            }
            _ => 0,
        };
        self.position += count;
        count
    }

    /// Reads one byte, and calls `on_token` with each token that it completes.
    pub(crate) fn push(&mut self, byte: u8, mut on_token: impl FnMut(&mut Self, Token)) {
        loop {
            self.reconsume = false;
            if let Some(token) = self.step(byte) {
                on_token(self, token);
            }
            if !self.reconsume {
                break;
            }
        }
        self.position += 1;
    }

    fn switch_to(&mut self, state: State) -> Option<Token> {
        self.state = state;
        None
    }

    /// Reads the same byte once more, in another state.
    fn reconsume_in(&mut self, state: State) -> Option<Token> {
        self.reconsume = true;
        self.switch_to(state)
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
            b'<' => self.switch_to(State::TagOpen),
            b'&' => {
                self.name.clear();
                self.switch_to(State::CharRef)
            }
            _ if is_space(byte) => Some(Token::Space),
            _ => Some(Token::Text),
        }
    }

    /// Reads a character reference. A reference to white space is white space, any other is text.
    fn char_ref(&mut self, byte: u8) -> Option<Token> {
        let continues = match &*self.name {
            [] => byte == b'#' || byte.is_ascii_alphanumeric(),
            [b'#'] if byte.eq_ignore_ascii_case(&b'x') => true,
            [b'#', b'x' | b'X', ..] => byte.is_ascii_hexdigit(),
            [b'#', ..] => byte.is_ascii_digit(),
            _ => byte.is_ascii_alphanumeric(),
        };
        if continues && self.name.len() < MAX_NAME_LEN {
            let is_leading = matches!(&*self.name, [b'#'] | [b'#', b'x' | b'X']);
            if !(is_leading && byte == b'0') {
                self.name.push(byte);
            }
            return None;
        }
        if byte == b';' {
            self.state = State::Data;
        } else {
            self.reconsume_in(State::Data);
        }
        Some(reference_token(&self.name, byte == b';'))
    }

    fn complete(&mut self, token: Token) -> Token {
        self.state = State::Data;
        token
    }
}

/// Appends a byte in lower case, up to a length.
fn push_lower(name: &mut Vec<u8>, byte: u8, max_len: usize) {
    if name.len() < max_len {
        name.push(byte.to_ascii_lowercase());
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\x0c' | b'\r' | b' ')
}

/// Returns the kind of token that a character reference denotes.
fn reference_token(name: &[u8], has_semicolon: bool) -> Token {
    let Some(number) = name.strip_prefix(b"#") else {
        return match name {
            b"Tab" | b"NewLine" if has_semicolon => Token::Space,
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
