//! Options: `when(…)`, `on(…)`, `via(server)`, `crate(path)`.
//!
//! An option always has parentheses, so that a property may have any name.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{BinOp, Expr, Ident, LitStr, Path, Result, Token, token};

use super::ast::{Annotation, Call, Mode, Trigger};
use super::expr;
use super::spelling::nearest;

/// Options of one attribute.
#[derive(Default)]
pub(super) struct Options {
    when: Option<Vec<Expr>>,
    on: Option<Trigger>,
    via_server: bool,
    root: Option<Path>,
}

/// Each option with its syntax, without the outer backquotes, for errors.
const USAGES: [(&str, &str); 4] = [
    ("when", "when(condition)` or `when(let Some(user) = &user)"),
    ("on", "on(success)`, `on(failure)` or `on(always)"),
    ("via", "via(server)"),
    ("crate", "crate(path::to::mengpaneel)"),
];

fn usage(name: &str) -> Option<&'static str> {
    USAGES
        .iter()
        .find(|(option, _)| *option == name)
        .map(|(_, usage)| *usage)
}

/// Returns the error for a name that looks like an option.
pub(super) fn unknown(name: &Ident) -> syn::Error {
    let near = nearest(&name.to_string(), USAGES.iter().map(|(option, _)| *option));
    let message = match near.and_then(usage) {
        Some(usage) => format!("no option `{name}`: did you mean `{usage}`?"),
        None => format!(
            "no option `{name}`: the options are `when(…)`, `on(…)` and `via(server)`; a property is `{name} = value`"
        ),
    };
    syn::Error::new(name.span(), message)
}

impl Options {
    pub(super) fn is_empty(&self) -> bool {
        self.when.is_none() && self.on.is_none() && !self.via_server
    }

    /// Parses an option, if the next item is one. Returns whether it is.
    pub(super) fn parse(&mut self, input: ParseStream<'_>) -> Result<bool> {
        let ahead = input.fork();
        let Ok(name) = ahead.call(Ident::parse_any) else {
            return Ok(false);
        };
        let Some(usage) = usage(&name.to_string()) else {
            return Ok(false);
        };
        if ahead.peek(token::Paren) {
            input.call(Ident::parse_any)?;
            self.parse_named(&name, usage, input)?;
            return Ok(true);
        }
        if ahead.is_empty() || ahead.peek(Token![,]) {
            return Err(syn::Error::new(
                name.span(),
                format!("`{name}` needs a value: write `{usage}`"),
            ));
        }
        Ok(false)
    }

    fn parse_named(&mut self, name: &Ident, usage: &str, input: ParseStream<'_>) -> Result<()> {
        let value;
        syn::parenthesized!(value in input);
        if value.is_empty() {
            return Err(syn::Error::new(
                name.span(),
                format!("`{name}` needs a value: write `{usage}`"),
            ));
        }
        let twice = match name.to_string().as_str() {
            "when" => self.when.replace(conjuncts(expr::parse(&value)?)).is_some(),
            "on" => self.on.replace(parse_trigger(&value)?).is_some(),
            "via" => std::mem::replace(&mut self.via_server, parse_server(&value)?),
            _ => self
                .root
                .replace(value.call(Path::parse_mod_style)?)
                .is_some(),
        };
        if twice {
            return Err(syn::Error::new(
                name.span(),
                format!("`{name}` is given twice: combine the two, or remove one"),
            ));
        }
        if value.is_empty() {
            Ok(())
        } else {
            Err(value.error(format!("too many arguments: write `{usage}`")))
        }
    }

    /// Builds the annotation of an attribute that has these options.
    pub(super) fn annotate(self, mode: Mode, calls: Vec<Call>, span: Span) -> Annotation {
        Annotation {
            span,
            mode,
            calls,
            when: self.when.unwrap_or_default(),
            trigger: self.on.unwrap_or_default(),
            via_server: self.via_server,
            root: self.root,
        }
    }
}

/// Parses a word. The error for a quoted word shows the word without quotes.
fn parse_word(option: &str, input: ParseStream<'_>) -> Result<Ident> {
    if let Ok(text) = input.fork().parse::<LitStr>() {
        let message = format!(
            "`{option}` takes a word without quotes: write `{option}({})`",
            text.value()
        );
        return Err(syn::Error::new(text.span(), message));
    }
    input.call(Ident::parse_any)
}

/// Returns the trigger that has this name in other libraries.
fn synonym(word: &str) -> Option<&'static str> {
    match word {
        "ok" | "succeeded" | "pass" | "passed" => Some("success"),
        "err" | "error" | "errors" | "fail" | "failed" | "panic" => Some("failure"),
        "all" | "any" | "both" | "end" | "exit" | "return" => Some("always"),
        _ => None,
    }
}

fn parse_trigger(input: ParseStream<'_>) -> Result<Trigger> {
    let value = parse_word("on", input)?;
    match value.to_string().as_str() {
        "success" => Ok(Trigger::Success),
        "failure" => Ok(Trigger::Failure),
        "always" => Ok(Trigger::Always),
        other => {
            let near = synonym(other)
                .or_else(|| nearest(other, ["success", "failure", "always"]))
                .unwrap_or("success");
            Err(syn::Error::new(
                value.span(),
                format!(
                    "no `on({other})`: did you mean `on({near})`? The values are `success`, `failure` and `always`"
                ),
            ))
        }
    }
}

fn parse_server(input: ParseStream<'_>) -> Result<bool> {
    let value = parse_word("via", input)?;
    if value == "server" {
        return Ok(true);
    }
    let message = format!(
        "no `via({value})`: write `via(server)`, or remove the option so that the best way is chosen"
    );
    Err(syn::Error::new(value.span(), message))
}

/// Returns the parts of a let chain. Any other condition is a single part.
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
    fn let_chain_is_split_and_other_conditions_are_not() {
        let parts = |tokens| conjuncts(syn::parse2(tokens).unwrap()).len();
        assert_eq!(
            parts(quote!(let Some(a) = b && a.c && let Some(d) = a.d)),
            3
        );
        assert_eq!(parts(quote!(a && b)), 1);
    }

    #[test]
    fn option_without_parentheses_is_rejected_with_its_usage() {
        let parse = |input: ParseStream<'_>| Options::default().parse(input);
        let error = parse.parse2(quote!(when)).unwrap_err();
        assert!(error.to_string().contains("when(condition)"));
    }
}
