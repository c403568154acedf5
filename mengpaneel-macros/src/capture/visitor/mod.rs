//! Visit of a body by its scopes.

mod exprs;

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::visit_mut::VisitMut;
use syn::{Block, Expr, Local, Stmt};

use super::barrier::Barrier;
use super::execution::{self, Execution};
use super::mutation::Mutation;
use super::scope::{Binding, Scope};
use super::syntax::{bound_names, collect_mentioned, is_generated, statement};

/// Purpose of a visit.
pub(super) trait Pass {
    /// Returns the kinds of a binding's names after the binding, and the statements to insert
    /// there.
    fn bind(&mut self, binding: &Binding<'_>) -> (Scope, Option<TokenStream>);

    /// Notes a mutation. The scopes around it are open.
    fn mutate(&mut self, _: &Mutation, _: &[Scope]) {}

    /// Inserts a handle for an async block that owns its captures, if there were more than
    /// `before` insertions.
    fn insert_own_handle(&mut self, _: &mut Expr, _before: usize) {}

    /// Returns the number of insertions so far.
    fn insertions(&self) -> usize {
        0
    }
}

/// Visitor that tracks the scopes of a body.
pub(super) struct ScopeVisitor<'a, P> {
    pass: &'a mut P,
    /// Names of interest. All others are ignored.
    names: &'a BTreeSet<String>,
    /// Outermost barrier around the current position.
    barrier: Option<Barrier>,
    /// Scopes around the current position, the innermost last.
    scopes: Vec<Scope>,
    /// Number of bindings so far.
    binding_count: usize,
    /// Number of inner blocks so far.
    block_count: usize,
    /// Number of the current block. 0 is the function's own block, which always runs.
    block: usize,
    /// Execution of an async block at the current position.
    execution: Execution,
    /// True if the function returns the last expression of its body as a future.
    returns_future: bool,
}

impl<'a, P: Pass> ScopeVisitor<'a, P> {
    pub(super) fn new(pass: &'a mut P, names: &'a BTreeSet<String>, returns_future: bool) -> Self {
        let execution = if returns_future {
            Execution::Returned
        } else {
            Execution::Unknown
        };
        Self {
            pass,
            names,
            barrier: None,
            scopes: vec![],
            binding_count: 0,
            block_count: 0,
            block: 0,
            execution,
            returns_future,
        }
    }

    /// Visits the statements of the block with this number.
    pub(super) fn visit_stmts(&mut self, stmts: &mut Vec<Stmt>, block: usize) {
        self.scopes.push(Scope::new());
        let outer = (std::mem::replace(&mut self.block, block), self.execution);
        let all = std::mem::take(stmts);
        let futures = execution::bound_futures(&all, self.execution);
        let count = all.len();
        for (index, mut stmt) in all.into_iter().enumerate() {
            let is_last = index + 1 == count;
            self.execution = if is_last && matches!(stmt, Stmt::Expr(_, None)) {
                outer.1
            } else {
                futures.get(&index).copied().unwrap_or(Execution::Unknown)
            };
            let mut inserted = match &mut stmt {
                Stmt::Local(local) => self.visit_let(local),
                stmt => {
                    self.visit_stmt_mut(stmt);
                    None
                }
            };
            // A body that ends in a `let` has no value. With the semicolon, the compiler's error
            // points at the user's tokens.
            if let (Some(Stmt::Expr(_, semicolon)), true) = (&mut inserted, is_last) {
                *semicolon = Some(syn::Token![;](proc_macro2::Span::mixed_site()));
            }
            stmts.push(stmt);
            stmts.extend(inserted);
        }
        (self.block, self.execution) = outer;
        self.scopes.pop();
    }

