//! What the attributes of one function say that is known when it is compiled.

use crate::call::{Method, Mode};
use crate::record::plan::Route;

/// An annotated function.
#[derive(Debug)]
pub struct AnnotationSite {
    /// What kind of function it is, as far as the names of its attributes tell.
    pub kind: Kind,
    /// The calls of all its attributes.
    pub calls: &'static [CallSpec],
    /// How many values they take.
    pub slots: usize,
    /// Its name.
    pub function: &'static str,
    /// The module around it.
    pub module: &'static str,
    /// The file around it.
    pub file: &'static str,
    /// What attributes below it tell that have the names of Actix's.
    pub routes: &'static [Route],
    /// Path of a closure in the function, if there are such attributes.
    pub inside: Option<fn() -> &'static str>,
}

impl AnnotationSite {
    /// Returns the kind of the function.
    pub(crate) fn kind(&self) -> Kind {
        if self.kind == Kind::Handler && !self.is_route() {
            Kind::Function
        } else {
            self.kind
        }
    }

    /// Returns the routes of the function.
    pub(crate) fn routes(&self) -> &'static [Route] {
        if self.is_route() { self.routes } else { &[] }
    }

    /// Returns whether Actix's route attribute made the function a part of the service that it
    /// writes. Attributes of other crates have the same names, such as `#[get]` and `#[trace]`.
    fn is_route(&self) -> bool {
        self.inside
            .is_some_and(|inside| inside().contains("HttpServiceFactory>::register::"))
    }
}

/// A call in an attribute.
#[derive(Debug)]
pub struct CallSpec {
    /// Where it stands.
    pub line: u32,
    /// What is called.
    pub method: Method,
    /// When it runs.
    pub mode: Mode,
    /// After which end of the function it counts.
    pub on: Trigger,
    /// Whether only the server may send it.
    pub via_server: bool,
    /// Whether it stands for what the body records, and is no call itself.
    pub bare: bool,
    /// The slot of its `when`.
    pub when: Option<usize>,
    /// Its arguments.
    pub args: &'static [Argument],
}

impl CallSpec {
    /// A call that counts after success.
    #[must_use]
    pub const fn new(line: u32, mode: Mode, method: Method, args: &'static [Argument]) -> Self {
        Self {
            line,
            method,
            mode,
            on: Trigger::Success,
            via_server: false,
            bare: false,
            when: None,
            args,
        }
    }

    /// Returns whether this slot holds a value of the call.
    pub(crate) fn has_slot(&self, slot: usize) -> bool {
        self.when == Some(slot) || self.args.iter().any(|argument| argument.has_slot(slot))
    }

    /// A bare `#[setup]`.
    #[must_use]
    pub const fn bare(line: u32) -> Self {
        let mut setup = Self::new(line, Mode::Setup, Method::Identify, &[]);
        setup.bare = true;
        setup
    }

    /// `on(…)`
    #[must_use]
    pub const fn on(mut self, on: Trigger) -> Self {
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
    /// The text in this slot, and what the plan calls it.
    Name(usize, LabelText),
    /// The value in this slot.
    Runtime(usize),
    /// A list.
    List(&'static [Argument]),
    /// An object.
    Properties(&'static [Property]),
    /// What keeps `opt_out_tracking` from deleting the profile.
    KeepUser,
}

impl Argument {
    fn has_slot(&self, slot: usize) -> bool {
        match self {
            Self::Name(own, _) | Self::Runtime(own) => *own == slot,
            Self::List(items) => items.iter().any(|item| item.has_slot(slot)),
            Self::Properties(properties) => {
                properties.iter().any(|property| property.has_slot(slot))
            }
            Self::Text(_) | Self::KeepUser => false,
        }
    }
}

impl Property {
    fn has_slot(&self, slot: usize) -> bool {
        match self {
            Self::Named(_, Value::Runtime(own)) | Self::Spread(own, _) => *own == slot,
            Self::Computed(name, value, _) => {
                *name == slot || matches!(value, Value::Runtime(own) if *own == slot)
            }
            Self::Named(..) => false,
        }
    }
}

/// A property: where its name and value are.
#[derive(Debug)]
pub enum Property {
    /// A name that stands in the attribute, and its value.
    Named(&'static str, Value),
    /// The slot of its name, its value, and what the plan calls it.
    Computed(usize, Value, LabelText),
    /// The slot of a map whose entries are properties, and how that is written.
    Spread(usize, &'static str),
}

/// The value of a property.
#[derive(Debug)]
pub enum Value {
    /// The one in this slot.
    Runtime(usize),
    /// One that stands in the attribute.
    Text(&'static str),
    /// As [`Text`](Self::Text).
    Bool(bool),
    /// As [`Text`](Self::Text).
    Natural(u64),
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
pub enum Trigger {
    /// It ended and did not fail.
    Success,
    /// It failed.
    Failure,
    /// Any.
    Always,
}

/// A name that an attribute computes, as the plan can know it.
#[derive(Debug)]
pub enum LabelText {
    /// As it is written.
    Text(&'static str),
    /// A constant, read when the plan is listed.
    Constant(fn() -> String),
}

impl LabelText {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Text(text) => (*text).to_owned(),
            Self::Constant(read) => read(),
        }
    }
}
