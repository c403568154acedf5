//! What an attribute says that is known when it is compiled.

use crate::attribute::outcome::Outcome;
use crate::call::{Method, Mode};
use crate::recorder::Condition;

/// A call in an attribute.
#[derive(Debug)]
pub struct Annotated {
    /// What is called.
    pub method: Method,
    /// When it runs.
    pub mode: Mode,
    /// After which end of the function it counts.
    pub on: On,
    /// Whether only the server may send it.
    pub via_server: bool,
    /// Whether it stands for what the body records, and is no call itself.
    pub bare: bool,
    /// The slot of its `when`.
    pub when: Option<usize>,
    /// Its arguments.
    pub args: &'static [Argument],
}

impl Annotated {
    /// A call that counts after success.
    #[must_use]
    pub const fn new(mode: Mode, method: Method, args: &'static [Argument]) -> Self {
        Self { method, mode, on: On::Success, via_server: false, bare: false, when: None, args }
    }

    /// A bare `#[setup]`.
    #[must_use]
    pub const fn bare() -> Self {
        let mut setup = Self::new(Mode::Setup, Method::Identify, &[]);
        setup.bare = true;
        setup
    }

    /// `on(…)`
    #[must_use]
    pub const fn on(mut self, on: On) -> Self {
        self.on = on;
        self
    }

    /// `via(server)`
    #[must_use]
    pub const fn via_server(mut self) -> Self {
        self.via_server = true;
        self
    }

    /// `when(…)`, which is kept in this slot.
    #[must_use]
    pub const fn when(mut self, slot: usize) -> Self {
        self.when = Some(slot);
        self
    }
}

/// An argument of a call.
#[derive(Debug)]
pub enum Argument {
    /// A text that stands in the attribute.
    Text(&'static str),
    /// The value in this slot.
    Taken(usize),
    /// A list.
    List(&'static [Argument]),
    /// An object.
    Properties(&'static [Property]),
    /// What keeps `opt_out_tracking` from deleting the profile.
    KeepUser,
}

/// A property: where its name and value are.
#[derive(Debug)]
pub enum Property {
    /// A name that stands in the attribute, and the slot of its value.
    Named(&'static str, usize),
    /// The slots of its name and value.
    Computed(usize, usize),
    /// The slot of a map whose entries are properties.
    Spread(usize),
}

/// What kind of function is annotated, as far as its signature and attributes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A function: its result's type tells whether that is a response.
    Function,
    /// A handler: a route attribute stands beside.
    Handler,
    /// A guard of a route.
    Guard,
}

/// After which end of the function a call counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// It ended and did not fail.
    Success,
    /// It failed.
    Failure,
    /// Any.
    Always,
}

impl On {
    /// What is still to be known before the call counts; `None` where it does not.
    pub(super) fn condition(self, kind: Kind, outcome: Outcome) -> Option<Condition> {
        let outcome = match (kind, outcome) {
            (Kind::Handler, Outcome::Returned) => Outcome::Answered,
            (_, outcome) => outcome,
        };
        let ended = match (self, outcome) {
            (Self::Always, _) | (Self::Success, Outcome::Returned) | (Self::Failure, Outcome::Failed) => {
                Condition::Always
            }
            (Self::Success, Outcome::Answered) => Condition::Response,
            (Self::Failure, Outcome::Answered) => Condition::FailedResponse,
            (Self::Success, Outcome::Failed) | (Self::Failure, Outcome::Returned) => return None,
        };
        Some(if kind == Kind::Guard { Condition::Routed } else { ended })
    }
}
