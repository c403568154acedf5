//! What stands beside an attribute of ours: others of them, and Actix's route attributes.

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::{Attribute, Meta, Path};

use crate::args::Mode;
use crate::root;

/// The route attributes of Actix.
const METHODS: [&str; 9] = ["get", "post", "put", "delete", "patch", "head", "options", "trace", "connect"];

/// Whether one of Actix's route attributes stands among these.
pub(crate) fn stands_beside(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| is_route(attr.path()))
}

fn is_route(path: &Path) -> bool {
    let Some(last) = path.segments.last() else { return false };
    let named = METHODS.iter().any(|method| last.ident == method) || last.ident == "route" || last.ident == "routes";
    let of_actix = path.segments.len() == 1 || path.segments.iter().any(|segment| segment.ident == "actix_web");
    named && of_actix
}

/// An attribute of ours that stands below another.
pub(crate) struct Sibling {
    pub(crate) mode: Mode,
    pub(crate) args: TokenStream,
    pub(crate) path: Path,
}

/// Takes our own attributes out of these, in order.
pub(crate) fn take_ours(attrs: &mut Vec<Attribute>) -> Vec<Sibling> {
    let mut ours = Vec::new();
    attrs.retain(|attr| match ours_of(attr) {
        Some(found) => {
            ours.push(found);
            false
        }
        None => true,
    });
    ours
}

/// Ours is `track`, `mengpaneel::track`, and the same under the name that the crate has here.
fn ours_of(attr: &Attribute) -> Option<Sibling> {
    let path = attr.path();
    let last = path.segments.last()?;
    let mode = Mode::named(&last.ident)?;
    let before = path.segments.iter().rev().nth(1);
    if before.is_some_and(|crate_name| crate_name.ident != "mengpaneel" && crate_name.ident != root::renamed()) {
        return None;
    }
    let args = match &attr.meta {
        Meta::Path(_) => TokenStream::new(),
        Meta::List(meta) => meta.tokens.clone(),
        Meta::NameValue(_) => return None,
    };
    Some(Sibling { mode, args, path: path.clone() })
}

impl Sibling {
    /// Names the attribute once more, to no effect: so that its import is one that is used.
    pub(crate) fn mention(&self) -> Option<TokenStream> {
        let name = self.path.get_ident()?;
        Some(quote!(#[#name(@)] const _: () = ();))
    }
}

/// Whether these are the arguments of a mere mention.
pub(crate) fn is_mention(args: &TokenStream) -> bool {
    matches!(args.clone().into_iter().next(), Some(TokenTree::Punct(punct)) if punct.as_char() == '@')
}
