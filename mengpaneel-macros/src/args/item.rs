//! Item between two commas of a call: an argument or a property.

use proc_macro2::TokenTree;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser, discouraged::Speculative};
use syn::spanned::Spanned;
use syn::{Expr, Ident, LitStr, Path, Result, Token, token};

use super::ast::{Name, Property};
use super::{expr, foreign_syntax, option};

/// Argument or property.
pub(super) enum Item {
    Positional(Expr),
    Property(Property),
}

impl Item {
    pub(super) fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.peek(Token![..]) {
            let dots: Token![..] = input.parse()?;
            if input.is_empty() || input.peek(Token![,]) {
                return Err(syn::Error::new(
                    dots.span(),
                    "nothing to spread: write `..properties`",
                ));
            }
            return expr::parse(input).map(Property::Spread).map(Self::Property);
        }
        foreign_syntax::reject_foreign_syntax(input)?;
        let word = input.fork().call(Ident::parse_any).ok();
        let ahead = input.fork();
        if let Ok(name) = parse_key(&ahead)
            && ahead.peek(Token![=])
            && !ahead.peek(Token![==])
        {
            input.advance_to(&ahead);
            return Self::parse_value(name, word.as_ref(), input).map(Self::Property);
        }
        expr::parse(input).map(Self::Positional)
    }

    fn parse_value(name: Name, word: Option<&Ident>, input: ParseStream<'_>) -> Result<Property> {
        input.parse::<Token![=]>()?;
        if input.is_empty() || input.peek(Token![,]) {
            let shown = name.display();
            return Err(syn::Error::new(
                name.span(),
                format!("`{shown}` has no value: write `{shown} = value`"),
            ));
        }
        foreign_syntax::reject_tracing_sigil(input)?;
        if let Some(word) = word {
            foreign_syntax::reject_quoted_option(word, input)?;
        }
        Ok(Property::Pair(name, expr::parse(input)?))
    }

    /// Rejects a call after the event. Only properties and options may follow the event, so the
    /// call was meant as an option.
    pub(super) fn reject_unknown_option(&self) -> Result<()> {
        if let Self::Positional(Expr::Call(call)) = self
            && let Expr::Path(path) = &*call.func
            && let Some(name) = path.path.get_ident()
        {
            return Err(option::unknown(name));
        }
        Ok(())
    }
}

/// Parses the comma between two items, or the end.
pub(super) fn parse_separator(input: ParseStream<'_>) -> Result<()> {
    if input.is_empty() {
        return Ok(());
    }
    input.parse::<Token![,]>().map(drop).map_err(|error| {
        syn::Error::new(
            error.span(),
            "expected a comma: items look like `\"Title\" = post.title, via(server)`",
        )
    })
}

/// Parses a property's name: an identifier, a string, `{CONSTANT}`, `keys::CONSTANT`.
fn parse_key(input: ParseStream<'_>) -> Result<Name> {
    if input.peek(LitStr) {
        return input.parse().map(Name::Literal);
    }
    if input.peek(token::Group) {
        return expr::parse
            .parse2(input.parse::<TokenTree>()?.into())
            .map(Name::from);
    }
    if input.peek(token::Brace) {
        let braced;
        syn::braced!(braced in input);
        return braced.parse().map(Name::Computed);
    }
    let path = input.fork();
    if let Ok(constant) = Path::parse_mod_style(&path)
        && constant.segments.len() > 1
    {
        input.advance_to(&path);
        let path = Expr::Path(syn::ExprPath {
            attrs: vec![],
            qself: None,
            path: constant,
        });
        return Ok(Name::Computed(path));
    }
    let name = input.call(Ident::parse_any)?;
    Ok(Name::Literal(LitStr::new(
        &name.unraw().to_string(),
        name.span(),
    )))
}

impl Name {
    pub(super) fn span(&self) -> proc_macro2::Span {
        match self {
            Self::Literal(literal) => literal.span(),
            Self::Computed(expr) => expr.span(),
        }
    }

    /// Returns the name as it may be written in an attribute.
    fn display(&self) -> String {
        match self {
            Self::Literal(literal) => {
                let name = literal.value();
                if syn::parse_str::<Ident>(&name).is_ok() {
                    name
                } else {
                    format!("{name:?}")
                }
            }
            Self::Computed(_) => "{NAME}".into(),
        }
    }
}

impl From<Expr> for Name {
    fn from(expr: Expr) -> Self {
        if let Expr::Lit(syn::ExprLit {
            attrs,
            lit: syn::Lit::Str(text),
        }) = &expr
            && attrs.is_empty()
        {
            return Self::Literal(text.clone());
        }
        Self::Computed(expr)
    }
}

impl Parse for Name {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        expr::parse(input).map(Self::from)
    }
}
