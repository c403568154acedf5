//! A middleware under a bare `#[setup]`: what the rest of the chain records is not its setup.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::quote;
use syn::Pat;

use crate::function::Function;

/// The body with every `next.call(…)` inside of `frame.outside(…)`; `None` if there is none.
pub(super) fn exempt(function: &Function, body: &Group, frame: &Ident) -> Option<Group> {
    let Some(Pat::Ident(next)) = function.has_parameter("Next") else { return None };
    let mut found = false;
    let tokens = wrap(body.stream(), &next.ident, frame, &mut found);
    let mut wrapped = Group::new(body.delimiter(), tokens);
    wrapped.set_span(body.span());
    found.then_some(wrapped)
}

fn wrap(tokens: TokenStream, next: &Ident, frame: &Ident, found: &mut bool) -> TokenStream {
    let mut tokens = tokens.into_iter().peekable();
    let mut wrapped = TokenStream::new();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), wrap(group.stream(), next, frame, found));
                inner.set_span(group.span());
                wrapped.extend([TokenTree::Group(inner)]);
            }
            TokenTree::Ident(ident) if ident == *next => {
                // Not a mere mention of it: `next.call(…)`.
                let rest: Vec<_> = tokens.clone().take(3).collect();
                match rest.as_slice() {
                    [TokenTree::Punct(dot), TokenTree::Ident(call), TokenTree::Group(args)]
                        if dot.as_char() == '.' && call == "call" =>
                    {
                        *found = true;
                        tokens.nth(2);
                        wrapped.extend(quote!(#frame.outside(#ident #dot #call #args)));
                    }
                    _ => wrapped.extend([TokenTree::Ident(ident)]),
                }
            }
            other => wrapped.extend([other]),
        }
    }
    wrapped
}
