//! The places in a body where names are bound, and what stands in between.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenStream;
use quote::quote;
use syn::visit_mut::{self, VisitMut};
use syn::{Arm, Block, Expr, Local, Pat, Stmt};

use super::Unit;
use crate::names::bound_by;

/// What keeps a binding from being a place to take values at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Barrier {
    Loop,
    Closure,
    AsyncBlock,
    NoValue,
}

impl Barrier {
    /// What to say at the name that is bound only behind it.
    pub(super) fn explain(self, name: &str) -> String {
        match self {
            Self::Loop => format!(
                "`{name}` is bound in a loop, maybe many times: record it there, with `mengpaneel::track(…)`, or bind \
                 what counts outside of the loop"
            ),
            Self::Closure => format!(
                "`{name}` is bound in a closure, which may run many times or never: record it there, with \
                 `mengpaneel::track(…)`, or bind what counts outside of it"
            ),
            Self::AsyncBlock => format!(
                "`{name}` is bound in an async block, which may outlive the function: record it there, with \
                 `mengpaneel::track(…)`, or bind what counts outside of it"
            ),
            Self::NoValue => {
                format!("`{name}` is declared without a value: bind it with its value, `let {name} = …;`")
            }
        }
    }
}

/// The names that a body binds.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) bound: BTreeSet<String>,
    pub(super) barred: BTreeMap<String, Barrier>,
}

/// Finds which of `named` the body binds.
pub(super) fn find(stmts: &mut Vec<Stmt>, named: &BTreeSet<String>) -> Found {
    let mut found = Found::default();
    let mut walk = Walk {
        barrier: None,
        scopes: Vec::new(),
        on_bind: &mut |bound, _, barrier| {
            for name in bound.intersection(named) {
                match barrier {
                    None => {
                        found.bound.insert(name.clone());
                    }
                    Some(barrier) => {
                        found.barred.entry(name.clone()).or_insert(barrier);
                    }
                }
            }
            vec![]
        },
    };
    walk.block(stmts);
    found
}

/// Puts each unit after every binding of one of the names that it needs where the others are in
/// scope, and says which were put.
pub(super) fn fill(
    stmts: &mut Vec<Stmt>,
    units: &[(BTreeSet<String>, Unit)],
    wrap: &dyn Fn(&[&TokenStream]) -> TokenStream,
) -> BTreeSet<usize> {
    let mut placed = BTreeSet::new();
    let mut walk = Walk {
        barrier: None,
        scopes: Vec::new(),
        on_bind: &mut |bound, scopes, barrier| {
            let in_scope = |name: &String| scopes.iter().any(|scope| scope.contains(name));
            let mut takes = Vec::new();
            for (index, (needed, unit)) in units.iter().enumerate() {
                if barrier.is_none() && !needed.is_disjoint(bound) && needed.iter().all(in_scope) {
                    placed.insert(index);
                    takes.push(&unit.take);
                }
            }
            if takes.is_empty() { vec![] } else { vec![Stmt::Expr(Expr::Verbatim(wrap(&takes)), None)] }
        },
    };
    walk.block(stmts);
    placed
}

/// What to do where names are bound, given all scopes that are open, and to write there.
type OnBind<'a> = &'a mut dyn FnMut(&BTreeSet<String>, &[BTreeSet<String>], Option<Barrier>) -> Vec<Stmt>;

/// Goes through a body by its scopes.
struct Walk<'a> {
    barrier: Option<Barrier>,
    scopes: Vec<BTreeSet<String>>,
    on_bind: OnBind<'a>,
}

