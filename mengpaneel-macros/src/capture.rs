//! Where in a body the values come to be: after the `let`, or at the head of the branch, that binds
//! the names they are made of.

mod place;

pub(crate) use self::place::bound_by_condition;

use std::collections::BTreeSet;

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use syn::parse::Parser;
use syn::{Block, Result};

/// Values that are taken together.
pub(crate) struct Unit {
    /// The names of values that they are made of.
    pub(crate) names: Vec<Ident>,
    /// The statements that take them.
    pub(crate) take: TokenStream,
}

/// A body that takes values where they come to be.
pub(crate) struct Captured {
    pub(crate) body: Group,
    /// What is taken before it, since it binds none of its names.
    pub(crate) entry: Vec<TokenStream>,
    /// Whether it takes any itself.
    pub(crate) inside: bool,
}

/// Puts `units` where their names are bound. `wrap` makes statements of takings.
pub(crate) fn capture(
    body: &Group,
    units: Vec<Unit>,
    parameters: &BTreeSet<String>,
    wrap: &dyn Fn(&[&TokenStream]) -> TokenStream,
) -> Result<Captured> {
    let named: BTreeSet<String> = units.iter().flat_map(|unit| &unit.names).map(ToString::to_string).collect();
    let entry_only = |units: Vec<Unit>| Captured {
        body: body.clone(),
        entry: units.into_iter().map(|unit| unit.take).collect(),
        inside: false,
    };
    if !may_bind(body.stream(), &named) {
        return Ok(entry_only(units));
    }
    let Ok(mut stmts) = Block::parse_within.parse2(body.stream()) else {
        // Half-typed: the compiler says what is wrong with it, and need say no more.
        let bound = units.into_iter().filter(|unit| unit.names.is_empty()).collect();
        return Ok(entry_only(bound));
    };
    let found = place::find(&mut stmts, &named);
    let units =
        units.into_iter().map(|unit| Ok((needed(&unit, &found, parameters)?, unit))).collect::<Result<Vec<_>>>()?;
    let placed = place::fill(&mut stmts, &units, wrap);
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
    Ok(Captured { body: filled, entry, inside: !placed.is_empty() })
}

/// The names of a unit that the body binds, or the error at one that it binds only out of reach.
fn needed(unit: &Unit, found: &place::Found, parameters: &BTreeSet<String>) -> Result<BTreeSet<String>> {
    let mut needed = BTreeSet::new();
    for name in &unit.names {
        let text = name.to_string();
        if found.bound.contains(&text) {
            needed.insert(text);
        } else if let (Some(barrier), false) = (found.barred.get(&text), parameters.contains(&text)) {
            return Err(syn::Error::new(name.span(), barrier.explain(&text)));
        }
    }
    Ok(needed)
}

fn never_together(unit: &Unit, needed: &BTreeSet<String>) -> syn::Error {
    let names: Vec<_> = needed.iter().map(|name| format!("`{name}`")).collect();
    let names = names.join(" and ");
    let last = unit.names.iter().rfind(|name| needed.contains(&name.to_string()));
    let span = last.map_or_else(proc_macro2::Span::call_site, Ident::span);
    syn::Error::new(span, format!("{names} are never in scope together: bind in one block what is needed at once"))
}

/// Whether these tokens may bind one of the names: whether one stands after `let`, or before `=>`.
fn may_bind(tokens: TokenStream, named: &BTreeSet<String>) -> bool {
    let (mut in_let, mut mentioned, mut last) = (false, false, ' ');
    for token in tokens {
        let mentions = mentions(&token, named);
        mentioned |= mentions;
        let punct = if let TokenTree::Punct(punct) = &token { punct.as_char() } else { ' ' };
        if (in_let && mentions) || (mentioned && last == '=' && punct == '>') {
            return true;
        }
        match token {
            TokenTree::Ident(ident) if ident == "let" => in_let = true,
            TokenTree::Group(group) if may_bind(group.stream(), named) => return true,
            _ => in_let &= !matches!(punct, '=' | ';'),
        }
        last = punct;
    }
    false
}

fn mentions(token: &TokenTree, named: &BTreeSet<String>) -> bool {
    match token {
        TokenTree::Ident(ident) => named.contains(&ident.to_string()),
        TokenTree::Group(group) => group.stream().into_iter().any(|token| mentions(&token, named)),
        _ => false,
    }
}
