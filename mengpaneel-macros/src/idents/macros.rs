//! Names in a macro's tokens: exact for the well-known macros, conservative for all others.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Ident, Literal, Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Expr, LitStr, Pat, Result, Token, parenthesized, token};

use super::format;
use super::scan::TokenScan;
use super::unraw::unraw_name;

/// Grammar of a well-known macro's tokens.
#[derive(Clone, Copy)]
enum Grammar {
    /// Expressions. The one at this index is a format string.
    Format(usize),
    /// Expressions, or one and how often to repeat it: `vec![0; n]`.
    List,
    Matches,
    Json,
    /// No expressions: `stringify!`, `env!`.
    Nothing,
}

fn grammar(name: &str) -> Option<Grammar> {
    Some(match name {
        "format" | "format_args" | "print" | "println" | "eprint" | "eprintln" | "panic"
        | "todo" | "unimplemented" | "unreachable" => Grammar::Format(0),
        "write" | "writeln" | "assert" | "debug_assert" => Grammar::Format(1),
        "assert_eq" | "assert_ne" | "debug_assert_eq" | "debug_assert_ne" => Grammar::Format(2),
        "vec" | "dbg" => Grammar::List,
        "matches" => Grammar::Matches,
        "json" => Grammar::Json,
        "cfg" | "column" | "concat" | "env" | "file" | "include_bytes" | "include_str" | "line"
        | "module_path" | "option_env" | "stringify" => Grammar::Nothing,
        _ => return None,
    })
}

/// Returns whether a macro of this name is known to do nothing but evaluate its arguments.
pub(crate) fn is_well_known(name: &Ident) -> bool {
    grammar(&unraw_name(name)).is_some()
}

/// Content of a macro call, as far as the names in it can be known.
pub(super) enum MacroContent {
    /// Content of a well-known macro, in the order in which it is read.
    Known(Vec<Piece>),
    /// Names in the tokens of any other macro, or of a well-known one whose tokens do not match
    /// its grammar.
    Unknown(Vec<Mention>),
}

/// Part of a well-known macro's content.
pub(super) enum Piece {
    Expr(Expr),
    /// Expression whose bindings hold for the pieces after it.
    Condition(Expr),
    Name(Ident),
    Pattern(Pat),
}

/// Name in tokens of unknown grammar.
pub(super) struct Mention {
    pub(super) ident: Ident,
    /// True if parentheses follow the name.
    pub(super) is_called: bool,
    /// True if the tokens may bind the name, or a string may only look as if it named it.
    pub(super) is_ambiguous: bool,
}

/// Reads the tokens of the macro that has this name.
pub(super) fn read(name: &str, tokens: &TokenStream) -> MacroContent {
    let stream = tokens.clone();
    let parsed = match grammar(name) {
        Some(Grammar::Format(at)) => (|input: ParseStream<'_>| formatted(input, at)).parse2(stream),
        Some(Grammar::List) => list.parse2(stream),
        Some(Grammar::Matches) => matches.parse2(stream),
        Some(Grammar::Json) => (|input: ParseStream<'_>| {
            let mut pieces = Vec::new();
            json(input, &mut pieces)?;
            if input.is_empty() {
                Ok(pieces)
            } else {
                Err(input.error("expected one value"))
            }
        })
        .parse2(stream),
        Some(Grammar::Nothing) => Ok(vec![]),
        None => Err(syn::Error::new(Span::call_site(), "unknown")),
    };
    parsed.map_or_else(
        |_| MacroContent::Unknown(mentions(tokens)),
        MacroContent::Known,
    )
}

/// Returns the names in tokens of unknown grammar that may be locals, each once, by name.
pub(super) fn mentions(tokens: &TokenStream) -> Vec<Mention> {
    let mut mentions = BTreeMap::new();
    collect_mentions(tokens.clone(), &mut mentions);
    let scan = TokenScan::from_stream(tokens.clone());
    let marked = mentions.into_iter().map(|(name, mention)| Mention {
        is_ambiguous: mention.is_ambiguous || scan.may_bind(&name),
        ..mention
    });
    marked.collect()
}

