//! The code written: a frame around the body, which takes the values and records the calls.

mod spec;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::Result;
use syn::spanned::Spanned;

use crate::args::{Annotation, Mode};
use crate::capture::{self, Captured, Unit};
use crate::function::Function;
use crate::route::Sibling;
use crate::{root, route};

/// Expands one attribute, and with it the others of ours that stand below it.
pub(crate) fn attribute(mode: Mode, args: TokenStream, item: TokenStream) -> TokenStream {
    if route::is_mention(&args) {
        return TokenStream::new();
    }
    if cfg!(not(feature = "tracking")) {
        return item;
    }
    let mut function: Function = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            let error = error.into_compile_error();
            return quote!(#item #error);
        }
    };
    let siblings = route::take_ours(&mut function.attrs);
    let own = Annotation::parse(mode, args, Span::call_site());
    let others =
        siblings.iter().map(|sibling| Annotation::parse(sibling.mode, sibling.args.clone(), sibling.path.span()));
    let annotations = combine(std::iter::once(own).chain(others));
    let mentions: TokenStream = siblings.iter().filter_map(Sibling::mention).collect();
    let expanded =
        function.refuse().and(annotations).and_then(|annotations| expand(&function, &annotations, &mentions));
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

fn expand(function: &Function, annotations: &[Annotation], mentions: &TokenStream) -> Result<TokenStream> {
    let root = root::path(annotations.iter().find_map(|annotation| annotation.root.as_ref()));
    let mut spec = spec::Spec::new(&root);
    let units: Vec<Unit> = annotations.iter().flat_map(|annotation| spec.add(annotation)).collect();
    let (frame, values, taken) = (local("frame"), local("values"), local("taken"));
    let wrap =
        |takes: &[&TokenStream]| quote!(if let ::core::option::Option::Some(#values) = #taken.values() { #(#takes)* });
    let captured = capture::capture(&function.body, units, &function.parameters(), &wrap)?;
    let Captured { body, entry, inside } = captured;
    let entry = (!entry.is_empty())
        .then(|| quote!(if let ::core::option::Option::Some(#values) = #frame.entry() { #(#entry)* }));
    let taken = inside.then(|| quote!(let #taken = &#frame;));
    let kind = kind(function);
    let (calls, slots) = spec.finish();
    let bare = annotations.iter().any(|annotation| annotation.calls.is_empty());
    let run = run(function, &root, &frame, &body.into(), bare);
    Ok(function.with_body(&quote! {
        #mentions
        let #frame = #root::__private::Frame::enter(#root::__private::Kind::#kind, const { &[#(#calls),*] }, #slots);
        #entry
        #taken
        #run
    }))
}

fn kind(function: &Function) -> Ident {
    if function.is_guard() {
        local("Guard")
    } else if route::stands_beside(&function.attrs) {
        local("Handler")
    } else {
        local("Function")
    }
}

/// Runs the body and ends the frame with what it returned.
fn run(
    function: &Function,
    root: &TokenStream,
    frame: &Ident,
    body: &proc_macro2::TokenTree,
    bare: bool,
) -> TokenStream {
    let returned = local("returned");
    let output = function.returned();
    let is_async = function.sig.asyncness.is_some();
    if function.never_returns() {
        return quote!(#body);
    }
    // The first thing that an async block may return settles its type, as a signature would.
    let early = output.as_ref().filter(|_| is_async).map(|output| {
        quote!(if let ::core::option::Option::Some(#returned) = #root::__private::nothing::<#output>() { return #returned; })
    });
    let result = output.as_ref().map(|output| quote!(-> #output));
    let block = if early.is_some() { quote!({ #early #body }) } else { quote!(#body) };
    let ran = match (is_async, bare) {
        (true, false) => quote!(async move #block.await),
        (true, true) => quote!(#frame.in_setup(async move #block).await),
        (false, false) => quote!(#root::__private::run(move || #result #block)),
        (false, true) => quote!(#frame.run_in_setup(move || #result #block)),
    };
    let Some(output) = output else {
        return quote! {
            #ran;
            #frame.end(#root::__private::Outcome::Returned);
        };
    };
    let outcome = if function.is_guard() {
        quote!(#root::__private::Outcome::of_guard(#returned))
    } else {
        quote!(#root::__private::ended!(&#returned))
    };
    quote! {
        let #returned: #output = #ran;
        #frame.end(#outcome);
        #returned
    }
}
