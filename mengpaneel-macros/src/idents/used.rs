//! Names that an expression uses.

use proc_macro2::Ident;

/// Names that expressions use from the scope around them.
#[derive(Debug, Default)]
pub(crate) struct UsedIdents {
    /// Free names.
    pub(crate) free: Vec<UsedIdent>,
    /// Names in macros that may bind these names themselves, each with the name of the macro.
    pub(crate) ambiguous: Vec<(Ident, String)>,
    /// True if a macro of unknown grammar is among the expressions: it may hide anything, even a
    /// `return`.
    pub(crate) has_unknown_macro: bool,
}

/// Free name.
#[derive(Clone, Debug)]
pub(crate) struct UsedIdent {
    pub(crate) ident: Ident,
    /// True if the name is called. Unless something binds the name, it is that of a function.
    pub(crate) is_called: bool,
    /// Fields that are read of the name: `address`, `city` of `user.address.city`.
    pub(crate) fields: Vec<String>,
}
