//! A call: one recorded call of a mixpanel-js method, and the wire form that it has everywhere.

pub(crate) mod value;
use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserializer};
use serde::ser::{SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::call::value::ValueRef;

mod args;
mod browser;
mod calls;
mod id;

pub(crate) use crate::call::args::Args;
pub(crate) use crate::call::browser::{is_reserved, is_unstorable, is_value_misread};
pub use crate::call::calls::{Calls, Mode};
pub(crate) use crate::call::id::{
    id_string, is_blank, is_placeholder, is_placeholder_device, placeholder_in,
};

/// The properties of an event, a profile or a group: a JSON object.
pub type Properties = Map<String, Value>;

macro_rules! methods {
    (@name $name:literal) => { $name };
    (@name $parent:literal . $name:literal) => { concat!($parent, ".", $name) };
    ($($(#[$doc:meta])* $name:ident = $($path:literal).+,)+) => {
        /// A method of mixpanel-js, by its own name.
        ///
        /// Written and read as mixpanel-js knows it: `["people", "set"]`.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Method {
            $($(#[$doc])* $name,)+
            /// A method that is not modelled: a browser runs it where it exists, a server cannot.
            Other(OtherMethod),
        }

        impl Method {
            /// The modelled methods, each once.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Its name below `mixpanel`: `track`, `people.set`, `get_group.union`.
            pub(crate) fn name(&self) -> Cow<'static, str> {
                match self {
                    $(Self::$name => Cow::Borrowed(methods!(@name $($path).+)),)+
                    Self::Other(OtherMethod(path)) => Cow::Owned(path.join(".")),
                }
            }

            /// The path below `mixpanel`: `["track"]`, `["people", "set"]`, `["get_group", "union"]`.
            #[must_use]
            pub fn path(&self) -> Vec<&str> {
                match self {
                    $(Self::$name => vec![$($path),+],)+
                    Self::Other(OtherMethod(path)) => path.iter().map(String::as_str).collect(),
                }
            }

            /// The method at that path, if it is one that may be called.
            #[must_use]
            pub fn from_path<S: AsRef<str>>(path: &[S]) -> Option<Self> {
                let names: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
                match names.as_slice() {
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
    /// Whether it makes an event: `track` and its kin.
    #[must_use]
    pub fn is_track(&self) -> bool {
        matches!(
            self,
            Self::Track | Self::TrackPageview | Self::TrackWithGroups
        )
    }

    /// Whether it writes to the visitor's profile: `people.*`.
    #[must_use]
    pub fn is_people(&self) -> bool {
        self.name().starts_with("people.")
    }

    /// Whether it writes to a group's profile: `get_group(…).*`.
    #[must_use]
    pub fn is_group(&self) -> bool {
        self.name().starts_with("get_group.")
    }

    /// Returns whether a second delivery changes nothing. `increment`, `append`, `union` and `remove`
    /// are not idempotent: Mixpanel has no key that tells a copy from a second call.
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

    /// Which argument holds the properties, where the method takes an object of them.
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

/// The path of a method that [`Method`] does not model: one or two names that could be a method of
/// mixpanel-js, in lower case, and none that reaches beyond it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OtherMethod(Vec<String>);

impl OtherMethod {
    /// `None` where the path could not be a public method of mixpanel-js.
    pub fn new<S: AsRef<str>>(path: &[S]) -> Option<Self> {
        let names: Vec<String> = path.iter().map(|name| name.as_ref().to_owned()).collect();
        let parent_fits = match names.as_slice() {
            [_] => true,
            [parent, _] => matches!(parent.as_str(), "people" | "get_group" | "flags"),
            _ => false,
        };
        let is_method = names.last().is_some_and(|name| is_method_name(name));
        (parent_fits && is_method).then_some(Self(names))
    }
}

fn is_method_name(name: &str) -> bool {
    let shaped = name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    shaped
        && !matches!(
            name,
            "constructor" | "init" | "push" | "people" | "get_group" | "flags"
        )
}

/// One recorded call: a method and its arguments.
///
/// On every wire it is the JSON array `[path, arguments]`, as the original gem writes it:
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
    /// A call of `method` with these arguments.
    #[must_use]
    pub fn new(method: Method, args: Vec<Value>) -> Self {
        Self::with(method, args.into())
    }

    /// A call of `method` with arguments that are written.
    pub(crate) fn with(method: Method, args: Args) -> Self {
        Self { method, args }
    }

    /// The method that is called.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The arguments, in order.
    #[must_use]
    pub fn args(&self) -> &[Value] {
        self.args.values()
    }

    /// The arguments, as they are written.
    pub(crate) fn as_encoded(&self) -> &Args {
        &self.args
    }

    /// The argument at `index`, where it is a string.
    #[must_use]
    pub fn str_arg(&self, index: usize) -> Option<&str> {
        self.args.get(index)?.as_text()
    }

    /// The properties argument, where there is one and it is an object.
    #[must_use]
    pub fn properties(&self) -> Option<&Properties> {
        self.args()
            .get(self.method.properties_index()?)?
            .as_object()
    }

    /// A property, where there is one of that name.
    pub(crate) fn property(&self, name: &str) -> Option<ValueRef<'_>> {
        self.args.member(self.method.properties_index()?, name)
    }

    /// Adds properties that it does not have yet, in the order of their names. Nothing where the
    /// method takes none, or was called with something else in that place (`people.set("name",
    /// value)`).
    pub(crate) fn default_properties<const N: usize>(
        &mut self,
        properties: &[(&str, ValueRef<'_>); N],
    ) {
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
                "{} is no method of mixpanel-js",
                path.join(".")
            ))
        })?;
        Ok(Self::new(method, args))
    }
}

#[cfg(test)]
mod tests;
