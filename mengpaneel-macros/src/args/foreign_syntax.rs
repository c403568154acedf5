//! Syntax of other macros and languages. The errors show the syntax that is right here.

use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Error, Expr, Ident, LitStr, Result, Token, token};

/// Rejects `"Title" => x`, `title: x`, `$email = x`, `when x > 0`, `if x > 0`.
pub(super) fn reject_foreign_syntax(input: ParseStream<'_>) -> Result<()> {
    if input.peek(Token![$]) {
        let ahead = input.fork();
        let dollar: Token![$] = ahead.parse()?;
        let name = ahead
            .call(Ident::parse_any)
            .map_or_else(|_| "email".into(), |name| name.to_string());
        return Err(Error::new(
            dollar.span,
            format!("a name with a dollar sign needs quotes: write `\"${name}\" = value`"),
        ));
    }
    if input.peek(Token![if]) && input.fork().parse::<Expr>().is_err() {
        return Err(Error::new(
            input.span(),
            "a condition is an option: write `when(condition)`",
        ));
    }
    let is_word = input.peek(Ident::peek_any);
    if is_word && input.fork().call(Ident::parse_any)? == "when" && starts_operand(input) {
        return Err(Error::new(
            input.span(),
            "a condition needs parentheses: write `when(condition)`",
        ));
    }
    let is_path = input.peek2(Token![::]);
    if (is_word || input.peek(LitStr))
        && !is_path
        && (input.peek2(Token![=>]) || input.peek2(Token![:]))
    {
        let ahead = input.fork();
        let name: proc_macro2::TokenTree = ahead.parse()?;
        return Err(Error::new(
            ahead.span(),
            format!("a property needs an equals sign: write `{name} = value`"),
        ));
    }
    Ok(())
}

/// Returns whether an operand follows the next word, rather than an operator.
fn starts_operand(input: ParseStream<'_>) -> bool {
    input.peek2(Ident::peek_any)
        || input.peek2(syn::Lit)
        || input.peek2(Token![!]) && !input.peek2(Token![!=])
}

/// Rejects the sigils of `tracing`'s fields before a value: `title = %title`, `title = ?title`.
pub(super) fn reject_tracing_sigil(input: ParseStream<'_>) -> Result<()> {
    let next = |input: ParseStream<'_>| {
        let ahead = input.fork();
        drop(ahead.parse::<proc_macro2::TokenTree>());
        let first: Option<proc_macro2::TokenTree> = ahead.parse().ok();
        first.map_or_else(|| "value".to_owned(), |first| first.to_string())
    };
    if input.peek(Token![%]) {
        let value = next(input);
        let message = format!(
            "values are serialised, not formatted with `Display`: write `{value}`, or `{value}.to_string()` for its text"
        );
        return Err(Error::new(input.span(), message));
    }
    if input.peek(Token![?]) {
        let value = next(input);
        let message = format!(
            "values are serialised, not formatted with `Debug`: write `{value}`, or `format!(\"{{{value}:?}}\")`"
        );
        return Err(Error::new(input.span(), message));
    }
    Ok(())
}

/// Rejects `on = "failure"` and `via = "server"`, which were meant as options.
pub(super) fn reject_quoted_option(name: &Ident, input: ParseStream<'_>) -> Result<()> {
    let Ok(value) = input.fork().parse::<LitStr>().map(|value| value.value()) else {
        return Ok(());
    };
    let option = match (name.to_string().as_str(), value.as_str()) {
        ("on", "success" | "failure" | "always") | ("via", "server") => format!("{name}({value})"),
        _ => return Ok(()),
    };
    let message = format!(
        "write `{option}` for the option, or `\"{name}\" = \"{value}\"` for a property of that name"
    );
    Err(Error::new(name.span(), message))
}

/// Returns the option that a word alone was meant as: `server`, `failure`.
pub(super) fn option_for_word(word: &str) -> Option<String> {
    match word {
        "server" => Some("via(server)".to_owned()),
        "success" | "failure" | "always" => Some(format!("on({word})")),
        _ => None,
    }
}

/// Rejects a call in place of an event's name: `track(identify(1))`, `track(name("E"))`.
pub(super) fn reject_call_as_event(event: &Expr, is_method: impl Fn(&str) -> bool) -> Result<()> {
    let Expr::Call(call) = event else {
        return Ok(());
    };
    let Expr::Path(path) = &*call.func else {
        return Ok(());
    };
    let Some(name) = path.path.get_ident() else {
        return Ok(());
    };
    let text = match call.args.first() {
        Some(Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(text),
            ..
        })) => Some(format!("{:?}", text.value())),
        _ => None,
    };
    let message = match (name.to_string().as_str(), text) {
        ("name" | "event" | "track", Some(text)) => {
            format!("the event's name is the first argument: write `track({text})`")
        }
        ("track", None) => {
            "the event's name is the first argument: write `track(EVENT)`".to_owned()
        }
        (method, _) if is_method(method) => {
            format!(
                "`{method}` is a call, not an event: write `#[mengpaneel::tracking({method}(…))]`"
            )
        }
        _ => return Ok(()),
    };
    Err(Error::new(name.span(), message))
}

/// Rejects a prefix before a call: `mixpanel.identify(1)`.
pub(super) fn reject_prefix(input: ParseStream<'_>) -> Result<()> {
    let ahead = input.fork();
    let Ok(name) = ahead.call(Ident::parse_any) else {
        return Ok(());
    };
    let is_separated = ahead.peek(Token![.]) || ahead.peek(Token![::]);
    if (name == "mixpanel" || name == "mengpaneel") && is_separated {
        let message = format!(
            "calls have no prefix here: remove `{name}`, and write `identify(user.id)`, `people.set(…)`"
        );
        return Err(Error::new(name.span(), message));
    }
    Ok(())
}

/// Rejects a value in place of a call: `setup(user.id)`.
pub(super) fn reject_value(input: ParseStream<'_>) -> Result<()> {
    let ahead = input.fork();
    let Ok(first) = ahead.call(Ident::parse_any) else {
        return Ok(());
    };
    let mut path = first.to_string();
    while ahead.peek(Token![.]) {
        ahead.parse::<Token![.]>()?;
        let Ok(next) = ahead.call(Ident::parse_any) else {
            return Ok(());
        };
        path = format!("{path}.{next}");
    }
    if path.contains('.')
        && !ahead.peek(token::Paren)
        && !matches!(first.to_string().as_str(), "people" | "get_group")
    {
        let message = format!(
            "`{path}` is a value, not a call: write `identify({path})` to identify the user"
        );
        return Err(Error::new(first.span(), message));
    }
    Ok(())
}
