//! Names and attributes of tags. Only the attributes of `meta` and `html` tags are stored.

use crate::browser::tokens::{
    MAX_NAME_LEN, MAX_VALUE_LEN, State, Token, Tokenizer, is_space, push_lower,
};

/// Number of attributes of a tag that are stored.
const MAX_ATTRIBUTES: usize = 32;

impl Tokenizer {
    /// Reads a byte of a tag, after its `<`.
    pub(crate) fn tag(&mut self, byte: u8) -> Option<Token> {
        let space = is_space(byte);
        match self.state {
            State::TagOpen => match byte {
                b'!' => {
                    self.name.clear();
                    self.switch_to(State::Markup)
                }
                b'/' => self.switch_to(State::EndTagOpen),
                b'?' => self.switch_to(State::Bogus(Token::Comment)),
                _ if byte.is_ascii_alphabetic() => self.begin_tag(false, byte),
                _ => {
                    self.reconsume_in(State::Data);
                    Some(Token::Text)
                }
            },
            State::EndTagOpen => match byte {
                b'>' => self.switch_to(State::Data),
                _ if byte.is_ascii_alphabetic() => self.begin_tag(true, byte),
                _ => self.switch_to(State::Bogus(Token::Comment)),
            },
            State::TagName => match byte {
                b'/' => self.switch_to(State::SelfClosing),
                b'>' => Some(self.emit()),
                _ if space => self.switch_to(State::BeforeAttr),
                _ => {
                    self.name.push(byte.to_ascii_lowercase());
                    None
                }
            },
            _ => self.attribute_byte(byte, space),
        }
    }

    fn attribute_byte(&mut self, byte: u8, space: bool) -> Option<Token> {
        match self.state {
            State::BeforeAttr => match byte {
                b'/' => self.switch_to(State::SelfClosing),
                b'>' => Some(self.emit()),
                _ if space => None,
                _ => self.begin_attribute(byte),
            },
            State::AttrName => match byte {
                b'/' => self.switch_to(State::SelfClosing),
                b'>' => Some(self.emit()),
                b'=' => self.switch_to(State::BeforeValue),
                _ if space => self.switch_to(State::AfterAttr),
                _ => {
                    if let Some((name, _)) = self.attributes.last_mut() {
                        push_lower(name, byte, MAX_NAME_LEN);
                    }
                    None
                }
            },
            State::AfterAttr => match byte {
                b'/' => self.switch_to(State::SelfClosing),
                b'=' => self.switch_to(State::BeforeValue),
                b'>' => Some(self.emit()),
                _ if space => None,
                _ => self.begin_attribute(byte),
            },
            State::BeforeValue => match byte {
                b'"' | b'\'' => self.switch_to(State::Value(byte)),
                b'>' => Some(self.emit()),
                _ if space => None,
                _ => {
                    self.push_value(&[byte]);
                    self.switch_to(State::Unquoted)
                }
            },
            State::Value(quote) if byte == quote => self.switch_to(State::AfterValue),
            State::Unquoted if space => self.switch_to(State::BeforeAttr),
            State::Unquoted if byte == b'>' => Some(self.emit()),
            State::Value(_) | State::Unquoted => {
                self.push_value(&[byte]);
                None
            }
            State::AfterValue => match byte {
                b'/' => self.switch_to(State::SelfClosing),
                b'>' => Some(self.emit()),
                _ if space => self.switch_to(State::BeforeAttr),
                _ => self.begin_attribute(byte),
            },
            State::SelfClosing => match byte {
                b'>' => {
                    self.is_self_closing = true;
                    Some(self.emit())
                }
                b'/' => None,
                _ if space => self.switch_to(State::BeforeAttr),
                _ => self.begin_attribute(byte),
            },
            _ => None,
        }
    }

    fn begin_tag(&mut self, is_end_tag: bool, byte: u8) -> Option<Token> {
        self.is_end_tag = is_end_tag;
        self.is_self_closing = false;
        self.attributes.clear();
        self.name.clear();
        self.name.push(byte.to_ascii_lowercase());
        self.switch_to(State::TagName)
    }

    /// Completes the tag.
    pub(crate) fn emit(&mut self) -> Token {
        let token = if self.is_end_tag {
            Token::End
        } else {
            Token::Start
        };
        self.complete(token)
    }

    fn begin_attribute(&mut self, byte: u8) -> Option<Token> {
        if matches!(&*self.name, b"meta" | b"html")
            && !self.is_end_tag
            && self.attributes.len() < MAX_ATTRIBUTES
        {
            self.attributes
                .push((vec![byte.to_ascii_lowercase()], Vec::new()));
        } else if let Some(last) = self.attributes.last_mut() {
            last.0 = vec![0];
        }
        self.switch_to(State::AttrName)
    }

    /// Appends to the value of the current attribute, up to [`MAX_VALUE_LEN`].
    pub(crate) fn push_value(&mut self, bytes: &[u8]) {
        if let Some((_, value)) = self.attributes.last_mut() {
            let room = MAX_VALUE_LEN.saturating_sub(value.len()).min(bytes.len());
            value.extend_from_slice(bytes.get(..room).unwrap_or_default());
        }
    }
}
