//! What the tree builder makes of the tokens, as far as the end of the head depends on it.

use crate::browser::charset;
use crate::browser::inject::HeadEnd;
use crate::browser::tokens::{Raw, Token, Tokenizer};

/// Elements whose content is raw text to a browser that runs scripts.
const RAW: [&[u8]; 9] = [
    b"title",
    b"textarea",
    b"style",
    b"xmp",
    b"iframe",
    b"noembed",
    b"noframes",
    b"noscript",
    b"script",
];
/// Elements of SVG and `MathML` in which HTML may stand.
const HTML_IN_FOREIGN: [&[u8]; 6] = [b"desc", b"mi", b"mn", b"mo", b"ms", b"mtext"];
/// Deeper nesting of special elements is not followed.
const DEEPEST: usize = 32;

/// Elements inside of which tags mean something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Special {
    Svg,
    Math,
    Template,
    Select,
}

/// What the tree builder would do.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) head: HeadEnd,
    /// Whether a doctype, `<html`, `<head` or `<body` came by.
    pub(crate) document: bool,
    /// Whether the head element is open.
    pub(crate) in_head: bool,
    /// Where a `template` or raw text of the head began: the last place that is surely in the
    /// head.
    pub(crate) unclosed: Option<usize>,
    special: Vec<Special>,
    /// An element that must hold text only, or it is unclear how its content is read.
    text_only: Option<Vec<u8>>,
    /// Where tags could be read in two ways.
    unclear: bool,
    pub(crate) declared: Declared,
}

/// Declarations in the `meta` tags of the head.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    /// Content-Security-Policies.
    pub(crate) policies: Vec<String>,
    /// True if one of them is an encoding in which a block could be misread.
    pub(crate) has_unsafe_charset: bool,
}

impl Rules {
    /// Whether tags now mean what they mean in the body.
    pub(crate) fn in_content(&self) -> bool {
        self.special.is_empty() && self.text_only.is_none() && !self.unclear
    }

    /// Whether text is read past: it neither ends the head nor means anything.
    pub(crate) fn text_is_idle(&self) -> bool {
        self.head != HeadEnd::Open || !self.special.is_empty() || self.unclear
    }

    /// Takes the next token.
    pub(crate) fn token(&mut self, tokens: &mut Tokenizer, token: Token) {
        if self.unclear {
            return;
        }
        if self.head == HeadEnd::Open && self.special.is_empty() {
            self.head_token(tokens, token);
        } else {
            self.content_token(tokens, token);
            if self.head == HeadEnd::Open && self.special.is_empty() {
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
                if is_amp(tokens) {
                    self.head = HeadEnd::Amp;
                }
                return;
            }
            b"head" => self.document = true,
            b"base" | b"basefont" | b"bgsound" | b"link" => {}
            b"meta" => {
                self.declared.has_unsafe_charset |=
                    charset::is_declared_unsafe(tokens.attributes());
                if let Some(policy) = policy(tokens) {
                    self.declared.policies.push(policy);
                }
            }
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
        self.head = if self.document {
            HeadEnd::EndsAt(at)
        } else {
            HeadEnd::Fragment
        };
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
        if let (HeadEnd::Open, Some(at)) = (self.head, self.unclosed) {
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
    let raw = if tokens.name() == b"script" {
        Raw::Script
    } else {
        Raw::Text
    };
    tokens.enter(raw);
}

/// Returns whether the attributes of an `html` tag declare AMP, for pages, advertisements or
/// e-mails: <https://amp.dev/documentation/guides-and-tutorials/learn/spec/amphtml/#required-markup>.
fn is_amp(tokens: &Tokenizer) -> bool {
    const BOLT: &[u8] = "\u{26A1}".as_bytes();
    const EMOJI_STYLE: &[u8] = "\u{FE0F}".as_bytes();
    tokens.attributes().iter().any(|(name, _)| {
        let format = name.strip_prefix(b"amp").or_else(|| {
            let rest = name.strip_prefix(BOLT)?;
            Some(rest.strip_prefix(EMOJI_STYLE).unwrap_or(rest))
        });
        matches!(format, Some(b"" | b"4ads" | b"4email"))
    })
}

/// The policy that a `meta` tag declares, if it is such a tag.
fn policy(tokens: &Tokenizer) -> Option<String> {
    let value = |wanted: &[u8]| {
        let (_, value) = tokens
            .attributes()
            .iter()
            .find(|(name, _)| name == wanted)?;
        Some(unescape(&String::from_utf8_lossy(value)))
    };
    let declares = value(b"http-equiv")?.eq_ignore_ascii_case("content-security-policy");
    declares.then(|| value(b"content")).flatten()
}

/// Decodes the character references that template engines write into attributes: numbers, and the
/// names of the signs that policies are made of.
fn unescape(value: &str) -> String {
    let (mut decoded, mut rest) = (String::with_capacity(value.len()), value);
    while let Some((before, _)) = rest.split_once('&') {
        decoded.push_str(before);
        rest = rest.get(before.len()..).unwrap_or_default();
        let (c, length) = reference(rest).unwrap_or(('&', 1));
        decoded.push(c);
        rest = rest.get(length..).unwrap_or_default();
    }
    decoded.push_str(rest);
    decoded
}

/// Returns the character that a text begins with a reference to, and the reference's length.
fn reference(text: &str) -> Option<(char, usize)> {
    const NAMED: [(&str, char); 9] = [
        ("&quot;", '"'),
        ("&apos;", '\''),
        ("&amp;", '&'),
        ("&sol;", '/'),
        ("&colon;", ':'),
        ("&semi;", ';'),
        ("&equals;", '='),
        ("&plus;", '+'),
        ("&comma;", ','),
    ];
    let Some(number) = text.strip_prefix("&#") else {
        return NAMED
            .iter()
            .find(|(name, _)| text.starts_with(name))
            .map(|(name, c)| (*c, name.len()));
    };
    let (digits, radix) = match number.strip_prefix(['x', 'X']) {
        Some(hexadecimal) => (hexadecimal, 16),
        None => (number, 10),
    };
    let count = digits
        .bytes()
        .take_while(|digit| char::from(*digit).is_digit(radix))
        .count();
    let c = char::from_u32(u32::from_str_radix(digits.get(..count)?, radix).ok()?)?;
    let rest = digits.get(count..)?;
    let rest = rest.strip_prefix(';').unwrap_or(rest);
    Some((c, text.len() - rest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_in_a_policy_are_decoded() {
        for (written, read) in [
            (
                "script-src &#39;self&#x27; https:&#x2F;&#47;a&sol;b",
                "script-src 'self' https://a/b",
            ),
            ("&#39nonce-a&#x3D;&quot;&amp;&apos;", "'nonce-a=\"&'"),
            (
                "report-uri /r?a=1&b=2&#; &#x; &",
                "report-uri /r?a=1&b=2&#; &#x; &",
            ),
            ("&amp;#39;", "&#39;"),
        ] {
            assert_eq!(unescape(written), read);
        }
    }
}
