//! The attributes beside one of ours: Actix's routes.

use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Path, Token};

/// The route attributes of Actix.
const METHODS: [&str; 9] = [
    "get", "post", "put", "delete", "patch", "head", "options", "trace", "connect",
];

/// A route, as far as the attribute tells.
pub(crate) struct Route {
    pub(crate) methods: Vec<String>,
    pub(crate) path: LitStr,
}

/// The routes that these attributes tell of. An attribute of such a name that has no path, such as
/// a tracing library's `#[trace]`, is none.
pub(crate) fn routes(attrs: &[Attribute]) -> Vec<Route> {
    attrs
        .iter()
        .filter(|attr| has_name_of_route(attr.path()))
        .filter_map(route)
        .collect()
}

fn has_name_of_route(path: &Path) -> bool {
    let Some(last) = path.segments.last() else {
        return false;
    };
    let named = METHODS.iter().any(|method| last.ident == method) || last.ident == "route";
    let of_actix = path.segments.len() == 1
        || path
            .segments
            .iter()
            .any(|segment| segment.ident == "actix_web");
    named && of_actix
}

fn route(attr: &Attribute) -> Option<Route> {
    let name = attr
        .path()
        .segments
        .last()?
        .ident
        .to_string()
        .to_uppercase();
    let args = attr
        .parse_args_with(Punctuated::<Expr, Token![,]>::parse_terminated)
        .ok()?;
    let mut args = args.into_iter();
    let path = text(&args.next()?)?;
    // Other crates have a `#[trace("name")]`, whose text is no path.
    if name == "TRACE" && !path.value().starts_with('/') {
        return None;
    }
    let methods = if name == "ROUTE" {
        args.filter_map(|arg| method(&arg)).collect()
    } else {
        vec![name]
    };
    Some(Route { methods, path })
}

/// The method of `method = "GET"`.
fn method(arg: &Expr) -> Option<String> {
    match arg {
        Expr::Assign(arg) if arg.left.to_token_stream().to_string() == "method" => {
            Some(text(&arg.right)?.value())
        }
        _ => None,
    }
}

fn text(expr: &Expr) -> Option<LitStr> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text.clone()),
        _ => None,
    }
}
