//! Free names of an expression, by Rust's scoping: those that nothing in the expression binds.
//!
//! A property must not change what the function does. So the same visitor rejects `?`, `return`,
//! `break`, `continue` and `.await`, if they would affect the function around the property.

mod visit;

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream};
use syn::visit_mut::VisitMut;
use syn::{Block, Expr, Item, Lifetime, Pat, Stmt};

use super::macros::{self, MacroContent, Mention, Piece};
use super::pattern::collect_bound;
use super::unraw::unraw_name;
use super::used::{UsedIdent, UsedIdents};

/// Visitor that collects the free names of expressions.
///
/// All expressions share one scope: later ones see what the conditions before them bind.
#[derive(Default)]
pub(crate) struct FreeIdents {
    scopes: Vec<BTreeSet<String>>,
    used: UsedIdents,
    errors: Option<syn::Error>,
    targets: JumpTargets,
}

/// Targets within the expression that a `return`, `?`, `.await`, `break` or `continue` may have.
#[derive(Clone, Debug, Default)]
struct JumpTargets {
    in_body: bool,
    in_async: bool,
    in_loop: bool,
    labels: Vec<String>,
}

impl FreeIdents {
    /// Reads a part of a condition. Its bindings hold for everything that is read later.
    pub(crate) fn read_condition(&mut self, part: &Expr) {
        self.visit_expr_mut(&mut part.clone());
    }

    /// Reads an expression.
    pub(crate) fn read_expr(&mut self, expr: &Expr) {
        self.scoped(|visitor| visitor.visit_expr_mut(&mut expr.clone()));
    }

    /// Returns the names used, or an error for each operation that a property may not contain.
    pub(crate) fn finish(self) -> syn::Result<UsedIdents> {
        self.errors.map_or(Ok(self.used), Err)
    }

    fn read_macro(&mut self, mac: &syn::Macro) {
        let last = mac.path.segments.last();
        let name = last
            .map(|segment| unraw_name(&segment.ident))
            .unwrap_or_default();
        match macros::read(&name, &mac.tokens) {
            MacroContent::Known(pieces) => {
                self.scoped(|visitor| pieces.iter().for_each(|piece| visitor.read_piece(piece)));
            }
            MacroContent::Unknown(mentions) => self.read_mentions(mentions, &format!("{name}!")),
        }
    }

    /// Reads syntax that the parser does not know.
    fn read_unknown_syntax(&mut self, tokens: &TokenStream) {
        self.read_mentions(macros::mentions(tokens), "this syntax");
    }

    fn read_piece(&mut self, piece: &Piece) {
        match piece {
            Piece::Expr(expr) => self.read_expr(expr),
            Piece::Condition(expr) => self.read_condition(expr),
            Piece::Name(name) => self.use_name(name, false, vec![]),
            Piece::Pattern(pattern) => self.bind(pattern),
        }
    }

    /// Uses the names in tokens of unknown grammar; `owner` is the macro as errors show it.
    fn read_mentions(&mut self, mentions: Vec<Mention>, owner: &str) {
        self.used.has_unknown_macro = true;
        for mention in mentions {
            let Mention {
                ident,
                is_called,
                is_ambiguous,
            } = mention;
            if is_ambiguous && !self.is_bound(&ident) {
                self.used.ambiguous.push((ident, owner.to_owned()));
            } else {
                self.use_name(&ident, is_called, vec![]);
            }
        }
    }

    fn scoped(&mut self, visit: impl FnOnce(&mut Self)) {
        self.scopes.push(BTreeSet::new());
        visit(self);
        self.scopes.pop();
    }

    fn bind(&mut self, pattern: &Pat) {
        let mut names = BTreeSet::new();
        collect_bound(pattern, &mut names);
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

    fn is_bound(&self, ident: &Ident) -> bool {
        let name = unraw_name(ident);
        self.scopes.iter().any(|scope| scope.contains(&name))
    }

    /// Records a name as free, unless an open scope binds the name.
    fn use_name(&mut self, ident: &Ident, is_called: bool, fields: Vec<String>) {
        if !self.is_bound(ident) {
            self.used.free.push(UsedIdent {
                ident: ident.clone(),
                is_called,
                fields,
            });
        }
    }

    /// Adds the error at an operation that would affect the function.
    fn reject(&mut self, span: Span, operation: &str, remedy: &str) {
        let error = syn::Error::new(
            span,
            format!(
                "`{operation}` here would affect the function, and only when something is recorded: {remedy}, or \
                 bind the value with `let` in the body"
            ),
        );
        match &mut self.errors {
            Some(errors) => errors.combine(error),
            None => self.errors = Some(error),
        }
    }

    /// Rejects a `break` or `continue` whose loop or label is outside of the expression.
    fn check_jump(&mut self, span: Span, operation: &str, label: Option<&Lifetime>) {
        let is_inner = match label {
            Some(label) => self.targets.labels.iter().any(|inner| label.ident == inner),
            None => self.targets.in_loop,
        };
        if !is_inner {
            self.reject(span, operation, "remove it");
        }
    }

    /// Visits a closure or async block, whose `return` does not leave the function.
    fn in_body(&mut self, is_async: bool, visit: impl FnOnce(&mut Self)) {
        let inner = JumpTargets {
            in_body: true,
            in_async: is_async,
            ..JumpTargets::default()
        };
        self.with_targets(inner, visit);
    }

    /// Visits a loop or a labelled block.
    fn in_loop(
        &mut self,
        label: Option<&syn::Label>,
        is_loop: bool,
        visit: impl FnOnce(&mut Self),
    ) {
        let mut inner = self.targets.clone();
        inner.in_loop |= is_loop;
        inner
            .labels
            .extend(label.map(|label| label.name.ident.to_string()));
        self.with_targets(inner, visit);
    }

    fn with_targets(&mut self, targets: JumpTargets, visit: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.targets, targets);
        self.scoped(visit);
        self.targets = outer;
    }

    fn visit_stmts(&mut self, block: &mut Block) {
        // Items are in scope in the whole block, before and after their declarations.
        let items: Vec<_> = block.stmts.iter().filter_map(declared_value).collect();
        self.bind_names(items);
        for stmt in &mut block.stmts {
            self.visit_stmt_mut(stmt);
        }
    }
}

/// Returns the name that an item declares as a value.
fn declared_value(stmt: &Stmt) -> Option<String> {
    let Stmt::Item(item) = stmt else { return None };
    let ident = match item {
        Item::Fn(item) => &item.sig.ident,
        Item::Const(item) => &item.ident,
        Item::Static(item) => &item.ident,
        _ => return None,
    };
    Some(unraw_name(ident))
}
