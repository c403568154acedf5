//! Generated code that runs a body and ends its frame.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::visit_mut::VisitMut;
use syn::{FnArg, Type};

use super::exits::Exits;
use super::local::local;
use super::types::{Lifetimes, StaticObjects, count_borrows};
use crate::function::{Function, Output};
use crate::idents::for_each_binding;

/// Generates the code that runs a body and ends its frame.
pub(super) struct BodyExpander<'a> {
    function: &'a Function,
    root: &'a TokenStream,
    frame: &'a Ident,
    /// True if calls that the body makes belong to the setup.
    is_bare: bool,
    wrapper: Wrapper,
}

/// Construct around a body in its function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrapper {
    /// Block. Nothing leaves the body before its end, so the compiler and its lints treat the block
    /// as the function.
    Block,
    /// Closure, which `return` and `?` leave.
    Closure {
        /// True for a `move` closure, which drops several parameters in their order. The compiler
        /// then also reports a value that borrows from the function at its own position, and
        /// assignments that are never read.
        is_move: bool,
    },
    /// Async block, which `return` and `?` leave as well.
    AsyncBlock,
}

impl<'a> BodyExpander<'a> {
    pub(super) fn new(
        function: &'a Function,
        root: &'a TokenStream,
        frame: &'a Ident,
        is_bare: bool,
    ) -> Self {
        let exits = Exits::of(function.body.stream());
        let returns_borrow = match function.output() {
            Output::Unit | Output::Never => false,
            Output::Named(ty) => count_borrows(ty.to_token_stream()) > 0,
            Output::Closure { .. } | Output::Hidden { .. } => true,
        };
        let is_async = function.sig.asyncness.is_some();
        let wrapper = match (is_bare, exits) {
            // rustc would call the braces of a block on one line unused.
            (
                false,
                Exits {
                    returns_early: false,
                    ..
                },
            ) if !returns_borrow && !is_on_one_line(function) => Wrapper::Block,
            (true, _) | (_, Exits { awaits: true, .. }) if is_async => Wrapper::AsyncBlock,
            _ => {
                let is_move = returns_borrow
                    || has_mutable_parameter(function)
                    || function.drop_order().is_some();
                Wrapper::Closure { is_move }
            }
        };
        Self {
            function,
            root,
            frame,
            is_bare,
            wrapper,
        }
    }

