//! Execution of the async blocks and closures in a body.

use std::collections::BTreeMap;

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Expr, ExprClosure, Pat, Stmt};

use super::barrier::Barrier;
use crate::idents::unraw_name;

/// Execution of an async block at some position in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Execution {
    /// Runs at an unknown time, perhaps after the function, or never.
    Unknown,
    /// Runs to its end before the function goes on, and may borrow the function's locals.
    Inline,
    /// As [`Inline`](Self::Inline), as an argument of a call that may require the block to own what
    /// it uses, such as `timeout`.
    Argument,
    /// As [`Argument`](Self::Argument), and the block must own what it uses: a runtime's `spawn`.
    Spawned,
    /// Runs as the future that the function returns.
    Returned,
}

/// Functions and methods that return a future equivalent to their argument.
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

impl Execution {
    /// Returns whether a block at this position needs a handle of its own, or the barrier that
    /// keeps values from being captured in the block.
    ///
    /// `is_move` is true for `async move`.
    pub(super) fn needs_own_handle(self, is_move: bool) -> Result<bool, Barrier> {
        match self {
            Self::Inline => Ok(false),
            Self::Argument => Ok(is_move),
            Self::Spawned | Self::Returned if is_move => Ok(true),
            Self::Returned => Err(Barrier::BorrowingAsyncBlock),
            Self::Spawned | Self::Unknown => Err(Barrier::AsyncBlock),
        }
    }

    /// Returns the execution of the arguments of a call at this position.
    ///
    /// `function` is the last name of the function's path, if it has a path.
    pub(super) fn of_arguments(self, function: Option<&Ident>) -> Self {
        let Some(function) = function else {
            return if self == Self::Inline {
                Self::Argument
            } else {
                Self::Unknown
            };
        };
        if function == "block_on" {
            return Self::Inline;
        }
        match self {
            Self::Returned if WRAPPERS.iter().any(|wrapper| function == wrapper) => Self::Returned,
            Self::Unknown | Self::Returned => Self::Unknown,
            _ if function.to_string().contains("spawn") => Self::Spawned,
            Self::Inline => Self::Argument,
            other => other,
        }
    }
}

/// Returns the last name of a function's path.
pub(super) fn function_name(function: &Expr) -> Option<&Ident> {
    match function {
        Expr::Path(path) => path.path.segments.last().map(|segment| &segment.ident),
        _ => None,
    }
}

/// Returns the closure of `(|| …)()`, or the one into which another attribute of this crate moved
/// the body.
pub(super) fn immediately_called_closure(call: &mut syn::ExprCall) -> Option<&mut ExprClosure> {
    let is_generated = matches!(&*call.func, Expr::Path(path) if path.path.segments.iter().any(|segment| segment.ident == "__private"));
    let callee = match &mut *call.func {
        _ if is_generated => call.args.first_mut(),
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

/// Returns the statements that bind an async block which a later statement awaits, runs or returns,
/// by index.
///
/// `tail` is the execution of the last expression.
pub(super) fn bound_futures(stmts: &[Stmt], tail: Execution) -> BTreeMap<usize, Execution> {
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
            found.insert(index, Execution::Inline);
        } else if tail == Execution::Returned
            && later().last().is_some_and(|stmt| returns(stmt, &name))
        {
            found.insert(index, Execution::Returned);
        }
    }
    found
}

fn bound_name(pattern: &Pat) -> Option<String> {
    match pattern {
        Pat::Ident(pattern) => Some(unraw_name(&pattern.ident)),
        Pat::Type(pattern) => bound_name(&pattern.pat),
        _ => None,
    }
}

/// Returns whether tokens contain `name.await` or `block_on(name)`.
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

/// Returns whether a last statement is this name, or a call of one of [`WRAPPERS`] on it.
fn returns(stmt: &Stmt, name: &str) -> bool {
    fn is_name(expr: &Expr, name: &str) -> bool {
        match expr {
            Expr::Path(path) => path
                .path
                .get_ident()
                .is_some_and(|ident| unraw_name(ident) == name),
            Expr::Call(call) => {
                Execution::Returned.of_arguments(function_name(&call.func)) == Execution::Returned
                    && call.args.iter().any(|arg| is_name(arg, name))
            }
            Expr::MethodCall(call) => {
                Execution::Returned.of_arguments(Some(&call.method)) == Execution::Returned
                    && is_name(&call.receiver, name)
            }
            _ => false,
        }
    }
    matches!(stmt, Stmt::Expr(expr, None) if is_name(expr, name))
}
