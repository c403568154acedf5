//! Annotated function: its signature and attributes, and its body as raw tokens.

mod output;

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, Result, Signature, Type, Visibility, token};

use crate::idents::{TokenScan, for_each_binding, unraw_name};
use crate::precedence;

pub(crate) use output::Output;

/// Annotated function.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    vis: Visibility,
    defaultness: Option<syn::Token![default]>,
    pub(crate) sig: Signature,
    /// `#![…]` at the start of the body.
    inner_attrs: Vec<Attribute>,
    /// Braces of the body and the tokens in them, without inner attributes.
    pub(crate) body: Group,
    /// Names in the body.
    pub(crate) scan: TokenScan,
    /// Position of the braces, by which lints recognise code of the user.
    pub(crate) braces: Span,
    /// Position of the closing brace.
    pub(crate) end: Span,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let defaultness = input.parse()?;
        let sig: Signature = input.parse().map_err(|error| not_a_function(&error))?;
        if !input.peek(token::Brace) {
            return Err(syn::Error::new(
                sig.fn_token.span,
                "a function without a body records nothing: annotate the functions that implement it",
            ));
        }
        let content;
        let braces = syn::braced!(content in input).span;
        let inner_attrs = content.call(Attribute::parse_inner)?;
        let scan = TokenScan::from_cursor(content.cursor());
        let tokens: TokenStream = content.parse()?;
        let tokens = if scan.has_fragment {
            precedence::parenthesize_groups_in(tokens)
        } else {
            tokens
        };
        let mut body = Group::new(Delimiter::Brace, tokens);
        // rustc would call the inner braces unused if they had the position of the user's.
        body.set_span(Span::mixed_site().located_at(braces.join()));
        Ok(Self {
            attrs,
            vis,
            defaultness,
            sig,
            inner_attrs,
            body,
            scan,
            braces: braces.join(),
            end: braces.close(),
        })
    }
}

fn not_a_function(error: &syn::Error) -> syn::Error {
    syn::Error::new(
        error.span(),
        "mengpaneel's attributes belong on functions: handlers, guards, methods, and the functions that these call",
    )
}

impl Function {
    /// Rejects functions in which nothing can be recorded.
    pub(crate) fn check(&self) -> Result<()> {
        let sig = &self.sig;
        if let Some(token) = &sig.constness {
            return Err(syn::Error::new(
                token.span(),
                "a `const fn` may run without a request: annotate the function that calls it",
            ));
        }
        if let Some(token) = self.unsafety() {
            return Err(syn::Error::new(
                token,
                "the body of an `unsafe fn` would move into a closure, which is not unsafe: annotate the safe function that \
                 calls it",
            ));
        }
        if let Some(abi) = &sig.abi {
            return Err(syn::Error::new(
                abi.span(),
                "an `extern fn` is called from outside of any request: annotate a Rust function that it calls",
            ));
        }
        if let Some(attr) = self
            .attrs
            .iter()
            .find(|attr| attr.path().is_ident("track_caller"))
        {
            return Err(syn::Error::new(
                attr.path().span(),
                "the body would move into a closure, where `Location::caller()` is this function, not its caller: record \
                 by hand, with `mengpaneel::track(…)`, or annotate a function that this one calls",
            ));
        }
        Ok(())
    }

    fn unsafety(&self) -> Option<Span> {
        let token = self
            .sig
            .to_token_stream()
            .into_iter()
            .take_while(|token| token.to_string() != "fn");
        token
            .into_iter()
            .find(|token| token.to_string() == "unsafe")
            .map(|token| token.span())
    }

    /// Returns the identifiers that the parameters bind, in order, without `self`, each with the
    /// attributes of its parameter.
    pub(crate) fn parameter_idents(&self) -> Vec<(Ident, &[Attribute])> {
        let mut idents = Vec::new();
        for input in &self.sig.inputs {
            if let FnArg::Typed(typed) = input {
                for_each_binding(&typed.pat, &mut |binding| {
                    idents.push((binding.ident.clone(), &*typed.attrs));
                });
            }
        }
        idents
    }

