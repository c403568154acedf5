//! Scopes and operations of each kind of expression.

use proc_macro2::Ident;
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, Item, Pat};

use super::FreeIdents;
use crate::idents::unraw::unraw_name;

/// Returns the name and the fields of `user.address.city`.
fn field_path(expr: &Expr) -> Option<(&Ident, Vec<String>)> {
    match expr {
        Expr::Path(path) if path.qself.is_none() => Some((path.path.get_ident()?, vec![])),
        Expr::Field(field) => {
            let (name, mut fields) = field_path(&field.base)?;
            fields.push(match &field.member {
                syn::Member::Named(field) => unraw_name(field),
                syn::Member::Unnamed(index) => index.index.to_string(),
            });
            Some((name, fields))
        }
        Expr::Group(group) => field_path(&group.expr),
        Expr::Paren(paren) => field_path(&paren.expr),
        _ => None,
    }
}

impl VisitMut for FreeIdents {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        if let Some((name, fields)) = field_path(expr) {
            let name = name.clone();
            return self.use_name(&name, false, fields);
        }
        if let Expr::Verbatim(tokens) = expr {
            return self.read_unknown_syntax(tokens);
        }
        visit_mut::visit_expr_mut(self, expr);
    }

    fn visit_expr_path_mut(&mut self, _: &mut syn::ExprPath) {}

    fn visit_expr_call_mut(&mut self, call: &mut syn::ExprCall) {
        match &*call.func {
            Expr::Path(path) if path.qself.is_none() && path.path.get_ident().is_some() => {
                if let Some(name) = path.path.get_ident().cloned() {
                    self.use_name(&name, true, vec![]);
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
        self.scoped(|visitor| {
            visitor.visit_expr_mut(&mut branches.cond);
            visitor.visit_block_mut(&mut branches.then_branch);
        });
        if let Some((_, otherwise)) = &mut branches.else_branch {
            self.visit_expr_mut(otherwise);
        }
    }

    fn visit_arm_mut(&mut self, arm: &mut syn::Arm) {
        self.scoped(|visitor| {
            visitor.bind(&arm.pat);
            if let Pat::Guard(guarded) = &mut arm.pat {
                visitor.visit_expr_mut(&mut guarded.guard);
            }
            visitor.visit_expr_mut(&mut arm.body);
        });
    }

    fn visit_expr_while_mut(&mut self, node: &mut syn::ExprWhile) {
        self.in_loop(node.label.as_ref(), true, |visitor| {
            visitor.visit_expr_mut(&mut node.cond);
            visitor.visit_block_mut(&mut node.body);
        });
    }

    fn visit_expr_for_loop_mut(&mut self, node: &mut syn::ExprForLoop) {
        self.visit_expr_mut(&mut node.expr);
        self.in_loop(node.label.as_ref(), true, |visitor| {
            visitor.bind(&node.pat);
            visitor.visit_block_mut(&mut node.body);
        });
    }

    fn visit_expr_loop_mut(&mut self, node: &mut syn::ExprLoop) {
        self.in_loop(node.label.as_ref(), true, |visitor| {
            visitor.visit_block_mut(&mut node.body);
        });
    }

    fn visit_expr_block_mut(&mut self, node: &mut syn::ExprBlock) {
        self.in_loop(node.label.as_ref(), false, |visitor| {
            visitor.visit_block_mut(&mut node.block);
        });
    }

    fn visit_expr_closure_mut(&mut self, closure: &mut syn::ExprClosure) {
        let is_async = closure.asyncness.is_some();
        self.in_body(is_async, |visitor| {
            closure.inputs.iter().for_each(|input| visitor.bind(input));
            visitor.visit_expr_mut(&mut closure.body);
        });
    }

    fn visit_expr_async_mut(&mut self, node: &mut syn::ExprAsync) {
        self.in_body(true, |visitor| visitor.visit_block_mut(&mut node.block));
    }

    fn visit_block_mut(&mut self, block: &mut Block) {
        self.scoped(|visitor| visitor.visit_stmts(block));
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
        if !self.targets.in_body {
            self.reject(
                node.question_token.span(),
                "?",
                "convert the error, such as with `.ok()`",
            );
        }
    }

    fn visit_expr_return_mut(&mut self, node: &mut syn::ExprReturn) {
        if !self.targets.in_body {
            self.reject(node.return_token.span(), "return", "remove it");
        }
        visit_mut::visit_expr_return_mut(self, node);
    }

    fn visit_expr_break_mut(&mut self, node: &mut syn::ExprBreak) {
        self.check_jump(node.break_token.span(), "break", node.label.as_ref());
        visit_mut::visit_expr_break_mut(self, node);
    }

    fn visit_expr_continue_mut(&mut self, node: &mut syn::ExprContinue) {
        self.check_jump(node.continue_token.span(), "continue", node.label.as_ref());
    }

    fn visit_expr_await_mut(&mut self, node: &mut syn::ExprAwait) {
        self.visit_expr_mut(&mut node.base);
        if !self.targets.in_async {
            self.reject(node.await_token.span(), ".await", "await it in the body");
        }
    }

    fn visit_expr_yield_mut(&mut self, node: &mut syn::ExprYield) {
        self.reject(node.yield_token.span(), "yield", "remove it");
    }

    fn visit_macro_mut(&mut self, mac: &mut syn::Macro) {
        self.read_macro(mac);
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}

    fn visit_type_mut(&mut self, _: &mut syn::Type) {}

    fn visit_angle_bracketed_generic_arguments_mut(
        &mut self,
        _: &mut syn::AngleBracketedGenericArguments,
    ) {
    }
}
