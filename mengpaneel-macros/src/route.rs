//! Route attributes of Actix on the annotated function.

use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Path, Token};

/// Route attributes of Actix, besides `#[route]`.
const METHODS: [&str; 9] = [
    "get", "post", "put", "delete", "patch", "head", "options", "trace", "connect",
];

/// Route that an attribute declares.
pub(crate) struct Route {
    pub(crate) methods: Vec<String>,
    pub(crate) path: LitStr,
}

/// Returns the routes that attributes declare.
///
/// An attribute of the same name without a path, such as a tracing library's `#[trace]`, is not a
/// route.
pub(crate) fn routes(attrs: &[Attribute]) -> Vec<Route> {
    attrs
        .iter()
        .filter(|attr| has_route_name(attr.path()))
        .filter_map(route)
        .collect()
}

fn has_route_name(path: &Path) -> bool {
    let Some(last) = path.segments.last() else {
        return false;
    };
    let is_route = METHODS.iter().any(|method| last.ident == method) || last.ident == "route";
    let is_from_actix = path.segments.len() == 1
        || path
            .segments
            .iter()
            .any(|segment| segment.ident == "actix_web");
    is_route && is_from_actix
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
    let path = string(&args.next()?)?;
    // Other crates have a `#[trace("name")]`, whose string is not a path.
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

/// Returns the method of `method = "GET"`.
fn method(arg: &Expr) -> Option<String> {
    match arg {
        Expr::Assign(arg) if arg.left.to_token_stream().to_string() == "method" => {
            Some(string(&arg.right)?.value())
        }
        _ => None,
    }
}

fn string(expr: &Expr) -> Option<LitStr> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Str(string),
            ..
        }) => Some(string.clone()),
        _ => None,
    }
}
