//! Search for the bindings at which values are captured.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenStream;
use syn::Stmt;

use super::barrier::Barrier;
use super::group::{BodyContext, CaptureGroup};
use super::mutation::Mutation;
use super::scope::{Binding, BindingKind, Scope, binding_kind};
use super::visitor::{Pass, ScopeVisitor};
use crate::idents::{UsedIdent, unraw_name};

/// Capture points in a body, and what keeps names from having one.
#[derive(Debug, Default)]
pub(super) struct CapturePoints {
    /// Indices of the bindings at which each name is captured.
    points: BTreeMap<String, BTreeSet<usize>>,
    /// First barrier around a binding of each name.
    barriers: BTreeMap<String, Barrier>,
    /// Mutations of captured values, each with the index of the binding of the value.
    mutations: Vec<(usize, Mutation)>,
}

/// Finds the capture points of `names` in a body.
pub(super) fn find(
    stmts: &mut Vec<Stmt>,
    names: &BTreeSet<String>,
    context: &BodyContext<'_>,
) -> CapturePoints {
    let mut pass = FindPass {
        found: CapturePoints::default(),
        parameters: context.parameters,
        last: BTreeMap::new(),
    };
    ScopeVisitor::new(&mut pass, names, context.returns_future).visit_stmts(stmts, 0);
    pass.found
}

/// First pass: finds the capture points.
struct FindPass<'a> {
    found: CapturePoints,
    parameters: &'a BTreeSet<String>,
    /// Index of the last binding of a name in each block.
    last: BTreeMap<(usize, String), usize>,
}

impl FindPass<'_> {
    /// Returns whether values are captured at this binding of the name.
    ///
    /// A name refers to its binding in the function's own block. A binding in a branch is a capture
    /// point if the name is new, or if the value is not derived from the old one.
    fn is_capture_point(&mut self, name: &String, binding: &Binding<'_>) -> bool {
        if let Some(barrier) = binding.barrier {
            self.found.barriers.entry(name.clone()).or_insert(barrier);
            return false;
        }
        let is_derived = binding.sources.contains(name);
        let known = binding_kind(binding.scopes, name);
        let is_parameter = known.is_none() && self.parameters.contains(name);
        let last = self.last.entry((binding.block, name.clone()));
        match last {
            Entry::Occupied(mut last) => {
                let before = last.insert(binding.index);
                if is_derived && let Some(points) = self.found.points.get_mut(name) {
                    points.remove(&before);
                }
                true
            }
            Entry::Vacant(_) if binding.block != 0 && is_parameter => false,
            Entry::Vacant(_) if binding.block != 0 && known.is_some() && is_derived => false,
            Entry::Vacant(last) => {
                last.insert(binding.index);
                known != Some(BindingKind::Other)
            }
        }
    }
}

impl Pass for FindPass<'_> {
    fn bind(&mut self, binding: &Binding<'_>) -> (Scope, Option<TokenStream>) {
        let mut bound_kinds = Scope::new();
        for name in binding.names {
            let kind = if self.is_capture_point(name, binding) {
                self.found
                    .points
                    .entry(name.clone())
                    .or_default()
                    .insert(binding.index);
                BindingKind::CapturePoint(binding.index)
            } else {
                BindingKind::Other
            };
            bound_kinds.insert(name.clone(), kind);
        }
        (bound_kinds, None)
    }

    fn mutate(&mut self, mutation: &Mutation, scopes: &[Scope]) {
        if let Some(BindingKind::CapturePoint(index)) = binding_kind(scopes, &mutation.name) {
            self.found.mutations.push((index, mutation.clone()));
        }
    }
}

impl CapturePoints {
    /// Returns whether the name is captured at the binding with this index.
    pub(super) fn contains(&self, name: &str, index: usize) -> bool {
        self.points
            .get(name)
            .is_some_and(|points| points.contains(&index))
    }

    /// Returns the names of a group that have capture points.
    ///
    /// # Errors
    /// If a name of the group has a value that cannot be captured, or that may be another one.
    pub(super) fn bound_names(
        &self,
        group: &CaptureGroup,
        parameters: &BTreeSet<String>,
    ) -> syn::Result<BTreeSet<String>> {
        for (ident, owner) in &group.used.ambiguous {
            let name = unraw_name(ident);
            if self.points.contains_key(&name) || self.barriers.contains_key(&name) {
                let message = format!(
                    "`{owner}` may bind `{name}` itself, or use the one of the body: bind the whole value with `let` \
                     in the body, and use that here"
                );
                return Err(syn::Error::new(ident.span(), message));
            }
        }
        let mut bound = BTreeSet::new();
        for used in &group.used.free {
            let name = unraw_name(&used.ident);
            if let Some(points) = self.points.get(&name).filter(|points| !points.is_empty()) {
                self.check_mutations(used, points)?;
                bound.insert(name);
            } else if let (Some(barrier), false) =
                (self.barriers.get(&name), parameters.contains(&name))
                && !used.is_called
            {
                return Err(syn::Error::new(used.ident.span(), barrier.explain(&name)));
            }
        }
        Ok(bound)
    }

    /// Rejects a value that the body changes after the capture.
    fn check_mutations(&self, used: &UsedIdent, points: &BTreeSet<usize>) -> syn::Result<()> {
        let name = unraw_name(&used.ident);
        let affects = |mutation: &Mutation| {
            let overlaps = mutation
                .fields
                .iter()
                .zip(&used.fields)
                .all(|(mutated, read)| mutated == read);
            overlaps && (!mutation.keeps_fields || mutation.fields.len() >= used.fields.len())
        };
        let is_mutated = self.mutations.iter().any(|(index, mutation)| {
            mutation.name == name && points.contains(index) && affects(mutation)
        });
        if is_mutated {
            let message = format!(
                "`{name}` changes after it is captured, which is right after its `let`: bind the final value to another \
                 name, such as `let final_{name} = …;`, and use that here"
            );
            return Err(syn::Error::new(used.ident.span(), message));
        }
        Ok(())
    }
}
