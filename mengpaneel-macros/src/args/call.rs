//! Call: `identify(user.id)`, `people.set("$email" = user.email)`.

use std::collections::HashSet;

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::spanned::Spanned;
use syn::{Expr, Ident, Result, Token, token};

use super::ast::{Arg, Call, Name, Property};
use super::foreign_syntax;
use super::item::{Item, parse_separator};
use super::method::{self, Method, Shape};

/// Builds the call of `#[track(EVENT, …)]` from the arguments of the attribute.
pub(super) fn track(items: Vec<Item>, span: Span) -> Result<Call> {
    let name = Ident::new("track", span);
    build(method::find(None, &name)?, &name, vec![], items)
}

/// Parses a call.
pub(super) fn parse(input: ParseStream<'_>) -> Result<Call> {
    if !input.peek(Ident::peek_any) {
        return Err(input.error(
            "expected a call, such as `identify(user.id)` or `people.set(\"$email\" = user.email)`",
        ));
    }
    foreign_syntax::reject_prefix(input)?;
    foreign_syntax::reject_value(input)?;
    let first = input.call(Ident::parse_any)?;
    let mut group = Vec::new();
    let mut parent = None;
    let mut name = first;
    if name == "get_group" && input.peek(token::Paren) {
        group = parse_group(&name, input)?;
    }
    if input.peek(Token![.]) {
        input.parse::<Token![.]>()?;
        if !input.peek(Ident::peek_any) {
            let message = format!("expected a method: write `{name}.set(…)`");
            return Err(syn::Error::new(name.span(), message));
        }
        parent = Some(std::mem::replace(&mut name, input.call(Ident::parse_any)?));
    }
    let method = method::find(parent.as_ref(), &name)?;
    if method.path.starts_with("get_group.") && group.is_empty() {
        let message = format!("the group is missing: write `{}`", method.usage);
        return Err(syn::Error::new(
            parent.as_ref().unwrap_or(&name).span(),
            message,
        ));
    }
    if !input.peek(token::Paren) {
        let message = format!("`{}` is a call: write `{}`", method.path, method.usage);
        return Err(syn::Error::new(name.span(), message));
    }
    let content;
    syn::parenthesized!(content in input);
    let items = parse_items(&content)?;
    build(method, &name, group, items)
}

fn parse_items(input: ParseStream<'_>) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    while !input.is_empty() {
        items.push(Item::parse(input)?);
        parse_separator(input)?;
    }
    Ok(items)
}

/// Parses the key and the ID of `get_group("company", company.id)`.
fn parse_group(name: &Ident, input: ParseStream<'_>) -> Result<Vec<Arg>> {
    let content;
    syn::parenthesized!(content in input);
    let mut items = parse_items(&content)?.into_iter();
    match (items.next(), items.next(), items.next()) {
        (Some(Item::Positional(key)), Some(Item::Positional(id)), None) => {
            Ok(vec![Arg::Text(key.into()), Arg::Id(id)])
        }
        _ => Err(syn::Error::new(
            name.span(),
            "a group has a key and an ID: write `get_group(\"company\", company.id)`",
        )),
    }
}

/// Parsed arguments of a call. The shape of the method decides how they are read.
struct ParsedArgs<'a> {
    method: &'static Method,
    name: &'a Ident,
    positional: std::vec::IntoIter<Expr>,
    properties: Vec<Property>,
}

fn build(method: &'static Method, name: &Ident, group: Vec<Arg>, items: Vec<Item>) -> Result<Call> {
    let mut parsed = ParsedArgs::new(method, name, items)?;
    let mut args = group;
    args.extend(parsed.take_args()?);
    parsed.finish()?;
    Ok(Call {
        path: method.path,
        variant: method.variant,
        args,
    })
}

impl<'a> ParsedArgs<'a> {
    fn new(method: &'static Method, name: &'a Ident, items: Vec<Item>) -> Result<Self> {
        let mut positional = Vec::new();
        let mut properties = Vec::new();
        let mut names = HashSet::new();
        for item in items {
            match item {
                Item::Positional(expr) if properties.is_empty() => positional.push(expr),
                Item::Positional(expr) => return Err(not_a_property(&expr, method)),
                Item::Property(property) => {
                    if let Property::Pair(Name::Literal(name), _) = &property
                        && !names.insert(name.value())
                    {
                        let message = format!(
                            "`{}` is given twice: remove one, or rename it",
                            name.value()
                        );
                        return Err(syn::Error::new(name.span(), message));
                    }
                    properties.push(property);
                }
            }
        }
        Ok(Self {
            method,
            name,
            positional: positional.into_iter(),
            properties,
        })
    }

