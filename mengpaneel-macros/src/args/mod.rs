//! The grammar of the four attributes.

mod call;
mod expr;
mod form;
mod item;
mod method;
mod option;

use proc_macro2::{Span, TokenStream};
use syn::parse::{ParseStream, Parser};
use syn::{Expr, Ident, LitStr, Path, Result, Token};

pub(crate) use option::On;

use self::option::Options;

/// Which of the four attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// `#[track(EVENT, …)]`, which is `#[tracking(track(EVENT, …))]`.
    Track,
    /// `#[before_setup(…)]`
    BeforeSetup,
    /// `#[setup(…)]`
    Setup,
    /// `#[tracking(…)]`
    Tracking,
}

impl Mode {
    const ALL: [Self; 4] = [Self::Track, Self::BeforeSetup, Self::Setup, Self::Tracking];

    /// The name of the attribute.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Track => "track",
            Self::BeforeSetup => "before_setup",
            Self::Setup => "setup",
            Self::Tracking => "tracking",
        }
    }

    /// The attribute of that name.
    pub(crate) fn named(name: &Ident) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| name == mode.name())
    }
}

/// What one attribute says.
pub(crate) struct Annotation {
    /// Where it stands.
    pub(crate) at: Span,
    pub(crate) mode: Mode,
    /// Empty: a bare `#[setup]`.
    pub(crate) calls: Vec<Call>,
    /// The parts of the condition, all of which must hold.
    pub(crate) when: Vec<Expr>,
    pub(crate) on: On,
    pub(crate) via_server: bool,
    /// Where the `mengpaneel` crate is, if that was said.
    pub(crate) root: Option<Path>,
}

/// A call, its arguments as mixpanel-js wants them.
pub(crate) struct Call {
    /// As mixpanel-js knows it: `people.set`.
    pub(crate) path: &'static str,
    /// The variant of `mengpaneel::Method`.
    pub(crate) variant: &'static str,
    pub(crate) args: Vec<Arg>,
}

/// An argument.
pub(crate) enum Arg {
    Text(Name),
    List(Vec<Name>),
    Id(Expr),
    Ids(Expr),
    Value(Name, Expr),
    /// A map or struct that is an argument of its own.
    Map(Expr),
    Properties(Vec<Property>),
    /// What keeps `opt_out_tracking` from deleting the profile.
    KeepUser,
}

/// A property, or many.
pub(crate) enum Property {
    Pair(Name, Expr),
    Spread(Expr),
}

/// The name of an event, a property, a list.
#[derive(Clone)]
pub(crate) enum Name {
    Literal(LitStr),
    Computed(Expr),
}

impl Annotation {
    /// Reads what stands in the parentheses of an attribute; `at` is where errors about what is
    /// missing belong.
    pub(crate) fn parse(mode: Mode, args: TokenStream, at: Span) -> Result<Self> {
        let parser = |input: ParseStream<'_>| {
            if mode == Mode::Track {
                Self::parse_track(input, at)
            } else {
                Self::parse_calls(mode, input, at)
            }
        };
        parser.parse2(args)
    }

    fn parse_track(input: ParseStream<'_>, at: Span) -> Result<Self> {
        let mut options = Options::default();
        let mut items = Vec::new();
        while !input.is_empty() {
            if !options.parse(input)? {
                let item = item::Item::parse(input)?;
                if !items.is_empty() {
                    item.refuse_unknown_option()?;
                }
                items.push(item);
            }
            comma(input)?;
        }
        let call = call::track(items, at)?;
        Ok(options.annotate(Mode::Track, vec![call], at))
    }

    fn parse_calls(mode: Mode, input: ParseStream<'_>, at: Span) -> Result<Self> {
        let mut options = Options::default();
        let mut calls = Vec::new();
        while !input.is_empty() {
            if !options.parse(input)? {
                calls.push(call::parse(input)?);
            }
            comma(input)?;
        }
        let name = mode.name();
        if !calls.is_empty() || (mode == Mode::Setup && options.is_empty()) {
            Ok(options.annotate(mode, calls, at))
        } else if mode == Mode::Setup {
            Err(syn::Error::new(
                at,
                "options without calls: write `#[setup(identify(user.id), …)]`, or `#[setup]` alone for what the \
                 body records",
            ))
        } else {
            let example = if mode == Mode::BeforeSetup {
                "alias(user.id)"
            } else {
                "track(\"Sign In\")"
            };
            Err(syn::Error::new(
                at,
                format!("no call: write `#[{name}({example})]`"),
            ))
        }
    }
}

/// The comma between two pieces, or the end.
fn comma(input: ParseStream<'_>) -> Result<()> {
    if input.is_empty() {
        return Ok(());
    }
    input.parse::<Token![,]>().map(drop).map_err(|error| {
        syn::Error::new(
            error.span(),
            "expected a comma: pieces look like `\"Title\" = post.title, via(server)`",
        )
    })
}
