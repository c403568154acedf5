//! The lines of a function: the extent of a bare `#[setup]` on a middleware.
//!
//! A middleware runs the rest of the chain inside of its own future, and nothing tells from outside
//! when it does. The call sites tell: those of the function's own body are between its braces.

use std::panic::Location;

/// The place of a function in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// The file, as the compiler was told.
    pub file: &'static str,
    /// Line and column of the word `fn`.
    pub begin: (u32, u32),
    /// Line and column of the closing brace.
    pub end: (u32, u32),
}

impl Lines {
    /// Returns whether a call site stands in the function.
    pub(crate) fn contain(&self, site: &Location<'_>) -> bool {
        let place = (site.line(), site.column());
        site.file() == self.file && self.begin <= place && place <= self.end
    }
}
