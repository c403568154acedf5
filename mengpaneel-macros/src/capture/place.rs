//! The bindings at which values are captured: the search for them, and the insertion there.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Expr, Stmt};

use super::driven::Change;
use super::walk::{Barrier, Binding, Meaning, Pass, Scope, Walk};
use super::{Around, Unit};
use crate::names::{Use, text};

impl Barrier {
    /// The error text at a name that is bound only behind it.
    fn explain(self, name: &str) -> String {
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
            Self::Borrowing => format!(
                "`{name}` is bound in an async block that the function returns: write `async move`, or bind what \
                 counts outside of it"
            ),
            Self::Constant => format!(
                "`{name}` is bound in a constant, which is computed by the compiler: bind what counts outside of it"
            ),
            Self::NoValue => {
                format!(
                    "`{name}` is declared without a value: bind it with its value, `let {name} = …;`"
                )
            }
        }
    }
}

/// The bindings of the names in a body.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The bindings at which each name is captured.
    places: BTreeMap<String, BTreeSet<usize>>,
    barred: BTreeMap<String, Barrier>,
    /// Changes of what the binding of this number bound.
    changes: Vec<(usize, Change)>,
}

/// Finds the bindings of `named` in a body.
pub(super) fn find(stmts: &mut Vec<Stmt>, named: &BTreeSet<String>, around: &Around<'_>) -> Found {
    let mut pass = Find {
        found: Found::default(),
        parameters: around.parameters,
        last: BTreeMap::new(),
    };
    Walk::new(&mut pass, named, around.returns_future).stmts(stmts, 0);
    pass.found
}

struct Find<'a> {
    found: Found,
    parameters: &'a BTreeSet<String>,
    /// The last binding of a name in each block.
    last: BTreeMap<(usize, String), usize>,
}

impl Find<'_> {
    /// Returns whether values are captured at this binding of the name.
    ///
    /// A name means what it means in the function's own block. A branch that binds it anew counts
    /// only where the name is new, or where the value is a new one, not made of the old.
    fn is_place(&mut self, name: &String, binding: &Binding<'_>) -> bool {
        if let Some(barrier) = binding.barrier {
            self.found.barred.entry(name.clone()).or_insert(barrier);
            return false;
        }
        let is_refined = binding.from.contains(name);
        let known = meaning(binding.scopes, name);
        let is_parameter = known.is_none() && self.parameters.contains(name);
        let place = self.last.entry((binding.block, name.clone()));
        match place {
            std::collections::btree_map::Entry::Occupied(mut last) => {
                let before = last.insert(binding.index);
                if is_refined && let Some(places) = self.found.places.get_mut(name) {
                    places.remove(&before);
                }
                true
            }
            std::collections::btree_map::Entry::Vacant(_) if binding.block != 0 && is_parameter => {
                false
            }
            std::collections::btree_map::Entry::Vacant(_)
                if binding.block != 0 && known.is_some() && is_refined =>
            {
                false
            }
            std::collections::btree_map::Entry::Vacant(last) => {
                last.insert(binding.index);
                known != Some(Meaning::Other)
            }
        }
    }
}

/// Meaning of a name in the innermost scope that has it.
fn meaning(scopes: &[Scope], name: &str) -> Option<Meaning> {
    scopes
        .iter()
        .rev()
        .find_map(|scope| scope.get(name))
        .copied()
}

impl Pass for Find<'_> {
    fn bind(&mut self, binding: &Binding<'_>) -> (Scope, Option<TokenStream>) {
        let mut meanings = Scope::new();
        for name in binding.names {
            let meaning = if self.is_place(name, binding) {
                self.found
                    .places
                    .entry(name.clone())
                    .or_default()
                    .insert(binding.index);
                Meaning::Place(binding.index)
            } else {
                Meaning::Other
            };
            meanings.insert(name.clone(), meaning);
        }
        (meanings, None)
    }

    fn change(&mut self, change: &Change, scopes: &[Scope]) {
        if let Some(Meaning::Place(index)) = meaning(scopes, &change.name) {
            self.found.changes.push((index, change.clone()));
        }
    }
}

impl Found {
    /// The names of a unit at whose bindings it is captured, or the error at a name whose value
    /// cannot be captured for sure.
    pub(super) fn needed(
        &self,
        unit: &Unit,
        parameters: &BTreeSet<String>,
    ) -> syn::Result<BTreeSet<String>> {
        for (name, of) in &unit.uses.uncertain {
            let said = text(name);
            if self.places.contains_key(&said) || self.barred.contains_key(&said) {
                let said = format!(
                    "`{of}` may bind `{said}` itself, or mean the body's: bind the whole value with `let` in the body, \
                     and name that here"
                );
                return Err(syn::Error::new(name.span(), said));
            }
        }
        let mut needed = BTreeSet::new();
        for used in &unit.uses.names {
            let name = text(&used.name);
            if let Some(places) = self.places.get(&name).filter(|places| !places.is_empty()) {
                self.refuse_change(used, places)?;
                needed.insert(name);
            } else if let (Some(barrier), false) =
                (self.barred.get(&name), parameters.contains(&name))
                && !used.is_called
            {
                return Err(syn::Error::new(used.name.span(), barrier.explain(&name)));
            }
        }
        Ok(needed)
    }

