//! Precedence that `macro_rules!` gives its fragments: `$n * 2` is 8 where `$n` is `2 + 2`.
//!
//! A fragment is an invisible group, which the compiler drops from the output of an attribute.
//! Parentheses replace these groups.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, token};

/// Replaces the invisible groups in an expression by parentheses.
pub(crate) fn parenthesize_groups(expr: &mut Expr) {
    Parenthesize.visit_expr_mut(expr);
}

/// Replaces the invisible groups in tokens of any kind by parentheses, if a group is an expression
/// with operators.
pub(crate) fn parenthesize_groups_in(tokens: TokenStream) -> TokenStream {
    if has_invisible_group(tokens.clone()) {
        parenthesize(tokens)
    } else {
        tokens
    }
}

/// Visitor that replaces invisible groups.
struct Parenthesize;

impl VisitMut for Parenthesize {
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
        mac.tokens = parenthesize_groups_in(mac.tokens.clone());
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

/// Returns whether an expression binds as tightly as a name, or is not a complete expression.
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

fn has_invisible_group(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => {
            group.delimiter() == Delimiter::None || has_invisible_group(group.stream())
        }
        _ => false,
    })
}

/// Replaces the invisible groups that are not atoms.
fn parenthesize(tokens: TokenStream) -> TokenStream {
    let replace = |token| match token {
        TokenTree::Group(group) => {
            let inner = parenthesize(group.stream());
            let is_invisible = group.delimiter() == Delimiter::None;
            let needs_parentheses =
                is_invisible && syn::parse2(inner.clone()).is_ok_and(|expr| !is_atom(&expr));
            let delimiter = if needs_parentheses {
                Delimiter::Parenthesis
            } else {
                group.delimiter()
            };
            let mut replaced = Group::new(delimiter, inner);
            replaced.set_span(if needs_parentheses {
                Span::mixed_site().located_at(group.span())
            } else {
                group.span()
            });
            TokenTree::Group(replaced)
        }
        token => token,
    };
    tokens.into_iter().map(replace).collect()
}
