//! Tree construction, as far as the end of the head depends on it.

use crate::browser::charset;
use crate::browser::inject::HeadEnd;
use crate::browser::tokens::{Raw, Token, Tokenizer};

/// Elements whose content is raw text in a browser that runs scripts.
const RAW_TEXT: [&[u8]; 9] = [
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
/// Elements of SVG and `MathML` that may contain HTML.
const HTML_IN_FOREIGN: [&[u8]; 6] = [b"desc", b"mi", b"mn", b"mo", b"ms", b"mtext"];
/// Deepest nesting of special elements that is followed.
const MAX_DEPTH: usize = 32;

/// Elements inside which tags have another meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Special {
    Svg,
    Math,
    Template,
    Select,
}

/// State of the tree builder.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) head: HeadEnd,
    /// True if a doctype, `<html`, `<head` or `<body` was read.
    pub(crate) is_document: bool,
    /// True if the head element is open.
    pub(crate) is_in_head: bool,
    /// Start of an unclosed `template` or raw text element of the head: the last byte offset that
    /// is certainly in the head.
    pub(crate) unclosed: Option<usize>,
    special: Vec<Special>,
    /// Name of an open element that must contain only text. Otherwise the page is ambiguous.
    text_only: Option<Vec<u8>>,
    /// True once tags could be read in two ways.
    is_ambiguous: bool,
    pub(crate) declared: MetaDeclarations,
}

/// Declarations in the `meta` tags of the head.
#[derive(Debug, Default)]
pub(crate) struct MetaDeclarations {
    /// Content-Security-Policies.
    pub(crate) policies: Vec<String>,
    /// True if one declares an encoding in which a snippet could be misread.
    pub(crate) has_unsafe_charset: bool,
}

impl Rules {
    /// Returns whether tags now have the meaning that they have in the body.
    pub(crate) fn is_in_content(&self) -> bool {
        self.special.is_empty() && self.text_only.is_none() && !self.is_ambiguous
    }

    /// Returns whether text can be skipped: it neither ends the head nor has a meaning.
    pub(crate) fn can_skip_text(&self) -> bool {
        self.head != HeadEnd::Open || !self.special.is_empty() || self.is_ambiguous
    }

    /// Processes the next token.
    pub(crate) fn process(&mut self, tokens: &mut Tokenizer, token: Token) {
        if self.is_ambiguous {
            return;
        }
        if self.head == HeadEnd::Open && self.special.is_empty() {
            self.process_in_head(tokens, token);
        } else {
            self.process_in_content(tokens, token);
            if self.head == HeadEnd::Open && self.special.is_empty() {
                self.unclosed = None;
            }
        }
    }

    fn process_in_head(&mut self, tokens: &mut Tokenizer, token: Token) {
        match token {
            Token::Space | Token::Comment | Token::Cdata => {}
            Token::Doctype => self.is_document = true,
            Token::Text => self.end_head(tokens.start()),
            Token::Start => self.start_tag_in_head(tokens),
            Token::End if self.unclosed.take().is_some() => {}
            Token::End => {
                if let b"head" | b"body" | b"html" | b"br" = tokens.name() {
                    self.end_head(tokens.start());
                }
            }
        }
    }

