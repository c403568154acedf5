//! What the frame is told of the calls: their constant part, and the statements that fill the rest.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Lit, LitStr};

use super::local;
use crate::args::{Annotation, Arg, Call, Mode, Name, On, Property};
use crate::capture::Unit;
use crate::names::{self, Reader};

/// Collects calls and hands out slots.
pub(super) struct Spec {
    /// The generic parameters of the function, which mean nothing in a static.
    generics: BTreeSet<String>,
    calls: Vec<TokenStream>,
    slots: usize,
}

/// A statement that takes a value, and the expressions that it is made of.
struct Take {
    statement: TokenStream,
    exprs: Vec<Expr>,
}

impl Spec {
    pub(super) fn new(generics: BTreeSet<String>) -> Self {
        Self {
            generics,
            calls: Vec::new(),
            slots: 0,
        }
    }

    /// The constant part of every call, and how many slots there are.
    pub(super) fn finish(self) -> (Vec<TokenStream>, usize) {
        (self.calls, self.slots)
    }

    /// Adds the calls of one attribute, and returns its values by what must be captured together.
    pub(super) fn add(&mut self, annotation: &Annotation) -> syn::Result<Vec<Unit>> {
        let line = quote_spanned!(annotation.at=> ::core::line!());
        if annotation.calls.is_empty() {
            self.calls
                .push(quote!(__mengpaneel::Annotated::bare(#line)));
            return Ok(vec![]);
        }
        let when = (!annotation.when.is_empty()).then(|| self.slot());
        let mut takes = Vec::new();
        for call in &annotation.calls {
            let args: Vec<_> = call
                .args
                .iter()
                .map(|arg| self.argument(call, arg, &mut takes))
                .collect();
            let call = Self::call(annotation, call, &line, when, &args);
            self.calls.push(call);
        }
        match when {
            Some(slot) => Ok(vec![conditional(annotation, slot, &takes)?]),
            None => super::combine(takes.into_iter().map(Take::alone)),
        }
    }

    fn call(
        annotation: &Annotation,
        call: &Call,
        line: &TokenStream,
        when: Option<usize>,
        args: &[TokenStream],
    ) -> TokenStream {
        let mode = mode(annotation.mode);
        let method = local(call.variant);
        let mut options = TokenStream::new();
        match annotation.on {
            On::Success => {}
            On::Failure => options.extend(quote!(.on(__mengpaneel::On::Failure))),
            On::Always => options.extend(quote!(.on(__mengpaneel::On::Always))),
        }
        if annotation.via_server {
            options.extend(quote!(.via_server()));
        }
        if let Some(slot) = when {
            options.extend(quote!(.when(#slot)));
        }
        quote! {
            __mengpaneel::Annotated::new(
                #line,
                __mengpaneel::Mode::#mode,
                __mengpaneel::Method::#method,
                &[#(#args),*],
            )#options
        }
    }

    fn slot(&mut self) -> usize {
        self.slots += 1;
        self.slots - 1
    }

    fn argument(&mut self, call: &Call, arg: &Arg, takes: &mut Vec<Take>) -> TokenStream {
        let path = call.path;
        match arg {
            Arg::Text(Name::Literal(text)) => quote!(__mengpaneel::Argument::Text(#text)),
            Arg::Text(Name::Computed(expr)) => {
                let slot = self.take("text", None, expr, takes);
                let label = self.label(expr);
                quote!(__mengpaneel::Argument::Name(#slot, #label))
            }
            Arg::List(names) => {
                let items: Vec<_> = names
                    .iter()
                    .map(|name| self.argument(call, &Arg::Text(name.clone()), takes))
                    .collect();
                quote!(__mengpaneel::Argument::List(&[#(#items),*]))
            }
            Arg::Id(Expr::Lit(ExprLit {
                lit: Lit::Str(id), ..
            })) if !id.value().is_empty() => {
                quote!(__mengpaneel::Argument::Text(#id))
            }
            Arg::Id(expr) => {
                let slot = self.take("id", None, expr, takes);
                quote!(__mengpaneel::Argument::Taken(#slot))
            }
            Arg::KeepUser => quote!(__mengpaneel::Argument::KeepUser),
            Arg::Ids(expr) => {
                let slot = self.take("ids", None, expr, takes);
                quote!(__mengpaneel::Argument::Taken(#slot))
            }
            Arg::Map(expr) => {
                let slot = self.take("spread", Some(quote!(#path)), expr, takes);
                quote!(__mengpaneel::Argument::Taken(#slot))
            }
            Arg::Value(name, expr) => {
                let slot = self.value(path, name, expr, takes);
                quote!(__mengpaneel::Argument::Taken(#slot))
            }
            Arg::Properties(properties) => {
                let properties: Vec<_> = properties
                    .iter()
                    .map(|property| self.property(path, property, takes))
                    .collect();
                quote!(__mengpaneel::Argument::Properties(&[#(#properties),*]))
            }
        }
    }

    fn property(&mut self, path: &str, property: &Property, takes: &mut Vec<Take>) -> TokenStream {
        match property {
            Property::Pair(name, expr) => {
                let constant = literal(expr).filter(|_| !takes_amounts(path) || is_integer(expr));
                let value = constant.unwrap_or_else(|| {
                    let slot = self.value(path, name, expr, takes);
                    quote!(Taken(#slot))
                });
                let value = quote!(__mengpaneel::Value::#value);
                match name {
                    Name::Literal(name) => quote!(__mengpaneel::Property::Named(#name, #value)),
                    Name::Computed(name) => {
                        let label = self.label(name);
                        let name = self.take("text", None, name, takes);
                        quote!(__mengpaneel::Property::Computed(#name, #value, #label))
                    }
                }
            }
            Property::Spread(expr) => {
                let slot = self.take("spread", Some(quote!(#path)), expr, takes);
                let written = expr.to_token_stream().to_string();
                quote!(__mengpaneel::Property::Spread(#slot, #written))
            }
        }
    }

    /// A computed name as the plan can know it: a constant's value, or how the expression is
    /// written.
    fn label(&self, expr: &Expr) -> TokenStream {
        if self.is_constant(expr) {
            let text = local("text");
            return quote! {
                __mengpaneel::Label::Constant(|| {
                    let #text: &str = ::core::convert::AsRef::as_ref(&#expr);
                    ::core::convert::From::from(#text)
                })
            };
        }
        let written = format!("{{{}}}", expr.to_token_stream());
        quote!(__mengpaneel::Label::Text(#written))
    }

    /// Returns whether this is a path by convention a constant's, with the same meaning outside of
    /// the function.
    fn is_constant(&self, expr: &Expr) -> bool {
        let Expr::Path(path) = expr else { return false };
        let segments = &path.path.segments;
        let (Some(first), Some(last)) = (segments.first(), segments.last()) else {
            return false;
        };
        let (first, last) = (names::text(&first.ident), names::text(&last.ident));
        // The `T` of an `impl<T>` around the function cannot be seen from here.
        let is_generic = self.generics.contains(&first) || (segments.len() > 1 && first.len() == 1);
        let has_arguments = segments.iter().any(|segment| !segment.arguments.is_none());
        path.qself.is_none()
            && first != "Self"
            && !is_generic
            && !has_arguments
            && last.chars().all(|c| !c.is_lowercase())
    }

    /// The slot of a named value. The name gives its place to the error at a type without JSON.
    fn value(&mut self, path: &str, name: &Name, expr: &Expr, takes: &mut Vec<Take>) -> usize {
        let (shown, span) = match name {
            Name::Literal(name) => (name.value(), name.span()),
            Name::Computed(name) => (path.to_owned(), name.span()),
        };
        let shown = LitStr::new(&shown, Span::mixed_site());
        let (by, span) = if takes_amounts(path) {
            ("amount", expr.span())
        } else {
            ("value", span)
        };
        let borrow = quote_spanned!(span=> &);
        self.take_by(&local(by), &quote!(#shown,), &borrow, expr, takes)
    }

    fn take(
        &mut self,
        by: &str,
        what: Option<TokenStream>,
        expr: &Expr,
        takes: &mut Vec<Take>,
    ) -> usize {
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
        let statement = if super::IS_ON {
            quote!(#values.#by(#slot, #what #borrow #value);)
        } else {
            quote!(let _ = #borrow #value;)
        };
        takes.push(Take {
            statement,
            exprs: vec![expr.clone()],
        });
        slot
    }
}

/// Returns whether the values that a method takes are amounts.
fn takes_amounts(path: &str) -> bool {
    path == "people.increment"
}

fn is_integer(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Lit(ExprLit {
            lit: Lit::Int(_),
            ..
        })
    )
}

/// A value that need not be taken, since it stands in the attribute.
fn literal(expr: &Expr) -> Option<TokenStream> {
    let Expr::Lit(ExprLit { lit, .. }) = expr else {
        return None;
    };
    match lit {
        Lit::Str(text) => Some(quote!(Text(#text))),
        Lit::Bool(truth) => Some(quote!(Bool(#truth))),
        // A suffix stays where the compiler sees it: it may not be one, or too small for the
        // number.
        Lit::Int(number) if number.suffix().is_empty() => {
            let natural: u64 = number
                .base10_parse()
                .ok()
                .filter(|natural| *natural <= MAX_UNTYPED)?;
            Some(quote!(Natural(#natural)))
        }
        _ => None,
    }
}

/// The largest integer that is one without a suffix: that of an `i32`.
const MAX_UNTYPED: u64 = 0x7fff_ffff;

/// The variant of `mengpaneel::Mode`.
fn mode(mode: Mode) -> Ident {
    local(match mode {
        Mode::BeforeSetup => "BeforeSetup",
        Mode::Setup => "Setup",
        Mode::Track | Mode::Tracking => "Tracking",
    })
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
    fn alone(self) -> syn::Result<Unit> {
        let mut reader = Reader::default();
        self.exprs.iter().for_each(|expr| reader.expr(expr));
        unit(reader, self.statement)
    }
}

/// Everything that an attribute with a condition captures: at once, and only where it holds.
fn conditional(annotation: &Annotation, slot: usize, takes: &[Take]) -> syn::Result<Unit> {
    let values = local("values");
    let mut reader = Reader::default();
    annotation
        .when
        .iter()
        .for_each(|part| reader.condition(part));
    takes
        .iter()
        .flat_map(|take| &take.exprs)
        .for_each(|expr| reader.expr(expr));
    let statements = takes.iter().map(|take| &take.statement);
    let when = |met: bool| super::IS_ON.then(|| quote!(#values.when(#slot, #met);));
    let (met, unmet) = (when(true), when(false));
    let inner = quote!(#met #(#statements)*);
    let nested = annotation
        .when
        .iter()
        .rev()
        .fold(inner, |inner, part| quote!(if #part { #inner }));
    unit(reader, quote!(#unmet #nested))
}

/// Values that are captured by these statements. Where a macro may hide a `return`, a closure keeps
/// it from ending the function.
fn unit(reader: Reader, take: TokenStream) -> syn::Result<Unit> {
    let uses = reader.finish()?;
    let take = if uses.hides {
        quote!((|| { #take })();)
    } else {
        take
    };
    Ok(Unit { uses, take })
}
