//! Where in a page our block stands: the end of the head, as a browser's parser sees it.

use actix_web::web::Bytes;

use super::tokens::{Raw, Token, Tokenizer};

#[cfg(test)]
mod tests;

/// Elements whose content is raw text to a browser that runs scripts.
const RAW: [&[u8]; 9] =
    [b"title", b"textarea", b"style", b"xmp", b"iframe", b"noembed", b"noframes", b"noscript", b"script"];
/// Elements of SVG and MathML in which HTML may stand.
const HTML_IN_FOREIGN: [&[u8]; 6] = [b"desc", b"mi", b"mn", b"mo", b"ms", b"mtext"];
/// Deeper nesting of special elements is not followed.
const DEEPEST: usize = 32;

/// What is known of the end of the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// It has not been read yet.
    Open,
    /// The head ends before this byte.
    EndsAt(usize),
    /// Content came before any sign of a document: a fragment of a page.
    Fragment,
}

/// Elements inside of which tags mean something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Special {
    Svg,
    Math,
    Template,
    Select,
}

/// Reads a page in pieces and tells where its head ends.
///
/// ```text
/// <!DOCTYPE html><title>Hi</title><p>Hello
///                                 ^ here
/// ```
#[derive(Debug)]
pub struct Scanner {
    tokens: Tokenizer,
    rules: Rules,
    /// Bytes of a byte order mark that were read.
    mark: usize,
}

/// What the tree builder would do.
#[derive(Debug)]
struct Rules {
    head: Head,
    /// Whether a doctype, `<html`, `<head` or `<body` came by.
    document: bool,
    /// Whether the head element is open.
    in_head: bool,
    /// Where a `template` or raw text of the head began: the last place that is surely in the head.
    unclosed: Option<usize>,
    special: Vec<Special>,
    /// An element that must hold text only, or it is unclear how its content is read.
    text_only: Option<Vec<u8>>,
    /// Where tags could be read in two ways.
    unclear: bool,
    policies: Vec<String>,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            tokens: Tokenizer::new(),
            rules: Rules {
                head: Head::Open,
                document: false,
                in_head: false,
                unclosed: None,
                special: Vec::new(),
                text_only: None,
                unclear: false,
                policies: Vec::new(),
            },
            mark: 0,
        }
    }
}

impl Scanner {
    /// Reads the next piece of the page.
    pub fn feed(&mut self, piece: &[u8]) -> Head {
        for &byte in piece {
            self.byte(byte);
        }
        self.rules.head
    }

    /// What is known of the end of the head so far.
    pub fn head(&self) -> Head {
        self.rules.head
    }

    /// What is known of the end of the head, now that the page ended: never [`Head::Open`].
    pub fn finish(&mut self) -> Head {
        if self.rules.head == Head::Open {
            self.rules.head = match self.last_place() {
                Some(at) if self.rules.document => Head::EndsAt(at),
                _ => Head::Fragment,
            };
        }
        self.rules.head
    }

    /// Whether a block may be appended after the last byte read: it would be read as content of the
    /// body, not as text, an attribute, or a part of something that is not displayed.
    pub fn in_body_content(&self) -> bool {
        matches!(self.rules.head, Head::EndsAt(_))
            && self.tokens.in_data()
            && self.rules.special.is_empty()
            && self.rules.text_only.is_none()
            && !self.rules.unclear
    }

    /// The Content-Security-Policies that the head's own `meta` tags declare.
    pub fn policies(&self) -> &[String] {
        &self.rules.policies
    }