impl Walk<'_> {
    fn block(&mut self, stmts: &mut Vec<Stmt>) {
        self.scopes.push(BTreeSet::new());
        for mut stmt in std::mem::take(stmts) {
            self.visit_stmt_mut(&mut stmt);
            let local = if let Stmt::Local(local) = &stmt { Some(pattern_of(local)) } else { None };
            stmts.push(stmt);
            match local {
                Some((bound, true)) => stmts.extend(self.bind(&bound)),
                Some((bound, false)) => self.behind(Barrier::NoValue, |walk| drop(walk.bind(&bound))),
                None => {}
            }
        }
        self.scopes.pop();
    }

    fn bind(&mut self, bound: &BTreeSet<String>) -> Vec<Stmt> {
        if bound.is_empty() {
            return vec![];
        }
        if self.barrier.is_none()
            && let Some(scope) = self.scopes.last_mut()
        {
            scope.extend(bound.iter().cloned());
        }
        (self.on_bind)(bound, &self.scopes, self.barrier)
    }

    fn behind(&mut self, barrier: Barrier, visit: impl FnOnce(&mut Self)) {
        let outer = self.barrier;
        self.barrier = outer.or(Some(barrier));
        visit(self);
        self.barrier = outer;
    }

    /// A branch that these names are bound for.
    fn branch(&mut self, bound: &BTreeSet<String>, visit: impl FnOnce(&mut Self)) -> Vec<Stmt> {
        self.scopes.push(BTreeSet::new());
        let takes = self.bind(bound);
        visit(self);
        self.scopes.pop();
        takes
    }
}

impl VisitMut for Walk<'_> {
    fn visit_block_mut(&mut self, block: &mut Block) {
        self.block(&mut block.stmts);
    }

    fn visit_expr_if_mut(&mut self, branches: &mut syn::ExprIf) {
        self.visit_expr_mut(&mut branches.cond);
        let bound = bound_by_condition(&branches.cond);
        let takes = self.branch(&bound, |walk| walk.visit_block_mut(&mut branches.then_branch));
        branches.then_branch.stmts.splice(0..0, takes);
        if let Some((_, otherwise)) = &mut branches.else_branch {
            self.visit_expr_mut(otherwise);
        }
    }

    fn visit_arm_mut(&mut self, arm: &mut Arm) {
        let mut bound = BTreeSet::new();
        bound_by(&arm.pat, &mut bound);
        let takes = self.branch(&bound, |walk| visit_mut::visit_arm_mut(walk, arm));
        if takes.is_empty() {
            return;
        }
        let body = &arm.body;
        *arm.body = Expr::Verbatim(quote!({ #(#takes)* #body }));
    }

    fn visit_expr_while_mut(&mut self, node: &mut syn::ExprWhile) {
        let bound = bound_by_condition(&node.cond);
        self.behind(Barrier::Loop, |walk| {
            walk.bind(&bound);
            visit_mut::visit_expr_while_mut(walk, node);
        });
    }

    fn visit_expr_for_loop_mut(&mut self, node: &mut syn::ExprForLoop) {
        self.visit_expr_mut(&mut node.expr);
        self.behind(Barrier::Loop, |walk| {
            walk.bind(&names_in([&*node.pat]));
            walk.visit_block_mut(&mut node.body);
        });
    }

    fn visit_expr_loop_mut(&mut self, node: &mut syn::ExprLoop) {
        self.behind(Barrier::Loop, |walk| visit_mut::visit_expr_loop_mut(walk, node));
    }

    fn visit_expr_closure_mut(&mut self, node: &mut syn::ExprClosure) {
        self.behind(Barrier::Closure, |walk| {
            walk.bind(&names_in(&node.inputs));
            walk.visit_expr_mut(&mut node.body);
        });
    }

    fn visit_expr_async_mut(&mut self, node: &mut syn::ExprAsync) {
        self.behind(Barrier::AsyncBlock, |walk| visit_mut::visit_expr_async_mut(walk, node));
    }

    fn visit_item_mut(&mut self, _: &mut syn::Item) {}
}

/// What a `let` binds, and whether it gives it a value.
fn pattern_of(local: &Local) -> (BTreeSet<String>, bool) {
    (names_in([&local.pat]), local.init.is_some())
}

fn names_in<'a>(patterns: impl IntoIterator<Item = &'a Pat>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for pattern in patterns {
        bound_by(pattern, &mut names);
    }
    names
}

/// What a condition binds for its branch: the `let`s of its chain.
pub(crate) fn bound_by_condition(condition: &Expr) -> BTreeSet<String> {
    match condition {
        Expr::Let(condition) => names_in([&*condition.pat]),
        Expr::Binary(chain) => {
            let mut names = bound_by_condition(&chain.left);
            names.extend(bound_by_condition(&chain.right));
            names
        }
        Expr::Group(group) => bound_by_condition(&group.expr),
        _ => BTreeSet::new(),
    }
}
