//! Where in a body values are captured: right after the `let`, or at the head of the branch, that
//! binds the names they are made of.

mod driven;
mod place;
mod syntax;
mod walk;

use std::collections::BTreeSet;

use proc_macro2::{Group, Ident, TokenStream};
use syn::parse::Parser;
use syn::{Block, Result};

use crate::names::{Scan, Uses, text};

/// Values that are captured together.
pub(crate) struct Unit {
    /// The names that they are made of.
    pub(crate) uses: Uses,
    /// The statements that capture them.
    pub(crate) take: TokenStream,
}

/// A body that captures values where their names are bound.
pub(crate) struct Captured {
    pub(crate) body: Group,
    /// Code for what is captured at entry, since the body binds none of its names.
    pub(crate) entry: Vec<TokenStream>,
    /// True if it captures any itself.
    pub(crate) inside: bool,
}

/// The function around a body, as far as it decides what names mean.
pub(crate) struct Around<'a> {
    /// The names that the parameters bind.
    pub(crate) parameters: &'a BTreeSet<String>,
    /// True if an async block at the end of the body is what the function returns.
    pub(crate) returns_future: bool,
    /// Makes statements of captures.
    pub(crate) wrap: &'a dyn Fn(&[&TokenStream]) -> TokenStream,
    /// The local that gives access to the frame.
    pub(crate) handle: &'a Ident,
}

/// Puts `units` where their names are bound.
pub(crate) fn capture(
    body: &Group,
    scan: &Scan,
    units: Vec<Unit>,
    around: &Around<'_>,
) -> Result<Captured> {
    let of_unit = |unit: &Unit| -> Vec<String> {
        let uncertain = unit.uses.uncertain.iter().map(|(name, _)| text(name));
        unit.uses
            .names
            .iter()
            .map(|used| text(&used.name))
            .chain(uncertain)
            .collect()
    };
    let named: BTreeSet<String> = units.iter().flat_map(of_unit).collect();
    let entry_only = |units: Vec<Unit>| Captured {
        body: body.clone(),
        entry: units.into_iter().map(|unit| unit.take).collect(),
        inside: false,
    };
    if !named.iter().any(|name| scan.may_bind(name)) {
        return Ok(entry_only(units));
    }
    let Ok(mut stmts) = Block::parse_within.parse2(body.stream()) else {
        // Half-typed: the compiler says what is wrong with it, and need say no more.
        let bound = units
            .into_iter()
            .filter(|unit| of_unit(unit).is_empty())
            .collect();
        return Ok(entry_only(bound));
    };
    let found = place::find(&mut stmts, &named, around);
    let units = units
        .into_iter()
        .map(|unit| Ok((found.needed(&unit, around.parameters)?, unit)))
        .collect::<Result<Vec<_>>>()?;
    let placed = place::fill(&mut stmts, &found, &units, around)?;
    let mut entry = Vec::new();
    for (index, (needed, unit)) in units.iter().enumerate() {
        if needed.is_empty() {
            entry.push(unit.take.clone());
        } else if !placed.contains(&index) {
            return Err(never_together(unit, needed));
        }
    }
    let mut filled = Group::new(body.delimiter(), quote::quote!(#(#stmts)*));
    filled.set_span(body.span());
    Ok(Captured {
        body: filled,
        entry,
        inside: !placed.is_empty(),
    })
}

fn never_together(unit: &Unit, needed: &BTreeSet<String>) -> syn::Error {
    let names: Vec<_> = needed.iter().map(|name| format!("`{name}`")).collect();
    let names = names.join(" and ");
    let last = unit
        .uses
        .names
        .iter()
        .rfind(|used| needed.contains(&text(&used.name)));
    let span = last.map_or_else(proc_macro2::Span::call_site, |used| used.name.span());
    syn::Error::new(
        span,
        format!("{names} are never in scope together: bind in one block what is needed at once"),
    )
}
