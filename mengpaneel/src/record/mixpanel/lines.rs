//! Source range of a function: the scope of a bare `#[setup]` on a middleware.
//!
//! A middleware runs the rest of the chain inside its own future, which cannot be observed from
//! outside. Call sites show the difference: those of the function's own body are between its
//! braces.

use std::panic::Location;

/// Source range of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// Path of the file, as passed to the compiler.
    pub file: &'static str,
    /// Line and column of the word `fn`.
    pub begin: (u32, u32),
    /// Line and column of the closing brace.
    pub end: (u32, u32),
}

impl Lines {
    /// Returns whether a call site is in the function.
    pub(crate) fn contain(&self, site: &Location<'_>) -> bool {
        let position = (site.line(), site.column());
        site.file() == self.file && self.begin <= position && position <= self.end
    }
}
