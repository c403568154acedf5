//! The tracking plan: what the attributes of the whole program say that it tracks.
//!
//! Each attribute leaves a record that is linked into a list when the program starts: no code of
//! the application runs then. Without the feature `plan`, or on a platform without such lists
//! (WebAssembly), the plan is empty.

mod output;

use std::fmt;
use std::ops::Deref;

use serde::Serialize;

use crate::call::Mode;

/// Lists every call that an attribute in this program, or in a crate that it uses, records.
///
/// So a test notices an event that was renamed by accident:
///
/// ```
/// #[mengpaneel::track("Create Blog Post", "Title" = title)]
/// fn create_post(title: &str) {}
///
/// let plan = mengpaneel::plan();
/// assert_eq!(plan.events(), ["Create Blog Post"]);
/// assert_eq!(plan[0].properties, ["Title"]);
/// ```
pub fn plan() -> Plan {
    Plan::of(registered())
}

#[cfg(feature = "plan")]
fn registered() -> impl Iterator<Item = &'static Planned> {
    inventory::iter::<Planned>()
}

#[cfg(not(feature = "plan"))]
fn registered() -> impl Iterator<Item = &'static Planned> {
    std::iter::empty()
}

/// What a program tracks, by file and line. Its text is a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Plan(Vec<Annotation>);

/// A call in an attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Annotation {
    /// The event, for `track`; an expression that is no constant is written in braces.
    pub event: Option<String>,
    /// The method of mixpanel-js: `track`, `people.set`.
    pub call: &'static str,
    /// The names of the properties; `..expr` for those that are spread.
    pub properties: Vec<String>,
    /// When it runs.
    pub mode: Mode,
    /// Whether only the server may send it.
    pub via_server: bool,
    /// The function, with its modules.
    pub function: String,
    /// The routes that a route attribute beside it tells of, if it stands below ours.
    pub routes: &'static [Route],
    /// The file, as the compiler was told.
    pub file: &'static str,
    /// The line of the attribute.
    pub line: u32,
}

/// A route of Actix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Route {
    /// The HTTP methods; none for any.
    pub methods: &'static [&'static str],
    /// The path, as the route attribute has it: without the scopes around it.
    pub path: &'static str,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let any = if self.methods.is_empty() { "*" } else { "" };
        write!(f, "{any}{} {}", self.methods.join("|"), self.path)
    }
}

/// What an attribute registers.
#[derive(Debug)]
#[allow(missing_docs, reason = "see `Annotation`")]
pub struct Planned {
    pub call: &'static str,
    pub event: Option<Label>,
    pub properties: &'static [Label],
    pub mode: Mode,
    pub via_server: bool,
    pub function: &'static str,
    pub module: &'static str,
    pub routes: &'static [Route],
    pub file: &'static str,
    pub line: u32,
    /// Its place among the calls of its function.
    pub index: usize,
}

/// A name in an attribute.
#[derive(Debug)]
pub enum Label {
    /// As it is written.
    Text(&'static str),
    /// A constant, read when the plan is listed.
    Constant(fn() -> String),
}

#[cfg(feature = "plan")]
inventory::collect!(Planned);

/// Registers calls for the plan.
#[cfg(feature = "plan")]
#[doc(hidden)]
#[macro_export]
macro_rules! __plan {
    ($($planned:expr),+) => {
        $($crate::__private::inventory::submit! { $planned })+
    };
}

/// Registers nothing.
#[cfg(not(feature = "plan"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __plan {
    ($($planned:expr),+) => {};
}

impl Plan {
    fn of(planned: impl Iterator<Item = &'static Planned>) -> Self {
        let mut planned: Vec<_> = planned.collect();
        planned.sort_by_key(|planned| (planned.file, planned.line, planned.index));
        Self(planned.into_iter().map(Annotation::from).collect())
    }

    /// The names of the events, each once, in alphabetical order.
    pub fn events(&self) -> Vec<&str> {
        let mut events: Vec<_> = self.iter().filter_map(|annotation| annotation.event.as_deref()).collect();
        events.sort_unstable();
        events.dedup();
        events
    }
}

impl Deref for Plan {
    type Target = [Annotation];

    fn deref(&self) -> &[Annotation] {
        &self.0
    }
}

impl IntoIterator for Plan {
    type Item = Annotation;
    type IntoIter = std::vec::IntoIter<Annotation>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<&'static Planned> for Annotation {
    fn from(planned: &'static Planned) -> Self {
        Self {
            event: planned.event.as_ref().map(Label::text),
            call: planned.call,
            properties: planned.properties.iter().map(Label::text).collect(),
            mode: planned.mode,
            via_server: planned.via_server,
            function: format!("{}::{}", planned.module, planned.function),
            routes: planned.routes,
            file: planned.file,
            line: planned.line,
        }
    }
}

impl Label {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => (*text).to_owned(),
            Self::Constant(read) => read(),
        }
    }
}
