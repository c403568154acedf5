//! A walk through a body by its scopes.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, Local, Pat, Stmt};

use super::driven::{self, Driven};
use super::syntax::{
    bound_by_condition, insert_in_arm, is_generated, mentioned, names_in, statement,
};
use crate::names::bound_by;

/// A construct that keeps a binding from being a place to capture values at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Barrier {
    Loop,
    Closure,
    AsyncBlock,
    /// An async block that is returned but does not own what it uses.
    Borrowing,
    Constant,
    NoValue,
}

/// Meaning of a name in an open scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The binding of this number, at which values are captured.
    Place(usize),
    /// A binding at which none are captured.
    Other,
}

/// A pattern that binds names.
pub(super) struct Binding<'a> {
    /// Number of the binding in the order of the walk.
    pub(super) index: usize,
    pub(super) names: &'a BTreeSet<String>,
    /// The names that the value is made of.
    pub(super) from: &'a BTreeSet<String>,
    /// The block it stands in; 0 for the function's own.
    pub(super) block: usize,
    pub(super) barrier: Option<Barrier>,
    pub(super) scopes: &'a [Scope],
}

pub(super) type Scope = BTreeMap<String, Meaning>;

/// Purpose of a walk.
pub(super) trait Pass {
    /// Decides what the names of a binding mean from here on, and what to insert after it.
    fn bind(&mut self, binding: &Binding<'_>) -> (Scope, Option<TokenStream>);

    /// Sees a place of this name change.
    fn change(&mut self, _: &driven::Change, _: &[Scope]) {}

    /// Rewrites an async block that runs apart from the function, if anything was inserted since
    /// `before`.
    fn own(&mut self, _: &mut Expr, _before: usize) {}

    /// The number of insertions so far.
    fn inserted(&self) -> usize {
        0
    }
}

/// Goes through a body by its scopes.
pub(super) struct Walk<'a, P> {
    pub(super) pass: &'a mut P,
    pub(super) named: &'a BTreeSet<String>,
    barrier: Option<Barrier>,
    scopes: Vec<Scope>,
    bindings: usize,
    blocks: usize,
    /// The block that is walked; 0 for the function's own, which always runs.
    block: usize,
    /// How an async block that stands here would run.
    driven: Driven,
    /// True if the end of the body is what the function returns, as a future.
    returns_future: bool,
}

impl<'a, P: Pass> Walk<'a, P> {
    pub(super) fn new(pass: &'a mut P, named: &'a BTreeSet<String>, returns_future: bool) -> Self {
        let driven = if returns_future {
            Driven::Returned
        } else {
            Driven::No
        };
        Self {
            pass,
            named,
            barrier: None,
            scopes: vec![],
            bindings: 0,
            blocks: 0,
            block: 0,
            driven,
            returns_future,
        }
    }

    /// Walks the statements of a block that is number `block`.
    pub(super) fn stmts(&mut self, stmts: &mut Vec<Stmt>, block: usize) {
        self.scopes.push(Scope::new());
        let (outer, driven) = (std::mem::replace(&mut self.block, block), self.driven);
        let all = std::mem::take(stmts);
        let futures = driven::awaited_later(&all, driven);
        let last = all.len();
        for (index, mut stmt) in all.into_iter().enumerate() {
            let is_tail = index + 1 == last && matches!(stmt, Stmt::Expr(_, None));
            self.driven = if is_tail {
                driven
            } else {
                futures.get(&index).copied().unwrap_or(Driven::No)
            };
            let mut inserted = match &mut stmt {
                Stmt::Local(local) => self.local(local),
                stmt => {
                    self.visit_stmt_mut(stmt);
                    None
                }
            };
            // A body that ends here has no value, and the compiler shall say so at its own tokens.
            if let (Some(Stmt::Expr(_, semicolon)), true) = (&mut inserted, index + 1 == last) {
                *semicolon = Some(syn::Token![;](proc_macro2::Span::mixed_site()));
            }
            stmts.push(stmt);
            stmts.extend(inserted);
        }
        (self.block, self.driven) = (outer, driven);
        self.scopes.pop();
    }

