//! Insertion point of the snippet: the end of a page's head, as a browser's parser sees it.

use actix_web::web::Bytes;

use crate::browser::inject::rules::Rules;
use crate::browser::tokens::{Token, Tokenizer};

mod rules;

#[cfg(test)]
mod tests;

/// Position of the end of the head, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum HeadEnd {
    /// The end has not been read yet.
    #[default]
    Open,
    /// The head ends before this byte.
    EndsAt(usize),
    /// Content precedes any sign of a document: the page is a fragment.
    Fragment,
    /// The document is AMP, which allows no scripts but AMP's own.
    Amp,
}

/// Scanner that reads a page in chunks and finds the end of its head.
///
/// ```text
/// <!DOCTYPE html><title>Hi</title><p>Hello
///                                 ^ here
/// ```
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    tokens: Tokenizer,
    rules: Rules,
    /// Number of bytes of a byte order mark read so far.
    bom_len: usize,
}

impl Scanner {
    /// Reads the next chunk of the page, and returns the end of the head as far as it is known.
    pub(crate) fn feed(&mut self, chunk: &[u8]) -> HeadEnd {
        self.read(chunk, false);
        self.rules.head
    }

    /// Reads a chunk; with `head_only`, no further than the end of the head.
    fn read(&mut self, chunk: &[u8], head_only: bool) {
        let mut rest = chunk;
        while let Some(byte) = rest.first() {
            let mut consumed = self.tokens.skip_ahead(rest, self.rules.can_skip_text());
            if consumed == 0 && *byte == b'<' {
                let rules = &mut self.rules;
                consumed = self
                    .tokens
                    .try_whole_tag(rest, |tokens, token| rules.process(tokens, token));
            }
            if consumed == 0 {
                self.push(*byte);
                consumed = 1;
            }
            if head_only && self.rules.head != HeadEnd::Open {
                break;
            }
            rest = rest.get(consumed..).unwrap_or_default();
        }
    }

    /// Ends the page, and returns the end of the head: never [`HeadEnd::Open`].
    pub(crate) fn finish(&mut self) -> HeadEnd {
        if self.rules.head == HeadEnd::Open {
            self.rules.head = match self.last_insertion_point() {
                Some(offset) if self.rules.is_document => HeadEnd::EndsAt(offset),
                _ => HeadEnd::Fragment,
            };
        }
        self.rules.head
    }

    /// Returns whether a snippet may be appended after the last byte read. A browser would read it
    /// as content of the body, not as text, an attribute, or part of an element without display.
    pub(crate) fn is_in_body_content(&self) -> bool {
        matches!(self.rules.head, HeadEnd::EndsAt(_))
            && self.tokens.is_in_data()
            && self.rules.is_in_content()
    }

    /// Returns the number of bytes that can be sent while the head is open. The head cannot end
    /// before them, unless the page breaks off.
    pub(crate) fn releasable(&self) -> usize {
        self.tokens.releasable()
    }

    /// Returns the Content-Security-Policies that `meta` tags of the head declare.
    pub(crate) fn policies(&self) -> &[String] {
        &self.rules.declared.policies
    }

    /// Returns whether the document declares itself AMP.
    pub(crate) fn is_amp(&self) -> bool {
        self.rules.head == HeadEnd::Amp
    }

    /// Returns whether a `meta` tag of the head declares an encoding in which a snippet could be
    /// misread.
    pub(crate) fn has_unsafe_charset(&self) -> bool {
        self.rules.declared.has_unsafe_charset
    }

    fn push(&mut self, byte: u8) {
        const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];
        if self.bom_len == self.tokens.position()
            && BYTE_ORDER_MARK.get(self.bom_len) == Some(&byte)
        {
            self.bom_len += 1;
            self.tokens.skip();
            return;
        }
        let rules = &mut self.rules;
        self.tokens
            .push(byte, |tokens, token| rules.process(tokens, token));
    }

    /// Returns the insertion point in a page that ends within its head. `None` if a snippet would
    /// become part of a comment.
    fn last_insertion_point(&self) -> Option<usize> {
        if let Some(offset) = self.rules.unclosed {
            return Some(offset);
        }
        match self.tokens.token_at_end() {
            _ if self.tokens.is_idle() => Some(self.tokens.position()),
            Some(Token::Space) => Some(self.tokens.position()),
            // An unclosed comment before the head would move into the head that the snippet opens.
            Some(Token::Comment | Token::Cdata) if !self.rules.is_in_head => None,
            _ => Some(self.tokens.start()),
        }
    }
}

/// Returns the byte offset of the insertion point in a whole page. `None` if the page is not a
/// document: no doctype, `<html`, `<head` or `<body` tag precedes the end of its head.
#[cfg(test)]
pub(crate) fn head_end(html: &[u8]) -> Option<usize> {
    scan(&mut Scanner::default(), html)
}

/// Returns the byte offset of the insertion point in a whole page. `None` if the page is not a
/// document. The scanner then has the policies and encodings that the head declares.
pub(crate) fn scan(scanner: &mut Scanner, html: &[u8]) -> Option<usize> {
    scanner.read(html, true);
    match scanner.finish() {
        HeadEnd::EndsAt(offset) => Some(offset),
        HeadEnd::Open | HeadEnd::Fragment | HeadEnd::Amp => None,
    }
}

/// Page with a snippet, in the chunks in which it is sent: the page is not copied.
#[derive(Debug)]
pub(crate) struct InjectedPage([Bytes; 4]);

/// Inserts a snippet of two chunks at this byte offset.
pub(crate) fn insert(html: &Bytes, offset: usize, [first, second]: [Bytes; 2]) -> InjectedPage {
    let offset = offset.min(html.len());
    InjectedPage([html.slice(..offset), first, second, html.slice(offset..)])
}

impl InjectedPage {
    /// Returns the number of bytes that were not sent yet.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Takes the next chunk. `None` if all were taken.
    pub(crate) fn next_chunk(&mut self) -> Option<Bytes> {
        self.0
            .iter_mut()
            .find(|chunk| !chunk.is_empty())
            .map(std::mem::take)
    }

    /// Copies the remaining chunks into one.
    pub(crate) fn join(&self) -> Bytes {
        self.0.concat().into()
    }
}