    fn refuse_change(&self, used: &Use, places: &BTreeSet<usize>) -> syn::Result<()> {
        let name = text(&used.name);
        let affects = |change: &Change| {
            let common = change
                .fields
                .iter()
                .zip(&used.fields)
                .all(|(changed, read)| changed == read);
            common && (!change.is_exact || change.fields.len() >= used.fields.len())
        };
        let changed = self.changes.iter().any(|(index, change)| {
            change.name == name && places.contains(index) && affects(change)
        });
        if changed {
            let said = format!(
                "`{name}` changes after this is captured, right after its `let`: bind the value that counts under a \
                 name of its own, such as `let final_{name} = …;`, and name that here"
            );
            return Err(syn::Error::new(used.name.span(), said));
        }
        Ok(())
    }
}

/// Inserts each unit after every binding of one of the names that it needs where the others are in
/// scope, and returns which were inserted.
pub(super) fn fill(
    stmts: &mut Vec<Stmt>,
    found: &Found,
    units: &[(BTreeSet<String>, Unit)],
    around: &Around<'_>,
) -> syn::Result<BTreeSet<usize>> {
    let named: BTreeSet<String> = units
        .iter()
        .flat_map(|(_, unit)| {
            let uncertain = unit.uses.uncertain.iter().map(|(name, _)| text(name));
            unit.uses
                .names
                .iter()
                .map(|used| text(&used.name))
                .chain(uncertain)
        })
        .collect();
    let mut pass = Fill {
        found,
        units,
        around,
        placed: BTreeSet::new(),
        inserted: 0,
        error: None,
    };
    Walk::new(&mut pass, &named, around.returns_future).stmts(stmts, 0);
    pass.error.map_or(Ok(pass.placed), Err)
}

struct Fill<'a> {
    found: &'a Found,
    units: &'a [(BTreeSet<String>, Unit)],
    around: &'a Around<'a>,
    placed: BTreeSet<usize>,
    inserted: usize,
    error: Option<syn::Error>,
}

impl Fill<'_> {
    fn refuse_other(
        &mut self,
        unit: &Unit,
        needed: &BTreeSet<String>,
        scopes: &[Scope],
        meanings: &Scope,
    ) {
        let is_other = |name: &str| {
            let meaning = meanings
                .get(name)
                .copied()
                .or_else(|| meaning(scopes, name));
            meaning == Some(Meaning::Other)
        };
        let other = unit.uses.names.iter().find(|used| {
            let name = text(&used.name);
            !needed.contains(&name) && !used.is_called && is_other(&name)
        });
        if let (Some(used), None) = (other, &self.error) {
            let name = text(&used.name);
            let said = format!(
                "`{name}` is bound anew where the other names of this value are bound, so that it could mean either: \
                 give one of the two another name"
            );
            self.error = Some(syn::Error::new(used.name.span(), said));
        }
    }
}

impl Pass for Fill<'_> {
    fn bind(&mut self, binding: &Binding<'_>) -> (Scope, Option<TokenStream>) {
        let mut meanings = Scope::new();
        for name in binding.names {
            let is_place = self
                .found
                .places
                .get(name)
                .is_some_and(|places| places.contains(&binding.index));
            meanings.insert(
                name.clone(),
                if is_place {
                    Meaning::Place(binding.index)
                } else {
                    Meaning::Other
                },
            );
        }
        let is_bound_here = |name: &String| matches!(meanings.get(name), Some(Meaning::Place(_)));
        let in_scope = |name: &String| match meanings.get(name) {
            Some(meaning) => *meaning != Meaning::Other,
            None => matches!(meaning(binding.scopes, name), Some(Meaning::Place(_))),
        };
        let mut takes = Vec::new();
        for (index, (needed, unit)) in self.units.iter().enumerate() {
            if needed.iter().any(is_bound_here) && needed.iter().all(in_scope) {
                self.refuse_other(unit, needed, binding.scopes, &meanings);
                self.placed.insert(index);
                takes.push(&unit.take);
            }
        }
        let inserted = (!takes.is_empty()).then(|| (self.around.wrap)(&takes));
        self.inserted += usize::from(inserted.is_some());
        (meanings, inserted)
    }

    fn own(&mut self, expr: &mut Expr, before: usize) {
        if self.inserted > before {
            let handle = self.around.handle;
            *expr = Expr::Verbatim(quote!({
                let #handle = #handle.share();
                #expr
            }));
        }
    }

    fn inserted(&self) -> usize {
        self.inserted
    }
}
