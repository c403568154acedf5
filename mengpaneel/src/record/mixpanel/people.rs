//! `mixpanel.people`: profile of the identified user.

use serde::Serialize;
use serde_json::Value;

use crate::call::json::{ObjectWriter, write_value};
use crate::call::{Args, Method};
use crate::record::mixpanel::{Amount, Mixpanel};
use crate::record::recorder::CallSite;

/// Profile of the identified user, returned by [`Mixpanel::people`].
///
/// Mixpanel has no profiles of anonymous visitors. The server reports a call without an `identify`
/// to `on_error`; a browser queues it until a user is identified.
#[derive(Clone, Debug)]
pub struct People(Mixpanel);

impl People {
    pub(crate) fn new(mixpanel: Mixpanel) -> Self {
        Self(mixpanel)
    }

    /// `people.set`: overwrites properties.
    #[track_caller]
    pub fn set(&self, properties: impl Serialize) {
        self.call_with_properties(Method::PeopleSet, properties);
    }

    /// `people.set_once`: sets properties that are not set yet.
    #[track_caller]
    pub fn set_once(&self, properties: impl Serialize) {
        self.call_with_properties(Method::PeopleSetOnce, properties);
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
    /// A call whose amount is infinite or not a number is dropped and reported.
    #[track_caller]
    pub fn increment(&self, property: impl AsRef<str>, by: impl Amount) {
        let (property, site) = (property.as_ref(), CallSite::caller());
        let mut args = Args::with_capacity();
        let is_finite = args.try_push(|to| {
            let mut object = ObjectWriter::begin(to);
            object.name(property, to);
            self.0.encode_amount(property, &|| site, &by, to)?;
            object.end(&[], to);
            Some(())
        });
        if is_finite.is_some() {
            self.0.call_encoded(Method::PeopleIncrement, args);
        }
    }

    /// `people.append`: adds to the end of a list. Delivered at most once.
    #[track_caller]
    pub fn append(&self, list: impl AsRef<str>, value: impl Serialize) {
        self.call_with_value(Method::PeopleAppend, list, value);
    }

    /// `people.remove`: removes a value from a list.
    #[track_caller]
    pub fn remove(&self, list: impl AsRef<str>, value: impl Serialize) {
        self.call_with_value(Method::PeopleRemove, list, value);
    }

    /// `people.union`: adds the values to a list that it does not contain yet.
    #[track_caller]
    pub fn union(&self, list: impl AsRef<str>, values: impl Serialize) {
        self.call_with_value(Method::PeopleUnion, list, values);
    }

    /// `people.track_charge`: appends a charge to `$transactions`, as Mixpanel's server libraries
    /// do.
    ///
    /// The server always delivers this call, since mixpanel-js ignores it from version 2.65 on.
    #[track_caller]
    pub fn track_charge(&self, amount: f64, properties: impl Serialize) {
        let site = CallSite::caller();
        let mut args = Args::with_capacity();
        args.push(|to| write_value(&amount, to));
        args.push(|to| {
            self.0
                .encode_properties("people.track_charge", &|| site, properties, to);
        });
        self.0.call_encoded(Method::PeopleTrackCharge, args);
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
    fn call_with_properties(&self, method: Method, properties: impl Serialize) {
        self.0.call_with_properties(method, properties);
    }

    #[track_caller]
    fn call_with_value(&self, method: Method, property: impl AsRef<str>, value: impl Serialize) {
        let (property, site) = (property.as_ref(), CallSite::caller());
        let mut args = Args::with_capacity();
        args.push(|to| {
            let mut object = ObjectWriter::begin(to);
            object.name(property, to);
            self.0.encode_value(property, &|| site, value, to);
            object.end(&[], to);
        });
        self.0.call_encoded(method, args);
    }
}
