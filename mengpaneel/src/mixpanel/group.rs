//! `mixpanel.get_group(key, id)`: the profile of a group.

use serde::Serialize;
use serde_json::Value;

use super::Mixpanel;
use crate::call::Method;

/// The profile of a group; [`Mixpanel::get_group`] gives it. Nobody need be identified.
#[derive(Clone, Debug)]
pub struct Group {
    mixpanel: Mixpanel,
    key: String,
    /// `None` where the ID was refused, which was told when it was given.
    id: Option<Value>,
}

impl Group {
    pub(super) fn new(mixpanel: Mixpanel, key: String, id: Option<Value>) -> Self {
        Self { mixpanel, key, id }
    }

    /// `get_group(…).set`: overwrites properties.
    pub fn set(&self, properties: impl Serialize) {
        let properties = self.mixpanel.properties("get_group.set", properties);
        self.call(Method::GroupSet, vec![properties]);
    }

    /// `get_group(…).set_once`: sets properties that are not there yet.
    pub fn set_once(&self, properties: impl Serialize) {
        let properties = self.mixpanel.properties("get_group.set_once", properties);
        self.call(Method::GroupSetOnce, vec![properties]);
    }

    /// `get_group(…).unset`: removes a property.
    pub fn unset(&self, property: impl Into<String>) {
        self.call(Method::GroupUnset, vec![Value::from(property.into())]);
    }

    /// `get_group(…).union`: adds values to a list that are not in it yet.
    pub fn union(&self, list: impl Into<String>, values: impl Serialize) {
        self.with_one(Method::GroupUnion, list, values);
    }

    /// `get_group(…).remove`: takes a value out of a list.
    pub fn remove(&self, list: impl Into<String>, value: impl Serialize) {
        self.with_one(Method::GroupRemove, list, value);
    }

    /// `get_group(…).delete`: deletes the profile.
    pub fn delete(&self) {
        self.call(Method::GroupDelete, vec![]);
    }

    fn with_one(&self, method: Method, list: impl Into<String>, value: impl Serialize) {
        let list = list.into();
        let value = self.mixpanel.value(&list, value);
        self.call(method, vec![Value::from(list), value]);
    }

    fn call(&self, method: Method, args: Vec<Value>) {
        if let Some(id) = &self.id {
            let group = vec![Value::from(self.key.clone()), id.clone()];
            self.mixpanel.call(method, [group, args].concat());
        }
    }
}