    fn local(&mut self, local: &mut Local) -> Option<Stmt> {
        let names = names_in([&local.pat]);
        let init = local
            .init
            .as_ref()
            .filter(|_| !names.is_disjoint(self.named));
        let from = init
            .map(|init| self.mentioned(&init.expr))
            .unwrap_or_default();
        match &mut local.init {
            // The user's own block, as `#[async_trait]` leaves it.
            Some(init) if self.block == 0 && is_generated(&local.pat) => match &mut *init.expr {
                Expr::Block(node) if node.label.is_none() => self.stmts(&mut node.block.stmts, 0),
                expr => self.visit_expr_mut(expr),
            },
            Some(init) => {
                self.visit_expr_mut(&mut init.expr);
                if let Some((_, otherwise)) = &mut init.diverge {
                    self.undriven(otherwise);
                }
            }
            None => {}
        }
        if local.init.is_none() {
            self.behind(Barrier::NoValue, |walk| drop(walk.bind(&names, &from)));
            return None;
        }
        self.bind(&names, &from)
            .map(|tokens| statement(&tokens, &local.attrs))
    }

    fn mentioned(&self, tokens: &impl ToTokens) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        mentioned(tokens.to_token_stream(), self.named, &mut found);
        found
    }

    fn bind(&mut self, names: &BTreeSet<String>, from: &BTreeSet<String>) -> Option<TokenStream> {
        let names: BTreeSet<String> = names.intersection(self.named).cloned().collect();
        if names.is_empty() {
            return None;
        }
        let (index, block) = (self.bindings, self.block);
        self.bindings += 1;
        let binding = Binding {
            index,
            names: &names,
            from,
            block,
            barrier: self.barrier,
            scopes: &self.scopes,
        };
        // What is inserted stands in the scope of the binding itself.
        let (meanings, inserted) = self.pass.bind(&binding);
        if let Some(scope) = self.scopes.last_mut() {
            scope.extend(meanings);
        }
        inserted
    }

    fn behind<R>(&mut self, barrier: Barrier, visit: impl FnOnce(&mut Self) -> R) -> R {
        let (outer, driven) = (
            self.barrier,
            std::mem::replace(&mut self.driven, Driven::No),
        );
        self.barrier = outer.or(Some(barrier));
        let visited = visit(self);
        (self.barrier, self.driven) = (outer, driven);
        visited
    }

    fn undriven(&mut self, expr: &mut Expr) {
        self.driven(Driven::No, expr);
    }

    fn driven(&mut self, driven: Driven, expr: &mut Expr) {
        let outer = std::mem::replace(&mut self.driven, driven);
        self.visit_expr_mut(expr);
        self.driven = outer;
    }

    fn inner_block(&mut self) -> usize {
        self.blocks += 1;
        self.blocks
    }

    /// A branch that these names are bound for.
    fn branch(
        &mut self,
        names: &BTreeSet<String>,
        from: &BTreeSet<String>,
        visit: impl FnOnce(&mut Self),
    ) -> Option<TokenStream> {
        let block = self.inner_block();
        let outer = std::mem::replace(&mut self.block, block);
        self.scopes.push(Scope::new());
        let inserted = self.bind(names, from);
        visit(self);
        self.scopes.pop();
        self.block = outer;
        inserted
    }

    /// Something that runs when the function does, once, with statements of its own.
    fn body(&mut self, block: &mut Block, driven: Driven) {
        let outer = std::mem::replace(&mut self.driven, driven);
        self.stmts(&mut block.stmts, self.block);
        self.driven = outer;
    }

    fn closure_called_here(&mut self, closure: &mut syn::ExprClosure) {
        match &mut *closure.body {
            Expr::Block(node) => self.body(&mut node.block, Driven::No),
            body => self.undriven(body),
        }
    }
}

