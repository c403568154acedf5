//! Names: the free names of an expression, the names that a pattern binds, and the nearest known
//! name to a misspelt one.

mod format;
mod free;
mod macros;
mod scan;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, Pat};

pub(crate) use free::{Reader, Use, Uses};
pub(crate) use macros::is_well_known;
pub(crate) use scan::Scan;

/// Text of an identifier, the same for `r#type` and `type`.
pub(crate) fn text(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// Adds the names that a pattern binds.
pub(crate) fn bound_by(pattern: &Pat, names: &mut BTreeSet<String>) {
    bindings(pattern, &mut |binding| {
        names.insert(text(&binding.ident));
    });
}

/// Calls `found` for each binding in a pattern.
pub(crate) fn bindings(pattern: &Pat, found: &mut dyn FnMut(&syn::PatIdent)) {
    match pattern {
        // Most patterns are a name.
        Pat::Ident(binding) if binding.subpat.is_none() => Bound(found).binding(binding),
        _ => Bound(found).visit_pat_mut(&mut pattern.clone()),
    }
}

struct Bound<'a>(&'a mut dyn FnMut(&syn::PatIdent));

impl Bound<'_> {
    fn binding(&mut self, pattern: &syn::PatIdent) {
        // `None` and `MAX` are constants by convention; a parser cannot know.
        let is_constant = pattern.ident.to_string().starts_with(char::is_uppercase)
            && pattern.by_ref.is_none()
            && pattern.mutability.is_none()
            && pattern.subpat.is_none();
        if !is_constant {
            (self.0)(pattern);
        }
    }
}

impl VisitMut for Bound<'_> {
    fn visit_pat_ident_mut(&mut self, pattern: &mut syn::PatIdent) {
        self.binding(pattern);
        visit_mut::visit_pat_ident_mut(self, pattern);
    }

    fn visit_expr_mut(&mut self, _: &mut Expr) {}
}

/// The name among `known` that was probably meant.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate));
    let (distance, best) = scored.min_by_key(|(distance, _)| *distance)?;
    (distance <= 1 + name.len() / 4).then_some(best)
}

/// Number of letters to insert, drop, change or swap with the next.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(from != to))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && from == &b[j - 1] && &a[i - 1] == to {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
