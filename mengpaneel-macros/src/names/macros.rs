//! The free names in a macro's tokens: exact in the well-known macros, careful in all others.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Ident, Literal, Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Expr, LitStr, Pat, Result, Token, parenthesized, token};

use super::free::Reader;
use super::{Scan, format, text};

/// Grammar of a well-known macro's tokens.
#[derive(Clone, Copy)]
enum Grammar {
    /// Expressions, of which the one at this index is a format string.
    Format(usize),
    /// Expressions, or one and its number: `vec![0; n]`.
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
    grammar(&text(name)).is_some()
}

impl Reader {
    /// Reads a macro's tokens by its grammar; those of an unknown one, token by token.
    pub(super) fn known_or_not(&mut self, mac: &syn::Macro) {
        let name = mac
            .path
            .segments
            .last()
            .map(|segment| text(&segment.ident))
            .unwrap_or_default();
        let tokens = mac.tokens.clone();
        let parsed = match grammar(&name) {
            Some(Grammar::Format(at)) => {
                (|input: ParseStream<'_>| formatted(input, at)).parse2(tokens.clone())
            }
            Some(Grammar::List) => list.parse2(tokens.clone()),
            Some(Grammar::Matches) => matches.parse2(tokens.clone()),
            Some(Grammar::Json) => (|input: ParseStream<'_>| {
                let mut pieces = Vec::new();
                json(input, &mut pieces)?;
                if input.is_empty() {
                    Ok(pieces)
                } else {
                    Err(input.error("expected one value"))
                }
            })
            .parse2(tokens.clone()),
            Some(Grammar::Nothing) => return,
            None => Err(syn::Error::new(Span::call_site(), "unknown")),
        };
        match parsed {
            Ok(pieces) => self.scoped(|reader| pieces.iter().for_each(|piece| reader.piece(piece))),
            Err(_) => self.tokens(&tokens, &format!("{name}!")),
        }
    }

    fn piece(&mut self, piece: &Piece) {
        match piece {
            Piece::Expr(expr) => self.expr(expr),
            Piece::Condition(expr) => self.condition(expr),
            Piece::Name(name) => self.name(name, false, vec![]),
            Piece::Pattern(pattern) => self.bind(pattern),
        }
    }

    /// Reads tokens of which only the macro knows what they mean. A name that something in them may
    /// bind, and one in a text, are uncertain.
    pub(super) fn tokens(&mut self, tokens: &TokenStream, of: &str) {
        self.uses.hides = true;
        let mut named = BTreeMap::new();
        mentioned(tokens.clone(), &mut named);
        let scan = Scan::of_stream(tokens.clone());
        for (
            name,
            Mention {
                ident,
                is_called,
                in_text,
            },
        ) in named
        {
            if self.is_bound(&ident) {
                continue;
            }
            if in_text || scan.may_bind(&name) {
                self.uses.uncertain.push((ident, of.to_owned()));
            } else {
                self.name(&ident, is_called, vec![]);
            }
        }
    }
}

/// A piece of a macro's tokens, in the order in which they are read.
enum Piece {
    Expr(Expr),
    /// An expression whose bindings hold for what follows.
    Condition(Expr),
    Name(Ident),
    Pattern(Pat),
}

/// `"{} {title}", a, title = b`
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
            arguments.insert(text(&input.call(Ident::parse_any)?));
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
        format::names(&string.value(), |name| {
            if !arguments.contains(name) {
                pieces.push(Piece::Name(identifier(name, string.span())));
            }
        });
    }
    Ok(pieces)
}

/// The local that a format string means, whose name may be a keyword: `r#type` is `{type}` there.
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

/// `value, Some(n) if n > 1`
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

/// A value of `json!`: an object, an array, `null`, or an expression.
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

/// How a name stands in tokens.
struct Mention {
    ident: Ident,
    is_called: bool,
    in_text: bool,
}

/// Adds the names in these tokens that may be locals, each once.
fn mentioned(tokens: TokenStream, named: &mut BTreeMap<String, Mention>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let punct = |index: Option<usize>| match index.and_then(|index| tokens.get(index)) {
        Some(TokenTree::Punct(punct)) => punct.as_char(),
        _ => ' ',
    };
    for (index, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => mentioned(group.stream(), named),
            TokenTree::Literal(literal) => in_text(literal, named),
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
                    in_text: false,
                };
                named.entry(text(ident)).or_insert(mention);
            }
        }
    }
}

fn in_text(literal: &Literal, named: &mut BTreeMap<String, Mention>) {
    let Ok(string) = syn::parse2::<LitStr>(TokenTree::Literal(literal.clone()).into()) else {
        return;
    };
    format::names(&string.value(), |name| {
        let mention = Mention {
            ident: identifier(name, literal.span()),
            is_called: false,
            in_text: true,
        };
        named.entry(name.to_owned()).or_insert(mention);
    });
}
