//! Code that runs a body and ends its frame.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::visit_mut::{self, VisitMut};
use syn::{FnArg, Type};

use super::exits::Exits;
use super::local;
use crate::function::{Function, Output};
use crate::names;

/// Code that runs a body and ends its frame.
pub(super) struct Run<'a> {
    function: &'a Function,
    root: &'a TokenStream,
    frame: &'a Ident,
    /// True if calls that the body makes by hand are setup.
    bare: bool,
    form: Form,
}

/// How a body stands in its function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As a block, which nothing leaves before its end: to the compiler and its lints it is the
    /// function.
    Block,
    /// As a closure, which `return` and `?` leave.
    Closure {
        /// True if it takes what it uses: to drop several parameters in their order. The compiler
        /// then also tells a value that borrows from the function at its own place, and
        /// what is assigned in vain.
        owns: bool,
    },
    /// As an async block, which they leave as well.
    Async,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        function: &'a Function,
        root: &'a TokenStream,
        frame: &'a Ident,
        bare: bool,
    ) -> Self {
        let exits = Exits::of(function.body.stream());
        let borrows = match function.output() {
            Output::Unit | Output::Never => false,
            Output::Named(ty) => borrows(ty.to_token_stream()) > 0,
            Output::Closure { .. } | Output::Hidden { .. } => true,
        };
        let is_async = function.sig.asyncness.is_some();
        let form = match (bare, exits) {
            // The braces of a block on one line would be called unused.
            (false, Exits { early: false, .. }) if !borrows && !is_on_one_line(function) => {
                Form::Block
            }
            (true, _) | (_, Exits { awaits: true, .. }) if is_async => Form::Async,
            _ => {
                let owns =
                    borrows || has_mutable_parameter(function) || function.drop_order().is_some();
                Form::Closure { owns }
            }
        };
        Self {
            function,
            root,
            frame,
            bare,
            form,
        }
    }

    /// Runs a body, after what is captured at entry, and ends the frame.
    pub(super) fn of(&self, entry: Option<&TokenStream>, body: &Group) -> TokenStream {
        if let Output::Never = self.function.output() {
            return quote!(#entry #body);
        }
        let order = if self.form == Form::Block {
            None
        } else {
            self.function.drop_order()
        };
        // An async block owns what is captured at entry, so that it captures it itself.
        if self.form == Form::Async {
            return self.ended(&|ty| self.as_async_block(ty, &quote!(#order #entry), body));
        }
        let block = self.block(&order.unwrap_or_default(), body);
        let run = match self.form {
            Form::Closure { owns } => self.ended(&|ty| self.as_closure(ty, owns, &block)),
            Form::Block | Form::Async => self.ended(&|_| block.clone()),
        };
        quote!(#entry #run)
    }

    /// The block of a body, after these statements. Its braces are the user's own to the lints.
    fn block(&self, first: &TokenStream, body: &Group) -> TokenStream {
        let stmts = body.stream();
        let mut block = Group::new(Delimiter::Brace, quote!(#first #stmts));
        block.set_span(self.function.braces);
        TokenTree::Group(block).into()
    }

    fn as_async_block(&self, ty: &Type, first: &TokenStream, body: &Group) -> TokenStream {
        let Self { root, frame, .. } = self;
        let returned = local("returned");
        // The first thing that an async block may return settles its type, as a signature would.
        let early = quote! {
            if let ::core::option::Option::Some(#returned) = #root::__private::nothing::<#ty>() { return #returned; }
        };
        let block = self.block(&quote!(#early #first), body);
        let block = quote_spanned!(self.function.braces=> async move #block);
        if self.bare {
            quote!(#frame.in_setup(#block).await)
        } else {
            quote!(#block.await)
        }
    }

    fn as_closure(&self, ty: &Type, owns: bool, block: &TokenStream) -> TokenStream {
        let Self {
            function,
            root,
            frame,
            bare,
            ..
        } = self;
        let owns = owns.then(|| quote_spanned!(function.braces=> move));
        // Lints look at a closure whose tokens have the user's place, and at its body.
        let closure =
            |ty: Option<TokenStream>| quote_spanned!(function.braces=> #owns || #ty #block);
        let is_unit = matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty());
        match function.output() {
            // The bound tells a closure its type, as the signature does without the attribute.
            Output::Closure { .. } if function.sig.asyncness.is_none() => {
                let (returns, closure) = (local("returns"), closure(None));
                if *bare {
                    quote!(#frame.run_in_setup(#returns(#closure)))
                } else {
                    quote!(#root::__private::run(#returns(#closure)))
                }
            }
            Output::Named(_) if *bare && function.is_guard() => {
                let closure = closure(Some(quote!(-> #ty)));
                quote!(#frame.guard_in_setup(#closure))
            }
            _ => {
                let unit = is_unit.then(|| quote!(::<()>));
                let closure = closure((!is_unit).then(|| quote!(-> #ty)));
                if *bare {
                    quote!(#frame.run_in_setup #unit (#closure))
                } else {
                    quote!(#root::__private::run #unit (#closure))
                }
            }
        }
    }

    /// Binds the value of a body.
    fn bound(&self, ty: &Type, run: &TokenStream) -> TokenStream {
        let returned = local("returned");
        let allow = match self.form {
            // A body that ends in a call that never returns would be called one that diverges on
            // the way.
            Form::Block if may_diverge(self.function.body.stream()) => {
                Some(quote!(#[allow(clippy::diverging_sub_expression)]))
            }
            // A response's builder can be awaited; that it is returned is the function's own
            // affair.
            Form::Async => Some(quote!(#[allow(clippy::async_yields_async)])),
            Form::Block | Form::Closure { .. } => None,
        };
        quote!(#allow let #returned: #ty = #run;)
    }

    /// The type as it is written in the body. A single lifetime is left to inference: did the body
    /// name it, lints would not call it needless. Among several, a mistake is told at its own
    /// place only if they are named.
    fn in_body(&self, mut ty: Type) -> Type {
        let inputs = &self.function.sig.inputs;
        if borrows(ty.to_token_stream()) == 0 {
            StaticObjects.visit_type_mut(&mut ty);
        }
        let mut lifetimes = Lifetimes {
            in_function: false,
            is_inferred: false,
        };
        lifetimes.visit_type_mut(&mut ty);
        if borrows(quote!(#inputs)) == 1 && !lifetimes.in_function {
            lifetimes.is_inferred = true;
            lifetimes.visit_type_mut(&mut ty);
        }
        ty
    }

    /// Runs the body in the way of `run`, which is told what type it has, and ends the frame.
    fn ended(&self, run: &dyn Fn(&Type) -> TokenStream) -> TokenStream {
        let Self {
            function,
            root,
            frame,
            ..
        } = self;
        let returned = local("returned");
        let is_async = function.sig.asyncness.is_some();
        let bound = |ty: &Type| self.bound(ty, &run(ty));
        match function.output() {
            Output::Unit | Output::Never => {
                let run = run(&syn::parse_quote!(()));
                let semicolon = (self.form != Form::Block).then(|| quote!(;));
                let end = self.reached(&quote!(#frame.end(#root::__private::Outcome::Returned);));
                quote!(#run #semicolon #end)
            }
            Output::Named(ty) | Output::Closure { ty, .. } | Output::Hidden { ty, .. }
                if is_async =>
            {
                let run = bound(&self.in_body(ty));
                let end = self.reached(&quote!(#frame.end(#root::__private::ended!(&#returned));));
                quote!(#run #end #returned)
            }
            Output::Named(ty) if function.is_guard() => {
                let run = bound(&ty);
                let end = self
                    .reached(&quote!(#frame.end(#root::__private::Outcome::of_guard(#returned));));
                quote!(#run #end #returned)
            }
            Output::Named(ty)
            | Output::Hidden {
                ty,
                is_opaque: false,
            } => {
                let ty = self.in_body(ty);
                let run = bound(&ty);
                let finished = quote!(#root::__private::finished!(#frame, #returned: #ty));
                if self.form == Form::Block {
                    let finished = self.reached(&quote!(let #returned = #finished;));
                    quote!(#run #finished #returned)
                } else {
                    quote!(#run #finished)
                }
            }
            Output::Hidden {
                ty,
                is_opaque: true,
            } => {
                let run = bound(&self.in_body(ty));
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

    /// The first statement after the body, which is not reached after a block that never ends.
    fn reached(&self, statement: &TokenStream) -> TokenStream {
        let allow = (self.form == Form::Block).then(|| quote!(#[allow(unreachable_code)]));
        quote!(#allow #statement)
    }
}

/// Returns whether a body stands on one line with its braces.
fn is_on_one_line(function: &Function) -> bool {
    let is_empty = function.body.stream().is_empty();
    !is_empty
        && proc_macro::is_available()
        && function.braces.unwrap().line() == function.end.unwrap().line()
}

/// Returns whether a body ends in a call that may never return: any but that of a variant, as
/// `Some(…)`.
fn may_diverge(body: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = body.into_iter().collect();
    match tokens.as_slice() {
        [.., TokenTree::Ident(called), TokenTree::Group(group)]
            if group.delimiter() == Delimiter::Parenthesis =>
        {
            !called.to_string().starts_with(char::is_uppercase)
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
            FnArg::Typed(typed) => names::bindings(&typed.pat, &mut |binding| {
                found |= binding.mutability.is_some()
            }),
        }
    }
    found
}

/// Number of references and lifetimes in these types, as far as their tokens tell.
fn borrows(tokens: TokenStream) -> usize {
    let (mut count, mut last) = (0, ' ');
    for token in tokens {
        let punct = match token {
            TokenTree::Punct(punct) => punct.as_char(),
            TokenTree::Group(group) => {
                count += borrows(group.stream());
                ' '
            }
            TokenTree::Ident(_) | TokenTree::Literal(_) => ' ',
        };
        // The lifetime of a reference follows it.
        count += usize::from(punct == '&' || (punct == '\'' && last != '&'));
        last = punct;
    }
    count
}

/// Writes out that `Box<dyn Trait>` owns what it uses: the default of a signature, and not of a
/// body.
struct StaticObjects;

impl VisitMut for StaticObjects {
    fn visit_path_segment_mut(&mut self, segment: &mut syn::PathSegment) {
        visit_mut::visit_path_segment_mut(self, segment);
        let syn::PathArguments::AngleBracketed(arguments) = &mut segment.arguments else {
            return;
        };
        if !["Box", "Rc", "Arc"]
            .iter()
            .any(|owner| segment.ident == owner)
        {
            return;
        }
        for argument in &mut arguments.args {
            if let syn::GenericArgument::Type(Type::TraitObject(object)) = argument {
                object.bounds.push(syn::parse_quote!('static));
            }
        }
    }
}

/// Infers the lifetimes of a type. In the type of a function, an inferred one would have another
/// meaning.
struct Lifetimes {
    in_function: bool,
    is_inferred: bool,
}

impl VisitMut for Lifetimes {
    fn visit_lifetime_mut(&mut self, lifetime: &mut syn::Lifetime) {
        if self.is_inferred && lifetime.ident != "static" {
            lifetime.ident = Ident::new("_", Span::mixed_site().located_at(lifetime.span()));
        }
    }

    fn visit_type_fn_ptr_mut(&mut self, _: &mut syn::TypeFnPtr) {
        self.in_function = true;
    }

    fn visit_bound_lifetimes_mut(&mut self, _: &mut syn::BoundLifetimes) {
        self.in_function = true;
    }

    fn visit_parenthesized_generic_arguments_mut(
        &mut self,
        node: &mut syn::ParenthesizedGenericArguments,
    ) {
        self.in_function = true;
        visit_mut::visit_parenthesized_generic_arguments_mut(self, node);
    }
}
