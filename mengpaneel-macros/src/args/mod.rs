//! Grammar of the four attributes.

mod ast;
mod call;
mod expr;
mod foreign_syntax;
mod item;
mod method;
mod option;
mod spelling;

use proc_macro2::{Span, TokenStream};
use syn::Result;
use syn::parse::{ParseStream, Parser};

use self::item::{Item, parse_separator};
use self::option::Options;

pub(crate) use ast::{Annotation, Arg, Call, Mode, Name, Property, Trigger};

impl Annotation {
    /// Parses the arguments of an attribute. Errors about missing parts point at `span`.
    pub(crate) fn parse(mode: Mode, args: TokenStream, span: Span) -> Result<Self> {
        let parser = |input: ParseStream<'_>| {
            if mode == Mode::Track {
                Self::parse_track(input, span)
            } else {
                Self::parse_calls(mode, input, span)
            }
        };
        parser.parse2(args)
    }

    fn parse_track(input: ParseStream<'_>, span: Span) -> Result<Self> {
        let mut options = Options::default();
        let mut items = Vec::new();
        while !input.is_empty() {
            if !options.parse(input)? {
                let item = Item::parse(input)?;
                if !items.is_empty() {
                    item.reject_unknown_option()?;
                }
                items.push(item);
            }
            parse_separator(input)?;
        }
        let call = call::track(items, span)?;
        Ok(options.annotate(Mode::Track, vec![call], span))
    }

    fn parse_calls(mode: Mode, input: ParseStream<'_>, span: Span) -> Result<Self> {
        let mut options = Options::default();
        let mut calls = Vec::new();
        while !input.is_empty() {
            if !options.parse(input)? {
                calls.push(call::parse(input)?);
            }
            parse_separator(input)?;
        }
        let name = mode.name();
        if !calls.is_empty() || (mode == Mode::Setup && options.is_empty()) {
            Ok(options.annotate(mode, calls, span))
        } else if mode == Mode::Setup {
            Err(syn::Error::new(
                span,
                "options without calls: write `#[setup(identify(user.id), …)]`, or `#[setup]` alone for calls that \
                 the body makes",
            ))
        } else {
            let example = if mode == Mode::BeforeSetup {
                "alias(user.id)"
            } else {
                "track(\"Sign In\")"
            };
            Err(syn::Error::new(
                span,
                format!("no call: write `#[{name}({example})]`"),
            ))
        }
    }
}
