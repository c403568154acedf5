//! Calls of the attributes: their constant part, and the statements that capture the rest.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Lit, LitStr};

use super::errors::combine;
use super::feature::IS_TRACKING;
use super::local::local;
use crate::args::{Annotation, Arg, Call, Mode, Name, Property, Trigger};
use crate::capture::CaptureGroup;
use crate::idents::{FreeIdents, unraw_name};

/// Constant part of the calls of a function, and the slots for their captured values.
pub(super) struct StaticSpec {
    /// Generic parameters of the function, which a static cannot use.
    generics: BTreeSet<String>,
    calls: Vec<TokenStream>,
    slots: usize,
}

/// Statement that captures a value into a slot, and the expressions of the value.
struct SlotWrite {
    statement: TokenStream,
    exprs: Vec<Expr>,
}

impl StaticSpec {
    pub(super) fn new(generics: BTreeSet<String>) -> Self {
        Self {
            generics,
            calls: Vec::new(),
            slots: 0,
        }
    }

    /// Returns the constant part of every call, and the number of slots.
    pub(super) fn finish(self) -> (Vec<TokenStream>, usize) {
        (self.calls, self.slots)
    }

    /// Adds the calls of an attribute, and returns their values in groups to capture together.
    pub(super) fn add(&mut self, annotation: &Annotation) -> syn::Result<Vec<CaptureGroup>> {
        let line = quote_spanned!(annotation.span=> ::core::line!());
        if annotation.calls.is_empty() {
            self.calls.push(quote!(__mengpaneel::CallSpec::bare(#line)));
            return Ok(vec![]);
        }
        let when = (!annotation.when.is_empty()).then(|| self.slot());
        let mut writes = Vec::new();
        for call in &annotation.calls {
            let args: Vec<_> = call
                .args
                .iter()
                .map(|arg| self.argument(call, arg, &mut writes))
                .collect();
            let call = Self::call(annotation, call, &line, when, &args);
            self.calls.push(call);
        }
        match when {
            Some(slot) => Ok(vec![conditional(annotation, slot, &writes)?]),
            None => combine(writes.into_iter().map(SlotWrite::into_group)),
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
        match annotation.trigger {
            Trigger::Success => {}
            Trigger::Failure => options.extend(quote!(.on(__mengpaneel::Trigger::Failure))),
            Trigger::Always => options.extend(quote!(.on(__mengpaneel::Trigger::Always))),
        }
        if annotation.via_server {
            options.extend(quote!(.via_server()));
        }
        if let Some(slot) = when {
            options.extend(quote!(.when(#slot)));
        }
        quote! {
            __mengpaneel::CallSpec::new(
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

    fn argument(&mut self, call: &Call, arg: &Arg, writes: &mut Vec<SlotWrite>) -> TokenStream {
        let path = call.path;
        match arg {
            Arg::Text(Name::Literal(text)) => quote!(__mengpaneel::Argument::Text(#text)),
            Arg::Text(Name::Computed(expr)) => {
                let slot = self.write("text", None, expr, writes);
                let label = self.label(expr);
                quote!(__mengpaneel::Argument::Name(#slot, #label))
            }
            Arg::List(names) => {
                let items: Vec<_> = names
                    .iter()
                    .map(|name| self.argument(call, &Arg::Text(name.clone()), writes))
                    .collect();
                quote!(__mengpaneel::Argument::List(&[#(#items),*]))
            }
            Arg::Id(Expr::Lit(ExprLit {
                lit: Lit::Str(id), ..
            })) if !id.value().is_empty() => {
                quote!(__mengpaneel::Argument::Text(#id))
            }
            Arg::Id(expr) => {
                let slot = self.write("id", None, expr, writes);
                quote!(__mengpaneel::Argument::Runtime(#slot))
            }
            Arg::KeepUser => quote!(__mengpaneel::Argument::KeepUser),
            Arg::Ids(expr) => {
                let slot = self.write("ids", None, expr, writes);
                quote!(__mengpaneel::Argument::Runtime(#slot))
            }
            Arg::Map(expr) => {
                let slot = self.write("spread", Some(quote!(#path)), expr, writes);
                quote!(__mengpaneel::Argument::Runtime(#slot))
            }
            Arg::Value(name, expr) => {
                let slot = self.value(path, name, expr, writes);
                quote!(__mengpaneel::Argument::Runtime(#slot))
            }
            Arg::Properties(properties) => {
                let properties: Vec<_> = properties
                    .iter()
                    .map(|property| self.property(path, property, writes))
                    .collect();
                quote!(__mengpaneel::Argument::Properties(&[#(#properties),*]))
            }
        }
    }

    fn property(
        &mut self,
        path: &str,
        property: &Property,
        writes: &mut Vec<SlotWrite>,
    ) -> TokenStream {
        match property {
            Property::Pair(name, expr) => {
                let constant = literal(expr).filter(|_| !expects_amounts(path) || is_integer(expr));
                let value = constant.unwrap_or_else(|| {
                    let slot = self.value(path, name, expr, writes);
                    quote!(Runtime(#slot))
                });
                let value = quote!(__mengpaneel::Value::#value);
                match name {
                    Name::Literal(name) => quote!(__mengpaneel::Property::Named(#name, #value)),
                    Name::Computed(name) => {
                        let label = self.label(name);
                        let name = self.write("text", None, name, writes);
                        quote!(__mengpaneel::Property::Computed(#name, #value, #label))
                    }
                }
            }
            Property::Spread(expr) => {
                let slot = self.write("spread", Some(quote!(#path)), expr, writes);
                let source = expr.to_token_stream().to_string();
                quote!(__mengpaneel::Property::Spread(#slot, #source))
            }
        }
    }

    /// Returns a computed name for the plan: the value of a constant, or the source of any other
    /// expression.
    fn label(&self, expr: &Expr) -> TokenStream {
        if self.is_constant(expr) {
            let text = local("text");
            return quote! {
                __mengpaneel::LabelText::Constant(|| {
                    let #text: &str = ::core::convert::AsRef::as_ref(&#expr);
                    ::core::convert::From::from(#text)
                })
            };
        }
        let source = format!("{{{}}}", expr.to_token_stream());
        quote!(__mengpaneel::LabelText::Text(#source))
    }

    /// Returns whether an expression is the path of a constant, by naming convention, and means the
    /// same outside of the function.
    fn is_constant(&self, expr: &Expr) -> bool {
        let Expr::Path(path) = expr else { return false };
        let segments = &path.path.segments;
        let (Some(first), Some(last)) = (segments.first(), segments.last()) else {
            return false;
        };
        let (first, last) = (unraw_name(&first.ident), unraw_name(&last.ident));
        // The attribute does not see the `T` of an `impl<T>` around the function.
        let is_generic = self.generics.contains(&first) || (segments.len() > 1 && first.len() == 1);
        let has_arguments = segments.iter().any(|segment| !segment.arguments.is_none());
        path.qself.is_none()
            && first != "Self"
            && !is_generic
            && !has_arguments
            && last.chars().all(|c| !c.is_lowercase())
    }

    /// Captures a named value, and returns its slot. The error for a type that cannot be serialised
    /// points at the name.
    fn value(
        &mut self,
        path: &str,
        name: &Name,
        expr: &Expr,
        writes: &mut Vec<SlotWrite>,
    ) -> usize {
        let (shown, span) = match name {
            Name::Literal(name) => (name.value(), name.span()),
            Name::Computed(name) => (path.to_owned(), name.span()),
        };
        let shown = LitStr::new(&shown, Span::mixed_site());
        let (method, span) = if expects_amounts(path) {
            ("amount", expr.span())
        } else {
            ("value", span)
        };
        let borrow = quote_spanned!(span=> &);
        self.write_with(&local(method), &quote!(#shown,), &borrow, expr, writes)
    }

    /// Captures an expression with a method of the frame's values: `method`, whose argument before
    /// the value is `argument`. Returns the slot.
    fn write(
        &mut self,
        method: &str,
        argument: Option<TokenStream>,
        expr: &Expr,
        writes: &mut Vec<SlotWrite>,
    ) -> usize {
        let argument = argument
            .map(|argument| quote!(#argument,))
            .unwrap_or_default();
        let borrow = quote_spanned!(expr.span()=> &);
        self.write_with(&local(method), &argument, &borrow, expr, writes)
    }

    fn write_with(
        &mut self,
        method: &Ident,
        argument: &TokenStream,
        borrow: &TokenStream,
        expr: &Expr,
        writes: &mut Vec<SlotWrite>,
    ) -> usize {
        let (slot, values) = (self.slot(), local("values"));
        let value = operand(expr);
        let statement = if IS_TRACKING {
            quote!(#values.#method(#slot, #argument #borrow #value);)
        } else {
            quote!(let _ = #borrow #value;)
        };
        writes.push(SlotWrite {
            statement,
            exprs: vec![expr.clone()],
        });
        slot
    }
}

/// Returns whether the values of a method must be numbers.
fn expects_amounts(path: &str) -> bool {
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

/// Returns a value that need not be captured: a literal.
fn literal(expr: &Expr) -> Option<TokenStream> {
    let Expr::Lit(ExprLit { lit, .. }) = expr else {
        return None;
    };
    match lit {
        Lit::Str(text) => Some(quote!(Text(#text))),
        Lit::Bool(bool) => Some(quote!(Bool(#bool))),
        // Integers with a suffix are captured, so that the compiler checks the suffix and the
        // range.
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

/// Largest integer that needs no suffix: the maximum of `i32`.
const MAX_UNTYPED: u64 = 0x7fff_ffff;

/// Returns the variant of `mengpaneel::Mode`.
fn mode(mode: Mode) -> Ident {
    local(match mode {
        Mode::BeforeSetup => "BeforeSetup",
        Mode::Setup => "Setup",
        Mode::Track | Mode::Tracking => "Tracking",
    })
}

/// Returns an expression that `&` can precede.
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

impl SlotWrite {
    fn into_group(self) -> syn::Result<CaptureGroup> {
        let mut idents = FreeIdents::default();
        self.exprs.iter().for_each(|expr| idents.read_expr(expr));
        group(idents, self.statement)
    }
}

/// Returns the group of an attribute with a condition: all values are captured together, and only
/// if the condition holds. `slot` is that of the condition.
fn conditional(
    annotation: &Annotation,
    slot: usize,
    writes: &[SlotWrite],
) -> syn::Result<CaptureGroup> {
    let values = local("values");
    let mut idents = FreeIdents::default();
    annotation
        .when
        .iter()
        .for_each(|part| idents.read_condition(part));
    writes
        .iter()
        .flat_map(|write| &write.exprs)
        .for_each(|expr| idents.read_expr(expr));
    let statements = writes.iter().map(|write| &write.statement);
    let when = |met: bool| IS_TRACKING.then(|| quote!(#values.when(#slot, #met);));
    let (met, unmet) = (when(true), when(false));
    let inner = quote!(#met #(#statements)*);
    let nested = annotation
        .when
        .iter()
        .rev()
        .fold(inner, |inner, part| quote!(if #part { #inner }));
    group(idents, quote!(#unmet #nested))
}

/// Returns the group of these statements. If a macro may hide a `return`, a closure keeps it from
/// leaving the function.
fn group(idents: FreeIdents, statements: TokenStream) -> syn::Result<CaptureGroup> {
    let used = idents.finish()?;
    let statements = if used.has_unknown_macro {
        quote!((|| { #statements })();)
    } else {
        statements
    };
    Ok(CaptureGroup { used, statements })
}
