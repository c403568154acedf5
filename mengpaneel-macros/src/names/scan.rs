//! Names in tokens that are not parsed: those that stand in them, and those that they may bind.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenStream};
use syn::buffer::{Cursor, TokenBuffer};

use super::text;

/// Names in the tokens of a body or of a macro.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Names that stand anywhere.
    mentioned: BTreeSet<String>,
    /// Names after `let` or `for`, before `=>`, or between bars.
    may_be_bound: BTreeSet<String>,
    /// Literals with a brace in them: a macro may format them.
    formats: Vec<String>,
    /// True if there is a fragment of `macro_rules!` among the tokens.
    pub(crate) has_fragment: bool,
}

impl Scan {
    /// Reads all tokens from here.
    pub(crate) fn of(tokens: Cursor<'_>) -> Self {
        let mut scan = Self::default();
        let mentioned = scan.level(tokens);
        scan.mentioned.extend(mentioned);
        scan
    }

    /// Reads all of these tokens.
    pub(crate) fn of_stream(tokens: TokenStream) -> Self {
        Self::of(TokenBuffer::new2(tokens).begin())
    }

    /// Returns whether these tokens may bind the name.
    pub(crate) fn may_bind(&self, name: &str) -> bool {
        self.may_be_bound.contains(name)
    }

    /// Returns whether the name stands in these tokens, a text to be formatted included.
    pub(crate) fn mentions(&self, name: &str) -> bool {
        self.mentioned.contains(name)
            || self
                .formats
                .iter()
                .any(|text| text.contains(&format!("{{{name}")))
    }

    /// Reads the tokens of one group, and returns the names in them.
    fn level(&mut self, mut tokens: Cursor<'_>) -> Vec<String> {
        let (mut names, mut in_pattern, mut last) = (Vec::new(), false, ' ');
        // Number of names that stood before an arrow already.
        let mut before_arrow = 0;
        while !tokens.eof() {
            let known = names.len();
            let mut punct = ' ';
            if let Some((inside, delimiter, _, rest)) = tokens.any_group() {
                self.has_fragment |= delimiter == Delimiter::None;
                names.append(&mut self.level(inside));
                tokens = rest;
            } else if let Some((ident, rest)) = tokens.ident() {
                if ident == "let" || ident == "for" {
                    in_pattern = true;
                } else if ident == "in" {
                    in_pattern = false;
                } else {
                    names.push(text(&ident));
                }
                tokens = rest;
            } else if let Some((mark, rest)) = tokens.punct() {
                punct = mark.as_char();
                if last == '=' && punct == '>' {
                    self.may_be_bound
                        .extend(names.iter().skip(before_arrow).cloned());
                    before_arrow = names.len();
                }
                in_pattern = if punct == '|' {
                    !in_pattern
                } else {
                    in_pattern && !matches!(punct, '=' | ';')
                };
                tokens = rest;
            } else if let Some((literal, rest)) = tokens.literal() {
                let literal = literal.to_string();
                if literal.contains('{') {
                    self.formats.push(literal);
                }
                tokens = rest;
            } else {
                let Some((_, rest)) = tokens.token_tree() else {
                    break;
                };
                tokens = rest;
            }
            if in_pattern {
                self.may_be_bound.extend(names.iter().skip(known).cloned());
            }
            last = punct;
        }
        names
    }
}
