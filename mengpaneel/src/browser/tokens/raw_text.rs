//! Raw text in `title`, `style`, `script` and similar elements. The only tag in it is the end tag
//! of the element.

use crate::browser::tokens::{Raw, State, Token, Tokenizer, is_space};

impl Tokenizer {
    pub(crate) fn raw(&mut self, byte: u8) -> Option<Token> {
        match self.state {
            State::RawLess => match byte {
                b'/' => self.begin_raw_end(false),
                b'!' if self.raw == Raw::Script => self.switch_to(State::EscapeStart(0)),
                _ => self.reconsume_in(State::Raw),
            },
            State::RawEnd(escaped) => self.raw_end_name(byte, escaped),
            State::EscapeStart(dashes) => match byte {
                b'-' if dashes == 0 => self.switch_to(State::EscapeStart(1)),
                b'-' => self.switch_to(State::Escaped(2, false)),
                _ => self.reconsume_in(State::Raw),
            },
            State::Escaped(dashes, double) => match byte {
                b'-' => self.switch_to(State::Escaped(dashes.saturating_add(1), double)),
                b'<' => self.switch_to(State::EscapedLess(double)),
                b'>' if dashes >= 2 => self.switch_to(State::Raw),
                _ => self.switch_to(State::Escaped(0, double)),
            },
            State::EscapedLess(double) => match byte {
                b'/' if double => {
                    self.name.clear();
                    self.switch_to(State::EscapedName(false))
                }
                b'/' => self.begin_raw_end(true),
                _ if byte.is_ascii_alphabetic() && !double => {
                    self.name.clear();
                    self.reconsume_in(State::EscapedName(true))
                }
                _ => self.reconsume_in(State::Escaped(0, double)),
            },
            State::EscapedName(opens) => match byte {
                b'/' | b'>' => self.end_escaped_name(opens),
                _ if is_space(byte) => self.end_escaped_name(opens),
                _ if byte.is_ascii_alphabetic() => {
                    self.name.push(byte.to_ascii_lowercase());
                    None
                }
                _ => self.reconsume_in(State::Escaped(0, !opens)),
            },
            _ if byte == b'<' => self.switch_to(State::RawLess),
            _ => None,
        }
    }

    fn begin_raw_end(&mut self, escaped: bool) -> Option<Token> {
        self.name.clear();
        self.switch_to(State::RawEnd(escaped))
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
                self.is_end_tag = true;
                self.is_self_closing = false;
                self.attributes.clear();
                self.state = state;
                return if byte == b'>' {
                    Some(self.emit())
                } else {
                    None
                };
            }
        }
        self.reconsume_in(if escaped {
            State::Escaped(0, false)
        } else {
            State::Raw
        })
    }

    /// Ends a tag name in escaped script data: `<script` begins double escaping, `</script` ends
    /// it.
    fn end_escaped_name(&mut self, opens: bool) -> Option<Token> {
        let double = (&*self.name == b"script") == opens;
        self.switch_to(State::Escaped(0, double))
    }
}