/// Parses `"{} {title}", a, title = b`.
fn formatted(input: ParseStream<'_>, format: usize) -> Result<Vec<Piece>> {
    let (mut pieces, mut arguments, mut string) = (Vec::new(), BTreeSet::new(), None);
    for index in 0.. {
        if input.is_empty() {
            break;
        }
        if index > format
            && input.peek(Ident::peek_any)
            && input.peek2(Token![=])
            && !input.peek2(Token![==])
        {
            arguments.insert(unraw_name(&input.call(Ident::parse_any)?));
            input.parse::<Token![=]>()?;
        }
        let expr: Expr = input.parse()?;
        match &expr {
            Expr::Lit(syn::ExprLit {
                lit: syn::Lit::Str(text),
                ..
            }) if index == format => string = Some(text.clone()),
            _ => pieces.push(Piece::Expr(expr)),
        }
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    if let Some(string) = string {
        format::for_each_name(&string.value(), |name| {
            if !arguments.contains(name) {
                pieces.push(Piece::Name(identifier(name, string.span())));
            }
        });
    }
    Ok(pieces)
}

/// Returns the local that a format string names. The name may be a keyword: `{type}` reads
/// `r#type`.
fn identifier(name: &str, span: Span) -> Ident {
    match syn::parse_str::<Ident>(name) {
        Ok(mut ident) => {
            ident.set_span(span);
            ident
        }
        Err(_) if matches!(name, "self" | "Self" | "super" | "crate" | "_") => {
            Ident::new(name, span)
        }
        Err(_) => Ident::new_raw(name, span),
    }
}

/// Parses `a, b` or `a; n`.
fn list(input: ParseStream<'_>) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    while !input.is_empty() {
        pieces.push(Piece::Expr(input.parse()?));
        if input.peek(Token![;]) {
            input.parse::<Token![;]>()?;
        } else if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(pieces)
}

/// Parses `value, Some(n) if n > 1`.
fn matches(input: ParseStream<'_>) -> Result<Vec<Piece>> {
    let value = input.parse()?;
    input.parse::<Token![,]>()?;
    let mut pieces = vec![
        Piece::Expr(value),
        Piece::Pattern(Pat::parse_multi_with_leading_vert(input)?),
    ];
    if input.peek(Token![if]) {
        input.parse::<Token![if]>()?;
        pieces.push(Piece::Condition(input.parse()?));
    }
    input.parse::<Option<Token![,]>>()?;
    if input.is_empty() {
        Ok(pieces)
    } else {
        Err(input.error("expected nothing more"))
    }
}

/// Parses a value of `json!`: an object, an array, `null`, or an expression.
fn json(input: ParseStream<'_>, pieces: &mut Vec<Piece>) -> Result<()> {
    let is_alone = |input: ParseStream<'_>| {
        let ahead = input.fork();
        ahead.parse::<TokenTree>().is_ok() && (ahead.is_empty() || ahead.peek(Token![,]))
    };
    if input.peek(token::Brace) && is_alone(input) {
        let object;
        syn::braced!(object in input);
        while !object.is_empty() {
            if object.peek(token::Paren) {
                let key;
                parenthesized!(key in object);
                pieces.push(Piece::Expr(key.parse()?));
            } else {
                pieces.push(Piece::Expr(object.parse()?));
            }
            object.parse::<Token![:]>()?;
            json(&object, pieces)?;
            object.parse::<Option<Token![,]>>()?;
        }
    } else if input.peek(token::Bracket) && is_alone(input) {
        let array;
        syn::bracketed!(array in input);
        while !array.is_empty() {
            json(&array, pieces)?;
            array.parse::<Option<Token![,]>>()?;
        }
    } else if input
        .fork()
        .call(Ident::parse_any)
        .is_ok_and(|word| word == "null")
        && is_alone(input)
    {
        input.call(Ident::parse_any)?;
    } else {
        pieces.push(Piece::Expr(input.parse()?));
    }
    Ok(())
}

/// Adds the names in these tokens that may be locals, each where it is first mentioned.
fn collect_mentions(tokens: TokenStream, found: &mut BTreeMap<String, Mention>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let punct = |index: Option<usize>| match index.and_then(|index| tokens.get(index)) {
        Some(TokenTree::Punct(punct)) => punct.as_char(),
        _ => ' ',
    };
    for (index, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => collect_mentions(group.stream(), found),
            TokenTree::Literal(literal) => collect_from_string(literal, found),
            TokenTree::Punct(_) => {}
            TokenTree::Ident(ident) => {
                let before = (punct(index.checked_sub(2)), punct(index.checked_sub(1)));
                let after = (punct(Some(index + 1)), punct(Some(index + 2)));
                let is_member = before.1 == '.' && before.0 != '.';
                let is_path = before == (':', ':') || after == (':', ':');
                let is_key = (after.0 == ':' || after.0 == '=') && !matches!(after.1, '=' | '>');
                let is_other = after.0 == '!' || before.1 == '\'';
                let is_word =
                    syn::parse_str::<Ident>(&ident.to_string()).is_err() && ident != "self";
                if is_member || is_path || is_key || is_other || is_word {
                    continue;
                }
                let is_called = matches!(tokens.get(index + 1), Some(TokenTree::Group(group)) if group.delimiter() == proc_macro2::Delimiter::Parenthesis);
                let mention = Mention {
                    ident: ident.clone(),
                    is_called,
                    is_ambiguous: false,
                };
                found.entry(unraw_name(ident)).or_insert(mention);
            }
        }
    }
}

/// Adds the names in a literal that may be a format string.
fn collect_from_string(literal: &Literal, found: &mut BTreeMap<String, Mention>) {
    let Ok(string) = syn::parse2::<LitStr>(TokenTree::Literal(literal.clone()).into()) else {
        return;
    };
    format::for_each_name(&string.value(), |name| {
        let mention = Mention {
            ident: identifier(name, literal.span()),
            is_called: false,
            is_ambiguous: true,
        };
        found.entry(name.to_owned()).or_insert(mention);
    });
}
