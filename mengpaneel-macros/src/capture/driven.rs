//! Parts of a body that run when the function does, and changes of what was captured.

use std::collections::BTreeMap;

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{BinOp, Expr, ExprClosure, Pat, Stmt};

use super::walk::Barrier;
use crate::names::text;

/// How an async block at some place runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Driven {
    /// Nobody can tell.
    No,
    /// To its end, before the function goes on, with access to the function's locals.
    Here,
    /// The same in a call that may want it to own what it uses, as `timeout` or a runtime's
    /// `spawn`.
    Call,
    /// As [`Call`](Self::Call), and it must own what it uses.
    Spawned,
    /// As the future that the function returns.
    Returned,
}

/// Functions and methods that hand on the future they are given.
const WRAPPERS: [&str; 10] = [
    "pin",
    "boxed",
    "boxed_local",
    "Left",
    "Right",
    "left",
    "right",
    "left_future",
    "right_future",
    "instrument",
];

impl Driven {
    /// Returns whether a block here needs a handle of its own, or what keeps values from being
    /// captured in it. `owns` says whether it is `async move`.
    pub(super) fn of_block(self, owns: bool) -> Result<bool, Barrier> {
        match self {
            Self::Here => Ok(false),
            Self::Call => Ok(owns),
            Self::Spawned | Self::Returned if owns => Ok(true),
            Self::Returned => Err(Barrier::Borrowing),
            Self::Spawned | Self::No => Err(Barrier::AsyncBlock),
        }
    }

    /// How an argument runs in a call of this function, where the call stands at a place that runs
    /// so.
    pub(super) fn in_call(self, function: Option<&Ident>) -> Self {
        let Some(function) = function else {
            return if self == Self::Here {
                Self::Call
            } else {
                Self::No
            };
        };
        if function == "block_on" {
            return Self::Here;
        }
        match self {
            Self::Returned if WRAPPERS.iter().any(|wrapper| function == wrapper) => Self::Returned,
            Self::No | Self::Returned => Self::No,
            _ if function.to_string().contains("spawn") => Self::Spawned,
            Self::Here => Self::Call,
            other => other,
        }
    }
}

/// The last name of the path of a function.
pub(super) fn called(function: &Expr) -> Option<&Ident> {
    match function {
        Expr::Path(path) => path.path.segments.last().map(|segment| &segment.ident),
        _ => None,
    }
}

/// The closure of `(|| …)()`, or the one in which another attribute of ours, below, left the body.
pub(super) fn closure_called_here(call: &mut syn::ExprCall) -> Option<&mut ExprClosure> {
    let is_ours = matches!(&*call.func, Expr::Path(path) if path.path.segments.iter().any(|segment| segment.ident == "__private"));
    let callee = match &mut *call.func {
        _ if is_ours => call.args.first_mut(),
        Expr::Paren(paren) => Some(&mut *paren.expr),
        _ => None,
    };
    match callee {
        Some(Expr::Closure(closure))
            if closure.inputs.is_empty() && closure.asyncness.is_none() =>
        {
            Some(closure)
        }
        _ => None,
    }
}

/// The statements that bind a future which a later one awaits, runs or returns, by their index.
pub(super) fn awaited_later(stmts: &[Stmt], tail: Driven) -> BTreeMap<usize, Driven> {
    let mut found = BTreeMap::new();
    for (index, stmt) in stmts.iter().enumerate() {
        let Stmt::Local(local) = stmt else { continue };
        let Some(init) = &local.init else { continue };
        if !matches!(&*init.expr, Expr::Async(_)) {
            continue;
        }
        let Some(name) = bound_name(&local.pat) else {
            continue;
        };
        let later = || stmts.iter().skip(index + 1);
        if name == "__tracing_instrument_future"
            || later().any(|stmt| awaits(stmt.to_token_stream(), &name))
        {
            found.insert(index, Driven::Here);
        } else if tail == Driven::Returned
            && later().last().is_some_and(|stmt| hands_on(stmt, &name))
        {
            found.insert(index, Driven::Returned);
        }
    }
    found
}