    /// Returns the code that captures the values of `entry`, runs the body, and ends the frame.
    pub(super) fn expand(&self, entry: Option<&TokenStream>, body: &Group) -> TokenStream {
        if let Output::Never = self.function.output() {
            return quote!(#entry #body);
        }
        let order = if self.wrapper == Wrapper::Block {
            None
        } else {
            self.function.drop_order()
        };
        // An async block would own the values captured at entry, so it captures them itself.
        if self.wrapper == Wrapper::AsyncBlock {
            return self.finished(&|ty| self.as_async_block(ty, &quote!(#order #entry), body));
        }
        let block = self.block_of(&order.unwrap_or_default(), body);
        let run = match self.wrapper {
            Wrapper::Closure { is_move } => {
                self.finished(&|ty| self.as_closure(ty, is_move, &block))
            }
            Wrapper::Block | Wrapper::AsyncBlock => self.finished(&|_| block.clone()),
        };
        quote!(#entry #run)
    }

    /// Returns the block of a body, with statements before it. To lints, its braces are the user's.
    fn block_of(&self, first: &TokenStream, body: &Group) -> TokenStream {
        let stmts = body.stream();
        let mut block = Group::new(Delimiter::Brace, quote!(#first #stmts));
        block.set_span(self.function.braces);
        TokenTree::Group(block).into()
    }

    fn as_async_block(&self, ty: &Type, first: &TokenStream, body: &Group) -> TokenStream {
        let Self { root, frame, .. } = self;
        let returned = local("returned");
        // The first `return` of an async block determines its type, as a signature would.
        let early = quote! {
            if let ::core::option::Option::Some(#returned) = #root::__private::type_hint::<#ty>() { return #returned; }
        };
        let block = self.block_of(&quote!(#early #first), body);
        let block = quote_spanned!(self.function.braces=> async move #block);
        if self.is_bare {
            quote!(#frame.in_setup(#block).await)
        } else {
            quote!(#block.await)
        }
    }

    fn as_closure(&self, ty: &Type, is_move: bool, block: &TokenStream) -> TokenStream {
        let Self {
            function,
            root,
            frame,
            is_bare,
            ..
        } = self;
        let capture = is_move.then(|| quote_spanned!(function.braces=> move));
        // Lints check a closure only if its tokens have the position of the user's code.
        let closure =
            |ty: Option<TokenStream>| quote_spanned!(function.braces=> #capture || #ty #block);
        let is_unit = matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty());
        match function.output() {
            // The bound determines the closure's type, as the signature does without the attribute.
            Output::Closure { .. } if function.sig.asyncness.is_none() => {
                let (returns, closure) = (local("returns"), closure(None));
                if *is_bare {
                    quote!(#frame.run_in_setup(#returns(#closure)))
                } else {
                    quote!(#root::__private::run(#returns(#closure)))
                }
            }
            Output::Named(_) if *is_bare && function.is_guard() => {
                let closure = closure(Some(quote!(-> #ty)));
                quote!(#frame.guard_in_setup(#closure))
            }
            _ => {
                let unit = is_unit.then(|| quote!(::<()>));
                let closure = closure((!is_unit).then(|| quote!(-> #ty)));
                if *is_bare {
                    quote!(#frame.run_in_setup #unit (#closure))
                } else {
                    quote!(#root::__private::run #unit (#closure))
                }
            }
        }
    }

    /// Returns the statement that binds the value of a body.
    fn bind_result(&self, ty: &Type, run: &TokenStream) -> TokenStream {
        let returned = local("returned");
        let allow = match self.wrapper {
            // Clippy would say that a body which ends in a call that never returns diverges within
            // an expression.
            Wrapper::Block if may_diverge(self.function.body.stream()) => {
                Some(quote!(#[allow(clippy::diverging_sub_expression)]))
            }
            // A response's builder can be awaited. Returning one is the choice of the function.
            Wrapper::AsyncBlock => Some(quote!(#[allow(clippy::async_yields_async)])),
            Wrapper::Block | Wrapper::Closure { .. } => None,
        };
        quote!(#allow let #returned: #ty = #run;)
    }

    /// Returns a type of the signature as it is written in the body.
    ///
    /// A single lifetime is left to inference: if the body named it, lints would not report it as
    /// needless. Several lifetimes are named, since only then errors point at the right position.
    fn type_in_body(&self, mut ty: Type) -> Type {
        let inputs = &self.function.sig.inputs;
        if count_borrows(ty.to_token_stream()) == 0 {
            StaticObjects.visit_type_mut(&mut ty);
        }
        let mut lifetimes = Lifetimes::default();
        lifetimes.visit_type_mut(&mut ty);
        if count_borrows(quote!(#inputs)) == 1 && !lifetimes.in_function {
            lifetimes.replaces = true;
            lifetimes.visit_type_mut(&mut ty);
        }
        ty
    }

    /// Returns the code that runs the body and ends the frame. `run` returns the code that runs the
    /// body for the type of its value.
    fn finished(&self, run: &dyn Fn(&Type) -> TokenStream) -> TokenStream {
        let Self {
            function,
            root,
            frame,
            ..
        } = self;
        let returned = local("returned");
        let is_async = function.sig.asyncness.is_some();
        let bind = |ty: &Type| self.bind_result(ty, &run(ty));
        match function.output() {
            Output::Unit | Output::Never => {
                let run = run(&syn::parse_quote!(()));
                let semicolon = (self.wrapper != Wrapper::Block).then(|| quote!(;));
                let end =
                    self.after_body(&quote!(#frame.finish(#root::__private::Outcome::Returned);));
                quote!(#run #semicolon #end)
            }
            Output::Named(ty) | Output::Closure { ty, .. } | Output::Hidden { ty, .. }
                if is_async =>
            {
                let run = bind(&self.type_in_body(ty));
                let end = self.after_body(
                    &quote!(#frame.finish(#root::__private::classify_outcome!(&#returned));),
                );
                quote!(#run #end #returned)
            }
            Output::Named(ty) if function.is_guard() => {
                let run = bind(&ty);
                let end = self.after_body(
                    &quote!(#frame.finish(#root::__private::Outcome::of_guard(#returned));),
                );
                quote!(#run #end #returned)
            }
            Output::Named(ty)
            | Output::Hidden {
                ty,
                is_opaque: false,
            } => {
                let ty = self.type_in_body(ty);
                let run = bind(&ty);
                let finished = quote!(#root::__private::finished!(#frame, #returned: #ty));
                if self.wrapper == Wrapper::Block {
                    let finished = self.after_body(&quote!(let #returned = #finished;));
                    quote!(#run #finished #returned)
                } else {
                    quote!(#run #finished)
                }
            }
            Output::Hidden {
                ty,
                is_opaque: true,
            } => {
                let run = bind(&self.type_in_body(ty));
                quote!(#run #root::__private::finished_opaque!(#frame, #returned))
            }
            Output::Closure { ty, bounds } => {
                let (returns, run) = (local("returns"), run(&ty));
                quote! {
                    fn #returns<R: #bounds, F: ::core::ops::FnOnce() -> R>(body: F) -> F { body }
                    let #returned = #run;
                    #root::__private::finished!(#frame, #returned: _)
                }
            }
        }
    }

    /// Returns the first statement after the body, which is unreachable after a block that never
    /// ends.
    fn after_body(&self, statement: &TokenStream) -> TokenStream {
        let allow = (self.wrapper == Wrapper::Block).then(|| quote!(#[allow(unreachable_code)]));
        quote!(#allow #statement)
    }
}

/// Returns whether a body and its braces are on one line.
fn is_on_one_line(function: &Function) -> bool {
    let is_empty = function.body.stream().is_empty();
    !is_empty
        && proc_macro::is_available()
        && function.braces.unwrap().line() == function.end.unwrap().line()
}

/// Returns whether a body ends in a call that may never return: any call except that of a variant,
/// such as `Some(…)`.
fn may_diverge(body: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = body.into_iter().collect();
    match tokens.as_slice() {
        [.., TokenTree::Ident(function), TokenTree::Group(group)]
            if group.delimiter() == Delimiter::Parenthesis =>
        {
            !function.to_string().starts_with(char::is_uppercase)
        }
        [.., TokenTree::Group(group)] => group.delimiter() != Delimiter::Brace,
        _ => false,
    }
}

/// Returns whether the body can assign to a parameter.
fn has_mutable_parameter(function: &Function) -> bool {
    let mut found = false;
    for input in &function.sig.inputs {
        match input {
            FnArg::Receiver(receiver) => found |= receiver.mutability.is_some(),
            FnArg::Typed(typed) => for_each_binding(&typed.pat, &mut |binding| {
                found |= binding.mutability.is_some();
            }),
        }
    }
    found
}
