//! Expressions in an attribute.

use proc_macro2::{TokenStream, TokenTree};
use syn::parse::ParseStream;
use syn::{Expr, Result};

use crate::precedence;

/// Parses an expression.
pub(super) fn parse(input: ParseStream<'_>) -> Result<Expr> {
    let begin = input.fork();
    let mut expr: Expr = input
        .parse()
        .map_err(|error| half_typed(&begin).unwrap_or(error))?;
    precedence::keep(&mut expr);
    Ok(expr)
}

fn is(token: &TokenTree, punct: char) -> bool {
    matches!(token, TokenTree::Punct(token) if token.as_char() == punct)
}

/// The error at an expression that ends in a dot or an operator, at its last operand.
fn half_typed(input: ParseStream<'_>) -> Option<syn::Error> {
    let tokens = input.parse::<TokenStream>().ok()?;
    let piece: Vec<TokenTree> = tokens
        .into_iter()
        .take_while(|token| !is(token, ','))
        .collect();
    let last = piece
        .last()
        .filter(|token| matches!(token, TokenTree::Punct(_)))?;
    let operand = piece
        .iter()
        .rfind(|token| !matches!(token, TokenTree::Punct(_)))?;
    Some(syn::Error::new(
        operand.span(),
        format!("expected something after `{operand}{last}`"),
    ))
}
