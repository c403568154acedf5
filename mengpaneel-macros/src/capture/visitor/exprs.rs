//! Scopes and execution of each kind of expression.

use std::collections::BTreeSet;

use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, Pat};

use super::{Pass, ScopeVisitor};
use crate::capture::barrier::Barrier;
use crate::capture::execution::{self, Execution};
use crate::capture::mutation;
use crate::capture::syntax::{bound_names, insert_in_arm, names_bound_by_condition, statement};
use crate::idents::collect_bound;

impl<P: Pass> VisitMut for ScopeVisitor<'_, P> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        let execution = self.execution;
        match expr {
            Expr::Async(node) => {
                let is_move = node.capture.is_some();
                let before = self.pass.insertions();
                let needs_own_handle = execution.needs_own_handle(is_move);
                match needs_own_handle {
                    Err(barrier) => self.with_barrier(barrier, |visitor| {
                        visit_mut::visit_expr_async_mut(visitor, node);
                    }),
                    Ok(_) => self.visit_inline_body(&mut node.block),
                }
                if needs_own_handle == Ok(true) {
                    self.pass.insert_own_handle(expr, before);
                }
                return;
            }
            Expr::Await(node) => return self.visit_with(Execution::Inline, &mut node.base),
            Expr::Paren(node) => return self.visit_expr_mut(&mut node.expr),
            Expr::Group(node) => return self.visit_expr_mut(&mut node.expr),
            Expr::Return(node) => {
                let returned = if self.returns_future && self.barrier.is_none() {
                    Execution::Returned
                } else {
                    Execution::Unknown
                };
                if let Some(value) = &mut node.expr {
                    self.visit_with(returned, value);
                }
                return;
            }
            Expr::Call(node) => {
                if let Some(closure) = execution::immediately_called_closure(node) {
                    return self.visit_called_closure(closure);
                }
                let arguments = execution.of_arguments(execution::function_name(&node.func));
                self.visit_with(Execution::Unknown, &mut node.func);
                node.args
                    .iter_mut()
                    .for_each(|arg| self.visit_with(arguments, arg));
                return;
            }
            Expr::MethodCall(node) => {
                if let Some(mutation) = mutation::by_method(node) {
                    self.pass.mutate(&mutation, &self.scopes);
                }
                let arguments = execution.of_arguments(Some(&node.method));
                self.visit_with(arguments, &mut node.receiver);
                node.args
                    .iter_mut()
                    .for_each(|arg| self.visit_with(arguments, arg));
                return;
            }
            Expr::If(_) | Expr::Match(_) | Expr::Block(_) | Expr::Unsafe(_) => {}
            Expr::Assign(node) => {
                if let Some(mutation) = mutation::by_assignment(&node.left) {
                    self.pass.mutate(&mutation, &self.scopes);
                }
                self.execution = Execution::Unknown;
            }
            Expr::Binary(node) => {
                if let Some(mutation) = mutation::by_operator(node) {
                    self.pass.mutate(&mutation, &self.scopes);
                }
                self.execution = Execution::Unknown;
            }
            _ => self.execution = Execution::Unknown,
        }
        visit_mut::visit_expr_mut(self, expr);
        self.execution = execution;
    }

    fn visit_block_mut(&mut self, block: &mut Block) {
        let number = self.next_block();
        self.visit_stmts(&mut block.stmts, number);
    }

    fn visit_expr_if_mut(&mut self, branches: &mut syn::ExprIf) {
        let bound = names_bound_by_condition(&branches.cond);
        let sources = if bound.is_disjoint(self.names) {
            BTreeSet::new()
        } else {
            self.mentioned(&branches.cond)
        };
        self.visit_with(Execution::Unknown, &mut branches.cond);
        let inserted = self.visit_branch(&bound, &sources, |visitor| {
            visitor.visit_block_mut(&mut branches.then_branch);
        });
        branches
            .then_branch
            .stmts
            .splice(0..0, inserted.map(|tokens| statement(&tokens, &[])));
        if let Some((_, otherwise)) = &mut branches.else_branch {
            self.visit_expr_mut(otherwise);
        }
    }

    fn visit_expr_match_mut(&mut self, node: &mut syn::ExprMatch) {
        let sources = self.mentioned(&node.expr);
        self.visit_with(Execution::Unknown, &mut node.expr);
        for arm in &mut node.arms {
            let (mut bound, mut sources) = (BTreeSet::new(), sources.clone());
            collect_bound(&arm.pat, &mut bound);
            if let Pat::Guard(guarded) = &arm.pat {
                bound.extend(names_bound_by_condition(&guarded.guard));
                sources.extend(self.mentioned(&guarded.guard));
            }
            if let Some(tokens) = self.visit_branch(&bound, &sources, |visitor| {
                visitor.visit_expr_mut(&mut arm.body);
            }) {
                insert_in_arm(arm, statement(&tokens, &[]));
            }
        }
    }

    fn visit_expr_while_mut(&mut self, node: &mut syn::ExprWhile) {
        let bound = names_bound_by_condition(&node.cond);
        self.with_barrier(Barrier::Loop, |visitor| {
            visitor.visit_expr_mut(&mut node.cond);
            visitor.visit_branch(&bound, &BTreeSet::new(), |visitor| {
                visitor.visit_block_mut(&mut node.body);
            });
        });
    }

    fn visit_expr_for_loop_mut(&mut self, node: &mut syn::ExprForLoop) {
        self.visit_with(Execution::Unknown, &mut node.expr);
        self.with_barrier(Barrier::Loop, |visitor| {
            let bound = bound_names([&*node.pat]);
            visitor.visit_branch(&bound, &BTreeSet::new(), |visitor| {
                visitor.visit_block_mut(&mut node.body);
            });
        });
    }

    fn visit_expr_loop_mut(&mut self, node: &mut syn::ExprLoop) {
        self.with_barrier(Barrier::Loop, |visitor| {
            visitor.visit_block_mut(&mut node.body);
        });
    }

    fn visit_expr_closure_mut(&mut self, node: &mut syn::ExprClosure) {
        self.with_barrier(Barrier::Closure, |visitor| {
            let bound = bound_names(&node.inputs);
            visitor.visit_branch(&bound, &BTreeSet::new(), |visitor| {
                visitor.visit_expr_mut(&mut node.body);
            });
        });
    }

    fn visit_expr_const_mut(&mut self, node: &mut syn::ExprConst) {
        self.with_barrier(Barrier::Constant, |visitor| {
            visitor.visit_block_mut(&mut node.block);
        });
    }

    fn visit_item_mut(&mut self, _: &mut syn::Item) {}
}
