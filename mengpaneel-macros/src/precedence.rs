//! The precedence that `macro_rules!` gives its fragments: `$n * 2` is 8 where `$n` is `2 + 2`.
//!
//! A fragment stands in an invisible group, which the compiler drops in what an attribute returns.
//! Parentheses take its place.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, token};

/// Puts parentheses in the place of invisible groups in an expression.
pub(crate) fn keep(expr: &mut Expr) {
    Grouped.visit_expr_mut(expr);
}

/// The same in tokens of any kind: around what is an expression with operators in it.
pub(crate) fn keep_in(tokens: TokenStream) -> TokenStream {
    if has_invisible(tokens.clone()) {
        regrouped(tokens)
    } else {
        tokens
    }
}

struct Grouped;

impl VisitMut for Grouped {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        while let Expr::Group(group) = expr {
            let inner = std::mem::replace(&mut *group.expr, Expr::PLACEHOLDER);
            *expr = if is_atom(&inner) {
                inner
            } else {
                parenthesized(inner)
            };
        }
        visit_mut::visit_expr_mut(self, expr);
    }

    fn visit_macro_mut(&mut self, mac: &mut syn::Macro) {
        mac.tokens = keep_in(mac.tokens.clone());
    }
}

fn parenthesized(expr: Expr) -> Expr {
    let paren_token = token::Paren(Span::mixed_site());
    Expr::Paren(syn::ExprParen {
        attrs: vec![],
        paren_token,
        expr: Box::new(expr),
    })
}

/// Returns whether an expression binds as closely as a name, or is no expression of its own.
fn is_atom(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Array(_)
            | Expr::Block(_)
            | Expr::Call(_)
            | Expr::Field(_)
            | Expr::Group(_)
            | Expr::Index(_)
            | Expr::Let(_)
            | Expr::Lit(_)
            | Expr::Macro(_)
            | Expr::MethodCall(_)
            | Expr::Paren(_)
            | Expr::Path(_)
            | Expr::Repeat(_)
            | Expr::Tuple(_)
            | Expr::Unsafe(_)
            | Expr::Verbatim(_)
    )
}

fn has_invisible(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => {
            group.delimiter() == Delimiter::None || has_invisible(group.stream())
        }
        _ => false,
    })
}

fn regrouped(tokens: TokenStream) -> TokenStream {
    let regroup = |token| match token {
        TokenTree::Group(group) => {
            let inner = regrouped(group.stream());
            let is_invisible = group.delimiter() == Delimiter::None;
            let needs =
                is_invisible && syn::parse2(inner.clone()).is_ok_and(|expr| !is_atom(&expr));
            let delimiter = if needs {
                Delimiter::Parenthesis
            } else {
                group.delimiter()
            };
            let mut regrouped = Group::new(delimiter, inner);
            regrouped.set_span(if needs {
                Span::mixed_site().located_at(group.span())
            } else {
                group.span()
            });
            TokenTree::Group(regrouped)
        }
        token => token,
    };
    tokens.into_iter().map(regroup).collect()
}
