//! Markup that begins with `<!` or `<?`: comments, doctypes, and markup that becomes a comment.

use crate::browser::tokens::{State, Token, Tokenizer};

impl Tokenizer {
    pub(crate) fn markup(&mut self, byte: u8) -> Option<Token> {
        match self.state {
            State::Markup => self.begin_markup(byte),
            State::Comment(dashes, opening) => match byte {
                b'>' if dashes >= 2 => Some(self.complete(Token::Comment)),
                b'!' if dashes >= if opening { 4 } else { 2 } => self.switch_to(State::CommentBang),
                b'-' => self.switch_to(State::Comment(dashes.saturating_add(1), opening)),
                _ => self.switch_to(State::Comment(0, false)),
            },
            State::CommentBang => match byte {
                b'>' => Some(self.complete(Token::Comment)),
                b'-' => self.switch_to(State::Comment(1, false)),
                _ => self.switch_to(State::Comment(0, false)),
            },
            State::Bogus(token) if byte == b'>' => Some(self.complete(token)),
            State::Doctype if byte == b'>' => Some(self.complete(Token::Doctype)),
            _ => None,
        }
    }

    /// Reads the characters after `<!` that tell comments, doctypes and CDATA apart.
    fn begin_markup(&mut self, byte: u8) -> Option<Token> {
        if byte == b'>' {
            return Some(self.complete(Token::Comment));
        }
        self.name.push(byte.to_ascii_lowercase());
        let seen = &*self.name;
        if seen == b"--" {
            self.switch_to(State::Comment(2, true))
        } else if seen == b"doctype" {
            self.switch_to(State::Doctype)
        } else if seen == b"[cdata[" {
            self.switch_to(State::Bogus(Token::Cdata))
        } else if [&b"--"[..], b"doctype", b"[cdata["]
            .iter()
            .any(|known| known.starts_with(seen))
        {
            None
        } else {
            self.switch_to(State::Bogus(Token::Comment))
        }
    }
}
