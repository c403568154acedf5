//! Where in a page our block stands: the end of the head, as a browser's parser sees it.

use actix_web::web::Bytes;

use crate::browser::tokens::{Token, Tokenizer};

mod rules;

use crate::browser::inject::rules::Rules;

#[cfg(test)]
mod tests;

/// What is known of the end of the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum HeadEnd {
    /// It has not been read yet.
    #[default]
    Open,
    /// The head ends before this byte.
    EndsAt(usize),
    /// Content came before any sign of a document: a fragment of a page.
    Fragment,
    /// The document is AMP, which takes no scripts but AMP's own.
    Amp,
}

/// Reads a page in pieces and tells where its head ends.
///
/// ```text
/// <!DOCTYPE html><title>Hi</title><p>Hello
///                                 ^ here
/// ```
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    tokens: Tokenizer,
    rules: Rules,
    /// Bytes of a byte order mark that were read.
    mark: usize,
}

impl Scanner {
    /// Reads the next piece of the page.
    pub(crate) fn feed(&mut self, piece: &[u8]) -> HeadEnd {
        self.read(piece, false);
        self.rules.head
    }

    /// Reads a piece, or no further than the head.
    fn read(&mut self, piece: &[u8], head_only: bool) {
        let mut rest = piece;
        while let Some(byte) = rest.first() {
            let mut passed = self.tokens.pass(rest, self.rules.text_is_idle());
            if passed == 0 && *byte == b'<' {
                let rules = &mut self.rules;
                passed = self
                    .tokens
                    .try_whole_tag(rest, |tokens, token| rules.token(tokens, token));
            }
            if passed == 0 {
                self.byte(*byte);
                passed = 1;
            }
            if head_only && self.rules.head != HeadEnd::Open {
                break;
            }
            rest = rest.get(passed..).unwrap_or_default();
        }
    }

    /// What is known of the end of the head, now that the page ended: never [`Head::Open`].
    pub(crate) fn finish(&mut self) -> HeadEnd {
        if self.rules.head == HeadEnd::Open {
            self.rules.head = match self.last_insertion_point() {
                Some(at) if self.rules.document => HeadEnd::EndsAt(at),
                _ => HeadEnd::Fragment,
            };
        }
        self.rules.head
    }

    /// Whether a block may be appended after the last byte read: it would be read as content of the
    /// body, not as text, an attribute, or a part of something that is not displayed.
    pub(crate) fn in_body_content(&self) -> bool {
        matches!(self.rules.head, HeadEnd::EndsAt(_))
            && self.tokens.in_data()
            && self.rules.in_content()
    }

    /// How many of the bytes read can be let go while the head is open: it cannot end before there,
    /// unless the page breaks off.
    pub(crate) fn settled(&self) -> usize {
        self.tokens.settled()
    }

    /// The Content-Security-Policies that the head's own `meta` tags declare.
    pub(crate) fn policies(&self) -> &[String] {
        &self.rules.declared.policies
    }

    /// Returns whether the document declares itself AMP.
    pub(crate) fn is_amp(&self) -> bool {
        self.rules.head == HeadEnd::Amp
    }

    /// Returns whether a `meta` tag of the head declares an encoding in which a block could be
    /// misread.
    pub(crate) fn has_unsafe_charset(&self) -> bool {
        self.rules.declared.has_unsafe_charset
    }

    fn byte(&mut self, byte: u8) {
        const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];
        if self.mark == self.tokens.position() && BYTE_ORDER_MARK.get(self.mark) == Some(&byte) {
            self.mark += 1;
            self.tokens.skip();
            return;
        }
        let rules = &mut self.rules;
        self.tokens
            .push(byte, |tokens, token| rules.token(tokens, token));
    }

    /// Where the head ends in a page that ends within it.
    fn last_insertion_point(&self) -> Option<usize> {
        if let Some(at) = self.rules.unclosed {
            return Some(at);
        }
        match self.tokens.at_end() {
            _ if self.tokens.is_idle() => Some(self.tokens.position()),
            Some(Token::Space) => Some(self.tokens.position()),
            // In front of the head, a comment that never ends would be drawn into it.
            Some(Token::Comment | Token::Cdata) if !self.rules.in_head => None,
            _ => Some(self.tokens.start()),
        }
    }
}

/// The offset in a whole page before which a block can be inserted: the end of its head. `None`
/// where it is no whole document: it has a doctype, `<html`, `<head` or `<body` tag by then.
#[cfg(test)]
pub(crate) fn head_end(html: &[u8]) -> Option<usize> {
    let mut scanner = Scanner::default();
    scan(&mut scanner, html)
}

/// The offset in a whole page before which a block can be inserted, by a scanner that can then be
/// asked for what else it saw. `None` where it is no whole document.
pub(crate) fn scan(scanner: &mut Scanner, html: &[u8]) -> Option<usize> {
    scanner.read(html, true);
    match scanner.finish() {
        HeadEnd::EndsAt(at) => Some(at),
        HeadEnd::Open | HeadEnd::Fragment | HeadEnd::Amp => None,
    }
}

/// A page with a block in it, in the pieces in which it leaves: nothing of the page is copied.
#[derive(Debug)]
pub(crate) struct Injected([Bytes; 4]);

/// The page with the block, in two pieces, inserted at that offset; nothing else is changed.
pub(crate) fn insert(html: &Bytes, at: usize, [begin, end]: [Bytes; 2]) -> Injected {
    let at = at.min(html.len());
    Injected([html.slice(..at), begin, end, html.slice(at..)])
}

impl Injected {
    /// How many bytes are left.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// The piece that leaves next.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        self.0
            .iter_mut()
            .find(|piece| !piece.is_empty())
            .map(std::mem::take)
    }

    /// All in one, for who wants the whole page.
    pub(crate) fn join(&self) -> Bytes {
        self.0.concat().into()
    }
}
