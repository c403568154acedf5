//! `mixpanel.get_group(key, id)`: the profile of a group.

use serde::Serialize;

use crate::call::{Args, Method};
use crate::record::mixpanel::Mixpanel;
use crate::record::mixpanel::encode::At;
use crate::record::recorder::CallSite;

/// The profile of a group; [`Mixpanel::get_group`] gives it. Nobody need be identified.
#[derive(Clone, Debug)]
pub struct Group {
    mixpanel: Mixpanel,
    /// Key and ID, the first arguments of each call.
    group: Args,
}

impl Group {
    pub(crate) fn new(mixpanel: Mixpanel, group: Args) -> Self {
        Self { mixpanel, group }
    }

    /// `get_group(…).set`: overwrites properties.
    #[track_caller]
    pub fn set(&self, properties: impl Serialize) {
        self.call(Method::GroupSet, |mixpanel, at, args| {
            args.push(|to| mixpanel.properties("get_group.set", at, properties, to));
        });
    }

    /// `get_group(…).set_once`: sets properties that are not there yet.
    #[track_caller]
    pub fn set_once(&self, properties: impl Serialize) {
        self.call(Method::GroupSetOnce, |mixpanel, at, args| {
            args.push(|to| mixpanel.properties("get_group.set_once", at, properties, to));
        });
    }

    /// `get_group(…).unset`: removes a property.
    #[track_caller]
    pub fn unset(&self, property: impl AsRef<str>) {
        self.call(Method::GroupUnset, |_, _, args| {
            args.push_text(property.as_ref());
        });
    }

    /// `get_group(…).union`: adds values to a list that are not in it yet.
    #[track_caller]
    pub fn union(&self, list: impl AsRef<str>, values: impl Serialize) {
        self.with_one(Method::GroupUnion, list, values);
    }

    /// `get_group(…).remove`: takes a value out of a list.
    #[track_caller]
    pub fn remove(&self, list: impl AsRef<str>, value: impl Serialize) {
        self.with_one(Method::GroupRemove, list, value);
    }

    /// `get_group(…).delete`: deletes the profile.
    #[track_caller]
    pub fn delete(&self) {
        self.call(Method::GroupDelete, |_, _, _| {});
    }

    #[track_caller]
    fn with_one(&self, method: Method, list: impl AsRef<str>, value: impl Serialize) {
        self.call(method, |mixpanel, at, args| {
            let list = list.as_ref();
            args.push_text(list);
            args.push(|to| mixpanel.value(list, at, value, to));
        });
    }

    #[track_caller]
    fn call(&self, method: Method, push: impl FnOnce(&Mixpanel, At<'_>, &mut Args)) {
        let place = CallSite::of_caller();
        let mut args = self.group.clone();
        push(&self.mixpanel, &|| place, &mut args);
        self.mixpanel.call_written(method, args);
    }
}
