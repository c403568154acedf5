//! Raw text: what stands in `title`, `style`, `script` and their like, where no tag is one but the
//! element's own end tag.

use crate::browser::tokens::{Raw, State, Token, Tokenizer, is_space};

impl Tokenizer {
    pub(crate) fn raw(&mut self, byte: u8) -> Option<Token> {
        match self.state {
            State::RawLess => match byte {
                b'/' => self.raw_end(false),
                b'!' if self.raw == Raw::Script => self.go(State::EscapeStart(0)),
                _ => self.again(State::Raw),
            },
            State::RawEnd(escaped) => self.raw_end_name(byte, escaped),
            State::EscapeStart(dashes) => match byte {
                b'-' if dashes == 0 => self.go(State::EscapeStart(1)),
                b'-' => self.go(State::Escaped(2, false)),
                _ => self.again(State::Raw),
            },
            State::Escaped(dashes, double) => match byte {
                b'-' => self.go(State::Escaped(dashes.saturating_add(1), double)),
                b'<' => self.go(State::EscapedLess(double)),
                b'>' if dashes >= 2 => self.go(State::Raw),
                _ => self.go(State::Escaped(0, double)),
            },
            State::EscapedLess(double) => match byte {
                b'/' if double => {
                    self.name.clear();
                    self.go(State::EscapedName(false))
                }
                b'/' => self.raw_end(true),
                _ if byte.is_ascii_alphabetic() && !double => {
                    self.name.clear();
                    self.again(State::EscapedName(true))
                }
                _ => self.again(State::Escaped(0, double)),
            },
            State::EscapedName(opens) => match byte {
                b'/' | b'>' => self.escape_named(opens),
                _ if is_space(byte) => self.escape_named(opens),
                _ if byte.is_ascii_alphabetic() => {
                    self.name.push(byte.to_ascii_lowercase());
                    None
                }
                _ => self.again(State::Escaped(0, !opens)),
            },
            _ if byte == b'<' => self.go(State::RawLess),
            _ => None,
        }
    }

    fn raw_end(&mut self, escaped: bool) -> Option<Token> {
        self.name.clear();
        self.go(State::RawEnd(escaped))
    }

    fn raw_end_name(&mut self, byte: u8, escaped: bool) -> Option<Token> {
        if byte.is_ascii_alphabetic() {
            self.name.push(byte.to_ascii_lowercase());
            return None;
        }
        if self.name == self.element {
            let after = match byte {
                b'/' => Some(State::SelfClosing),
                b'>' => Some(State::TagName),
                _ if is_space(byte) => Some(State::BeforeAttr),
                _ => None,
            };
            if let Some(state) = after {
                self.end_tag = true;
                self.self_closing = false;
                self.attributes.clear();
                self.state = state;
                return if byte == b'>' {
                    Some(self.emit())
                } else {
                    None
                };
            }
        }
        self.again(if escaped {
            State::Escaped(0, false)
        } else {
            State::Raw
        })
    }

    /// `<script` in escaped script data escapes it doubly, `</script` undoes that.
    fn escape_named(&mut self, opens: bool) -> Option<Token> {
        let double = (&*self.name == b"script") == opens;
        self.go(State::Escaped(0, double))
    }
}
