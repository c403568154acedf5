//! Names and values that mixpanel-js would lose or misread: seen with version 2.82.1, by
//! `tests/js-parity/names.mjs`.
//!
//! mixpanel-js copies objects member by member, so a member called `__proto__` sets the prototype
//! of the copy. An object whose `length` is a number is treated as a list. Event names and profile
//! properties are looked up in plain objects, which inherit `constructor` and similar members.

use crate::call::json::{JsonRef, is_name, unescape};
use crate::call::{Call, Method};

/// Returns whether a name is a member of every JavaScript object.
fn is_inherited(name: &[u8]) -> bool {
    matches!(
        name,
        b"constructor"
            | b"hasOwnProperty"
            | b"isPrototypeOf"
            | b"propertyIsEnumerable"
            | b"toLocaleString"
            | b"toString"
            | b"valueOf"
            | b"__proto__"
            | b"__defineGetter__"
            | b"__defineSetter__"
            | b"__lookupGetter__"
            | b"__lookupSetter__"
    )
}

/// Returns whether mixpanel-js reserves a name for its own state, and never sends it as a property.
pub(crate) fn is_reserved(name: &str) -> bool {
    matches!(
        name,
        "__mps"
            | "__mpso"
            | "__mpus"
            | "__mpa"
            | "__mpap"
            | "__mpr"
            | "__mpu"
            | "__alias"
            | "__timers"
            | "$people_distinct_id"
            | "$had_persisted_distinct_id"
    )
}

/// Returns whether mixpanel-js cannot store a super property of this name, or would lose others.
pub(crate) fn is_unstorable(name: &str) -> bool {
    // mixpanel-js calls `hasOwnProperty` on its stored object: every later page of the visitor
    // would throw.
    is_reserved(name) || matches!(name, "__proto__" | "hasOwnProperty")
}

/// Returns whether a value holds, at any depth, an object that mixpanel-js would not copy
/// completely.
pub(crate) fn is_value_misread(value: JsonRef<'_>) -> bool {
    value.items().any(is_value_misread)
        || value.members().any(|(name, value)| {
            let is_list = || is_name(name, "length") && value.is_number();
            is_name(name, "__proto__") || is_list() || is_value_misread(value)
        })
}

impl Call {
    /// Returns whether mixpanel-js would lose or misread this call or a part of it. The server can
    /// send such a call correctly.
    pub(crate) fn is_misread_by_browsers(&self) -> bool {
        let text = |index| self.str_arg(index).unwrap_or_default().as_bytes();
        let is_name_misread = match self.method() {
            Method::Track | Method::TrackWithGroups => is_inherited(text(0)) || text(0).is_empty(),
            Method::TimeEvent => text(0) == b"__proto__",
            Method::AddGroup | Method::RemoveGroup => is_inherited(text(0)),
            method if method.is_group() => is_inherited(text(2)) || self.has_inherited_property(),
            method if method.is_people() => is_inherited(text(0)) || self.has_inherited_property(),
            _ => false,
        };
        is_name_misread || self.has_misread_value()
    }

    /// Returns whether mixpanel-js can store each super property of this call.
    pub(crate) fn is_storable(&self) -> bool {
        let args = self.recorded_args();
        let mut members = args.get(0).into_iter().flat_map(JsonRef::members);
        !members.any(|(name, _)| is_unstorable(&unescape(name))) && !self.has_misread_value()
    }

    fn has_misread_value(&self) -> bool {
        is_value_misread(self.recorded_args().as_json())
    }

    /// Returns whether a changed property has the name of a member that every JavaScript object
    /// has. The names are those of an object, or the items of a list.
    fn has_inherited_property(&self) -> bool {
        let index = self.method().properties_index();
        let Some(names) = index.and_then(|index| self.recorded_args().get(index)) else {
            return false;
        };
        names.members().any(|(name, _)| is_inherited(name))
            || names.items().filter_map(JsonRef::string).any(is_inherited)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn call(method: Method, args: Value) -> Call {
        let Value::Array(args) = args else {
            panic!("arguments must be a list")
        };
        Call::new(method, args)
    }

    #[test]
    fn partly_copied_objects_are_found_at_every_depth() {
        let proto: Value =
            serde_json::from_str(r#"{"__proto__": {"$user_id": "9"}, "a": 1}"#).unwrap();
        for value in [
            proto,
            json!({"length": 5}),
            json!({"length": 0.5}),
            json!({"length": -1, "a": 1}),
        ] {
            for wrapped in [
                value.clone(),
                json!({"b": value}),
                json!({"b": [1, "x", {"c": [value]}], "z": 1}),
            ] {
                assert!(
                    call(Method::Track, json!(["E", wrapped])).is_misread_by_browsers(),
                    "{wrapped}"
                );
                assert!(
                    call(Method::PeopleSet, json!([wrapped])).is_misread_by_browsers(),
                    "{wrapped}"
                );
                assert!(
                    call(Method::GroupSet, json!(["company", "a", wrapped]))
                        .is_misread_by_browsers()
                );
                assert!(
                    call(Method::TrackWithGroups, json!(["E", {}, wrapped]))
                        .is_misread_by_browsers()
                );
                let other = Method::from_path(&["name_tag"]).unwrap();
                assert!(call(other, json!([1, wrapped])).is_misread_by_browsers());
            }
        }
    }

    #[test]
    fn inherited_names_of_events_and_properties_are_misread() {
        for name in [
            "constructor",
            "toString",
            "hasOwnProperty",
            "__proto__",
            "valueOf",
            "__defineGetter__",
        ] {
            assert!(
                call(Method::Track, json!([name, {}])).is_misread_by_browsers(),
                "{name}"
            );
            assert!(
                call(Method::AddGroup, json!([name, "a"])).is_misread_by_browsers(),
                "{name}"
            );
            assert!(
                call(Method::PeopleUnset, json!([["a", name]])).is_misread_by_browsers(),
                "{name}"
            );
            assert!(
                call(Method::PeopleIncrement, json!([name, 1])).is_misread_by_browsers(),
                "{name}"
            );
            assert!(
                call(Method::GroupUnion, json!(["company", "a", name, 1])).is_misread_by_browsers(),
                "{name}"
            );
        }
        assert!(call(Method::PeopleSetOnce, json!([{"toString": 1}])).is_misread_by_browsers());
        assert!(call(Method::Track, json!(["", {}])).is_misread_by_browsers());
    }

    #[test]
    fn other_calls_are_read_correctly() {
        for value in [
            json!({"constructor": 1, "toString": {"valueOf": null}}),
            json!({"length": "5", "b": {"length": null}}),
        ] {
            assert!(
                !call(Method::Track, json!(["E", value])).is_misread_by_browsers(),
                "{value}"
            );
        }
        assert!(
            !call(
                Method::Track,
                json!(["length", {"a": "__proto__", "size": 5}])
            )
            .is_misread_by_browsers()
        );
        assert!(!call(Method::TimeEvent, json!(["toString"])).is_misread_by_browsers());
        assert!(!call(Method::Reset, json!([])).is_misread_by_browsers());
        assert!(!call(Method::TrackPageview, json!([])).is_misread_by_browsers());
    }
}
