//! Names: which are used, which are bound, and which was meant.

use std::collections::BTreeSet;

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, Pat};

/// The names of locals that an expression may use: single identifiers that stand where a value
/// stands, those in macros too.
#[derive(Default)]
pub(crate) struct Used {
    names: Vec<Ident>,
    closures: BTreeSet<String>,
}

impl Used {
    pub(crate) fn add(&mut self, expr: &Expr) {
        self.visit_expr_mut(&mut expr.clone());
    }

    /// Takes away what these patterns bind.
    pub(crate) fn without(mut self, bound: &BTreeSet<String>) -> Vec<Ident> {
        self.names.retain(|name| {
            let text = name.to_string();
            !bound.contains(&text) && !self.closures.contains(&text)
        });
        self.names
    }

    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut after_dot = false;
        for token in tokens {
            match &token {
                TokenTree::Ident(name) if !after_dot => self.names.push(name.clone()),
                TokenTree::Group(group) => self.add_tokens(group.stream()),
                TokenTree::Literal(literal) => self.add_inlined(literal),
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
            after_dot = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '.');
        }
    }

    /// The names that a format string inlines: `{title}`.
    fn add_inlined(&mut self, literal: &proc_macro2::Literal) {
        let text = literal.to_string();
        for piece in text.split('{').skip(1) {
            let name: String = piece.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if let Ok(mut ident) = syn::parse_str::<Ident>(&name) {
                ident.set_span(literal.span());
                self.names.push(ident);
            }
        }
    }
}

impl VisitMut for Used {
    fn visit_expr_path_mut(&mut self, path: &mut syn::ExprPath) {
        if let Some(name) = path.path.get_ident() {
            self.names.push(name.clone());
        }
        visit_mut::visit_expr_path_mut(self, path);
    }

    fn visit_expr_closure_mut(&mut self, closure: &mut syn::ExprClosure) {
        for input in &closure.inputs {
            bound_by(input, &mut self.closures);
        }
        visit_mut::visit_expr_closure_mut(self, closure);
    }

    fn visit_macro_mut(&mut self, mac: &mut syn::Macro) {
        self.add_tokens(mac.tokens.clone());
    }
}

/// Adds what a pattern binds.
pub(crate) fn bound_by(pattern: &Pat, names: &mut BTreeSet<String>) {
    Bound(names).visit_pat_mut(&mut pattern.clone());
}

struct Bound<'a>(&'a mut BTreeSet<String>);

impl VisitMut for Bound<'_> {
    fn visit_pat_ident_mut(&mut self, pattern: &mut syn::PatIdent) {
        let name = pattern.ident.to_string();
        // `None` is a constant, as everyone writes it.
        if !name.starts_with(char::is_uppercase) {
            self.0.insert(name);
        }
        visit_mut::visit_pat_ident_mut(self, pattern);
    }

    fn visit_expr_mut(&mut self, _: &mut Expr) {}
}

/// The name among `known` that was probably meant.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.into_iter().map(|candidate| (distance(name, candidate), candidate));
    let (distance, best) = scored.min_by_key(|(distance, _)| *distance)?;
    (distance <= 1 + name.len() / 4).then_some(best)
}

/// How many letters to insert, drop, change or swap with the next.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(from != to)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && from == &b[j - 1] && &a[i - 1] == to {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    fn used(tokens: TokenStream) -> Vec<String> {
        let mut used = Used::default();
        used.add(&syn::parse2(tokens).unwrap());
        used.without(&BTreeSet::new()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_are_those_of_values_not_of_fields_or_methods() {
        assert_eq!(used(quote!(post.title.len() + Self::LIMIT)), ["post"]);
        assert_eq!(used(quote!(format!("{title}: {}", user.name))), ["title", "user"]);
        assert_eq!(used(quote!(posts.iter().map(|post| post.id).sum::<u32>())), ["posts"]);
    }

    #[test]
    fn the_nearest_name_is_a_slip_away_or_there_is_none() {
        assert_eq!(nearest("identfy", ["alias", "identify"]), Some("identify"));
        assert_eq!(nearest("vai", ["via", "when", "on"]), Some("via"));
        assert_eq!(nearest("frobnicate", ["alias", "identify"]), None);
    }
}
