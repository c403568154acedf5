//! Names that a pattern binds.

use std::collections::BTreeSet;

use syn::visit_mut::{self, VisitMut};
use syn::{Expr, Pat};

use super::unraw::unraw_name;

/// Adds the names that a pattern binds.
pub(crate) fn collect_bound(pattern: &Pat, names: &mut BTreeSet<String>) {
    for_each_binding(pattern, &mut |binding| {
        names.insert(unraw_name(&binding.ident));
    });
}

/// Calls `on_binding` for each binding in a pattern.
pub(crate) fn for_each_binding(pattern: &Pat, on_binding: &mut dyn FnMut(&syn::PatIdent)) {
    match pattern {
        // Most patterns are a single name, which needs no clone of the pattern.
        Pat::Ident(binding) if binding.subpat.is_none() => BoundIdents(on_binding).report(binding),
        _ => BoundIdents(on_binding).visit_pat_mut(&mut pattern.clone()),
    }
}

/// Visitor that reports the bindings of a pattern.
struct BoundIdents<'a>(&'a mut dyn FnMut(&syn::PatIdent));

impl BoundIdents<'_> {
    fn report(&mut self, pattern: &syn::PatIdent) {
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

impl VisitMut for BoundIdents<'_> {
    fn visit_pat_ident_mut(&mut self, pattern: &mut syn::PatIdent) {
        self.report(pattern);
        visit_mut::visit_pat_ident_mut(self, pattern);
    }

    fn visit_expr_mut(&mut self, _: &mut Expr) {}
}
