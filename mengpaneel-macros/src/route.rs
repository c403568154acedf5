//! What stands beside an attribute of ours: others of them, and Actix's route attributes.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, Path, Token};

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

/// A route, as far as the attribute beside tells.
pub(crate) struct Route {
    pub(crate) methods: Vec<String>,
    pub(crate) path: LitStr,
}

/// The routes that the attributes beside tell of.
pub(crate) fn routes(attrs: &[Attribute]) -> Vec<Route> {
    attrs.iter().filter(|attr| is_route(attr.path())).filter_map(route).collect()
}

fn route(attr: &Attribute) -> Option<Route> {
    let name = attr.path().segments.last()?.ident.to_string().to_uppercase();
    let args = attr.parse_args_with(Punctuated::<Expr, Token![,]>::parse_terminated).ok()?;
    let mut args = args.into_iter();
    let path = text(&args.next()?)?;
    let methods = if name == "ROUTE" { args.filter_map(|arg| method(&arg)).collect() } else { vec![name] };
    Some(Route { methods, path })
}

/// The method of `method = "GET"`.
fn method(arg: &Expr) -> Option<String> {
    match arg {
        Expr::Assign(arg) if arg.left.to_token_stream().to_string() == "method" => Some(text(&arg.right)?.value()),
        _ => None,
    }
}

fn text(expr: &Expr) -> Option<LitStr> {
    match expr {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.clone()),
        _ => None,
    }
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
