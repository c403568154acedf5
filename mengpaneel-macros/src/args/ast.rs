//! Syntax tree of an attribute.

use proc_macro2::Span;
use syn::{Expr, Ident, LitStr, Path};

/// One of the four attributes.
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

    /// Returns the name of the attribute.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Track => "track",
            Self::BeforeSetup => "before_setup",
            Self::Setup => "setup",
            Self::Tracking => "tracking",
        }
    }

    /// Returns the attribute that has this name.
    pub(crate) fn from_name(name: &Ident) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| name == mode.name())
    }
}

/// Parsed attribute.
pub(crate) struct Annotation {
    /// Position of the attribute.
    pub(crate) span: Span,
    pub(crate) mode: Mode,
    /// Calls, in order. Empty for a bare `#[setup]`.
    pub(crate) calls: Vec<Call>,
    /// Parts of the condition, all of which must hold.
    pub(crate) when: Vec<Expr>,
    pub(crate) trigger: Trigger,
    pub(crate) via_server: bool,
    /// Path of the crate `mengpaneel`, if the option `crate(…)` gives one.
    pub(crate) root: Option<Path>,
}

/// Call, with its arguments in the order of mixpanel-js.
pub(crate) struct Call {
    /// Path in mixpanel-js: `people.set`.
    pub(crate) path: &'static str,
    /// Name of the variant of `mengpaneel::Method`.
    pub(crate) variant: &'static str,
    pub(crate) args: Vec<Arg>,
}

/// Argument of a call.
pub(crate) enum Arg {
    Text(Name),
    List(Vec<Name>),
    Id(Expr),
    Ids(Expr),
    Value(Name, Expr),
    /// Map or struct that is an argument by itself.
    Map(Expr),
    Properties(Vec<Property>),
    /// Options that keep `opt_out_tracking` from deleting the profile.
    KeepUser,
}

/// Property, or several.
pub(crate) enum Property {
    Pair(Name, Expr),
    /// All properties of a map or struct: `..properties`.
    Spread(Expr),
}

/// Name of an event, a property or a list.
#[derive(Clone)]
pub(crate) enum Name {
    Literal(LitStr),
    Computed(Expr),
}

/// Outcomes of the function after which its calls are recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Trigger {
    #[default]
    Success,
    Failure,
    Always,
}
