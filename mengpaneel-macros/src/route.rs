//! What stands beside an attribute of ours: others of them, and Actix's route attributes.

use proc_macro2::{Span, TokenStream};
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

/// Takes our own attributes out of these, in order.
pub(crate) fn take_ours(attrs: &mut Vec<Attribute>) -> Vec<(Mode, TokenStream, Span)> {
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
fn ours_of(attr: &Attribute) -> Option<(Mode, TokenStream, Span)> {
    let path = attr.path();
    let last = path.segments.last()?;
    let mode = Mode::named(&last.ident)?;
    let before = path.segments.iter().rev().nth(1);
    if before.is_some_and(|crate_name| crate_name.ident != "mengpaneel" && crate_name.ident != root::renamed()) {
        return None;
    }
    let args = match &attr.meta {
        Meta::Path(_) => TokenStream::new(),
        Meta::List(list) => list.tokens.clone(),
        _ => return None,
    };
    Some((mode, args, last.ident.span()))
}