    fn start_tag_in_head(&mut self, tokens: &mut Tokenizer) {
        match tokens.name() {
            b"html" => {
                self.is_document = true;
                if is_amp(tokens) {
                    self.head = HeadEnd::Amp;
                }
                return;
            }
            b"head" => self.is_document = true,
            b"base" | b"basefont" | b"bgsound" | b"link" => {}
            b"meta" => {
                self.declared.has_unsafe_charset |=
                    charset::is_declared_unsafe(tokens.attributes());
                if let Some(policy) = declared_policy(tokens) {
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
                self.is_document |= name == b"body";
                self.end_head(tokens.start());
                // The tag that ends the head is the first of the body.
                self.process_in_content(tokens, Token::Start);
                return;
            }
        }
        self.is_in_head = true;
    }

    fn end_head(&mut self, offset: usize) {
        self.head = if self.is_document {
            HeadEnd::EndsAt(offset)
        } else {
            HeadEnd::Fragment
        };
    }

    fn process_in_content(&mut self, tokens: &mut Tokenizer, token: Token) {
        if let Some(name) = &self.text_only {
            match token {
                Token::Space | Token::Text => {}
                Token::End if tokens.name() == name => self.text_only = None,
                _ => self.mark_ambiguous(),
            }
            return;
        }
        match token {
            Token::Start => self.start_tag_in_content(tokens),
            Token::End => {
                if let Some(special) = special(tokens.name())
                    && !self.special.is_empty()
                    && self.special.pop() != Some(special)
                {
                    self.mark_ambiguous();
                }
            }
            Token::Cdata if self.is_in_foreign() => self.mark_ambiguous(),
            _ => {}
        }
    }

    fn start_tag_in_content(&mut self, tokens: &mut Tokenizer) {
        let name = tokens.name();
        let in_foreign = self.is_in_foreign();
        if let b"frameset" | b"plaintext" = name {
            self.mark_ambiguous();
        } else if let Some(special) = special(name) {
            let is_svg_or_math = matches!(special, Special::Svg | Special::Math);
            if (in_foreign && !is_svg_or_math) || self.special.len() >= MAX_DEPTH {
                self.mark_ambiguous();
            } else if !(is_svg_or_math && tokens.is_self_closing()) {
                self.special.push(special);
            }
        } else if in_foreign && matches!(name, b"foreignobject" | b"annotation-xml") {
            self.mark_ambiguous();
        } else if RAW_TEXT.contains(&name) || (in_foreign && HTML_IN_FOREIGN.contains(&name)) {
            if self.special.is_empty() {
                enter_raw(tokens);
            } else if tokens.is_self_closing() {
                self.mark_ambiguous();
            } else {
                self.text_only = Some(name.to_vec());
            }
        }
    }

    fn is_in_foreign(&self) -> bool {
        matches!(self.special.last(), Some(Special::Svg | Special::Math))
    }

    /// Marks the rest of the page as ambiguous: no later insertion point is used.
    fn mark_ambiguous(&mut self) {
        self.is_ambiguous = true;
        if let (HeadEnd::Open, Some(offset)) = (self.head, self.unclosed) {
            self.end_head(offset);
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
    tokens.enter_raw(raw);
}

/// Returns whether the attributes of an `html` tag declare AMP for pages, advertisements or
/// e-mails:
/// <https://amp.dev/documentation/guides-and-tutorials/learn/spec/amphtml/#required-markup>.
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

/// Returns the Content-Security-Policy that a `meta` tag declares. `None` for other `meta` tags.
fn declared_policy(tokens: &Tokenizer) -> Option<String> {
    let attribute = |wanted: &[u8]| {
        let (_, value) = tokens
            .attributes()
            .iter()
            .find(|(name, _)| name == wanted)?;
        Some(unescape(&String::from_utf8_lossy(value)))
    };
    let is_policy = attribute(b"http-equiv")?.eq_ignore_ascii_case("content-security-policy");
    is_policy.then(|| attribute(b"content")).flatten()
}

/// Decodes the character references that template engines write into attributes: numeric ones, and
/// the names of characters that occur in policies.
fn unescape(value: &str) -> String {
    let (mut decoded, mut rest) = (String::with_capacity(value.len()), value);
    while let Some((before, _)) = rest.split_once('&') {
        decoded.push_str(before);
        rest = rest.get(before.len()..).unwrap_or_default();
        let (c, length) = parse_reference(rest).unwrap_or(('&', 1));
        decoded.push(c);
        rest = rest.get(length..).unwrap_or_default();
    }
    decoded.push_str(rest);
    decoded
}

/// Parses the character reference at the start of a text. Returns the character and the length of
/// the reference in bytes, or `None` if there is no known reference.
fn parse_reference(text: &str) -> Option<(char, usize)> {
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
        for (encoded, decoded) in [
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
            assert_eq!(unescape(encoded), decoded);
        }
    }
}
