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
        .map_err(|error| incomplete(&begin).unwrap_or(error))?;
    precedence::parenthesize_groups(&mut expr);
    Ok(expr)
}

fn is_punct(token: &TokenTree, punct: char) -> bool {
    matches!(token, TokenTree::Punct(token) if token.as_char() == punct)
}

/// Returns the error for an expression that ends in a dot or an operator, at its last operand.
fn incomplete(input: ParseStream<'_>) -> Option<syn::Error> {
    let tokens = input.parse::<TokenStream>().ok()?;
    let tokens: Vec<TokenTree> = tokens
        .into_iter()
        .take_while(|token| !is_punct(token, ','))
        .collect();
    let last = tokens
        .last()
        .filter(|token| matches!(token, TokenTree::Punct(_)))?;
    let operand = tokens
        .iter()
        .rfind(|token| !matches!(token, TokenTree::Punct(_)))?;
    Some(syn::Error::new(
        operand.span(),
        format!("expected something after `{operand}{last}`"),
    ))
}
