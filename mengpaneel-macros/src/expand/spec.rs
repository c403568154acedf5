//! What the frame is told of the calls: their constant part, and the statements that fill the rest.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, LitStr};

use super::local;
use crate::args::{Annotation, Arg, Call, Mode, Name, On, Property};
use crate::capture::{Unit, bound_by_condition};
use crate::names::Used;

/// Collects calls and hands out slots.
pub(super) struct Spec<'a> {
    root: &'a TokenStream,
    calls: Vec<TokenStream>,
    slots: usize,
}

/// A statement that takes a value, and the expressions that it is made of.
struct Take {
    statement: TokenStream,
    exprs: Vec<Expr>,
}

impl<'a> Spec<'a> {
    pub(super) fn new(root: &'a TokenStream) -> Self {
        Self { root, calls: Vec::new(), slots: 0 }
    }

    /// The constant part of every call, and how many slots there are.
    pub(super) fn finish(self) -> (Vec<TokenStream>, usize) {
        (self.calls, self.slots)
    }

    /// Adds the calls of one attribute; what it takes, by what must be taken together.
    pub(super) fn add(&mut self, annotation: &Annotation) -> Vec<Unit> {
        let root = self.root;
        if annotation.calls.is_empty() {
            self.calls.push(quote!(#root::__private::Annotated::bare()));
            return vec![];
        }
        let when = (!annotation.when.is_empty()).then(|| self.slot());
        let mut takes = Vec::new();
        for call in &annotation.calls {
            let args: Vec<_> = call.args.iter().map(|arg| self.argument(call, arg, &mut takes)).collect();
            let call = self.call(annotation, call, when, &args);
            self.calls.push(call);
        }
        match when {
            Some(slot) => vec![conditional(annotation, slot, &takes)],
            None => takes.into_iter().map(Take::alone).collect(),
        }
    }

    fn call(&self, annotation: &Annotation, call: &Call, when: Option<usize>, args: &[TokenStream]) -> TokenStream {
        let root = self.root;
        let mode = local(match annotation.mode {
            Mode::BeforeSetup => "BeforeSetup",
            Mode::Setup => "Setup",
            Mode::Track | Mode::Tracking => "Tracking",
        });
        let method = local(call.variant);
        let mut options = TokenStream::new();
        match annotation.on {
            On::Success => {}
            On::Failure => options.extend(quote!(.on(#root::__private::On::Failure))),
            On::Always => options.extend(quote!(.on(#root::__private::On::Always))),
        }
        if annotation.via_server {
            options.extend(quote!(.via_server()));
        }
        if let Some(slot) = when {
            options.extend(quote!(.when(#slot)));
        }
        quote! {
            #root::__private::Annotated::new(
                #root::__private::Mode::#mode,
                #root::__private::Method::#method,
                &[#(#args),*],
            )#options
        }
    }

    fn slot(&mut self) -> usize {
        self.slots += 1;
        self.slots - 1
    }

    fn argument(&mut self, call: &Call, arg: &Arg, takes: &mut Vec<Take>) -> TokenStream {
        let root = self.root;
        let path = call.path;
        match arg {
            Arg::Text(Name::Literal(text)) => quote!(#root::__private::Argument::Text(#text)),
            Arg::Text(Name::Computed(expr)) => {
                let slot = self.take("text", None, expr, takes);
                quote!(#root::__private::Argument::Taken(#slot))
            }
            Arg::List(names) => {
                let items: Vec<_> =
                    names.iter().map(|name| self.argument(call, &Arg::Text(name.clone()), takes)).collect();
                quote!(#root::__private::Argument::List(&[#(#items),*]))
            }
            Arg::Id(expr) => {
                let slot = self.take("id", Some(quote!(#path)), expr, takes);
                quote!(#root::__private::Argument::Taken(#slot))
            }
            Arg::KeepUser => quote!(#root::__private::Argument::KeepUser),
            Arg::Ids(expr) => {
                let slot = self.take("ids", Some(quote!(#path)), expr, takes);
                quote!(#root::__private::Argument::Taken(#slot))
            }
            Arg::Map(expr) => {
                let slot = self.take("spread", Some(quote!(#path)), expr, takes);
                quote!(#root::__private::Argument::Taken(#slot))
            }
            Arg::Value(name, expr) => {
                let slot = self.value(path, name, expr, takes);
                quote!(#root::__private::Argument::Taken(#slot))
            }
            Arg::Properties(properties) => {
                let properties: Vec<_> =
                    properties.iter().map(|property| self.property(path, property, takes)).collect();
                quote!(#root::__private::Argument::Properties(&[#(#properties),*]))
            }
        }
    }

    fn property(&mut self, path: &str, property: &Property, takes: &mut Vec<Take>) -> TokenStream {
        let root = self.root;
        match property {
            Property::Pair(name, expr) => {
                let value = self.value(path, name, expr, takes);
                match name {
                    Name::Literal(name) => quote!(#root::__private::Property::Named(#name, #value)),
                    Name::Computed(name) => {
                        let name = self.take("text", None, name, takes);
                        quote!(#root::__private::Property::Computed(#name, #value))
                    }
                }
            }
            Property::Spread(expr) => {
                let slot = self.take("spread", Some(quote!(#path)), expr, takes);
                quote!(#root::__private::Property::Spread(#slot))
            }
        }
    }

    /// The slot of a named value. The name gives its place to the error at a type without JSON.
    fn value(&mut self, path: &str, name: &Name, expr: &Expr, takes: &mut Vec<Take>) -> usize {
        let (shown, span) = match name {
            Name::Literal(name) => (name.value(), name.span()),
            Name::Computed(name) => (path.to_owned(), name.span()),
        };
        let shown = LitStr::new(&shown, Span::mixed_site());
        let borrow = quote_spanned!(span=> &);
        self.take_by(&local("value"), &quote!(#shown,), &borrow, expr, takes)
    }

    fn take(&mut self, by: &str, what: Option<TokenStream>, expr: &Expr, takes: &mut Vec<Take>) -> usize {
        let what = what.map(|what| quote!(#what,)).unwrap_or_default();
        let borrow = quote_spanned!(expr.span()=> &);
        self.take_by(&local(by), &what, &borrow, expr, takes)
    }

    fn take_by(
        &mut self,
        by: &Ident,
        what: &TokenStream,
        borrow: &TokenStream,
        expr: &Expr,
        takes: &mut Vec<Take>,
    ) -> usize {
        let (slot, values) = (self.slot(), local("values"));
        let value = operand(expr);
        let statement = quote!(#values.#by(#slot, #what #borrow #value););
        takes.push(Take { statement, exprs: vec![expr.clone()] });
        slot
    }
}

/// An expression as `&` can stand before it.
fn operand(expr: &Expr) -> TokenStream {
    match expr {
        Expr::Path(_)
        | Expr::Field(_)
        | Expr::Lit(_)
        | Expr::Call(_)
        | Expr::MethodCall(_)
        | Expr::Index(_)
        | Expr::Macro(_)
        | Expr::Paren(_)
        | Expr::Array(_)
        | Expr::Tuple(_)
        | Expr::Struct(_)
        | Expr::Group(_)
        | Expr::Await(_)
        | Expr::Try(_)
        | Expr::Reference(_)
        | Expr::Unary(_) => expr.to_token_stream(),
        other => quote_spanned!(Span::mixed_site()=> (#other)),
    }
}

impl Take {
    fn alone(self) -> Unit {
        let mut used = Used::default();
        self.exprs.iter().for_each(|expr| used.add(expr));
        Unit { names: used.without(&BTreeSet::new()), take: self.statement }
    }
}

/// Everything that an attribute with a condition takes: at once, and only where it holds.
fn conditional(annotation: &Annotation, slot: usize, takes: &[Take]) -> Unit {
    let values = local("values");
    let mut bound = BTreeSet::new();
    let mut names = Vec::new();
    for part in &annotation.when {
        let mut used = Used::default();
        used.add(part);
        names.extend(used.without(&bound));
        bound.extend(bound_by_condition(part));
    }
    let mut used = Used::default();
    takes.iter().flat_map(|take| &take.exprs).for_each(|expr| used.add(expr));
    names.extend(used.without(&bound));
    let statements = takes.iter().map(|take| &take.statement);
    let inner = quote!(#values.when(#slot, true); #(#statements)*);
    let nested = annotation.when.iter().rev().fold(inner, |inner, part| quote!(if #part { #inner }));
    Unit { names, take: quote!(#values.when(#slot, false); #nested) }
}
