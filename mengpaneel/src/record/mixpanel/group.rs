//! `mixpanel.get_group(key, id)`: profile of a group.

use serde::Serialize;

use crate::call::{Args, Method};
use crate::record::mixpanel::Mixpanel;
use crate::record::mixpanel::encode::SiteFn;
use crate::record::recorder::CallSite;

/// Profile of a group, returned by [`Mixpanel::get_group`]. No user needs to be identified.
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
        self.call(Method::GroupSet, |mixpanel, site, args| {
            args.push(|to| mixpanel.encode_properties("get_group.set", site, properties, to));
        });
    }

    /// `get_group(…).set_once`: sets properties that are not set yet.
    #[track_caller]
    pub fn set_once(&self, properties: impl Serialize) {
        self.call(Method::GroupSetOnce, |mixpanel, site, args| {
            args.push(|to| mixpanel.encode_properties("get_group.set_once", site, properties, to));
        });
    }

    /// `get_group(…).unset`: removes a property.
    #[track_caller]
    pub fn unset(&self, property: impl AsRef<str>) {
        self.call(Method::GroupUnset, |_, _, args| {
            args.push_text(property.as_ref());
        });
    }

    /// `get_group(…).union`: adds the values to a list that it does not contain yet.
    #[track_caller]
    pub fn union(&self, list: impl AsRef<str>, values: impl Serialize) {
        self.call_with_value(Method::GroupUnion, list, values);
    }

    /// `get_group(…).remove`: removes a value from a list.
    #[track_caller]
    pub fn remove(&self, list: impl AsRef<str>, value: impl Serialize) {
        self.call_with_value(Method::GroupRemove, list, value);
    }

    /// `get_group(…).delete`: deletes the profile.
    #[track_caller]
    pub fn delete(&self) {
        self.call(Method::GroupDelete, |_, _, _| {});
    }

    #[track_caller]
    fn call_with_value(&self, method: Method, list: impl AsRef<str>, value: impl Serialize) {
        self.call(method, |mixpanel, site, args| {
            let list = list.as_ref();
            args.push_text(list);
            args.push(|to| mixpanel.encode_value(list, site, value, to));
        });
    }

    #[track_caller]
    fn call(&self, method: Method, push: impl FnOnce(&Mixpanel, SiteFn<'_>, &mut Args)) {
        let site = CallSite::caller();
        let mut args = self.group.clone();
        push(&self.mixpanel, &|| site, &mut args);
        self.mixpanel.call_encoded(method, args);
    }
}
