//! The tracking plan: what the attributes of the whole program say that it tracks.
//!
//! Each attribute leaves a record that is linked into a list when the program starts: no code of
//! the application runs then. Without the feature `plan`, or on a platform without such lists
//! (WebAssembly), the plan is empty.

mod output;
mod site;

use std::fmt;
use std::ops::Deref;

use serde::Serialize;

use crate::call::{Method, Mode};

pub use crate::record::plan::site::{
    AnnotationSite, Argument, CallSpec, Kind, LabelText, Property, Trigger, Value,
};

/// Lists every call that an attribute in this program, or in a crate that it uses, records.
///
/// So a test notices an event that was renamed by accident:
///
/// ```
/// #[mengpaneel::track("Create Blog Post", "Title" = title)]
/// fn create_post(title: &str) {}
///
/// let plan = mengpaneel::plan();
/// assert!(plan.events().contains(&"Create Blog Post"));
/// let created = plan.iter().find(|annotation| annotation.event.as_deref() == Some("Create Blog Post"));
/// assert_eq!(created.map(|created| created.properties.join(", ")).as_deref(), Some("Title"));
/// ```
pub fn plan() -> Plan {
    Plan::of(registered())
}

#[cfg(feature = "plan")]
fn registered() -> impl Iterator<Item = &'static Registered> {
    inventory::iter::<Registered>()
}

#[cfg(not(feature = "plan"))]
fn registered() -> impl Iterator<Item = &'static Registered> {
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
    pub call: String,
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

/// What a function with attributes registers.
#[derive(Debug)]
pub struct Registered(pub &'static AnnotationSite);

#[cfg(feature = "plan")]
inventory::collect!(Registered);

/// Registers a function for the plan.
#[cfg(feature = "plan")]
#[doc(hidden)]
#[macro_export]
macro_rules! __register {
    ($site:ident) => {
        $crate::__private::inventory::submit! { $crate::__private::Registered(&$site) }
    };
}

/// Registers nothing.
#[cfg(not(feature = "plan"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __register {
    ($site:ident) => {};
}

impl Plan {
    fn of(planned: impl Iterator<Item = &'static Registered>) -> Self {
        let mut annotations: Vec<_> = planned
            .flat_map(|Registered(site)| Annotation::all(site))
            .collect();
        annotations.sort_by_key(|annotation| (annotation.file, annotation.line));
        Self(annotations)
    }

    /// The names of the events, each once, in alphabetical order.
    pub fn events(&self) -> Vec<&str> {
        let mut events: Vec<_> = self
            .iter()
            .filter_map(|annotation| annotation.event.as_deref())
            .collect();
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

impl Annotation {
    /// The calls of one function.
    fn all(site: &'static AnnotationSite) -> impl Iterator<Item = Self> {
        let calls = site.calls.iter().filter(|call| !call.bare);
        calls.map(|call| Self {
            event: call.event(),
            call: call.method.to_string(),
            properties: call.property_names(),
            mode: call.mode,
            via_server: call.via_server,
            function: format!("{}::{}", site.module, site.function),
            routes: site.routes(),
            file: site.file,
            line: call.line,
        })
    }
}

impl CallSpec {
    fn event(&self) -> Option<String> {
        if !matches!(self.method, Method::Track | Method::TrackWithGroups) {
            return None;
        }
        match self.args.first()? {
            Argument::Text(text) => Some((*text).to_owned()),
            Argument::Name(_, label) => Some(label.text()),
            _ => None,
        }
    }

    fn property_names(&self) -> Vec<String> {
        let properties = self.args.iter().filter_map(|arg| match arg {
            Argument::Properties(properties) => Some(*properties),
            _ => None,
        });
        let name = |property: &Property| match property {
            Property::Named(name, _) => (*name).to_owned(),
            Property::Computed(_, _, label) => label.text(),
            Property::Spread(_, written) => format!("..{written}"),
        };
        properties.flatten().map(name).collect()
    }
}
