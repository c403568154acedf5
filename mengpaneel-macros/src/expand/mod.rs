//! The code written: a frame around the body, which captures the values and records the calls.

mod exits;
mod run;
mod spec;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Result;
use syn::ext::IdentExt;

use crate::args::{Annotation, Mode};
use crate::capture::{self, Around, Captured, Unit};
use crate::function::Function;
use crate::siblings::{self, Sibling};
use crate::{root, route};

/// True if anything is recorded. Without the feature the attributes only use what they name, in
/// branches that are never taken, so that nothing is called unused for want of it.
const IS_ON: bool = cfg!(feature = "tracking");

/// Expands one attribute, and with it the others of ours that stand on the function.
pub(crate) fn attribute(mode: Mode, args: TokenStream, item: &TokenStream) -> TokenStream {
    all(
        vec![Sibling {
            mode,
            args,
            at: Span::call_site(),
        }],
        item,
    )
}

/// Expands the attributes that waited for one that may have been ours.
pub(crate) fn waiting(args: TokenStream, item: &TokenStream) -> TokenStream {
    match siblings::waiting(args) {
        Ok(ours) => all(ours, item),
        Err(error) => {
            let error = error.into_compile_error();
            quote!(#item #error)
        }
    }
}

fn all(mut ours: Vec<Sibling>, item: &TokenStream) -> TokenStream {
    let mut function: Function = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            let error = error.into_compile_error();
            // After a closure, which is an expression, nothing may follow.
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
    if siblings::take_or_wait(&mut function.attrs, &mut ours) {
        return function.untouched();
    }
    let annotations = combine(
        ours.into_iter()
            .map(|sibling| Annotation::parse(sibling.mode, sibling.args, sibling.at)),
    );
    let expanded = function
        .refuse()
        .and(annotations)
        .and_then(|annotations| expand(&function, &annotations));
    expanded.unwrap_or_else(|error| {
        let (function, error) = (function.untouched(), error.into_compile_error());
        quote!(#function #error)
    })
}

/// All of them, or all their errors.
fn combine<T>(results: impl Iterator<Item = Result<T>>) -> Result<Vec<T>> {
    let mut fine = Vec::new();
    let mut failed: Option<syn::Error> = None;
    for result in results {
        match (result, &mut failed) {
            (Ok(value), _) => fine.push(value),
            (Err(error), Some(first)) => first.combine(error),
            (Err(error), None) => failed = Some(error),
        }
    }
    failed.map_or(Ok(fine), Err)
}

/// A local of ours: hygiene keeps it apart from the user's, whatever its name.
fn local(name: &str) -> Ident {
    format_ident!("{name}", span = Span::mixed_site())
}

fn expand(function: &Function, annotations: &[Annotation]) -> Result<TokenStream> {
    let root = root::path(
        annotations
            .iter()
            .find_map(|annotation| annotation.root.as_ref()),
    );
    let mut spec = spec::Spec::new(function.generics());
    let units = combine(annotations.iter().map(|annotation| spec.add(annotation)))?;
    let units: Vec<Unit> = units.into_iter().flatten().collect();
    let (frame, values, taken) = (local("frame"), local("values"), local("taken"));
    let wrap = |takes: &[&TokenStream]| {
        let condition = if IS_ON {
            quote!(let ::core::option::Option::Some(#values) = #taken.values())
        } else {
            quote!(false)
        };
        quote!(if #condition { #(#takes)* })
    };
    let around = Around {
        parameters: &function.parameters(),
        returns_future: function.sig.asyncness.is_none(),
        wrap: &wrap,
        handle: &taken,
    };
    let Captured {
        body,
        entry,
        inside,
    } = capture::capture(&function.body, &function.scan, units, &around)?;
    if !IS_ON {
        let entry = (!entry.is_empty()).then(|| wrap(&entry.iter().collect::<Vec<_>>()));
        let stmts = body.stream();
        return Ok(function.with_body(&quote!(#entry #stmts)));
    }
    let entry = (!entry.is_empty()).then(
        || quote!(if let ::core::option::Option::Some(#values) = #taken.entry() { #(#entry)* }),
    );
    let site = site(function, &root, spec);
    let bare = annotations
        .iter()
        .any(|annotation| annotation.calls.is_empty());
    let limit = bare.then(|| limit(function, &root, &frame));
    let taken = (inside || entry.is_some()).then(|| quote!(let #taken = &#frame;));
    let run = run::Run::new(function, &root, &frame, bare).of(entry.as_ref(), &body);
    Ok(function.with_body(&quote!(let #frame = #site; #limit #taken #run)))
}

/// Begins a call of the function, of which the rest is constant.
fn site(function: &Function, root: &TokenStream, spec: spec::Spec) -> TokenStream {
    let routes = route::routes(&function.attrs);
    let kind = local(match (function.is_guard(), routes.is_empty()) {
        (true, _) => "Guard",
        (false, false) => "Handler",
        (false, true) => "Function",
    });
    // Above a route attribute, only the name of that is known.
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
        static __SITE: __mengpaneel::Site = __mengpaneel::Site {
            kind: __mengpaneel::Kind::#kind,
            calls: &[#(#calls),*],
            slots: #slots,
            function: #name,
            module: ::core::module_path!(),
            file: ::core::file!(),
            routes: &[#(#routes),*],
            inside: #inside,
        };
        __mengpaneel::planned!(__SITE);
        __mengpaneel::Frame::enter(&__SITE)
    })
}

/// Keeps a bare `#[setup]` to the function's own lines, where it holds a request that it may pass
/// on.
fn limit(function: &Function, root: &TokenStream, frame: &Ident) -> Option<TokenStream> {
    if function.is_guard() {
        return None;
    }
    let place = |span| {
        (
            quote_spanned!(span=> ::core::line!()),
            quote_spanned!(span=> ::core::column!()),
        )
    };
    let ((line, column), (end_line, end_column)) =
        (place(function.sig.fn_token.span), place(function.end));
    let lines = quote! {
        #root::__private::Lines { file: ::core::file!(), begin: (#line, #column), end: (#end_line, #end_column) }
    };
    let (mut always, mut conditional) = (Vec::new(), TokenStream::new());
    for (parameter, attrs) in function.parameter_idents() {
        let passes_on = quote!(#root::__private::passes_on!(&#parameter));
        let conditions: Vec<_> = attrs
            .iter()
            .filter(|attr| attr.path().is_ident("cfg"))
            .collect();
        if conditions.is_empty() {
            always.push(passes_on);
        } else {
            conditional
                .extend(quote!(#(#conditions)* let #frame = #frame.limited(#passes_on, #lines);));
        }
    }
    let always =
        (!always.is_empty()).then(|| quote!(let #frame = #frame.limited(#(#always)||*, #lines);));
    Some(quote!(#always #conditional))
}

#[cfg(all(test, feature = "tracking"))]
mod tests;

#[cfg(all(test, not(feature = "tracking")))]
mod tests_without_tracking {
    use super::*;

    #[test]
    fn function_only_uses_what_the_attribute_names() {
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
