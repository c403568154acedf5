//! Pieces of syntax that the walk reads and writes.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::{Arm, Attribute, Expr, Pat, Stmt};

use crate::names::{bindings, bound_by, text};

/// The statement to insert beside a binding that is compiled under these attributes' conditions.
pub(super) fn statement(tokens: &TokenStream, attrs: &[Attribute]) -> Stmt {
    let conditions: Vec<_> = attrs
        .iter()
        .filter(|attr| attr.path().is_ident("cfg"))
        .collect();
    let tokens = if conditions.is_empty() {
        tokens.clone()
    } else {
        quote::quote!(#(#conditions)* { #tokens })
    };
    Stmt::Expr(Expr::Verbatim(tokens), None)
}

pub(super) fn insert_in_arm(arm: &mut Arm, stmt: Stmt) {
    match &mut *arm.body {
        Expr::Block(node) if node.attrs.is_empty() && node.label.is_none() => {
            node.block.stmts.insert(0, stmt)
        }
        body => *body = Expr::Verbatim(quote::quote!({ #stmt #body })),
    }
}

/// Returns whether a pattern is one that an attribute above wrote around the user's own block.
pub(super) fn is_generated(pattern: &Pat) -> bool {
    match pattern {
        Pat::Ident(pattern) => pattern.ident.to_string().starts_with("__"),
        Pat::Type(pattern) => is_generated(&pattern.pat),
        Pat::Tuple(pattern) => pattern.elems.is_empty(),
        _ => false,
    }
}

pub(super) fn names_in<'a>(patterns: impl IntoIterator<Item = &'a Pat>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for pattern in patterns {
        bound_by(pattern, &mut names);
    }
    names
}

pub(super) fn mentioned(
    tokens: TokenStream,
    named: &BTreeSet<String>,
    found: &mut BTreeSet<String>,
) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) if named.contains(&text(&ident)) => {
                found.insert(text(&ident));
            }
            TokenTree::Group(group) => mentioned(group.stream(), named, found),
            _ => {}
        }
    }
}

/// The names that a condition binds for its branch: the `let`s of its chain.
pub(super) fn bound_by_condition(condition: &Expr) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    collect(condition, &mut names);
    names
}

fn collect(condition: &Expr, names: &mut BTreeSet<String>) {
    match condition {
        Expr::Let(condition) => bindings(&condition.pat, &mut |binding| {
            names.insert(text(&binding.ident));
        }),
        Expr::Binary(chain) => {
            collect(&chain.left, names);
            collect(&chain.right, names);
        }
        Expr::Group(group) => collect(&group.expr, names),
        _ => {}
    }
}
