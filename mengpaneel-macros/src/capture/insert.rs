//! Insertion of capture statements at the capture points.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Expr, Stmt};

use super::group::{BodyContext, CaptureGroup};
use super::points::CapturePoints;
use super::scope::{Binding, BindingKind, Scope, binding_kind};
use super::visitor::{Pass, ScopeVisitor};
use crate::idents::unraw_name;

/// Inserts the statements of each group after every binding of one of its bound names that has the
/// others in scope.
///
/// `groups` are pairs of bound names and group. Returns the indices of the groups that were
/// inserted.
///
/// # Errors
/// If a name of a group could have two `bound_kinds` at an insertion.
pub(super) fn insert(
    stmts: &mut Vec<Stmt>,
    points: &CapturePoints,
    groups: &[(BTreeSet<String>, CaptureGroup)],
    context: &BodyContext<'_>,
) -> syn::Result<BTreeSet<usize>> {
    let names = groups.iter().flat_map(|(_, group)| group.names()).collect();
    let mut pass = InsertPass {
        points,
        groups,
        context,
        inserted: BTreeSet::new(),
        insertions: 0,
        error: None,
    };
    ScopeVisitor::new(&mut pass, &names, context.returns_future).visit_stmts(stmts, 0);
    pass.error.map_or(Ok(pass.inserted), Err)
}

/// Second pass: inserts the statements.
struct InsertPass<'a> {
    points: &'a CapturePoints,
    groups: &'a [(BTreeSet<String>, CaptureGroup)],
    context: &'a BodyContext<'a>,
    /// Indices of the groups that were inserted.
    inserted: BTreeSet<usize>,
    /// Number of insertions so far.
    insertions: usize,
    error: Option<syn::Error>,
}

impl InsertPass<'_> {
    /// Rejects a name of the group that another binding shadows at an insertion.
    fn check_shadowing(
        &mut self,
        group: &CaptureGroup,
        bound: &BTreeSet<String>,
        scopes: &[Scope],
        bound_kinds: &Scope,
    ) {
        let is_shadowed = |name: &str| {
            let innermost = bound_kinds.get(name).copied();
            innermost.or_else(|| binding_kind(scopes, name)) == Some(BindingKind::Other)
        };
        let shadowed = group.used.free.iter().find(|used| {
            let name = unraw_name(&used.ident);
            !bound.contains(&name) && !used.is_called && is_shadowed(&name)
        });
        if let (Some(used), None) = (shadowed, &self.error) {
            let name = unraw_name(&used.ident);
            let message = format!(
                "`{name}` is bound again where the other names of this value are bound, so it could be either of the two: \
                 rename one of them"
            );
            self.error = Some(syn::Error::new(used.ident.span(), message));
        }
    }
}

impl Pass for InsertPass<'_> {
    fn bind(&mut self, binding: &Binding<'_>) -> (Scope, Option<TokenStream>) {
        let mut bound_kinds = Scope::new();
        for name in binding.names {
            let kind = if self.points.contains(name, binding.index) {
                BindingKind::CapturePoint(binding.index)
            } else {
                BindingKind::Other
            };
            bound_kinds.insert(name.clone(), kind);
        }
        let is_bound_here =
            |name: &String| matches!(bound_kinds.get(name), Some(BindingKind::CapturePoint(_)));
        let in_scope = |name: &String| match bound_kinds.get(name) {
            Some(kind) => *kind != BindingKind::Other,
            None => matches!(
                binding_kind(binding.scopes, name),
                Some(BindingKind::CapturePoint(_))
            ),
        };
        let mut statements = Vec::new();
        for (index, (bound, group)) in self.groups.iter().enumerate() {
            if bound.iter().any(is_bound_here) && bound.iter().all(in_scope) {
                self.check_shadowing(group, bound, binding.scopes, &bound_kinds);
                self.inserted.insert(index);
                statements.push(&group.statements);
            }
        }
        let insertion = (!statements.is_empty()).then(|| (self.context.wrap)(&statements));
        self.insertions += usize::from(insertion.is_some());
        (bound_kinds, insertion)
    }

    fn insert_own_handle(&mut self, expr: &mut Expr, before: usize) {
        if self.insertions > before {
            let handle = self.context.handle;
            *expr = Expr::Verbatim(quote!({
                let #handle = #handle.share();
                #expr
            }));
        }
    }

    fn insertions(&self) -> usize {
        self.insertions
    }
}