fn bound_name(pattern: &Pat) -> Option<String> {
    match pattern {
        Pat::Ident(pattern) => Some(text(&pattern.ident)),
        Pat::Type(pattern) => bound_name(&pattern.pat),
        _ => None,
    }
}

/// Returns whether `name.await` or `block_on(name)` stands in these tokens.
fn awaits(tokens: TokenStream, name: &str) -> bool {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is = |index: usize, word: &str| match tokens.get(index) {
        Some(TokenTree::Ident(ident)) => ident.unraw() == word,
        Some(TokenTree::Punct(punct)) => punct.as_char().to_string() == word,
        _ => false,
    };
    tokens.iter().enumerate().any(|(index, token)| match token {
        TokenTree::Ident(_) if is(index, name) => is(index + 1, ".") && is(index + 2, "await"),
        TokenTree::Ident(ident) if ident == "block_on" => {
            matches!(tokens.get(index + 1), Some(TokenTree::Group(group)) if group.stream().to_string() == name)
        }
        TokenTree::Group(group) => awaits(group.stream(), name),
        _ => false,
    })
}

/// Returns whether a statement at the end is this name, or one of the wrappers around it.
fn hands_on(stmt: &Stmt, name: &str) -> bool {
    fn is_name(expr: &Expr, name: &str) -> bool {
        match expr {
            Expr::Path(path) => path
                .path
                .get_ident()
                .is_some_and(|ident| text(ident) == name),
            Expr::Call(call) => {
                Driven::Returned.in_call(called(&call.func)) == Driven::Returned
                    && call.args.iter().any(|arg| is_name(arg, name))
            }
            Expr::MethodCall(call) => {
                Driven::Returned.in_call(Some(&call.method)) == Driven::Returned
                    && is_name(&call.receiver, name)
            }
            _ => false,
        }
    }
    matches!(stmt, Stmt::Expr(expr, None) if is_name(expr, name))
}

/// A change of a local, or of a field of one.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) name: String,
    pub(super) fields: Vec<String>,
    /// True if all of it is known to change, not perhaps some of its fields.
    pub(super) is_exact: bool,
}

/// The change of `total = …`, `order.total = …`, `*total = …`, `totals[0] = …`.
pub(super) fn changed(place: &Expr) -> Option<Change> {
    match place {
        Expr::Path(path) => {
            let name = text(path.path.get_ident()?);
            Some(Change {
                name,
                fields: vec![],
                is_exact: false,
            })
        }
        Expr::Field(field) => {
            let mut change = changed(&field.base)?;
            change
                .fields
                .push(field.member.to_token_stream().to_string());
            Some(change)
        }
        Expr::Index(index) => changed(&index.expr),
        Expr::Unary(unary) if matches!(unary.op, syn::UnOp::Deref(_)) => changed(&unary.expr),
        Expr::Paren(paren) => changed(&paren.expr),
        Expr::Group(group) => changed(&group.expr),
        _ => None,
    }
}

/// The change of `total += …`.
pub(super) fn changed_by_operator(node: &syn::ExprBinary) -> Option<Change> {
    let assigns = matches!(
        node.op,
        BinOp::AddAssign(_)
            | BinOp::SubAssign(_)
            | BinOp::MulAssign(_)
            | BinOp::DivAssign(_)
            | BinOp::RemAssign(_)
            | BinOp::BitXorAssign(_)
            | BinOp::BitAndAssign(_)
            | BinOp::BitOrAssign(_)
            | BinOp::ShlAssign(_)
            | BinOp::ShrAssign(_)
    );
    assigns.then(|| changed(&node.left)).flatten()
}

/// Methods of the standard library's collections that add to them.
const ADDING: [&str; 7] = [
    "push",
    "push_str",
    "push_back",
    "push_front",
    "insert",
    "extend",
    "append",
];

/// The change of `items.push(…)`.
pub(super) fn changed_by_call(call: &syn::ExprMethodCall) -> Option<Change> {
    let adds = ADDING.iter().any(|adding| call.method == adding);
    let change = adds.then(|| changed(&call.receiver)).flatten()?;
    Some(Change {
        is_exact: true,
        ..change
    })
}
