//! Tracking plan: every call that an attribute of the program records.
//!
//! Each attribute emits a static record, linked into a list before the program starts. No
//! application code runs for it. Without the feature `plan`, or on a platform without such lists
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
/// With it a test notices an event that was renamed by accident:
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
    Plan::from_registered(registered())
}

#[cfg(feature = "plan")]
fn registered() -> impl Iterator<Item = &'static Registered> {
    inventory::iter::<Registered>()
}

#[cfg(not(feature = "plan"))]
fn registered() -> impl Iterator<Item = &'static Registered> {
    std::iter::empty()
}

/// Tracking plan of a program, ordered by file and line. `Display` renders a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Plan(Vec<Annotation>);

/// Call in an attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Annotation {
    /// Event of a `track` call. An expression that is not a constant is in braces.
    pub event: Option<String>,
    /// Method of mixpanel-js: `track`, `people.set`.
    pub call: String,
    /// Names of the properties; `..expr` for a spread.
    pub properties: Vec<String>,
    /// Mode of the call.
    pub mode: Mode,
    /// True if only the server may send the call.
    pub via_server: bool,
    /// Path of the function, with its modules.
    pub function: String,
    /// Routes of a route attribute on the same function, if it is below ours.
    pub routes: &'static [Route],
    /// Path of the file, as passed to the compiler.
    pub file: &'static str,
    /// Line of the attribute.
    pub line: u32,
}

/// Route of Actix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Route {
    /// HTTP methods. Empty if the route matches any method.
    pub methods: &'static [&'static str],
    /// Path in the route attribute, without the scopes around it.
    pub path: &'static str,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let any = if self.methods.is_empty() { "*" } else { "" };
        write!(f, "{any}{} {}", self.methods.join("|"), self.path)
    }
}

/// Record that a function with attributes registers.
#[derive(Debug)]
pub struct Registered(pub &'static AnnotationSite);

#[cfg(feature = "plan")]
inventory::collect!(Registered);

impl Plan {
    fn from_registered(registered: impl Iterator<Item = &'static Registered>) -> Self {
        let mut annotations: Vec<_> = registered
            .flat_map(|Registered(site)| Annotation::from_site(site))
            .collect();
        annotations.sort_by_key(|annotation| (annotation.file, annotation.line));
        Self(annotations)
    }

    /// Returns the distinct names of the events in alphabetical order.
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
    /// Returns the annotations of one function.
    fn from_site(site: &'static AnnotationSite) -> impl Iterator<Item = Self> {
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
            Property::Spread(_, source) => format!("..{source}"),
        };
        properties.flatten().map(name).collect()
    }
}
