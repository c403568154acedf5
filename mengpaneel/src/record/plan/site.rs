//! Static description of the attributes of one function, known at compile time.

use crate::call::{Method, Mode};
use crate::record::plan::Route;

/// Annotated function.
#[derive(Debug)]
pub struct AnnotationSite {
    /// Kind of the function, judged by the names of its attributes.
    pub kind: Kind,
    /// Calls of all its attributes.
    pub calls: &'static [CallSpec],
    /// Number of captured values.
    pub slots: usize,
    /// Name of the function.
    pub function: &'static str,
    /// Path of the enclosing module.
    pub module: &'static str,
    /// Path of the file.
    pub file: &'static str,
    /// Routes of the attributes below that have the names of Actix's route attributes.
    pub routes: &'static [Route],
    /// Function that returns the type name of a closure in the function. `None` without such
    /// routes.
    pub inside: Option<fn() -> &'static str>,
}

impl AnnotationSite {
    /// Returns the kind of the function, which is `Handler` only with a route attribute of Actix.
    pub(crate) fn kind(&self) -> Kind {
        if self.kind == Kind::Handler && !self.is_route() {
            Kind::Function
        } else {
            self.kind
        }
    }

    /// Returns the routes of the function. Empty without a route attribute of Actix.
    pub(crate) fn routes(&self) -> &'static [Route] {
        if self.is_route() { self.routes } else { &[] }
    }

    /// Returns whether Actix's route attribute moved the function into its generated service.
    ///
    /// Attributes of other crates have the same names, such as `#[get]` and `#[trace]`.
    fn is_route(&self) -> bool {
        self.inside
            .is_some_and(|inside| inside().contains("HttpServiceFactory>::register::"))
    }
}

/// Call in an attribute.
#[derive(Debug)]
pub struct CallSpec {
    /// Line of the attribute.
    pub line: u32,
    /// Method of the call.
    pub method: Method,
    /// Mode of the call.
    pub mode: Mode,
    /// Outcome of the function after which the call counts.
    pub on: Trigger,
    /// True if only the server may send the call.
    pub via_server: bool,
    /// True for a bare `#[setup]`, which covers the calls of the body and is no call itself.
    pub bare: bool,
    /// Slot of the `when` condition. `None` without a condition.
    pub when: Option<usize>,
    /// Arguments of the call.
    pub args: &'static [Argument],
}

impl CallSpec {
    /// Creates a call that counts after success.
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

    /// Creates a bare `#[setup]`.
    #[must_use]
    pub const fn bare(line: u32) -> Self {
        let mut setup = Self::new(line, Mode::Setup, Method::Identify, &[]);
        setup.bare = true;
        setup
    }

    /// Sets the trigger: `on(…)`.
    #[must_use]
    pub const fn on(mut self, on: Trigger) -> Self {
        self.on = on;
        self
    }

    /// Restricts the call to the server: `via(server)`.
    #[must_use]
    pub const fn via_server(mut self) -> Self {
        self.via_server = true;
        self
    }

    /// Sets the slot that holds the condition: `when(…)`.
    #[must_use]
    pub const fn when(mut self, slot: usize) -> Self {
        self.when = Some(slot);
        self
    }
}

/// Argument of a call.
#[derive(Debug)]
pub enum Argument {
    /// Text literal of the attribute.
    Text(&'static str),
    /// Text in this slot, and its label in the plan.
    Name(usize, LabelText),
    /// Value in this slot.
    Runtime(usize),
    /// List.
    List(&'static [Argument]),
    /// Object.
    Properties(&'static [Property]),
    /// Option that prevents `opt_out_tracking` from deleting the profile.
    KeepUser,
}

impl Argument {
    fn has_slot(&self, slot: usize) -> bool {
        match self {
            Self::Name(index, _) | Self::Runtime(index) => *index == slot,
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
            Self::Named(_, Value::Runtime(index)) | Self::Spread(index, _) => *index == slot,
            Self::Computed(name, value, _) => {
                *name == slot || matches!(value, Value::Runtime(index) if *index == slot)
            }
            Self::Named(..) => false,
        }
    }
}

/// Property: name and value, or their slots.
#[derive(Debug)]
pub enum Property {
    /// Name literal of the attribute, and the value.
    Named(&'static str, Value),
    /// Slot of the name, the value, and the label in the plan.
    Computed(usize, Value, LabelText),
    /// Slot of a map whose entries are properties, and its source text.
    Spread(usize, &'static str),
}

/// Value of a property.
#[derive(Debug)]
pub enum Value {
    /// Value in this slot.
    Runtime(usize),
    /// Text literal of the attribute.
    Text(&'static str),
    /// Boolean literal of the attribute.
    Bool(bool),
    /// Unsigned integer literal of the attribute.
    Natural(u64),
}

/// Kind of an annotated function, judged by its signature and attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any function. The type of its result decides whether the result is a response.
    Function,
    /// Handler: a function with a route attribute.
    Handler,
    /// Guard of a route.
    Guard,
}

/// Outcome of a function after which a call counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The function ended without failing.
    Success,
    /// The function failed.
    Failure,
    /// Any outcome.
    Always,
}

/// Name that an attribute computes, as shown in the plan.
#[derive(Debug)]
pub enum LabelText {
    /// Source text.
    Text(&'static str),
    /// Constant, read when the plan is listed.
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
