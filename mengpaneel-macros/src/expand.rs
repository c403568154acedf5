//! The code written: a frame around the body, which captures the values and records the calls.

mod spec;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Result;
use syn::ext::IdentExt;

use crate::args::{Annotation, Mode};
use crate::capture::{self, Around, Captured, Unit};
use crate::function::{Function, Output};
use crate::siblings::{self, Sibling};
use crate::{root, route};

/// Expands one attribute, and with it the others of ours that stand on the function.
pub(crate) fn attribute(mode: Mode, args: TokenStream, item: TokenStream) -> TokenStream {
    all(vec![Sibling { mode, args, at: Span::call_site() }], item)
}

/// Expands the attributes that waited for one that may have been ours.
pub(crate) fn waiting(args: TokenStream, item: TokenStream) -> TokenStream {
    match siblings::waiting(args) {
        Ok(ours) => all(ours, item),
        Err(error) => {
            let error = error.into_compile_error();
            quote!(#item #error)
        }
    }
}

fn all(mut ours: Vec<Sibling>, item: TokenStream) -> TokenStream {
    if cfg!(not(feature = "tracking")) {
        return item;
    }
    let mut function: Function = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            let error = error.into_compile_error();
            // After a closure, which is an expression, nothing may follow.
            let is_closure = item.clone().into_iter().next().is_some_and(|first| first.to_string() == "|");
            return if is_closure { error } else { quote!(#item #error) };
        }
    };
    if siblings::take_or_wait(&mut function.attrs, &mut ours) {
        return function.untouched();
    }
    let annotations =
        combine(ours.into_iter().map(|sibling| Annotation::parse(sibling.mode, sibling.args, sibling.at)));
    let expanded = function.refuse().and(annotations).and_then(|annotations| expand(&function, &annotations));
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
    let root = root::path(annotations.iter().find_map(|annotation| annotation.root.as_ref()));
    let mut spec = spec::Spec::new(&root, function.generics());
    let units = combine(annotations.iter().map(|annotation| spec.add(annotation)))?;
    let units: Vec<Unit> = units.into_iter().flatten().collect();
    let (frame, values, taken) = (local("frame"), local("values"), local("taken"));
    let wrap =
        |takes: &[&TokenStream]| quote!(if let ::core::option::Option::Some(#values) = #taken.values() { #(#takes)* });
    let around = Around {
        parameters: &function.parameters(),
        returns_future: function.sig.asyncness.is_none(),
        wrap: &wrap,
        handle: &taken,
    };
    let Captured { body, entry, inside } = capture::capture(&function.body, units, &around)?;
    let entry = (!entry.is_empty())
        .then(|| quote!(if let ::core::option::Option::Some(#values) = #taken.entry() { #(#entry)* }));
    let site = site(function, &root, spec);
    let bare = annotations.iter().any(|annotation| annotation.calls.is_empty());
    let limit = bare.then(|| limit(function, &root, &frame));
    let taken = (inside || entry.is_some()).then(|| quote!(let #taken = &#frame;));
    let run = Run { function, root: &root, frame: &frame, bare };
    let order = function.drop_order();
    let run = if function.sig.asyncness.is_some() {
        run.of_async(&quote!(#order #entry #body))
    } else {
        let body = if order.is_some() { quote!({ #order #body }) } else { quote!(#body) };
        let run = run.of_sync(&body);
        quote!(#entry #run)
    };
    Ok(function.with_body(&quote!(let #frame = #site; #limit #taken #run)))
}

/// Begins a call of the function, of which the rest is constant.
fn site(function: &Function, root: &TokenStream, spec: spec::Spec<'_>) -> TokenStream {
    let routes = route::routes(&function.attrs);
    let kind = local(match (function.is_guard(), routes.is_empty()) {
        (true, _) => "Guard",
        (false, false) => "Handler",
        (false, true) => "Function",
    });
    let (calls, slots) = spec.finish();
    let name = function.sig.ident.unraw().to_string();
    let routes = routes.iter().map(
        |route::Route { methods, path }| quote!(#root::__private::Route { methods: &[#(#methods),*], path: #path }),
    );
    quote!({
        static __SITE: #root::__private::Site = #root::__private::Site {
            kind: #root::__private::Kind::#kind,
            calls: &[#(#calls),*],
            slots: #slots,
            function: #name,
            module: ::core::module_path!(),
            file: ::core::file!(),
            routes: &[#(#routes),*],
        };
        #root::__private::planned!(__SITE);
        #root::__private::Frame::enter(&__SITE)
    })
}

/// Keeps a bare `#[setup]` to the function's own lines, where it holds a request that it may pass on.
fn limit(function: &Function, root: &TokenStream, frame: &Ident) -> Option<TokenStream> {
    let parameters = function.parameter_idents();
    if parameters.is_empty() || function.is_guard() {
        return None;
    }
    let place = |span| (quote_spanned!(span=> ::core::line!()), quote_spanned!(span=> ::core::column!()));
    let ((line, column), (end_line, end_column)) = (place(function.sig.fn_token.span), place(function.end));
    Some(quote! {
        let #frame = #frame.limited(
            #(#root::__private::passes_on!(&#parameters))||*,
            #root::__private::Lines { file: ::core::file!(), begin: (#line, #column), end: (#end_line, #end_column) },
        );
    })
}

/// What runs a body and ends its frame.
struct Run<'a> {
    function: &'a Function,
    root: &'a TokenStream,
    frame: &'a Ident,
    /// Whether calls that the body makes by hand are setup.
    bare: bool,
}

impl Run<'_> {
    fn of_async(&self, body: &TokenStream) -> TokenStream {
        let Self { root, frame, .. } = self;
        let returned = local("returned");
        let run = |first: TokenStream| {
            let block = quote!(async move { #first #body });
            if self.bare { quote!(#frame.in_setup(#block).await) } else { quote!(#block.await) }
        };
        // The first thing that an async block may return settles its type, as a signature would.
        let early = |nothing: TokenStream| quote!(if let ::core::option::Option::Some(#returned) = #nothing { return #returned; });
        let end = quote!(#frame.end(#root::__private::ended!(&#returned)); #returned);
        // A response's builder can be awaited; that it is returned is the function's own affair.
        let allow = quote!(#[allow(clippy::async_yields_async)]);
        match self.function.output() {
            Output::Never => body.clone(),
            Output::Unit => {
                let run = run(early(quote!(#root::__private::nothing::<()>())));
                quote!(#run; #frame.end(#root::__private::Outcome::Returned);)
            }
            Output::Named(ty) | Output::Closure { ty, .. } | Output::Hidden { ty, .. } => {
                let run = run(early(quote!(#root::__private::nothing::<#ty>())));
                quote!(#allow let #returned: #ty = #run; #end)
            }
        }
    }

    fn of_sync(&self, body: &TokenStream) -> TokenStream {
        let Self { function, root, frame, bare } = self;
        let returned = local("returned");
        let run = |ty: TokenStream| {
            if *bare {
                quote!(#frame.run_in_setup(move || -> #ty #body))
            } else {
                quote!(#root::__private::run(move || -> #ty #body))
            }
        };
        match function.output() {
            Output::Never => body.clone(),
            Output::Unit => {
                let run = run(quote!(()));
                quote!(#run; #frame.end(#root::__private::Outcome::Returned);)
            }
            Output::Named(ty) if function.is_guard() => {
                let run = if *bare { quote!(#frame.guard_in_setup(move || -> #ty #body)) } else { run(quote!(#ty)) };
                quote!(let #returned: #ty = #run; #frame.end(#root::__private::Outcome::of_guard(#returned)); #returned)
            }
            Output::Named(ty) | Output::Hidden { ty, is_opaque: false } => {
                let run = run(quote!(#ty));
                quote!(let #returned: #ty = #run; #root::__private::finished!(#frame, #returned))
            }
            Output::Hidden { ty, is_opaque: true } => {
                let run = run(quote!(#ty));
                quote!(let #returned: #ty = #run; #root::__private::finished_opaque!(#frame, #returned))
            }
            // The bound tells a closure its type, as the signature does without the attribute.
            Output::Closure { bounds, .. } => {
                let returns = local("returns");
                let body = quote!(#returns(move || #body));
                let run = if *bare { quote!(#frame.run_in_setup(#body)) } else { quote!(#root::__private::run(#body)) };
                quote! {
                    fn #returns<R: #bounds, F: ::core::ops::FnOnce() -> R>(body: F) -> F { body }
                    let #returned = #run;
                    #root::__private::finished!(#frame, #returned)
                }
            }
        }
    }
}

#[cfg(all(test, feature = "tracking"))]
mod tests;

#[cfg(all(test, not(feature = "tracking")))]
mod tests_without_tracking {
    use super::*;

    #[test]
    fn without_the_feature_a_function_is_left_as_it_was() {
        let item = quote!(
            async fn signed_in(user: Option<User>) {}
        );
        let left = attribute(Mode::Setup, quote!(identify(user.id)), item.clone());
        assert_eq!(left.to_string(), item.to_string());
    }
}
