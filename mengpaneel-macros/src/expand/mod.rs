//! Generated code: a frame around the body, which captures the values and records the calls.

mod body;
mod errors;
mod exits;
mod feature;
mod local;
mod spec;
mod types;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Result;
use syn::ext::IdentExt;

use crate::args::{Annotation, Mode};
use crate::capture::{self, BodyContext, CaptureGroup, CapturedBody};
use crate::function::Function;
use crate::siblings::{self, Sibling};
use crate::{root, route};

use self::body::BodyExpander;
use self::errors::combine;
use self::feature::IS_TRACKING;
use self::local::local;
use self::spec::StaticSpec;

/// Expands an attribute, together with the other attributes of this crate on the function.
pub(crate) fn attribute(mode: Mode, args: TokenStream, item: &TokenStream) -> TokenStream {
    expand_all(
        vec![Sibling {
            mode,
            args,
            span: Span::call_site(),
        }],
        item,
    )
}

/// Expands the attributes that were deferred by an ambiguous one.
pub(crate) fn deferred(args: TokenStream, item: &TokenStream) -> TokenStream {
    match siblings::parse_deferred(args) {
        Ok(siblings) => expand_all(siblings, item),
        Err(error) => {
            let error = error.into_compile_error();
            quote!(#item #error)
        }
    }
}

fn expand_all(mut siblings: Vec<Sibling>, item: &TokenStream) -> TokenStream {
    let mut function: Function = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            let error = error.into_compile_error();
            // An item may not follow a closure, which is an expression.
            let is_closure = item
                .clone()
                .into_iter()
                .next()
                .is_some_and(|first| first.to_string() == "|");
            return if is_closure {
                error
            } else {
                quote!(#item #error)
            };
        }
    };
    if siblings::collect_or_defer(&mut function.attrs, &mut siblings) {
        return function.untouched();
    }
    let annotations = combine(
        siblings
            .into_iter()
            .map(|sibling| Annotation::parse(sibling.mode, sibling.args, sibling.span)),
    );
    let expanded = function
        .check()
        .and(annotations)
        .and_then(|annotations| expand(&function, &annotations));
    expanded.unwrap_or_else(|error| {
        let (function, error) = (function.untouched(), error.into_compile_error());
        quote!(#function #error)
    })
}

fn expand(function: &Function, annotations: &[Annotation]) -> Result<TokenStream> {
    let root = root::path(
        annotations
            .iter()
            .find_map(|annotation| annotation.root.as_ref()),
    );
    let mut spec = StaticSpec::new(function.generics());
    let groups = combine(annotations.iter().map(|annotation| spec.add(annotation)))?;
    let groups: Vec<CaptureGroup> = groups.into_iter().flatten().collect();
    let (frame, values, handle) = (local("frame"), local("values"), local("handle"));
    let wrap = |statements: &[&TokenStream]| {
        let condition = if IS_TRACKING {
            quote!(let ::core::option::Option::Some(#values) = #handle.values())
        } else {
            quote!(false)
        };
        quote!(if #condition { #(#statements)* })
    };
    let context = BodyContext {
        parameters: &function.parameter_names(),
        returns_future: function.sig.asyncness.is_none(),
        wrap: &wrap,
        handle: &handle,
    };
    let CapturedBody {
        body,
        at_entry,
        captures_inside,
    } = capture::capture(&function.body, &function.scan, groups, &context)?;
    if !IS_TRACKING {
        let entry = (!at_entry.is_empty()).then(|| wrap(&at_entry.iter().collect::<Vec<_>>()));
        let stmts = body.stream();
        return Ok(function.with_body(&quote!(#entry #stmts)));
    }
    let entry = (!at_entry.is_empty()).then(
        || quote!(if let ::core::option::Option::Some(#values) = #handle.entry() { #(#at_entry)* }),
    );
    let site = site(function, &root, spec);
    let is_bare = annotations
        .iter()
        .any(|annotation| annotation.calls.is_empty());
    let limit = is_bare.then(|| limit(function, &root, &frame));
    let handle = (captures_inside || entry.is_some()).then(|| quote!(let #handle = &#frame;));
    let expander = BodyExpander::new(function, &root, &frame, is_bare);
    let body = expander.expand(entry.as_ref(), &body);
    Ok(function.with_body(&quote!(let #frame = #site; #limit #handle #body)))
}

/// Returns the expression that enters the frame. The constant data of the function is a static in
/// it.
fn site(function: &Function, root: &TokenStream, spec: StaticSpec) -> TokenStream {
    let routes = route::routes(&function.attrs);
    let kind = local(match (function.is_guard(), routes.is_empty()) {
        (true, _) => "Guard",
        (false, false) => "Handler",
        (false, true) => "Function",
    });
    // Here only the name of a route attribute is known. At run time, the path of a closure in the
    // function shows whether the attribute is Actix's.
    let inside = if routes.is_empty() {
        quote!(::core::option::Option::None)
    } else {
        quote!(::core::option::Option::Some(|| {
            ::core::any::type_name_of_val(&|| ())
        }))
    };
    let (calls, slots) = spec.finish();
    let name = function.sig.ident.unraw().to_string();
    let routes = routes
        .iter()
        .map(|route::Route { methods, path }| quote!(__mengpaneel::Route { methods: &[#(#methods),*], path: #path }));
    quote!({
        use #root::__private as __mengpaneel;
        static __SITE: __mengpaneel::AnnotationSite = __mengpaneel::AnnotationSite {
            kind: __mengpaneel::Kind::#kind,
            calls: &[#(#calls),*],
            slots: #slots,
            function: #name,
            module: ::core::module_path!(),
            file: ::core::file!(),
            routes: &[#(#routes),*],
            inside: #inside,
        };
        __mengpaneel::register!(__SITE);
        __mengpaneel::FrameGuard::enter(&__SITE)
    })
}

/// Returns the statements that limit a bare `#[setup]` to the function's own lines, if it has a
/// request that it may pass on.
fn limit(function: &Function, root: &TokenStream, frame: &Ident) -> Option<TokenStream> {
    if function.is_guard() {
        return None;
    }
    let position = |span| {
        (
            quote_spanned!(span=> ::core::line!()),
            quote_spanned!(span=> ::core::column!()),
        )
    };
    let ((line, column), (end_line, end_column)) =
        (position(function.sig.fn_token.span), position(function.end));
    let lines = quote! {
        #root::__private::Lines { file: ::core::file!(), begin: (#line, #column), end: (#end_line, #end_column) }
    };
    let (mut unconditional, mut conditional) = (Vec::new(), TokenStream::new());
    for (parameter, attrs) in function.parameter_idents() {
        let passes_on = quote!(#root::__private::passes_on!(&#parameter));
        let conditions: Vec<_> = attrs
            .iter()
            .filter(|attr| attr.path().is_ident("cfg"))
            .collect();
        if conditions.is_empty() {
            unconditional.push(passes_on);
        } else {
            conditional
                .extend(quote!(#(#conditions)* let #frame = #frame.limited(#passes_on, #lines);));
        }
    }
    let unconditional = (!unconditional.is_empty())
        .then(|| quote!(let #frame = #frame.limited(#(#unconditional)||*, #lines);));
    Some(quote!(#unconditional #conditional))
}

#[cfg(all(test, feature = "tracking"))]
mod tests;

#[cfg(all(test, not(feature = "tracking")))]
mod tests_without_tracking {
    use super::*;

    #[test]
    fn arguments_are_only_used_without_the_feature() {
        let item = quote!(
            async fn signed_in(user: Option<User>) {
                let id = user.id();
                id
            }
        );
        let used = attribute(
            Mode::Setup,
            quote!(when(let Some(user) = &user), identify(id)),
            &item,
        );
        let expected = quote!(
            async fn signed_in(user: Option<User>) {
                let id = user.id();
                if false {
                    if let Some(user) = &user {
                        let _ = &id;
                    }
                }
                id
            }
        );
        assert_eq!(used.to_string(), expected.to_string());
    }
}
