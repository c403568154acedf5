//! What is written for the tracking plan: a record of each call.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::Expr;

use super::local;
use super::spec::mode;
use crate::args::{Annotation, Arg, Call, Name, Property};
use crate::function::Function;
use crate::route;

/// Registers the calls of all attributes.
pub(super) fn register(function: &Function, annotations: &[Annotation], root: &TokenStream) -> TokenStream {
    let routes: Vec<_> = route::routes(&function.attrs)
        .iter()
        .map(
            |route::Route { methods, path }| quote!(#root::__private::Route { methods: &[#(#methods),*], path: #path }),
        )
        .collect();
    let name = function.sig.ident.to_string();
    let calls = annotations.iter().flat_map(|annotation| annotation.calls.iter().map(move |call| (annotation, call)));
    let planned = calls.enumerate().map(|(index, (annotation, call))| {
        let (path, mode, via_server) = (call.path, mode(annotation.mode), annotation.via_server);
        let line = quote_spanned!(annotation.at=> ::core::line!());
        let event = event(call, root);
        let properties = properties(call, root);
        quote! {
            #root::__private::Planned {
                call: #path,
                event: #event,
                properties: &[#(#properties),*],
                mode: #root::__private::Mode::#mode,
                via_server: #via_server,
                function: #name,
                module: ::core::module_path!(),
                routes: &[#(#routes),*],
                file: ::core::file!(),
                line: #line,
                index: #index,
            }
        }
    });
    let planned: Vec<_> = planned.collect();
    if planned.is_empty() { TokenStream::new() } else { quote!(#root::__private::planned!(#(#planned),*);) }
}

/// The name of the event, for a call that makes one.
fn event(call: &Call, root: &TokenStream) -> TokenStream {
    match call.args.first() {
        Some(Arg::Text(name)) if matches!(call.path, "track" | "track_with_groups") => {
            let name = label(name, root);
            quote!(::core::option::Option::Some(#name))
        }
        _ => quote!(::core::option::Option::None),
    }
}

fn properties(call: &Call, root: &TokenStream) -> Vec<TokenStream> {
    let properties = call.args.iter().filter_map(|arg| match arg {
        Arg::Properties(properties) => Some(properties),
        _ => None,
    });
    let label = |property: &Property| match property {
        Property::Pair(name, _) => label(name, root),
        Property::Spread(expr) => {
            let text = format!("..{}", expr.to_token_stream());
            quote!(#root::__private::Label::Text(#text))
        }
    };
    properties.flatten().map(label).collect()
}

/// A name as the plan can know it: a text, a constant's value, or how an expression is written.
fn label(name: &Name, root: &TokenStream) -> TokenStream {
    match name {
        Name::Literal(text) => quote!(#root::__private::Label::Text(#text)),
        Name::Computed(expr) if is_constant(expr) => {
            let text = local("text");
            quote! {
                #root::__private::Label::Constant(|| {
                    let #text: &str = ::core::convert::AsRef::as_ref(&#expr);
                    ::std::string::String::from(#text)
                })
            }
        }
        Name::Computed(expr) => {
            let text = format!("{{{}}}", expr.to_token_stream());
            quote!(#root::__private::Label::Text(#text))
        }
    }
}

/// A path that everyone writes for a constant, and that means the same outside of the function.
fn is_constant(expr: &Expr) -> bool {
    let Expr::Path(path) = expr else { return false };
    let (Some(first), Some(last)) = (path.path.segments.first(), path.path.segments.last()) else { return false };
    let last = last.ident.to_string();
    path.qself.is_none() && first.ident != "Self" && last.chars().all(|c| !c.is_lowercase())
}
