//! Types of a signature, and how to write them in a body.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::Type;
use syn::visit_mut::{self, VisitMut};

/// Returns the number of references and lifetimes in the tokens of types.
pub(super) fn count_borrows(tokens: TokenStream) -> usize {
    let (mut count, mut last) = (0, ' ');
    for token in tokens {
        let punct = match token {
            TokenTree::Punct(punct) => punct.as_char(),
            TokenTree::Group(group) => {
                count += count_borrows(group.stream());
                ' '
            }
            TokenTree::Ident(_) | TokenTree::Literal(_) => ' ',
        };
        // The lifetime after `&` belongs to the same reference.
        count += usize::from(punct == '&' || (punct == '\'' && last != '&'));
        last = punct;
    }
    count
}

/// Visitor that writes `Box<dyn Trait>` as `Box<dyn Trait + 'static>`: the default in a signature,
/// but not in a body.
pub(super) struct StaticObjects;

impl VisitMut for StaticObjects {
    fn visit_path_segment_mut(&mut self, segment: &mut syn::PathSegment) {
        visit_mut::visit_path_segment_mut(self, segment);
        let syn::PathArguments::AngleBracketed(arguments) = &mut segment.arguments else {
            return;
        };
        if !["Box", "Rc", "Arc"]
            .iter()
            .any(|owner| segment.ident == owner)
        {
            return;
        }
        for argument in &mut arguments.args {
            if let syn::GenericArgument::Type(Type::TraitObject(object)) = argument {
                object.bounds.push(syn::parse_quote!('static));
            }
        }
    }
}

/// Visitor that replaces the lifetimes of a type by `'_`.
#[derive(Default)]
pub(super) struct Lifetimes {
    /// True if the type contains that of a function, where `'_` would have another meaning.
    pub(super) in_function: bool,
    /// True to replace the lifetimes, false to only look for types of functions.
    pub(super) replaces: bool,
}

impl VisitMut for Lifetimes {
    fn visit_lifetime_mut(&mut self, lifetime: &mut syn::Lifetime) {
        if self.replaces && lifetime.ident != "static" {
            lifetime.ident = Ident::new("_", Span::mixed_site().located_at(lifetime.span()));
        }
    }

    fn visit_type_fn_ptr_mut(&mut self, _: &mut syn::TypeFnPtr) {
        self.in_function = true;
    }

    fn visit_bound_lifetimes_mut(&mut self, _: &mut syn::BoundLifetimes) {
        self.in_function = true;
    }

    fn visit_parenthesized_generic_arguments_mut(
        &mut self,
        node: &mut syn::ParenthesizedGenericArguments,
    ) {
        self.in_function = true;
        visit_mut::visit_parenthesized_generic_arguments_mut(self, node);
    }
}
