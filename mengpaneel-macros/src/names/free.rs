//! The free names of an expression, by Rust's scoping: those that nothing in the expression binds.
//!
//! A property must not change what the function does, so the same walk refuses `?`, `return`,
//! `break`, `continue` and `.await` that would act on the function around the property.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, Item, Lifetime, Pat, Stmt};

use super::{bound_by, text};

/// Names and operations that expressions take from the scope around them.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    /// Free names.
    pub(crate) names: Vec<Use>,
    /// Names in macros that may as well bind them, and the macro.
    pub(crate) uncertain: Vec<(Ident, String)>,
    /// True if there is a macro in which anything may be hidden, a `return` too.
    pub(crate) hides: bool,
}

/// A free name.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    pub(crate) name: Ident,
    /// True if it is called, and so is a function's name unless something binds it.
    pub(crate) is_called: bool,
    /// The fields that are read of it: `address`, `city` of `user.address.city`.
    pub(crate) fields: Vec<String>,
}

/// Reads expressions that share one scope: later ones see what the conditions before them bind.
#[derive(Default)]
pub(crate) struct Reader {
    scopes: Vec<BTreeSet<String>>,
    pub(super) uses: Uses,
    errors: Option<syn::Error>,
    /// Where a `return`, `?` or `.await` belongs, and which loops and labels are the expression's
    /// own.
    around: Around,
}

#[derive(Clone, Debug, Default)]
struct Around {
    in_body: bool,
    in_async: bool,
    in_loop: bool,
    labels: Vec<String>,
}

impl Reader {
    /// Reads a part of a condition, whose bindings hold for everything that is read later.
    pub(crate) fn condition(&mut self, part: &Expr) {
        self.visit_expr_mut(&mut part.clone());
    }

    /// Reads an expression.
    pub(crate) fn expr(&mut self, expr: &Expr) {
        self.scoped(|reader| reader.visit_expr_mut(&mut expr.clone()));
    }

    /// Returns what was used, or the errors at what a property may not do.
    pub(crate) fn finish(self) -> syn::Result<Uses> {
        self.errors.map_or(Ok(self.uses), Err)
    }

    pub(super) fn scoped(&mut self, visit: impl FnOnce(&mut Self)) {
        self.scopes.push(BTreeSet::new());
        visit(self);
        self.scopes.pop();
    }

    pub(super) fn bind(&mut self, pattern: &Pat) {
        let mut names = BTreeSet::new();
        bound_by(pattern, &mut names);
        self.bind_names(names);
    }

    fn bind_names(&mut self, names: impl IntoIterator<Item = String>) {
        if self.scopes.is_empty() {
            self.scopes.push(BTreeSet::new());
        }
        if let Some(scope) = self.scopes.last_mut() {
            scope.extend(names);
        }
    }

    pub(super) fn is_bound(&self, name: &Ident) -> bool {
        let name = text(name);
        self.scopes.iter().any(|scope| scope.contains(&name))
    }

    pub(super) fn name(&mut self, name: &Ident, is_called: bool, fields: Vec<String>) {
        if !self.is_bound(name) {
            self.uses.names.push(Use {
                name: name.clone(),
                is_called,
                fields,
            });
        }
    }

    pub(super) fn refuse(&mut self, span: Span, what: &str, way_out: &str) {
        let error = syn::Error::new(
            span,
            format!(
                "`{what}` here would act on the function, and only where something is recorded: {way_out}, or bind \
                 the value with `let` in the body"
            ),
        );
        match &mut self.errors {
            Some(errors) => errors.combine(error),
            None => self.errors = Some(error),
        }
    }

    /// Visits what has a body of its own: its `return` is not the function's.
    fn in_body(&mut self, is_async: bool, visit: impl FnOnce(&mut Self)) {
        let own = Around {
            in_body: true,
            in_async: is_async,
            ..Around::default()
        };
        self.around(own, visit);
    }