    /// Returns the names that the parameters bind, `self` included.
    pub(crate) fn parameter_names(&self) -> BTreeSet<String> {
        let idents = self.parameter_idents();
        idents
            .iter()
            .map(|(ident, _)| unraw_name(ident))
            .chain(std::iter::once("self".to_owned()))
            .collect()
    }

    /// Returns a statement for a closure or async block that fixes the order in which the
    /// parameters are dropped.
    ///
    /// A function drops its parameters from the last to the first; a closure drops them in the
    /// order in which it captured them. The statement therefore mentions the last one first.
    /// Parameters that the body does not mention are left out, so that the compiler can still call
    /// them unused.
    pub(crate) fn drop_order(&self) -> Option<TokenStream> {
        let typed = self.sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(typed) if is_unconditional(typed) && may_drop(&typed.ty) => {
                Some(&typed.pat)
            }
            _ => None,
        });
        let mut idents = Vec::new();
        typed.for_each(|pattern| {
            for_each_binding(pattern, &mut |binding| idents.push(binding.ident.clone()));
        });
        if idents.len() < 2 {
            return None;
        }
        idents.retain(|ident| self.scan.mentions(&unraw_name(ident)));
        let idents = idents.iter().rev();
        (idents.len() > 1)
            .then(|| quote::quote_spanned!(Span::mixed_site()=> let _ = (#(&#idents),*);))
    }

    /// Returns the names of the generic parameters.
    pub(crate) fn generics(&self) -> BTreeSet<String> {
        let generics = self.sig.generics.params.iter();
        generics
            .filter_map(|param| match param {
                syn::GenericParam::Type(param) => Some(unraw_name(&param.ident)),
                syn::GenericParam::Const(param) => Some(unraw_name(&param.ident)),
                syn::GenericParam::Lifetime(_) => None,
            })
            .collect()
    }

    /// Returns the return type.
    pub(crate) fn output(&self) -> Output {
        Output::new(&self.sig.output, &self.generics())
    }

    /// Returns whether the function is a guard: `fn(&GuardContext) -> bool`.
    pub(crate) fn is_guard(&self) -> bool {
        let takes_context = self.sig.inputs.iter().any(|input| match input {
            FnArg::Typed(typed) => last_name(&typed.ty).is_some_and(|name| name == "GuardContext"),
            FnArg::Receiver(_) => false,
        });
        let returns_bool = matches!(&self.sig.output, syn::ReturnType::Type(_, output) if last_name(output).is_some_and(|name| name == "bool"));
        returns_bool && takes_context && self.sig.asyncness.is_none()
    }

    /// Returns the function with another body.
    pub(crate) fn with_body(&self, body: &TokenStream) -> TokenStream {
        let Self {
            attrs,
            vis,
            defaultness,
            sig,
            inner_attrs,
            braces,
            ..
        } = self;
        let mut group = Group::new(Delimiter::Brace, quote::quote!(#(#inner_attrs)* #body));
        group.set_span(*braces);
        quote::quote!(#(#attrs)* #vis #defaultness #sig #group)
    }

    /// Returns the function without the attributes that were removed from it.
    pub(crate) fn untouched(&self) -> TokenStream {
        self.with_body(&self.body.stream())
    }
}

/// Returns whether a parameter exists under any `cfg`.
fn is_unconditional(parameter: &syn::PatType) -> bool {
    parameter
        .attrs
        .iter()
        .all(|attr| !attr.path().is_ident("cfg"))
}

/// Types without a destructor, besides references.
const PRIMITIVES: [&str; 16] = [
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32",
    "u64", "u128", "usize",
];

/// Returns whether a value of this type may have a destructor.
fn may_drop(ty: &Type) -> bool {
    match ty {
        Type::Reference(_) => false,
        Type::Path(path) => !path
            .path
            .get_ident()
            .is_some_and(|ident| PRIMITIVES.iter().any(|primitive| ident == primitive)),
        _ => true,
    }
}

/// Returns the last name of a path, without references around it.
fn last_name(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Reference(reference) => last_name(&reference.elem),
        Type::Path(path) => path.path.segments.last().map(|segment| &segment.ident),
        Type::Group(group) => last_name(&group.elem),
        Type::Paren(paren) => last_name(&paren.elem),
        _ => None,
    }
}
