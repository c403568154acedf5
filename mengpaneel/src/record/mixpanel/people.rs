//! `mixpanel.people`: the profile of who is identified.

use serde::Serialize;
use serde_json::Value;

use crate::call::value::{ObjectEncoder, write_text, write_value};
use crate::call::{Args, Method};
use crate::record::mixpanel::{Amount, Mixpanel};
use crate::record::recorder::CallSite;

/// The profile of who is identified; [`Mixpanel::people`] gives it.
///
/// Mixpanel has no profile of an anonymous visitor: by the server, a call without an `identify` in
/// force goes to `on_error`; a browser keeps it until somebody is identified.
#[derive(Clone, Debug)]
pub struct People(Mixpanel);

impl People {
    pub(crate) fn new(mixpanel: Mixpanel) -> Self {
        Self(mixpanel)
    }

    /// `people.set`: overwrites properties.
    #[track_caller]
    pub fn set(&self, properties: impl Serialize) {
        self.with_properties(Method::PeopleSet, properties);
    }

    /// `people.set_once`: sets properties that are not there yet.
    #[track_caller]
    pub fn set_once(&self, properties: impl Serialize) {
        self.with_properties(Method::PeopleSetOnce, properties);
    }

    /// `people.unset`: removes a property.
    #[track_caller]
    pub fn unset(&self, property: impl AsRef<str>) {
        self.0.call(
            Method::PeopleUnset,
            vec![Value::from(vec![property.as_ref()])],
        );
    }

    /// `people.increment`: adds an [`Amount`] to a number. Delivered at most once.
    ///
    /// An amount that is infinite or not a number is left out and reported.
    #[track_caller]
    pub fn increment(&self, property: impl AsRef<str>, by: impl Amount) {
        let (property, place) = (property.as_ref(), CallSite::of_caller());
        let mut args = Args::with_capacity();
        let is_amount = args.try_push(|to| {
            let mut object = ObjectEncoder::begin(to);
            let mut is_amount = None;
            let write = |to: &mut Vec<u8>| is_amount = self.0.amount(property, &|| place, &by, to);
            object.member(to, |to| write_text(property, to), write);
            object.end(to);
            is_amount
        });
        if is_amount.is_some() {
            self.0.call_written(Method::PeopleIncrement, args);
        }
    }

    /// `people.append`: adds to the end of a list. Delivered at most once.
    #[track_caller]
    pub fn append(&self, list: impl AsRef<str>, value: impl Serialize) {
        self.with_one(Method::PeopleAppend, list, value);
    }

    /// `people.remove`: takes a value out of a list.
    #[track_caller]
    pub fn remove(&self, list: impl AsRef<str>, value: impl Serialize) {
        self.with_one(Method::PeopleRemove, list, value);
    }

    /// `people.union`: adds values to a list that are not in it yet.
    #[track_caller]
    pub fn union(&self, list: impl AsRef<str>, values: impl Serialize) {
        self.with_one(Method::PeopleUnion, list, values);
    }

    /// `people.track_charge`: appends a charge to `$transactions`, as Mixpanel's libraries for
    /// servers do. mixpanel-js itself ignores it since 2.65, so the server says it, whatever
    /// way the other calls take.
    #[track_caller]
    pub fn track_charge(&self, amount: f64, properties: impl Serialize) {
        let place = CallSite::of_caller();
        let mut args = Args::with_capacity();
        args.push(|to| write_value(&Value::from(amount), to));
        args.push(|to| {
            self.0
                .properties("people.track_charge", &|| place, properties, to);
        });
        self.0.call_written(Method::PeopleTrackCharge, args);
    }

    /// `people.clear_charges`: empties the list of charges.
    #[track_caller]
    pub fn clear_charges(&self) {
        self.0.call(Method::PeopleClearCharges, vec![]);
    }

    /// `people.delete_user`: deletes the profile.
    #[track_caller]
    pub fn delete_user(&self) {
        self.0.call(Method::PeopleDeleteUser, vec![]);
    }

    #[track_caller]
    fn with_properties(&self, method: Method, properties: impl Serialize) {
        self.0.with_properties(method, properties);
    }

    #[track_caller]
    fn with_one(&self, method: Method, property: impl AsRef<str>, value: impl Serialize) {
        let (property, place) = (property.as_ref(), CallSite::of_caller());
        let mut args = Args::with_capacity();
        args.push(|to| {
            let mut object = ObjectEncoder::begin(to);
            object.member(
                to,
                |to| write_text(property, to),
                |to| self.0.value(property, &|| place, value, to),
            );
            object.end(to);
        });
        self.0.call_written(method, args);
    }
}