impl<P: Pass> VisitMut for Walk<'_, P> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        let driven = self.driven;
        match expr {
            Expr::Async(node) => {
                let owns = node.capture.is_some();
                let before = self.pass.inserted();
                match driven.of_block(owns) {
                    Err(barrier) => {
                        self.behind(barrier, |walk| visit_mut::visit_expr_async_mut(walk, node))
                    }
                    Ok(_) => self.body(&mut node.block, Driven::No),
                }
                if driven.of_block(owns) == Ok(true) {
                    self.pass.own(expr, before);
                }
                return;
            }
            Expr::Await(node) => return self.driven(Driven::Here, &mut node.base),
            Expr::Paren(node) => return self.visit_expr_mut(&mut node.expr),
            Expr::Group(node) => return self.visit_expr_mut(&mut node.expr),
            Expr::Return(node) => {
                let driven = if self.returns_future && self.barrier.is_none() {
                    Driven::Returned
                } else {
                    Driven::No
                };
                if let Some(value) = &mut node.expr {
                    self.driven(driven, value);
                }
                return;
            }
            Expr::Call(node) => {
                if let Some(closure) = driven::closure_called_here(node) {
                    return self.closure_called_here(closure);
                }
                let driven = driven.in_call(driven::called(&node.func));
                self.undriven(&mut node.func);
                node.args
                    .iter_mut()
                    .for_each(|arg| self.driven(driven, arg));
                return;
            }
            Expr::MethodCall(node) => {
                if let Some(change) = driven::changed_by_call(node) {
                    self.pass.change(&change, &self.scopes);
                }
                let driven = driven.in_call(Some(&node.method));
                self.driven(driven, &mut node.receiver);
                node.args
                    .iter_mut()
                    .for_each(|arg| self.driven(driven, arg));
                return;
            }
            Expr::If(_) | Expr::Match(_) | Expr::Block(_) | Expr::Unsafe(_) => {}
            Expr::Assign(node) => {
                if let Some(change) = driven::changed(&node.left) {
                    self.pass.change(&change, &self.scopes);
                }
                self.driven = Driven::No;
            }
            Expr::Binary(node) => {
                if let Some(change) = driven::changed_by_operator(node) {
                    self.pass.change(&change, &self.scopes);
                }
                self.driven = Driven::No;
            }
            _ => self.driven = Driven::No,
        }
        visit_mut::visit_expr_mut(self, expr);
        self.driven = driven;
    }

    fn visit_block_mut(&mut self, block: &mut Block) {
        let number = self.inner_block();
        self.stmts(&mut block.stmts, number);
    }

    fn visit_expr_if_mut(&mut self, branches: &mut syn::ExprIf) {
        let bound = bound_by_condition(&branches.cond);
        let binds = !bound.is_disjoint(self.named);
        let from = if binds {
            self.mentioned(&branches.cond)
        } else {
            BTreeSet::new()
        };
        self.undriven(&mut branches.cond);
        let inserted = self.branch(&bound, &from, |walk| {
            walk.visit_block_mut(&mut branches.then_branch)
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
        let from = self.mentioned(&node.expr);
        self.undriven(&mut node.expr);
        for arm in &mut node.arms {
            let (mut bound, mut from) = (BTreeSet::new(), from.clone());
            bound_by(&arm.pat, &mut bound);
            if let Pat::Guard(guarded) = &arm.pat {
                bound.extend(bound_by_condition(&guarded.guard));
                from.extend(self.mentioned(&guarded.guard));
            }
            if let Some(tokens) =
                self.branch(&bound, &from, |walk| walk.visit_expr_mut(&mut arm.body))
            {
                insert_in_arm(arm, statement(&tokens, &[]));
            }
        }
    }

    fn visit_expr_while_mut(&mut self, node: &mut syn::ExprWhile) {
        let bound = bound_by_condition(&node.cond);
        self.behind(Barrier::Loop, |walk| {
            walk.visit_expr_mut(&mut node.cond);
            walk.branch(&bound, &BTreeSet::new(), |walk| {
                walk.visit_block_mut(&mut node.body)
            });
        });
    }

    fn visit_expr_for_loop_mut(&mut self, node: &mut syn::ExprForLoop) {
        self.undriven(&mut node.expr);
        self.behind(Barrier::Loop, |walk| {
            let bound = names_in([&*node.pat]);
            walk.branch(&bound, &BTreeSet::new(), |walk| {
                walk.visit_block_mut(&mut node.body)
            });
        });
    }

    fn visit_expr_loop_mut(&mut self, node: &mut syn::ExprLoop) {
        self.behind(Barrier::Loop, |walk| walk.visit_block_mut(&mut node.body));
    }

    fn visit_expr_closure_mut(&mut self, node: &mut syn::ExprClosure) {
        self.behind(Barrier::Closure, |walk| {
            let bound = names_in(&node.inputs);
            walk.branch(&bound, &BTreeSet::new(), |walk| {
                walk.visit_expr_mut(&mut node.body)
            });
        });
    }

    fn visit_expr_const_mut(&mut self, node: &mut syn::ExprConst) {
        self.behind(Barrier::Constant, |walk| {
            walk.visit_block_mut(&mut node.block)
        });
    }

    fn visit_item_mut(&mut self, _: &mut syn::Item) {}
}
