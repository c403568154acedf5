//! What begins with `<!` or `<?`: comments, doctypes, and what becomes a comment.

use crate::browser::tokens::{State, Token, Tokenizer};

impl Tokenizer {
    pub(crate) fn markup(&mut self, byte: u8) -> Option<Token> {
        match self.state {
            State::Markup => self.markup_begins(byte),
            State::Comment(dashes, opening) => match byte {
                b'>' if dashes >= 2 => Some(self.done(Token::Comment)),
                b'!' if dashes >= if opening { 4 } else { 2 } => self.go(State::CommentBang),
                b'-' => self.go(State::Comment(dashes.saturating_add(1), opening)),
                _ => self.go(State::Comment(0, false)),
            },
            State::CommentBang => match byte {
                b'>' => Some(self.done(Token::Comment)),
                b'-' => self.go(State::Comment(1, false)),
                _ => self.go(State::Comment(0, false)),
            },
            State::Bogus(token) if byte == b'>' => Some(self.done(token)),
            State::Doctype if byte == b'>' => Some(self.done(Token::Doctype)),
            _ => None,
        }
    }

    /// After `<!`: a comment, a doctype, or something that becomes a comment.
    fn markup_begins(&mut self, byte: u8) -> Option<Token> {
        if byte == b'>' {
            return Some(self.done(Token::Comment));
        }
        self.name.push(byte.to_ascii_lowercase());
        let seen = &*self.name;
        if seen == b"--" {
            self.go(State::Comment(2, true))
        } else if seen == b"doctype" {
            self.go(State::Doctype)
        } else if seen == b"[cdata[" {
            self.go(State::Bogus(Token::Cdata))
        } else if [&b"--"[..], b"doctype", b"[cdata["]
            .iter()
            .any(|known| known.starts_with(seen))
        {
            None
        } else {
            self.go(State::Bogus(Token::Comment))
        }
    }
}
