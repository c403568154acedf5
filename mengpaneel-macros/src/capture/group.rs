//! Input of a capture: groups of values, and the function around the body.

use std::collections::BTreeSet;

use proc_macro2::{Ident, TokenStream};

use crate::idents::{UsedIdents, unraw_name};

/// Values that are captured together.
pub(crate) struct CaptureGroup {
    /// Names that the values consist of.
    pub(crate) used: UsedIdents,
    /// Statements that capture the values.
    pub(crate) statements: TokenStream,
}

impl CaptureGroup {
    /// Returns all names that the values may consist of.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        let free = self.used.free.iter().map(|used| &used.ident);
        let ambiguous = self.used.ambiguous.iter().map(|(ident, _)| ident);
        free.chain(ambiguous).map(unraw_name)
    }
}

/// Properties of the function around a body that decide how values are captured.
pub(crate) struct BodyContext<'a> {
    /// Names that the parameters bind.
    pub(crate) parameters: &'a BTreeSet<String>,
    /// True if the function returns an async block at the end of its body.
    pub(crate) returns_future: bool,
    /// Combines the statements of several groups into one that may be inserted.
    pub(crate) wrap: &'a dyn Fn(&[&TokenStream]) -> TokenStream,
    /// Local that gives access to the frame.
    pub(crate) handle: &'a Ident,
}
