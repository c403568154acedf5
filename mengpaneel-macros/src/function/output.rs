//! Return type of a function, as far as a parser can know it. The compiler decides the rest by
//! type.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit_mut::{self, VisitMut};
use syn::{ReturnType, Type, TypeParamBound};

use crate::idents::unraw_name;

/// Return type of a function.
pub(crate) enum Output {
    /// `()`, whether written or not.
    Unit,
    /// `!`
    Never,
    /// Type that can be written in the body as well.
    Named(Type),
    /// `impl Fn(&str) -> &str`. The bounds mean the same in a separate function.
    Closure { ty: Type, bounds: TokenStream },
    /// Type that contains `impl Trait`, which `ty` replaces by `_`.
    Hidden {
        ty: Type,
        /// True if the type is `impl Trait` itself, which another type can implement as well.
        is_opaque: bool,
    },
}

impl Output {
    /// Reads the return type of a function that has these generic parameters.
    pub(super) fn new(output: &ReturnType, generics: &BTreeSet<String>) -> Self {
        let ReturnType::Type(_, output) = output else {
            return Self::Unit;
        };
        let declared = ungrouped(output);
        match declared {
            Type::Tuple(tuple) if tuple.elems.is_empty() => return Self::Unit,
            Type::Never(_) => return Self::Never,
            _ => {}
        }
        let mut ty = Type::clone(output);
        let mut infer = InferImpl { found: false };
        infer.visit_type_mut(&mut ty);
        if !infer.found {
            return Self::Named(ty);
        }
        match closure_bounds(declared, generics) {
            Some(bounds) => Self::Closure { ty, bounds },
            None => Self::Hidden {
                ty,
                is_opaque: is_opaque(declared),
            },
        }
    }
}

/// Returns the bounds of `impl Fn(&str) -> &str`, unless they mean something only in the signature.
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

/// Returns whether tokens contain a lifetime, a generic parameter, `Self` or another `impl`.
fn needs_signature(tokens: TokenStream, generics: &BTreeSet<String>) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => {
            ident == "Self" || ident == "impl" || generics.contains(&unraw_name(&ident))
        }
        TokenTree::Punct(punct) => punct.as_char() == '\'',
        TokenTree::Group(group) => needs_signature(group.stream(), generics),
        TokenTree::Literal(_) => false,
    })
}

/// Returns the type without parentheses and invisible groups around it.
fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungrouped(&group.elem),
        Type::Paren(paren) => ungrouped(&paren.elem),
        ty => ty,
    }
}

/// Returns whether a type is `impl Trait` other than a closure, or has one in `Pin<Box<…>>`.
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

/// Returns whether a bound is like `Fn(&str) -> &str`.
fn is_function(bound: &TypeParamBound) -> bool {
    matches!(bound, TypeParamBound::Trait(bound)
        if bound.path.segments.last().is_some_and(|last| matches!(last.arguments, syn::PathArguments::Parenthesized(_))))
}

/// Visitor that replaces `impl Trait` by `_`: only a signature may contain `impl Trait`.
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
