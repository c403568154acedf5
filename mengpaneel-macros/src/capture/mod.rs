//! Capture points in a body: right after the `let`, or at the start of the branch, that binds the
//! names which values consist of.

mod barrier;
mod execution;
mod group;
mod insert;
mod mutation;
mod points;
mod scope;
mod syntax;
mod visitor;

use std::collections::BTreeSet;

use proc_macro2::{Group, TokenStream};
use syn::parse::Parser;
use syn::{Block, Result};

use crate::idents::{TokenScan, unraw_name};

pub(crate) use group::{BodyContext, CaptureGroup};

/// Body that captures values where their names are bound.
pub(crate) struct CapturedBody {
    pub(crate) body: Group,
    /// Statements of the groups to capture at entry, since the body binds none of their names.
    pub(crate) at_entry: Vec<TokenStream>,
    /// True if the body captures values itself.
    pub(crate) captures_inside: bool,
}

/// Inserts the statements of `groups` into a body where their names are bound.
pub(crate) fn capture(
    body: &Group,
    scan: &TokenScan,
    groups: Vec<CaptureGroup>,
    context: &BodyContext<'_>,
) -> Result<CapturedBody> {
    let names: BTreeSet<String> = groups.iter().flat_map(CaptureGroup::names).collect();
    let at_entry_only = |groups: Vec<CaptureGroup>| CapturedBody {
        body: body.clone(),
        at_entry: groups.into_iter().map(|group| group.statements).collect(),
        captures_inside: false,
    };
    if !names.iter().any(|name| scan.may_bind(name)) {
        return Ok(at_entry_only(groups));
    }
    let Ok(mut stmts) = Block::parse_within.parse2(body.stream()) else {
        // The body is incomplete, and the compiler reports that. Groups with names are dropped, so
        // that no further errors appear.
        let constant = groups
            .into_iter()
            .filter(|group| group.names().next().is_none())
            .collect();
        return Ok(at_entry_only(constant));
    };
    let points = points::find(&mut stmts, &names, context);
    let groups = groups
        .into_iter()
        .map(|group| Ok((points.bound_names(&group, context.parameters)?, group)))
        .collect::<Result<Vec<_>>>()?;
    let inserted = insert::insert(&mut stmts, &points, &groups, context)?;
    let mut at_entry = Vec::new();
    for (index, (bound, group)) in groups.iter().enumerate() {
        if bound.is_empty() {
            at_entry.push(group.statements.clone());
        } else if !inserted.contains(&index) {
            return Err(never_together_error(group, bound));
        }
    }
    let mut filled = Group::new(body.delimiter(), quote::quote!(#(#stmts)*));
    filled.set_span(body.span());
    Ok(CapturedBody {
        body: filled,
        at_entry,
        captures_inside: !inserted.is_empty(),
    })
}

fn never_together_error(group: &CaptureGroup, bound: &BTreeSet<String>) -> syn::Error {
    let names: Vec<_> = bound.iter().map(|name| format!("`{name}`")).collect();
    let names = names.join(" and ");
    let last = group
        .used
        .free
        .iter()
        .rfind(|used| bound.contains(&unraw_name(&used.ident)));
    let span = last.map_or_else(proc_macro2::Span::call_site, |used| used.ident.span());
    syn::Error::new(
        span,
        format!("{names} are never in scope together: bind them in one block"),
    )
}
