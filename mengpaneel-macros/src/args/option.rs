//! The options: `when(…)`, `on(…)`, `via(server)`, `crate(path)`. Always with parentheses, so that
//! any name stays free for properties.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{BinOp, Expr, Ident, LitStr, Path, Result, Token, token};

use super::{Annotation, Call, Mode, expr};
use crate::names::nearest;

/// After which end of the function calls count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum On {
    #[default]
    Success,
    Failure,
    Always,
}

/// The options of one attribute.
#[derive(Default)]
pub(super) struct Options {
    when: Option<Vec<Expr>>,
    on: Option<On>,
    via_server: bool,
    root: Option<Path>,
}

const FORMS: [(&str, &str); 4] = [
    ("when", "when(condition)` or `when(let Some(user) = &user)"),
    ("on", "on(success)`, `on(failure)` or `on(always)"),
    ("via", "via(server)"),
    ("crate", "crate(path::to::mengpaneel)"),
];

fn form(name: &str) -> Option<&'static str> {
    FORMS
        .iter()
        .find(|(option, _)| *option == name)
        .map(|(_, form)| *form)
}

/// The error at what looks like an option and is none.
pub(super) fn unknown(name: &Ident) -> syn::Error {
    let near = nearest(&name.to_string(), FORMS.iter().map(|(option, _)| *option));
    let said = match near.and_then(form) {
        Some(form) => format!("no option `{name}`: did you mean `{form}`?"),
        None => format!(
            "no option `{name}`: there are `when(…)`, `on(…)` and `via(server)`; a property is `{name} = value`"
        ),
    };
    syn::Error::new(name.span(), said)
}

impl Options {
    pub(super) fn is_empty(&self) -> bool {
        self.when.is_none() && self.on.is_none() && !self.via_server
    }

    /// Reads an option, if one stands here.
    pub(super) fn parse(&mut self, input: ParseStream<'_>) -> Result<bool> {
        let ahead = input.fork();
        let Ok(name) = ahead.call(Ident::parse_any) else {
            return Ok(false);
        };
        let Some(form) = form(&name.to_string()) else {
            return Ok(false);
        };
        if ahead.peek(token::Paren) {
            input.call(Ident::parse_any)?;
            self.parse_named(&name, form, input)?;
            return Ok(true);
        }
        if ahead.is_empty() || ahead.peek(Token![,]) {
            return Err(syn::Error::new(
                name.span(),
                format!("`{name}` says nothing alone: write `{form}`"),
            ));
        }
        Ok(false)
    }

    fn parse_named(&mut self, name: &Ident, form: &str, input: ParseStream<'_>) -> Result<()> {
        let value;
        syn::parenthesized!(value in input);
        if value.is_empty() {
            return Err(syn::Error::new(
                name.span(),
                format!("`{name}` says nothing alone: write `{form}`"),
            ));
        }
        let twice = match name.to_string().as_str() {
            "when" => self.when.replace(conjuncts(expr::parse(&value)?)).is_some(),
            "on" => self.on.replace(on(&value)?).is_some(),
            "via" => std::mem::replace(&mut self.via_server, server(&value)?),
            _ => self
                .root
                .replace(value.call(Path::parse_mod_style)?)
                .is_some(),
        };
        if twice {
            return Err(syn::Error::new(
                name.span(),
                format!("`{name}` stands here twice: join the two, or drop one"),
            ));
        }
        if value.is_empty() {
            Ok(())
        } else {
            Err(value.error(format!("too much: write `{form}`")))
        }
    }

    pub(super) fn annotate(self, mode: Mode, calls: Vec<Call>, at: Span) -> Annotation {
        Annotation {
            at,
            mode,
            calls,
            when: self.when.unwrap_or_default(),
            on: self.on.unwrap_or_default(),
            via_server: self.via_server,
            root: self.root,
        }
    }
}

/// Reads a word; one in quotes is told the form without.
fn word(option: &str, input: ParseStream<'_>) -> Result<Ident> {
    if let Ok(text) = input.fork().parse::<LitStr>() {
        let said = format!(
            "`{option}` takes a word without quotes: write `{option}({})`",
            text.value()
        );
        return Err(syn::Error::new(text.span(), said));
    }
    input.call(Ident::parse_any)
}

/// The end of a function that such a word means elsewhere.
fn synonym(word: &str) -> Option<&'static str> {
    match word {
        "ok" | "succeeded" | "pass" | "passed" => Some("success"),
        "err" | "error" | "errors" | "fail" | "failed" | "panic" => Some("failure"),
        "all" | "any" | "both" | "end" | "exit" | "return" => Some("always"),
        _ => None,
    }
}

fn on(input: ParseStream<'_>) -> Result<On> {
    let value = word("on", input)?;
    match value.to_string().as_str() {
        "success" => Ok(On::Success),
        "failure" => Ok(On::Failure),
        "always" => Ok(On::Always),
        other => {
            let near = synonym(other)
                .or_else(|| nearest(other, ["success", "failure", "always"]))
                .unwrap_or("success");
            Err(syn::Error::new(
                value.span(),
                format!(
                    "no `on({other})`: did you mean `on({near})`? There are `success`, `failure` and `always`"
                ),
            ))
        }
    }
}

fn server(input: ParseStream<'_>) -> Result<bool> {
    let value = word("via", input)?;
    if value == "server" {
        return Ok(true);
    }
    let said = format!("no `via({value})`: write `via(server)`; without it, the best way there is");
    Err(syn::Error::new(value.span(), said))
}

/// The parts of a let chain; any other condition is one part.
fn conjuncts(condition: Expr) -> Vec<Expr> {
    let mut parts = Vec::new();
    split(condition.clone(), &mut parts);
    if parts.iter().any(|part| matches!(part, Expr::Let(_))) {
        parts
    } else {
        vec![condition]
    }
}

fn split(condition: Expr, parts: &mut Vec<Expr>) {
    match condition {
        Expr::Binary(binary) if matches!(binary.op, BinOp::And(_)) => {
            split(*binary.left, parts);
            split(*binary.right, parts);
        }
        other => parts.push(other),
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;
    use syn::parse::Parser;

    use super::*;

    #[test]
    fn a_let_chain_has_parts_and_any_other_condition_is_one() {
        let parts = |tokens| conjuncts(syn::parse2(tokens).unwrap()).len();
        assert_eq!(
            parts(quote!(let Some(a) = b && a.c && let Some(d) = a.d)),
            3
        );
        assert_eq!(parts(quote!(a && b)), 1);
    }

    #[test]
    fn an_option_without_parentheses_is_told_its_form() {
        let parse = |input: ParseStream<'_>| Options::default().parse(input);
        let error = parse.parse2(quote!(when)).unwrap_err();
        assert!(error.to_string().contains("when(condition)"));
    }
}