    fn in_loop(
        &mut self,
        label: Option<&syn::Label>,
        is_loop: bool,
        visit: impl FnOnce(&mut Self),
    ) {
        let mut around = self.around.clone();
        around.in_loop |= is_loop;
        around
            .labels
            .extend(label.map(|label| label.name.ident.to_string()));
        self.around(around, visit);
    }

    fn around(&mut self, around: Around, visit: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.around, around);
        self.scoped(visit);
        self.around = outer;
    }

    fn jump(&mut self, span: Span, what: &str, label: Option<&Lifetime>) {
        let is_own = match label {
            Some(label) => self.around.labels.iter().any(|own| label.ident == own),
            None => self.around.in_loop,
        };
        if !is_own {
            self.refuse(span, what, "leave it out");
        }
    }

    fn block(&mut self, block: &mut Block) {
        // Items are in scope in the whole block, before and after they are declared.
        let items: Vec<_> = block.stmts.iter().filter_map(declared).collect();
        self.bind_names(items);
        for stmt in &mut block.stmts {
            self.visit_stmt_mut(stmt);
        }
    }
}

/// The name that an item declares as a value.
fn declared(stmt: &Stmt) -> Option<String> {
    let Stmt::Item(item) = stmt else { return None };
    let name = match item {
        Item::Fn(item) => &item.sig.ident,
        Item::Const(item) => &item.ident,
        Item::Static(item) => &item.ident,
        _ => return None,
    };
    Some(text(name))
}

/// The name and fields of `user.address.city`.
fn place(expr: &Expr) -> Option<(&Ident, Vec<String>)> {
    match expr {
        Expr::Path(path) if path.qself.is_none() => Some((path.path.get_ident()?, vec![])),
        Expr::Field(field) => {
            let (name, mut fields) = place(&field.base)?;
            fields.push(match &field.member {
                syn::Member::Named(field) => text(field),
                syn::Member::Unnamed(index) => index.index.to_string(),
            });
            Some((name, fields))
        }
        Expr::Group(group) => place(&group.expr),
        Expr::Paren(paren) => place(&paren.expr),
        _ => None,
    }
}

