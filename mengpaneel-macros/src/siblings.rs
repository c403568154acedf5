//! Attributes of this crate on one function, which are expanded together.
//!
//! A macro cannot resolve a path. `#[mengpaneel::setup]` belongs to this crate; `#[setup]` and
//! `#[app::setup]` may be another crate's. Attributes above an ambiguous one are therefore
//! deferred: they move below it, into `__private::attributes`. If the ambiguous attribute belongs
//! to this crate, it collects them from there; if not, it expands by itself and leaves them in
//! place.

use proc_macro2::{Group, Ident, Span, TokenStream};
use quote::quote;
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Attribute, Meta, Result};

use crate::args::Mode;
use crate::root;

/// Name of the attribute that holds the deferred ones.
const DEFERRED: &str = "attributes";

/// Attribute of this crate.
pub(crate) struct Sibling {
    pub(crate) mode: Mode,
    pub(crate) args: TokenStream,
    /// Position of the attribute.
    pub(crate) span: Span,
}

impl Sibling {
    fn to_deferred(&self) -> TokenStream {
        let (name, args) = (Ident::new(self.mode.name(), self.span), &self.args);
        quote!(#name(#args))
    }
}

/// Parses the arguments of `__private::attributes`.
pub(crate) fn parse_deferred(args: TokenStream) -> Result<Vec<Sibling>> {
    let parser = |input: ParseStream<'_>| {
        let mut siblings = Vec::new();
        while !input.is_empty() {
            let (name, args): (Ident, Group) = (input.parse()?, input.parse()?);
            let mode = Mode::from_name(&name)
                .ok_or_else(|| syn::Error::new(name.span(), "not an attribute of mengpaneel"))?;
            siblings.push(Sibling {
                mode,
                args: args.stream(),
                span: name.span(),
            });
            input.parse::<Option<syn::Token![,]>>()?;
        }
        Ok(siblings)
    };
    parser.parse2(args)
}

/// Moves the attributes that belong to this crate from `attrs` to `siblings`, up to the first
/// ambiguous one.
///
/// If there is an ambiguous one, moves all of `siblings` below it, to defer them, and returns
/// `true`.
pub(crate) fn collect_or_defer(attrs: &mut Vec<Attribute>, siblings: &mut Vec<Sibling>) -> bool {
    let deferred = extract(attrs, |attr| {
        (origin(attr) == Origin::Deferred).then(|| parse_deferred(args(attr)).unwrap_or_default())
    });
    siblings.splice(0..0, deferred);
    let own = |attr: &Attribute| match origin(attr) {
        Origin::Own(mode) => Some(vec![Sibling {
            mode,
            args: args(attr),
            span: attr.path().span(),
        }]),
        _ => None,
    };
    let ambiguous = attrs
        .iter()
        .position(|attr| origin(attr) == Origin::Ambiguous);
    let Some(ambiguous) = ambiguous else {
        siblings.extend(extract(attrs, own));
        return false;
    };
    let below = attrs.split_off(ambiguous + 1);
    siblings.extend(extract(attrs, own));
    let (path, name) = (root::path(None), Ident::new(DEFERRED, Span::mixed_site()));
    let deferred = siblings.iter().map(Sibling::to_deferred);
    attrs.push(syn::parse_quote!(#[#path::__private::#name(#(#deferred),*)]));
    attrs.extend(below);
    true
}

/// Removes the attributes that `parse` accepts, and returns them parsed.
fn extract(
    attrs: &mut Vec<Attribute>,
    parse: impl Fn(&Attribute) -> Option<Vec<Sibling>>,
) -> Vec<Sibling> {
    let mut extracted = Vec::new();
    attrs.retain(|attr| match parse(attr) {
        Some(parsed) => {
            extracted.extend(parsed);
            false
        }
        None => true,
    });
    extracted
}

/// Crate that an attribute belongs to, judged by its path.
#[derive(PartialEq, Eq)]
enum Origin {
    /// This crate.
    Own(Mode),
    /// This crate or another one.
    Ambiguous,
    /// This crate: the attribute that holds deferred ones.
    Deferred,
    /// Another crate.
    Foreign,
}

fn origin(attr: &Attribute) -> Origin {
    let path = attr.path();
    let Some(last) = path.segments.last() else {
        return Origin::Foreign;
    };
    let parent = path
        .segments
        .iter()
        .rev()
        .nth(1)
        .map(|segment| segment.ident.to_string());
    if last.ident == DEFERRED && parent.as_deref() == Some("__private") {
        return Origin::Deferred;
    }
    let Some(mode) = Mode::from_name(&last.ident) else {
        return Origin::Foreign;
    };
    match (parent, &attr.meta) {
        (_, Meta::NameValue(_)) => Origin::Foreign,
        (Some(parent), _) if parent == "mengpaneel" => Origin::Own(mode),
        _ => Origin::Ambiguous,
    }
}

fn args(attr: &Attribute) -> TokenStream {
    match &attr.meta {
        Meta::List(meta) => meta.tokens.clone(),
        Meta::Path(_) | Meta::NameValue(_) => TokenStream::new(),
    }
}
