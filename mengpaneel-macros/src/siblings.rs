//! The attributes of ours that stand on one function, which are expanded together.
//!
//! A macro cannot know what a path names. `#[mengpaneel::setup]` is ours; `#[setup]` and
//! `#[app::setup]` may be another crate's. The attributes above such a one therefore wait below it,
//! in `__private::attributes`: if it is ours, it finds them there; if not, it does its own work and
//! leaves them.

use proc_macro2::{Group, Ident, Span, TokenStream};
use quote::quote;
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Attribute, Meta, Result};

use crate::args::Mode;
use crate::root;

/// The name of the attribute in which others wait.
const WAITING: &str = "attributes";

/// An attribute of ours.
pub(crate) struct Sibling {
    pub(crate) mode: Mode,
    pub(crate) args: TokenStream,
    /// Where it stands.
    pub(crate) at: Span,
}

impl Sibling {
    fn waiting(&self) -> TokenStream {
        let (name, args) = (Ident::new(self.mode.name(), self.at), &self.args);
        quote!(#name(#args))
    }
}

/// Reads the arguments of `__private::attributes`.
pub(crate) fn waiting(args: TokenStream) -> Result<Vec<Sibling>> {
    let parser = |input: ParseStream<'_>| {
        let mut siblings = Vec::new();
        while !input.is_empty() {
            let (name, args): (Ident, Group) = (input.parse()?, input.parse()?);
            let mode = Mode::named(&name)
                .ok_or_else(|| syn::Error::new(name.span(), "no attribute of mengpaneel"))?;
            siblings.push(Sibling {
                mode,
                args: args.stream(),
                at: name.span(),
            });
            input.parse::<Option<syn::Token![,]>>()?;
        }
        Ok(siblings)
    };
    parser.parse2(args)
}

/// Takes the attributes that are ours for sure out of `attrs` and adds them to `ours`, up to the
/// first that may be ours. Puts all of `ours` below that one, to wait there, and returns `true`.
pub(crate) fn take_or_wait(attrs: &mut Vec<Attribute>, ours: &mut Vec<Sibling>) -> bool {
    let waited = take(attrs, |attr| {
        (kind(attr) == Kind::Waiting).then(|| waiting(args(attr)).unwrap_or_default())
    });
    ours.splice(0..0, waited);
    let sure = |attr: &Attribute| match kind(attr) {
        Kind::Sure(mode) => Some(vec![Sibling {
            mode,
            args: args(attr),
            at: attr.path().span(),
        }]),
        _ => None,
    };
    let Some(first) = attrs.iter().position(|attr| kind(attr) == Kind::Perhaps) else {
        ours.extend(take(attrs, sure));
        return false;
    };
    let below = attrs.split_off(first + 1);
    ours.extend(take(attrs, sure));
    let (path, name) = (root::path(None), Ident::new(WAITING, Span::mixed_site()));
    let waiting = ours.iter().map(Sibling::waiting);
    attrs.push(syn::parse_quote!(#[#path::__private::#name(#(#waiting),*)]));
    attrs.extend(below);
    true
}

/// Takes those attributes out that `read` reads.
fn take(
    attrs: &mut Vec<Attribute>,
    read: impl Fn(&Attribute) -> Option<Vec<Sibling>>,
) -> Vec<Sibling> {
    let mut taken = Vec::new();
    attrs.retain(|attr| match read(attr) {
        Some(read) => {
            taken.extend(read);
            false
        }
        None => true,
    });
    taken
}

#[derive(PartialEq, Eq)]
enum Kind {
    Sure(Mode),
    Perhaps,
    Waiting,
    Other,
}

fn kind(attr: &Attribute) -> Kind {
    let path = attr.path();
    let Some(last) = path.segments.last() else {
        return Kind::Other;
    };
    let before = path
        .segments
        .iter()
        .rev()
        .nth(1)
        .map(|segment| segment.ident.to_string());
    if last.ident == WAITING && before.as_deref() == Some("__private") {
        return Kind::Waiting;
    }
    let Some(mode) = Mode::named(&last.ident) else {
        return Kind::Other;
    };
    match (before, &attr.meta) {
        (_, Meta::NameValue(_)) => Kind::Other,
        (Some(before), _) if before == "mengpaneel" => Kind::Sure(mode),
        _ => Kind::Perhaps,
    }
}

fn args(attr: &Attribute) -> TokenStream {
    match &attr.meta {
        Meta::List(meta) => meta.tokens.clone(),
        Meta::Path(_) | Meta::NameValue(_) => TokenStream::new(),
    }
}