impl VisitMut for Reader {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        if let Some((name, fields)) = place(expr) {
            let name = name.clone();
            return self.name(&name, false, fields);
        }
        if let Expr::Verbatim(tokens) = expr {
            let tokens = tokens.clone();
            return self.tokens(&tokens, "this syntax");
        }
        visit_mut::visit_expr_mut(self, expr);
    }

    fn visit_expr_path_mut(&mut self, _: &mut syn::ExprPath) {}

    fn visit_expr_call_mut(&mut self, call: &mut syn::ExprCall) {
        match &*call.func {
            Expr::Path(path) if path.qself.is_none() && path.path.get_ident().is_some() => {
                if let Some(name) = path.path.get_ident().cloned() {
                    self.name(&name, true, vec![]);
                }
            }
            _ => self.visit_expr_mut(&mut call.func),
        }
        call.args
            .iter_mut()
            .for_each(|arg| self.visit_expr_mut(arg));
    }

    fn visit_expr_let_mut(&mut self, condition: &mut syn::ExprLet) {
        self.visit_expr_mut(&mut condition.expr);
        self.bind(&condition.pat);
    }

    fn visit_expr_if_mut(&mut self, branches: &mut syn::ExprIf) {
        self.scoped(|reader| {
            reader.visit_expr_mut(&mut branches.cond);
            reader.visit_block_mut(&mut branches.then_branch);
        });
        if let Some((_, otherwise)) = &mut branches.else_branch {
            self.visit_expr_mut(otherwise);
        }
    }

    fn visit_arm_mut(&mut self, arm: &mut syn::Arm) {
        self.scoped(|reader| {
            reader.bind(&arm.pat);
            if let Pat::Guard(guarded) = &mut arm.pat {
                reader.visit_expr_mut(&mut guarded.guard);
            }
            reader.visit_expr_mut(&mut arm.body);
        });
    }

    fn visit_expr_while_mut(&mut self, node: &mut syn::ExprWhile) {
        self.in_loop(node.label.as_ref(), true, |reader| {
            reader.visit_expr_mut(&mut node.cond);
            reader.visit_block_mut(&mut node.body);
        });
    }

    fn visit_expr_for_loop_mut(&mut self, node: &mut syn::ExprForLoop) {
        self.visit_expr_mut(&mut node.expr);
        self.in_loop(node.label.as_ref(), true, |reader| {
            reader.bind(&node.pat);
            reader.visit_block_mut(&mut node.body);
        });
    }

    fn visit_expr_loop_mut(&mut self, node: &mut syn::ExprLoop) {
        self.in_loop(node.label.as_ref(), true, |reader| {
            reader.visit_block_mut(&mut node.body)
        });
    }

    fn visit_expr_block_mut(&mut self, node: &mut syn::ExprBlock) {
        self.in_loop(node.label.as_ref(), false, |reader| {
            reader.visit_block_mut(&mut node.block)
        });
    }

    fn visit_expr_closure_mut(&mut self, closure: &mut syn::ExprClosure) {
        let is_async = closure.asyncness.is_some();
        self.in_body(is_async, |reader| {
            closure.inputs.iter().for_each(|input| reader.bind(input));
            reader.visit_expr_mut(&mut closure.body);
        });
    }

    fn visit_expr_async_mut(&mut self, node: &mut syn::ExprAsync) {
        self.in_body(true, |reader| reader.visit_block_mut(&mut node.block));
    }

    fn visit_block_mut(&mut self, block: &mut Block) {
        self.scoped(|reader| reader.block(block));
    }

    fn visit_local_mut(&mut self, local: &mut syn::Local) {
        if let Some(init) = &mut local.init {
            self.visit_expr_mut(&mut init.expr);
            if let Some((_, otherwise)) = &mut init.diverge {
                self.visit_expr_mut(otherwise);
            }
        }
        self.bind(&local.pat);
    }

    fn visit_expr_try_mut(&mut self, node: &mut syn::ExprTry) {
        self.visit_expr_mut(&mut node.expr);
        if !self.around.in_body {
            self.refuse(
                node.question_token.span(),
                "?",
                "say what an error comes to, such as with `.ok()`",
            );
        }
    }

    fn visit_expr_return_mut(&mut self, node: &mut syn::ExprReturn) {
        if !self.around.in_body {
            self.refuse(node.return_token.span(), "return", "leave it out");
        }
        visit_mut::visit_expr_return_mut(self, node);
    }

    fn visit_expr_break_mut(&mut self, node: &mut syn::ExprBreak) {
        self.jump(node.break_token.span(), "break", node.label.as_ref());
        visit_mut::visit_expr_break_mut(self, node);
    }

    fn visit_expr_continue_mut(&mut self, node: &mut syn::ExprContinue) {
        self.jump(node.continue_token.span(), "continue", node.label.as_ref());
    }

    fn visit_expr_await_mut(&mut self, node: &mut syn::ExprAwait) {
        self.visit_expr_mut(&mut node.base);
        if !self.around.in_async {
            self.refuse(node.await_token.span(), ".await", "await it in the body");
        }
    }

    fn visit_expr_yield_mut(&mut self, node: &mut syn::ExprYield) {
        self.refuse(node.yield_token.span(), "yield", "leave it out");
    }

    fn visit_macro_mut(&mut self, mac: &mut syn::Macro) {
        self.known_or_not(mac);
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}

    fn visit_type_mut(&mut self, _: &mut syn::Type) {}

    fn visit_angle_bracketed_generic_arguments_mut(
        &mut self,
        _: &mut syn::AngleBracketedGenericArguments,
    ) {
    }
}
