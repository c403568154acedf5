//! The function that is annotated: what stands around its body, and the body as raw tokens.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, FnArg, Result, ReturnType, Signature, Type, Visibility};

use crate::names::bound_by;

/// A function.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    vis: Visibility,
    defaultness: Option<syn::Token![default]>,
    pub(crate) sig: Signature,
    /// `#![…]` at the head of the body.
    inner_attrs: Vec<Attribute>,
    /// The braces and what stands in them, without inner attributes.
    pub(crate) body: Group,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let defaultness = input.parse()?;
        let sig: Signature = input.parse().map_err(|error| no_function(&error))?;
        let TokenTree::Group(braces) = input.parse()? else {
            return Err(syn::Error::new(
                sig.fn_token.span,
                "a function without a body records nothing: annotate the functions that implement it",
            ));
        };
        let (inner_attrs, tokens) = syn::parse::Parser::parse2(inner, braces.stream())?;
        let mut body = Group::new(braces.delimiter(), tokens);
        body.set_span(braces.span());
        Ok(Self { attrs, vis, defaultness, sig, inner_attrs, body })
    }
}

fn inner(input: ParseStream<'_>) -> Result<(Vec<Attribute>, TokenStream)> {
    Ok((input.call(Attribute::parse_inner)?, input.parse()?))
}

fn no_function(error: &syn::Error) -> syn::Error {
    syn::Error::new(
        error.span(),
        "mengpaneel's attributes stand on functions: handlers, guards, methods, and what these call",
    )
}

impl Function {
    /// Refuses functions in which nothing can be recorded.
    pub(crate) fn refuse(&self) -> Result<()> {
        let sig = &self.sig;
        if let Some(token) = &sig.constness {
            return Err(syn::Error::new(
                token.span(),
                "a `const fn` runs where there is no request: annotate the function that calls it",
            ));
        }
        if let Some(token) = self.unsafety() {
            return Err(syn::Error::new(
                token,
                "an `unsafe fn` keeps its body to itself: annotate the safe function that calls it",
            ));
        }
        if let Some(abi) = &sig.abi {
            return Err(syn::Error::new(
                abi.span(),
                "an `extern fn` is called from outside of any request: annotate a function of Rust's own that it calls",
            ));
        }
        match &sig.output {
            ReturnType::Type(_, output) if sig.asyncness.is_none() && is_future(output) => Err(syn::Error::new(
                output.span(),
                "it ends before its future does, so how that ends cannot be told: make it an `async fn`",
            )),
            _ => Ok(()),
        }
    }

    fn unsafety(&self) -> Option<Span> {
        let token = self.sig.to_token_stream().into_iter().take_while(|token| token.to_string() != "fn");
        token.into_iter().find(|token| token.to_string() == "unsafe").map(|token| token.span())
    }

    /// The names that its parameters bind.
    pub(crate) fn parameters(&self) -> std::collections::BTreeSet<String> {
        let mut names = std::collections::BTreeSet::from(["self".to_owned()]);
        for input in &self.sig.inputs {
            if let FnArg::Typed(typed) = input {
                bound_by(&typed.pat, &mut names);
            }
        }
        names
    }

    /// What it returns, as a local may be declared; `None` where that is nothing.
    pub(crate) fn returned(&self) -> Option<Type> {
        let ReturnType::Type(_, output) = &self.sig.output else { return None };
        let mut output = Type::clone(output);
        if matches!(&output, Type::Tuple(tuple) if tuple.elems.is_empty()) {
            return None;
        }
        InferImpl.visit_type_mut(&mut output);
        Some(output)
    }

    /// Whether it is declared never to return.
    pub(crate) fn never_returns(&self) -> bool {
        matches!(&self.sig.output, ReturnType::Type(_, output) if matches!(**output, Type::Never(_)))
    }

    /// `fn(&GuardContext) -> bool`.
    pub(crate) fn is_guard(&self) -> bool {
        let answers = matches!(&self.sig.output, ReturnType::Type(_, output) if last_name(output).is_some_and(|name| name == "bool"));
        answers && self.sig.asyncness.is_none() && self.has_parameter("GuardContext").is_some()
    }

    /// The name of the parameter of a type of this name.
    pub(crate) fn has_parameter(&self, of: &str) -> Option<&syn::Pat> {
        self.sig.inputs.iter().find_map(|input| match input {
            FnArg::Typed(typed) if last_name(&typed.ty).is_some_and(|name| name == of) => Some(&*typed.pat),
            _ => None,
        })
    }

    /// The function, with this in the place of its body.
    pub(crate) fn with_body(&self, body: &TokenStream) -> TokenStream {
        let Self { attrs, vis, defaultness, sig, inner_attrs, .. } = self;
        let mut braces = Group::new(proc_macro2::Delimiter::Brace, quote::quote!(#(#inner_attrs)* #body));
        braces.set_span(self.body.span());
        quote::quote!(#(#attrs)* #vis #defaultness #sig #braces)
    }

    /// The function as it was, less the attributes that were taken from it.
    pub(crate) fn untouched(&self) -> TokenStream {
        self.with_body(&self.body.stream())
    }
}

/// The last name of a path, below references.
fn last_name(ty: &Type) -> Option<&syn::Ident> {
    match ty {
        Type::Reference(reference) => last_name(&reference.elem),
        Type::Path(path) => path.path.segments.last().map(|segment| &segment.ident),
        Type::Group(group) => last_name(&group.elem),
        Type::Paren(paren) => last_name(&paren.elem),
        _ => None,
    }
}

/// `impl Future`, or a boxed one.
fn is_future(ty: &Type) -> bool {
    match ty {
        Type::ImplTrait(ty) => ty.bounds.iter().any(is_future_bound),
        Type::TraitObject(ty) => ty.bounds.iter().any(is_future_bound),
        Type::Path(path) => path.path.segments.last().is_some_and(|last| {
            let boxes = ["Pin", "Box"].iter().any(|name| last.ident == name);
            let named = ["BoxFuture", "LocalBoxFuture"].iter().any(|name| last.ident == name);
            named || (boxes && inner_types(last).any(is_future))
        }),
        _ => false,
    }
}

fn inner_types(segment: &syn::PathSegment) -> impl Iterator<Item = &Type> {
    let arguments = match &segment.arguments {
        syn::PathArguments::AngleBracketed(arguments) => Some(arguments.args.iter()),
        _ => None,
    };
    arguments.into_iter().flatten().filter_map(|argument| match argument {
        syn::GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

fn is_future_bound(bound: &syn::TypeParamBound) -> bool {
    matches!(bound, syn::TypeParamBound::Trait(bound) if bound.path.segments.last().is_some_and(|last| last.ident == "Future"))
}

/// Leaves to inference what only a signature may say: `impl Trait`.
struct InferImpl;

impl VisitMut for InferImpl {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        if matches!(ty, Type::ImplTrait(_)) {
            *ty = syn::parse_quote!(_);
        } else {
            visit_mut::visit_type_mut(self, ty);
        }
    }
}
