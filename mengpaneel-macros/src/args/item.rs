//! A piece between two commas of a call: an argument or a property.

use proc_macro2::TokenTree;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser, discouraged::Speculative};
use syn::spanned::Spanned;
use syn::{Expr, Ident, LitStr, Path, Result, Token, token};

use super::{Name, Property, expr, form, option};

/// An argument or a property.
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
        form::refuse_others(input)?;
        let word = input.fork().call(Ident::parse_any).ok();
        let ahead = input.fork();
        if let Ok(name) = key(&ahead)
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
            let shown = name.shown();
            return Err(syn::Error::new(
                name.span(),
                format!("`{shown}` has no value: write `{shown} = value`"),
            ));
        }
        form::refuse_sigil(input)?;
        if let Some(word) = word {
            form::refuse_option(word, input)?;
        }
        Ok(Property::Pair(name, expr::parse(input)?))
    }

    /// After the event only properties and options follow: what looks like a call was meant as an
    /// option.
    pub(super) fn refuse_unknown_option(&self) -> Result<()> {
        if let Self::Positional(Expr::Call(call)) = self
            && let Expr::Path(path) = &*call.func
            && let Some(name) = path.path.get_ident()
        {
            return Err(option::unknown(name));
        }
        Ok(())
    }
}

/// A property's name, where one stands here: an identifier, a text, `{CONSTANT}`, `keys::CONSTANT`.
fn key(input: ParseStream<'_>) -> Result<Name> {
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
            Self::Literal(text) => text.span(),
            Self::Computed(expr) => expr.span(),
        }
    }

    /// As it may be written.
    fn shown(&self) -> String {
        match self {
            Self::Literal(text) => {
                let name = text.value();
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