    /// Visits a `let`, and returns the statement to insert after it.
    fn visit_let(&mut self, local: &mut Local) -> Option<Stmt> {
        let names = bound_names([&local.pat]);
        let init = local
            .init
            .as_ref()
            .filter(|_| !names.is_disjoint(self.names));
        let sources = init
            .map(|init| self.mentioned(&init.expr))
            .unwrap_or_default();
        match &mut local.init {
            // `#[async_trait]` moves the user's own block into a generated `let`.
            Some(init) if self.block == 0 && is_generated(&local.pat) => match &mut *init.expr {
                Expr::Block(node) if node.label.is_none() => {
                    self.visit_stmts(&mut node.block.stmts, 0);
                }
                expr => self.visit_expr_mut(expr),
            },
            Some(init) => {
                self.visit_expr_mut(&mut init.expr);
                if let Some((_, otherwise)) = &mut init.diverge {
                    self.visit_with(Execution::Unknown, otherwise);
                }
            }
            None => {}
        }
        if local.init.is_none() {
            self.with_barrier(Barrier::NoValue, |visitor| {
                drop(visitor.bind(&names, &sources));
            });
            return None;
        }
        self.bind(&names, &sources)
            .map(|tokens| statement(&tokens, &local.attrs))
    }

    /// Returns the names of interest that tokens mention.
    fn mentioned(&self, tokens: &impl ToTokens) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        collect_mentioned(tokens.to_token_stream(), self.names, &mut found);
        found
    }

    /// Visits a binding of `names` to a value that consists of `sources`. Returns the statements to
    /// insert after it.
    fn bind(
        &mut self,
        names: &BTreeSet<String>,
        sources: &BTreeSet<String>,
    ) -> Option<TokenStream> {
        let names: BTreeSet<String> = names.intersection(self.names).cloned().collect();
        if names.is_empty() {
            return None;
        }
        let (index, block) = (self.binding_count, self.block);
        self.binding_count += 1;
        let binding = Binding {
            index,
            names: &names,
            sources,
            block,
            barrier: self.barrier,
            scopes: &self.scopes,
        };
        // The scope is extended after the call: the insertion is in the scope of the binding.
        let (kinds, inserted) = self.pass.bind(&binding);
        if let Some(scope) = self.scopes.last_mut() {
            scope.extend(kinds);
        }
        inserted
    }

    /// Visits code behind a barrier.
    fn with_barrier<R>(&mut self, barrier: Barrier, visit: impl FnOnce(&mut Self) -> R) -> R {
        let outer = (self.barrier, self.execution);
        self.barrier = self.barrier.or(Some(barrier));
        self.execution = Execution::Unknown;
        let visited = visit(self);
        (self.barrier, self.execution) = outer;
        visited
    }

    /// Visits an expression in which async blocks are executed like this.
    fn visit_with(&mut self, execution: Execution, expr: &mut Expr) {
        let outer = std::mem::replace(&mut self.execution, execution);
        self.visit_expr_mut(expr);
        self.execution = outer;
    }

    /// Returns the number of a new block.
    fn next_block(&mut self) -> usize {
        self.block_count += 1;
        self.block_count
    }

    /// Visits a branch for which `names` are bound. Returns the statements to insert at its start.
    fn visit_branch(
        &mut self,
        names: &BTreeSet<String>,
        sources: &BTreeSet<String>,
        visit: impl FnOnce(&mut Self),
    ) -> Option<TokenStream> {
        let block = self.next_block();
        let outer = std::mem::replace(&mut self.block, block);
        self.scopes.push(Scope::new());
        let inserted = self.bind(names, sources);
        visit(self);
        self.scopes.pop();
        self.block = outer;
        inserted
    }

    /// Visits the body of a closure or async block that runs exactly once, as a part of the current
    /// block.
    fn visit_inline_body(&mut self, block: &mut Block) {
        let outer = std::mem::replace(&mut self.execution, Execution::Unknown);
        self.visit_stmts(&mut block.stmts, self.block);
        self.execution = outer;
    }

    fn visit_called_closure(&mut self, closure: &mut syn::ExprClosure) {
        match &mut *closure.body {
            Expr::Block(node) => self.visit_inline_body(&mut node.block),
            body => self.visit_with(Execution::Unknown, body),
        }
    }
}
