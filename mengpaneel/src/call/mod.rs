//! Recorded calls of mixpanel-js methods, and their wire form.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserializer};
use serde::ser::{SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::call::json::{JsonRef, Scalar};

mod args;
mod browser;
mod calls;
mod id;
pub(crate) mod json;

pub(crate) use crate::call::args::Args;
pub(crate) use crate::call::browser::{is_reserved, is_unstorable, is_value_misread};
pub use crate::call::calls::{Calls, Mode};
pub(crate) use crate::call::id::{
    id_string, is_blank, is_placeholder, is_placeholder_device, placeholder_in,
};

/// Properties of an event, a profile or a group: a JSON object.
pub type Properties = Map<String, Value>;

macro_rules! methods {
    (@name $name:literal) => { $name };
    (@name $parent:literal . $name:literal) => { concat!($parent, ".", $name) };
    ($($(#[$doc:meta])* $name:ident = $($path:literal).+,)+) => {
        /// Method of mixpanel-js.
        ///
        /// Serialised as its path: `["people", "set"]`.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Method {
            $($(#[$doc])* $name,)+
            /// A method without a variant here. A browser runs it if it exists; the server cannot.
            Other(OtherMethod),
        }

        impl Method {
            /// All methods that have a variant.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Returns the name below `mixpanel`: `track`, `people.set`, `get_group.union`.
            pub(crate) fn name(&self) -> Cow<'static, str> {
                match self {
                    $(Self::$name => Cow::Borrowed(methods!(@name $($path).+)),)+
                    Self::Other(OtherMethod(path)) => Cow::Owned(path.join(".")),
                }
            }

            /// Returns the path below `mixpanel`: `["track"]`, `["people", "set"]`, `["get_group",
            /// "union"]`.
            #[must_use]
            pub fn path(&self) -> Vec<&str> {
                match self {
                    $(Self::$name => vec![$($path),+],)+
                    Self::Other(OtherMethod(path)) => path.iter().map(String::as_str).collect(),
                }
            }

            /// Returns the method at a path. `None` if the path cannot be that of a public method.
            #[must_use]
            pub fn from_path<S: AsRef<str>>(path: &[S]) -> Option<Self> {
                let segments: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
                match segments.as_slice() {
                    $([$($path),+] => Some(Self::$name),)+
                    _ => OtherMethod::new(path).map(Self::Other),
                }
            }
        }
    };
}

methods! {
    /// `mixpanel.track(event, properties)`
    Track = "track",
    /// `mixpanel.track_pageview(properties)`
    TrackPageview = "track_pageview",
    /// `mixpanel.track_with_groups(event, properties, groups)`
    TrackWithGroups = "track_with_groups",
    /// `mixpanel.time_event(event)`
    TimeEvent = "time_event",
    /// `mixpanel.register(properties)`
    Register = "register",
    /// `mixpanel.register_once(properties, default)`
    RegisterOnce = "register_once",
    /// `mixpanel.unregister(property)`
    Unregister = "unregister",
    /// `mixpanel.identify(id)`
    Identify = "identify",
    /// `mixpanel.alias(alias, original)`
    Alias = "alias",
    /// `mixpanel.reset()`
    Reset = "reset",
    /// `mixpanel.set_group(key, ids)`
    SetGroup = "set_group",
    /// `mixpanel.add_group(key, id)`
    AddGroup = "add_group",
    /// `mixpanel.remove_group(key, id)`
    RemoveGroup = "remove_group",
    /// `mixpanel.disable(events)`
    Disable = "disable",
    /// `mixpanel.opt_in_tracking()`
    OptInTracking = "opt_in_tracking",
    /// `mixpanel.opt_out_tracking()`
    OptOutTracking = "opt_out_tracking",
    /// `mixpanel.clear_opt_in_out_tracking()`
    ClearOptInOutTracking = "clear_opt_in_out_tracking",
    /// `mixpanel.people.set(properties)`
    PeopleSet = "people"."set",
    /// `mixpanel.people.set_once(properties)`
    PeopleSetOnce = "people"."set_once",
    /// `mixpanel.people.unset(properties)`
    PeopleUnset = "people"."unset",
    /// `mixpanel.people.increment(properties)`
    PeopleIncrement = "people"."increment",
    /// `mixpanel.people.append(properties)`
    PeopleAppend = "people"."append",
    /// `mixpanel.people.remove(properties)`
    PeopleRemove = "people"."remove",
    /// `mixpanel.people.union(properties)`
    PeopleUnion = "people"."union",
    /// `mixpanel.people.track_charge(amount, properties)`, which mixpanel-js ignores since 2.65
    PeopleTrackCharge = "people"."track_charge",
    /// `mixpanel.people.clear_charges()`
    PeopleClearCharges = "people"."clear_charges",
    /// `mixpanel.people.delete_user()`
    PeopleDeleteUser = "people"."delete_user",
    /// `mixpanel.get_group(key, id).set(properties)`
    GroupSet = "get_group"."set",
    /// `mixpanel.get_group(key, id).set_once(properties)`
    GroupSetOnce = "get_group"."set_once",
    /// `mixpanel.get_group(key, id).unset(property)`
    GroupUnset = "get_group"."unset",
    /// `mixpanel.get_group(key, id).union(list, values)`
    GroupUnion = "get_group"."union",
    /// `mixpanel.get_group(key, id).remove(list, value)`
    GroupRemove = "get_group"."remove",
    /// `mixpanel.get_group(key, id).delete()`
    GroupDelete = "get_group"."delete",
}

impl Method {
    /// Returns whether the method makes an event: `track` and its variants.
    #[must_use]
    pub fn is_track(&self) -> bool {
        matches!(
            self,
            Self::Track | Self::TrackPageview | Self::TrackWithGroups
        )
    }

    /// Returns whether the method changes the visitor's profile: `people.*`.
    #[must_use]
    pub fn is_people(&self) -> bool {
        self.name().starts_with("people.")
    }

    /// Returns whether the method changes a group's profile: `get_group(…).*`.
    #[must_use]
    pub fn is_group(&self) -> bool {
        self.name().starts_with("get_group.")
    }

    /// Returns whether a second delivery changes nothing. `increment`, `append`, `union` and
    /// `remove` are not idempotent: Mixpanel has no key that tells a copy from a second call.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        !matches!(
            self,
            Self::PeopleIncrement
                | Self::PeopleAppend
                | Self::PeopleRemove
                | Self::PeopleUnion
                | Self::PeopleTrackCharge
                | Self::GroupUnion
                | Self::GroupRemove
        )
    }

    /// Returns the index of the argument that holds the properties. `None` if the method takes
    /// none.
    #[must_use]
    pub fn properties_index(&self) -> Option<usize> {
        match self {
            Self::TrackPageview | Self::Register | Self::RegisterOnce => Some(0),
            Self::Track | Self::TrackWithGroups => Some(1),
            Self::GroupSet | Self::GroupSetOnce | Self::GroupUnion | Self::GroupRemove => Some(2),
            method if method.is_people() => Some(0),
            _ => None,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// Path of a method that has no variant in [`Method`]: one or two lower-case names that could be a
/// public method of mixpanel-js.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OtherMethod(Vec<String>);

impl OtherMethod {
    /// Creates a path. `None` if it cannot be that of a public method of mixpanel-js.
    pub fn new<S: AsRef<str>>(path: &[S]) -> Option<Self> {
        let segments: Vec<String> = path.iter().map(|name| name.as_ref().to_owned()).collect();
        let has_valid_parent = match segments.as_slice() {
            [_] => true,
            [parent, _] => matches!(parent.as_str(), "people" | "get_group" | "flags"),
            _ => false,
        };
        let is_method = segments.last().is_some_and(|name| is_method_name(name));
        (has_valid_parent && is_method).then_some(Self(segments))
    }
}

fn is_method_name(name: &str) -> bool {
    let is_valid = name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    is_valid
        && !matches!(
            name,
            "constructor" | "init" | "push" | "people" | "get_group" | "flags"
        )
}

/// Recorded call: a method and its arguments.
///
/// Serialised as the JSON array `[path, arguments]`, as in the original gem:
///
/// ```
/// use mengpaneel::Call;
///
/// let call: Call = serde_json::from_str(r#"[["people","set"],[{"Plan":"Pro"}]]"#)?;
/// assert_eq!(call.method().to_string(), "people.set");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    method: Method,
    args: Args,
}

impl Call {
    /// Creates a call of `method` with arguments.
    #[must_use]
    pub fn new(method: Method, args: Vec<Value>) -> Self {
        Self::with_args(method, args.into())
    }

    /// Creates a call of `method` with recorded arguments.
    pub(crate) fn with_args(method: Method, args: Args) -> Self {
        Self { method, args }
    }

    /// Returns the method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Returns the arguments, in order.
    #[must_use]
    pub fn args(&self) -> &[Value] {
        self.args.values()
    }

    /// Returns the recorded arguments.
    pub(crate) fn recorded_args(&self) -> &Args {
        &self.args
    }

    /// Returns the argument at `index` if it is a string.
    #[must_use]
    pub fn str_arg(&self, index: usize) -> Option<&str> {
        let text = self.args.get(index)?.string()?;
        match std::str::from_utf8(text) {
            Ok(text) if !text.contains('\\') => Some(text),
            _ => self.args().get(index)?.as_str(),
        }
    }

    /// Returns the properties. `None` if the method takes none, or the argument is no object.
    #[must_use]
    pub fn properties(&self) -> Option<&Properties> {
        self.args()
            .get(self.method.properties_index()?)?
            .as_object()
    }

    /// Returns the property `name`, if there is one.
    pub(crate) fn property(&self, name: &str) -> Option<JsonRef<'_>> {
        self.recorded_properties()?.member(name)
    }

    /// Returns the argument for the properties. `None` if the method takes none, or there is none.
    pub(crate) fn recorded_properties(&self) -> Option<JsonRef<'_>> {
        self.args.get(self.method.properties_index()?)
    }

    /// Adds properties that the call does not have yet. They must have known names. Does nothing if
    /// the method takes none, or the argument is no object (`people.set("name", value)`).
    pub(crate) fn default_properties(&mut self, properties: &[(&str, Scalar<'_>)]) {
        if let Some(index) = self.method.properties_index() {
            self.args.default_members(index, properties);
        }
    }
}

impl Serialize for Call {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pair = serializer.serialize_seq(Some(2))?;
        pair.serialize_element(&self.method.path())?;
        pair.serialize_element(self.args())?;
        pair.end()
    }
}

impl<'de> Deserialize<'de> for Call {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (path, args) = <(Vec<String>, Vec<Value>)>::deserialize(deserializer)?;
        let method = Method::from_path(&path).ok_or_else(|| {
            de::Error::custom(format_args!(
                "{} is not a method of mixpanel-js",
                path.join(".")
            ))
        })?;
        Ok(Self::new(method, args))
    }
}

#[cfg(test)]
mod tests;
