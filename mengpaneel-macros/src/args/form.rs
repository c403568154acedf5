//! Forms of other macros and languages, with the form that is right here.

use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Error, Expr, Ident, LitStr, Result, Token, token};

/// Refuses `"Title" => x`, `title: x`, `$email = x`, `when x > 0`, `if x > 0`.
pub(super) fn refuse_others(input: ParseStream<'_>) -> Result<()> {
    if input.peek(Token![$]) {
        let ahead = input.fork();
        let dollar: Token![$] = ahead.parse()?;
        let name = ahead
            .call(Ident::parse_any)
            .map_or_else(|_| "email".into(), |name| name.to_string());
        return Err(Error::new(
            dollar.span,
            format!("a name with a dollar stands in quotes: write `\"${name}\" = value`"),
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
            "a condition stands in parentheses: write `when(condition)`",
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
            format!("a property has an equals sign: write `{name} = value`"),
        ));
    }
    Ok(())
}

/// Returns whether an operand follows the word here, rather than an operator.
fn starts_operand(input: ParseStream<'_>) -> bool {
    input.peek2(Ident::peek_any)
        || input.peek2(syn::Lit)
        || input.peek2(Token![!]) && !input.peek2(Token![!=])
}

/// Refuses the sigils of `tracing`'s fields before a value: `title = %title`, `title = ?title`.
pub(super) fn refuse_sigil(input: ParseStream<'_>) -> Result<()> {
    let rest = |input: ParseStream<'_>| {
        let ahead = input.fork();
        drop(ahead.parse::<proc_macro2::TokenTree>());
        let first: Option<proc_macro2::TokenTree> = ahead.parse().ok();
        first.map_or_else(|| "value".to_owned(), |first| first.to_string())
    };
    if input.peek(Token![%]) {
        let value = rest(input);
        let said = format!(
            "values are serialised, not displayed: write `{value}`, or `{value}.to_string()` for its text"
        );
        return Err(Error::new(input.span(), said));
    }
    if input.peek(Token![?]) {
        let value = rest(input);
        let said = format!(
            "values are serialised, not debugged: write `{value}`, or `format!(\"{{{value}:?}}\")`"
        );
        return Err(Error::new(input.span(), said));
    }
    Ok(())
}

/// Refuses `on = "failure"` and `via = "server"`, which were meant as options.
pub(super) fn refuse_option(name: &Ident, input: ParseStream<'_>) -> Result<()> {
    let Ok(value) = input.fork().parse::<LitStr>().map(|value| value.value()) else {
        return Ok(());
    };
    let option = match (name.to_string().as_str(), value.as_str()) {
        ("on", "success" | "failure" | "always") | ("via", "server") => format!("{name}({value})"),
        _ => return Ok(()),
    };
    let said = format!(
        "write `{option}` for the option, or `\"{name}\" = \"{value}\"` for a property of that name"
    );
    Err(Error::new(name.span(), said))
}

/// The option that a lone word was meant as: `server`, `failure`.
pub(super) fn option_of(word: &str) -> Option<String> {
    match word {
        "server" => Some("via(server)".to_owned()),
        "success" | "failure" | "always" => Some(format!("on({word})")),
        _ => None,
    }
}

/// Refuses a call where the name of an event belongs: `track(identify(1))`, `track(name("E"))`.
pub(super) fn refuse_call_as_event(event: &Expr, is_method: impl Fn(&str) -> bool) -> Result<()> {
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
    let said = match (name.to_string().as_str(), text) {
        ("name" | "event" | "track", Some(text)) => {
            format!("the event stands here itself: write `track({text})`")
        }
        ("track", None) => "the event stands here itself: write `track(EVENT)`".to_owned(),
        (method, _) if is_method(method) => {
            format!(
                "`{method}` is a call, not an event: write `#[mengpaneel::tracking({method}(…))]`"
            )
        }
        _ => return Ok(()),
    };
    Err(Error::new(name.span(), said))
}

/// Refuses the handle's name before a call: `mixpanel.identify(1)`.
pub(super) fn refuse_handle(input: ParseStream<'_>) -> Result<()> {
    let ahead = input.fork();
    let Ok(name) = ahead.call(Ident::parse_any) else {
        return Ok(());
    };
    let is_separated = ahead.peek(Token![.]) || ahead.peek(Token![::]);
    if (name == "mixpanel" || name == "mengpaneel") && is_separated {
        let said = format!(
            "calls stand alone here: drop `{name}`, and write `identify(user.id)`, `people.set(…)`"
        );
        return Err(Error::new(name.span(), said));
    }
    Ok(())
}

/// Refuses a value where a call belongs: `setup(user.id)`.
pub(super) fn refuse_value(input: ParseStream<'_>) -> Result<()> {
    let ahead = input.fork();
    let Ok(first) = ahead.call(Ident::parse_any) else {
        return Ok(());
    };
    let mut written = first.to_string();
    while ahead.peek(Token![.]) {
        ahead.parse::<Token![.]>()?;
        let Ok(next) = ahead.call(Ident::parse_any) else {
            return Ok(());
        };
        written = format!("{written}.{next}");
    }
    if written.contains('.')
        && !ahead.peek(token::Paren)
        && !matches!(first.to_string().as_str(), "people" | "get_group")
    {
        let said = format!(
            "`{written}` is a value, not a call: write `identify({written})` to say who is there"
        );
        return Err(Error::new(first.span(), said));
    }
    Ok(())
}