    /// Reads the arguments by the shape of the method.
    fn take_args(&mut self) -> Result<Vec<Arg>> {
        Ok(match self.method.shape {
            Shape::Nothing => vec![],
            Shape::OptOut => vec![Arg::KeepUser],
            Shape::Id => vec![Arg::Id(self.expr()?)],
            Shape::Text => vec![Arg::Text(self.name()?)],
            Shape::KeyAndId => vec![Arg::Text(self.name()?), Arg::Id(self.expr()?)],
            Shape::KeyAndIds => vec![Arg::Text(self.name()?), Arg::Ids(self.expr()?)],
            Shape::Texts if self.positional.len() == 0 => vec![],
            Shape::SomeTexts if self.positional.len() == 0 => return Err(self.missing()),
            Shape::Texts | Shape::SomeTexts => vec![Arg::List(self.names())],
            Shape::Event => {
                let event = self.event()?;
                vec![Arg::Text(event), self.properties()]
            }
            Shape::EventWithGroups => {
                let (event, groups) = (self.event()?, self.expr()?);
                vec![Arg::Text(event), self.properties(), Arg::Map(groups)]
            }
            Shape::Properties => vec![self.required_properties()?],
            Shape::NamedValues => vec![self.named_values(None)?],
            Shape::Increment => vec![self.named_values(Some(syn::parse_quote!(1)))?],
            Shape::Charge => {
                let amount = self.expr()?;
                let name = Name::Literal(syn::LitStr::new("amount", amount.span()));
                vec![Arg::Value(name, amount), self.properties()]
            }
            Shape::ListAndValue => {
                let (list, value) = (self.name()?, self.expr()?);
                vec![Arg::Text(list.clone()), Arg::Value(list, value)]
            }
        })
    }

    /// Reads properties, or a name and its value.
    fn named_values(&mut self, default: Option<Expr>) -> Result<Arg> {
        if self.positional.len() == 0 {
            return self.required_properties();
        }
        let name = self.name()?;
        let value = self
            .positional
            .next()
            .or(default)
            .ok_or_else(|| self.missing())?;
        Ok(Arg::Properties(vec![Property::Pair(name, value)]))
    }

    fn properties(&mut self) -> Arg {
        Arg::Properties(std::mem::take(&mut self.properties))
    }

    fn required_properties(&mut self) -> Result<Arg> {
        let may_be_none = self.method.variant == "TrackPageview";
        if self.properties.is_empty() && self.positional.len() == 0 && !may_be_none {
            return Err(self.missing());
        }
        Ok(self.properties())
    }

    fn event(&mut self) -> Result<Name> {
        let message = "the event's name comes first: write";
        let event = self.positional.next().ok_or_else(|| {
            syn::Error::new(
                self.name.span(),
                format!("{message} `{}`", self.method.usage),
            )
        })?;
        foreign_syntax::reject_call_as_event(&event, method::is_method)?;
        match Name::from(event) {
            Name::Literal(text) if text.value().is_empty() => Err(syn::Error::new(
                text.span(),
                format!("{message} `{}`", self.method.usage),
            )),
            name => Ok(name),
        }
    }

    fn name(&mut self) -> Result<Name> {
        self.expr().map(Name::from)
    }

    fn names(&mut self) -> Vec<Name> {
        self.positional.by_ref().map(Name::from).collect()
    }

    fn expr(&mut self) -> Result<Expr> {
        self.positional.next().ok_or_else(|| self.missing())
    }

    /// Rejects arguments that were not read.
    fn finish(mut self) -> Result<()> {
        if let Some(extra) = self.positional.next() {
            return Err(not_a_property(&extra, self.method));
        }
        if let Some(property) = self.properties.first() {
            let span = match property {
                Property::Pair(name, _) => name.span(),
                Property::Spread(expr) => expr.span(),
            };
            return Err(syn::Error::new(
                span,
                format!("takes no properties: write `{}`", self.method.usage),
            ));
        }
        Ok(())
    }

    fn missing(&self) -> syn::Error {
        syn::Error::new(
            self.name.span(),
            format!("an argument is missing: write `{}`", self.method.usage),
        )
    }
}

/// Returns the error for an expression in place of a property, or of nothing.
fn not_a_property(expr: &Expr, method: &Method) -> syn::Error {
    let usage = method.usage;
    let message = match expr {
        Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(name),
            ..
        }) => {
            format!("`{:?}` has no value: write `{0:?} = value`", name.value())
        }
        Expr::Path(path) if path.path.get_ident().is_some() => {
            let name = path
                .path
                .get_ident()
                .map(ToString::to_string)
                .unwrap_or_default();
            match foreign_syntax::option_for_word(&name) {
                Some(option) => {
                    format!("`{name}` alone is not a property: write `{option}` for the option")
                }
                None => format!(
                    "`{name}` has no value: write `{name} = {name}`, or `..{name}` for all properties in it"
                ),
            }
        }
        Expr::Assign(_) => {
            "a property's name is an identifier, a string, or a constant in braces: `title = …`, \
                            `\"Title\" = …`, `{TITLE} = …`"
                .to_owned()
        }
        _ => format!("one argument too many: write `{usage}`"),
    };
    syn::Error::new(expr.span(), message)
}
