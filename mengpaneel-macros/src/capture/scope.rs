//! Scopes of a body, and the bindings in them.

use std::collections::{BTreeMap, BTreeSet};

use super::barrier::Barrier;

/// Names that a scope binds.
pub(super) type Scope = BTreeMap<String, BindingKind>;

/// Kind of the binding of a name in an open scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BindingKind {
    /// Value of the binding with this index, at which values are captured.
    CapturePoint(usize),
    /// Value of a binding at which none are captured.
    Other,
}

/// Returns the kind of a name's binding in the innermost scope that binds the name.
pub(super) fn binding_kind(scopes: &[Scope], name: &str) -> Option<BindingKind> {
    scopes
        .iter()
        .rev()
        .find_map(|scope| scope.get(name))
        .copied()
}

/// Pattern that binds names.
pub(super) struct Binding<'a> {
    /// Index of the binding in the order of the visit.
    pub(super) index: usize,
    pub(super) names: &'a BTreeSet<String>,
    /// Names that the bound value consists of.
    pub(super) sources: &'a BTreeSet<String>,
    /// Number of the block around the binding. 0 is the function's own block.
    pub(super) block: usize,
    /// Outermost barrier around the binding.
    pub(super) barrier: Option<Barrier>,
    /// Scopes around the binding, the innermost last.
    pub(super) scopes: &'a [Scope],
}
