//! Tags: their names and attributes, of which only those of `meta` and `html` tags are kept.

use crate::browser::tokens::{
    LONGEST_NAME, LONGEST_VALUE, State, Token, Tokenizer, is_space, keep,
};

/// A tag with more attributes is not looked at further.
const MOST_ATTRIBUTES: usize = 32;

impl Tokenizer {
    /// From the `<` on.
    pub(crate) fn tag(&mut self, byte: u8) -> Option<Token> {
        let space = is_space(byte);
        match self.state {
            State::TagOpen => match byte {
                b'!' => {
                    self.name.clear();
                    self.go(State::Markup)
                }
                b'/' => self.go(State::EndTagOpen),
                b'?' => self.go(State::Bogus(Token::Comment)),
                _ if byte.is_ascii_alphabetic() => self.tag_begins(false, byte),
                _ => {
                    self.again(State::Data);
                    Some(Token::Text)
                }
            },
            State::EndTagOpen => match byte {
                b'>' => self.go(State::Data),
                _ if byte.is_ascii_alphabetic() => self.tag_begins(true, byte),
                _ => self.go(State::Bogus(Token::Comment)),
            },
            State::TagName => match byte {
                b'/' => self.go(State::SelfClosing),
                b'>' => Some(self.emit()),
                _ if space => self.go(State::BeforeAttr),
                _ => {
                    self.name.push(byte.to_ascii_lowercase());
                    None
                }
            },
            _ => self.attributes_state(byte, space),
        }
    }

    fn attributes_state(&mut self, byte: u8, space: bool) -> Option<Token> {
        match self.state {
            State::BeforeAttr => match byte {
                b'/' => self.go(State::SelfClosing),
                b'>' => Some(self.emit()),
                _ if space => None,
                _ => self.attribute(byte),
            },
            State::AttrName => match byte {
                b'/' => self.go(State::SelfClosing),
                b'>' => Some(self.emit()),
                b'=' => self.go(State::BeforeValue),
                _ if space => self.go(State::AfterAttr),
                _ => {
                    if let Some((name, _)) = self.attributes.last_mut() {
                        keep(name, byte, LONGEST_NAME);
                    }
                    None
                }
            },
            State::AfterAttr => match byte {
                b'/' => self.go(State::SelfClosing),
                b'=' => self.go(State::BeforeValue),
                b'>' => Some(self.emit()),
                _ if space => None,
                _ => self.attribute(byte),
            },
            State::BeforeValue => match byte {
                b'"' | b'\'' => self.go(State::Value(byte)),
                b'>' => Some(self.emit()),
                _ if space => None,
                _ => {
                    self.value(byte);
                    self.go(State::Unquoted)
                }
            },
            State::Value(quote) if byte == quote => self.go(State::AfterValue),
            State::Unquoted if space => self.go(State::BeforeAttr),
            State::Unquoted if byte == b'>' => Some(self.emit()),
            State::Value(_) | State::Unquoted => {
                self.value(byte);
                None
            }
            State::AfterValue => match byte {
                b'/' => self.go(State::SelfClosing),
                b'>' => Some(self.emit()),
                _ if space => self.go(State::BeforeAttr),
                _ => self.attribute(byte),
            },
            State::SelfClosing => match byte {
                b'>' => {
                    self.self_closing = true;
                    Some(self.emit())
                }
                b'/' => None,
                _ if space => self.go(State::BeforeAttr),
                _ => self.attribute(byte),
            },
            _ => None,
        }
    }

    fn tag_begins(&mut self, end: bool, byte: u8) -> Option<Token> {
        self.end_tag = end;
        self.self_closing = false;
        self.attributes.clear();
        self.name.clear();
        self.name.push(byte.to_ascii_lowercase());
        self.go(State::TagName)
    }

    pub(crate) fn emit(&mut self) -> Token {
        let token = if self.end_tag {
            Token::End
        } else {
            Token::Start
        };
        self.done(token)
    }

    fn attribute(&mut self, byte: u8) -> Option<Token> {
        if matches!(&*self.name, b"meta" | b"html")
            && !self.end_tag
            && self.attributes.len() < MOST_ATTRIBUTES
        {
            self.attributes
                .push((vec![byte.to_ascii_lowercase()], Vec::new()));
        } else if let Some(last) = self.attributes.last_mut() {
            last.0 = vec![0];
        }
        self.go(State::AttrName)
    }

    fn value(&mut self, byte: u8) {
        self.values(&[byte]);
    }

    /// Of an attribute that is kept, what fits.
    pub(crate) fn values(&mut self, bytes: &[u8]) {
        if let Some((_, value)) = self.attributes.last_mut() {
            let room = LONGEST_VALUE.saturating_sub(value.len()).min(bytes.len());
            value.extend_from_slice(bytes.get(..room).unwrap_or_default());
        }
    }
}