    fn byte(&mut self, byte: u8) {
        const MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];
        if self.mark == self.tokens.position() && MARK.get(self.mark) == Some(&byte) {
            self.mark += 1;
            self.tokens.skip();
            return;
        }
        let rules = &mut self.rules;
        self.tokens.push(byte, |tokens, token| rules.token(tokens, token));
    }

    /// Where the head ends in a page that ends within it.
    fn last_place(&self) -> Option<usize> {
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

impl Rules {
    fn token(&mut self, tokens: &mut Tokenizer, token: Token) {
        if self.unclear {
            return;
        }
        if self.head == Head::Open && self.special.is_empty() {
            self.head_token(tokens, token);
        } else {
            self.content_token(tokens, token);
            if self.head == Head::Open && self.special.is_empty() {
                self.unclosed = None;
            }
        }
    }

    fn head_token(&mut self, tokens: &mut Tokenizer, token: Token) {
        match token {
            Token::Space | Token::Comment | Token::Cdata => {}
            Token::Doctype => self.document = true,
            Token::Text => self.head_ends(tokens.start()),
            Token::Start => self.head_start(tokens),
            Token::End if self.unclosed.take().is_some() => {}
            Token::End => {
                if let b"head" | b"body" | b"html" | b"br" = tokens.name() {
                    self.head_ends(tokens.start());
                }
            }
        }
    }

    fn head_start(&mut self, tokens: &mut Tokenizer) {
        match tokens.name() {
            b"html" => {
                self.document = true;
                return;
            }
            b"head" => self.document = true,
            b"base" | b"basefont" | b"bgsound" | b"link" => {}
            b"meta" => self.policies.extend(policy(tokens)),
            b"title" | b"style" | b"noscript" | b"noframes" | b"script" => {
                self.unclosed = Some(tokens.start());
                enter_raw(tokens);
            }
            b"template" => {
                self.unclosed = Some(tokens.start());
                self.special.push(Special::Template);
            }
            name => {
                self.document |= name == b"body";
                self.head_ends(tokens.start());
                // The tag that ends the head is the body's first.
                self.content_token(tokens, Token::Start);
                return;
            }
        }
        self.in_head = true;
    }

    fn head_ends(&mut self, at: usize) {
        self.head = if self.document { Head::EndsAt(at) } else { Head::Fragment };
    }

    fn content_token(&mut self, tokens: &mut Tokenizer, token: Token) {
        if let Some(name) = &self.text_only {
            match token {
                Token::Space | Token::Text => {}
                Token::End if tokens.name() == name => self.text_only = None,
                _ => self.give_up(),
            }
            return;
        }
        match token {
            Token::Start => self.content_start(tokens),
            Token::End => {
                if let Some(special) = special(tokens.name())
                    && !self.special.is_empty()
                    && self.special.pop() != Some(special)
                {
                    self.give_up();
                }
            }
            Token::Cdata if self.in_foreign() => self.give_up(),
            _ => {}
        }
    }

    fn content_start(&mut self, tokens: &mut Tokenizer) {
        let name = tokens.name();
        let foreign = self.in_foreign();
        if let b"frameset" | b"plaintext" = name {
            self.give_up();
        } else if let Some(special) = special(name) {
            let is_foreign = matches!(special, Special::Svg | Special::Math);
            if (foreign && !is_foreign) || self.special.len() >= DEEPEST {
                self.give_up();
            } else if !(is_foreign && tokens.self_closing()) {
                self.special.push(special);
            }
        } else if foreign && matches!(name, b"foreignobject" | b"annotation-xml") {
            self.give_up();
        } else if RAW.contains(&name) || (foreign && HTML_IN_FOREIGN.contains(&name)) {
            if self.special.is_empty() {
                enter_raw(tokens);
            } else if tokens.self_closing() {
                self.give_up();
            } else {
                self.text_only = Some(name.to_vec());
            }
        }
    }

    fn in_foreign(&self) -> bool {
        matches!(self.special.last(), Some(Special::Svg | Special::Math))
    }

    /// From here on it is unclear what is a tag: no place behind this one is taken.
    fn give_up(&mut self) {
        self.unclear = true;
        if let (Head::Open, Some(at)) = (self.head, self.unclosed) {
            self.head_ends(at);
        }
    }
}

fn special(name: &[u8]) -> Option<Special> {
    match name {
        b"svg" => Some(Special::Svg),
        b"math" => Some(Special::Math),
        b"template" => Some(Special::Template),
        b"select" => Some(Special::Select),
        _ => None,
    }
}

fn enter_raw(tokens: &mut Tokenizer) {
    let raw = if tokens.name() == b"script" { Raw::Script } else { Raw::Text };
    tokens.enter(raw);
}

/// The policy that a `meta` tag declares, if it is such a tag.
fn policy(tokens: &Tokenizer) -> Option<String> {
    let value = |wanted: &[u8]| {
        let (_, value) = tokens.attributes().iter().find(|(name, _)| name == wanted)?;
        Some(unescape(&String::from_utf8_lossy(value)))
    };
    let declares = value(b"http-equiv")?.eq_ignore_ascii_case("content-security-policy");
    declares.then(|| value(b"content")).flatten()
}

/// The character references that a template engine writes into an attribute.
fn unescape(value: &str) -> String {
    ["&#39;", "&#x27;", "&#X27;", "&apos;"]
        .iter()
        .fold(value.to_owned(), |value, quote| value.replace(quote, "'"))
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}

/// The offset in a whole page before which a block can be inserted: the end of its head. `None`
/// where it is no whole document: it has a doctype, `<html`, `<head` or `<body` tag by then.
pub fn head_end(html: &[u8]) -> Option<usize> {
    let mut scanner = Scanner::default();
    scan(&mut scanner, html)
}

/// As [`head_end`], with a scanner that can then be asked for what else it saw.
pub fn scan(scanner: &mut Scanner, html: &[u8]) -> Option<usize> {
    for &byte in html {
        scanner.byte(byte);
        if scanner.head() != Head::Open {
            break;
        }
    }
    match scanner.finish() {
        Head::EndsAt(at) => Some(at),
        Head::Open | Head::Fragment => None,
    }
}

/// The page with the block inserted at that offset; nothing else is changed.
pub fn insert(html: &[u8], at: usize, block: &str) -> Bytes {
    let (before, after) = html.split_at(at.min(html.len()));
    [before, block.as_bytes(), after].concat().into()
}
