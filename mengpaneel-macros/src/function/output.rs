//! The return type of a function, as far as a parser can tell; the rest is decided by type.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit_mut::{self, VisitMut};
use syn::{ReturnType, Type, TypeParamBound};

use super::Function;
use crate::names::text;

/// The return type of a function.
pub(crate) enum Output {
    /// `()`, written or not.
    Unit,
    /// `!`
    Never,
    /// A type that can be written in the body as well.
    Named(Type),
    /// `impl Fn(&str) -> &str`, whose bounds mean the same in a function of their own.
    Closure { ty: Type, bounds: TokenStream },
    /// A type with `impl Trait` in it, which stands as `_` here.
    Hidden {
        ty: Type,
        /// True if it is `impl Trait` itself, which another type can implement as well.
        is_opaque: bool,
    },
}

impl Function {
    /// Return type of the function.
    pub(crate) fn output(&self) -> Output {
        let ReturnType::Type(_, output) = &self.sig.output else {
            return Output::Unit;
        };
        let declared = ungrouped(output);
        match declared {
            Type::Tuple(tuple) if tuple.elems.is_empty() => return Output::Unit,
            Type::Never(_) => return Output::Never,
            _ => {}
        }
        let mut ty = Type::clone(output);
        let mut infer = InferImpl { found: false };
        infer.visit_type_mut(&mut ty);
        if !infer.found {
            return Output::Named(ty);
        }
        match closure_bounds(declared, &self.generics()) {
            Some(bounds) => Output::Closure { ty, bounds },
            None => Output::Hidden {
                ty,
                is_opaque: is_opaque(declared),
            },
        }
    }
}

/// The bounds of `impl Fn(&str) -> &str`, unless they name what only the signature knows.
fn closure_bounds(ty: &Type, generics: &BTreeSet<String>) -> Option<TokenStream> {
    let Type::ImplTrait(ty) = ty else { return None };
    let bounds: Vec<_> = ty
        .bounds
        .iter()
        .filter(|bound| is_function(bound))
        .collect();
    let bounds = quote::quote!(#(#bounds)+*);
    (!bounds.is_empty() && !needs_signature(bounds.clone(), generics)).then_some(bounds)
}

/// Returns whether there is a lifetime, a generic parameter, `Self` or another `impl` in these
/// tokens.
fn needs_signature(tokens: TokenStream, generics: &BTreeSet<String>) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => {
            ident == "Self" || ident == "impl" || generics.contains(&text(&ident))
        }
        TokenTree::Punct(punct) => punct.as_char() == '\'',
        TokenTree::Group(group) => needs_signature(group.stream(), generics),
        TokenTree::Literal(_) => false,
    })
}

fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungrouped(&group.elem),
        Type::Paren(paren) => ungrouped(&paren.elem),
        ty => ty,
    }
}

/// `impl Trait` where that is no closure, or in `Pin<Box<…>>`.
fn is_opaque(ty: &Type) -> bool {
    match ty {
        Type::ImplTrait(ty) => !ty.bounds.iter().any(is_function),
        Type::Path(path) => path.path.segments.last().is_some_and(|last| {
            (last.ident == "Pin" || last.ident == "Box")
                && matches!(&last.arguments, syn::PathArguments::AngleBracketed(arguments)
                    if arguments.args.iter().any(|argument| matches!(argument, syn::GenericArgument::Type(ty) if is_opaque(ty))))
        }),
        _ => false,
    }
}

/// `Fn(&str) -> &str`
fn is_function(bound: &TypeParamBound) -> bool {
    matches!(bound, TypeParamBound::Trait(bound)
        if bound.path.segments.last().is_some_and(|last| matches!(last.arguments, syn::PathArguments::Parenthesized(_))))
}

/// Leaves `impl Trait` to inference: only a signature may have it.
struct InferImpl {
    found: bool,
}

impl VisitMut for InferImpl {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        if matches!(ty, Type::ImplTrait(_)) {
            self.found = true;
            *ty = syn::parse_quote!(_);
        } else {
            visit_mut::visit_type_mut(self, ty);
        }
    }
}
