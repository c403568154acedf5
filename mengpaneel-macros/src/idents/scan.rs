//! Names in tokens that are not parsed: the names they contain, and those that they may bind.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenStream};
use syn::buffer::{Cursor, TokenBuffer};

use super::unraw::unraw_name;

/// Names in the tokens of a body or of a macro.
#[derive(Debug, Default)]
pub(crate) struct TokenScan {
    /// All names.
    mentioned: BTreeSet<String>,
    /// Names after `let` or `for`, before `=>`, or between bars: where patterns are.
    may_be_bound: BTreeSet<String>,
    /// Literals that contain a brace: a macro may format them.
    format_strings: Vec<String>,
    /// True if the tokens contain a fragment of `macro_rules!`.
    pub(crate) has_fragment: bool,
}

impl TokenScan {
    /// Reads all tokens from a cursor on.
    pub(crate) fn from_cursor(tokens: Cursor<'_>) -> Self {
        let mut scan = Self::default();
        let mentioned = scan.read_group(tokens);
        scan.mentioned.extend(mentioned);
        scan
    }

    /// Reads all tokens of a stream.
    pub(crate) fn from_stream(tokens: TokenStream) -> Self {
        Self::from_cursor(TokenBuffer::new2(tokens).begin())
    }

    /// Returns whether the tokens may bind the name.
    pub(crate) fn may_bind(&self, name: &str) -> bool {
        self.may_be_bound.contains(name)
    }

    /// Returns whether the tokens contain the name, format strings included.
    pub(crate) fn mentions(&self, name: &str) -> bool {
        self.mentioned.contains(name)
            || self
                .format_strings
                .iter()
                .any(|format| format.contains(&format!("{{{name}")))
    }

    /// Reads the tokens of one group, and returns the names in it.
    fn read_group(&mut self, mut tokens: Cursor<'_>) -> Vec<String> {
        let (mut names, mut in_pattern, mut last) = (Vec::new(), false, ' ');
        // Number of names that precede the last arrow.
        let mut before_arrow = 0;
        while !tokens.eof() {
            let known = names.len();
            let mut punct = ' ';
            if let Some((inside, delimiter, _, rest)) = tokens.any_group() {
                self.has_fragment |= delimiter == Delimiter::None;
                names.append(&mut self.read_group(inside));
                tokens = rest;
            } else if let Some((ident, rest)) = tokens.ident() {
                if ident == "let" || ident == "for" {
                    in_pattern = true;
                } else if ident == "in" {
                    in_pattern = false;
                } else {
                    names.push(unraw_name(&ident));
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
                    self.format_strings.push(literal);
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
