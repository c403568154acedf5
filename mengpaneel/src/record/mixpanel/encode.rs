//! Encoding of arguments. Values that cannot be encoded are reported.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde_json::Value;

use crate::call::value;
use crate::call::value::{
    Decoder, ObjectEncoder, ValueRef, write_len, write_text_value, write_value,
};
use crate::error::Reason;
use crate::record::mixpanel::{Amount, Id, Ids, Mixpanel};
use crate::record::recorder::CallSite;

/// First eight bytes of the ID properties of an event: `$device_id`, `$user_id`, `distinct_id`.
pub(crate) const ID_PROPERTIES: [&[u8; 8]; 3] = [b"$device_", b"$user_id", b"distinct"];

/// Runs a value's `Serialize` and turns a panic into an error: tracking must not end a request.
fn catch_panic<T, E: fmt::Display>(serialize: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(serialize)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the Serialize implementation panicked".to_owned()),
    }
}

/// Function that returns the call site, called only if there is a failure to report.
pub(crate) type SiteFn<'a> = &'a dyn Fn() -> CallSite;

impl Mixpanel {
    /// Encodes a value. A value that cannot be encoded is reported and becomes `null`.
    pub(crate) fn encode_value(
        &self,
        subject: &(impl fmt::Display + ?Sized),
        site: SiteFn<'_>,
        value: impl Serialize,
        to: &mut Vec<u8>,
    ) {
        self.encode_value_with(&[], subject, site, value, to);
    }

    /// Encodes a value; an object begins with the members of `first`. Returns whether the object
    /// may have a property that is an ID.
    fn encode_value_with(
        &self,
        first: &[(&str, ValueRef<'_>)],
        subject: &(impl fmt::Display + ?Sized),
        site: SiteFn<'_>,
        value: impl Serialize,
        to: &mut Vec<u8>,
    ) -> bool {
        let start = to.len();
        if !self.is_recording() {
            write_value(&Value::Null, to);
            return false;
        }
        match catch_panic(|| value::write_with(&value, first, ID_PROPERTIES, to)) {
            Ok(may_have_id) => may_have_id,
            Err(error) => {
                to.truncate(start);
                write_value(&Value::Null, to);
                self.report(Reason::NotSerializable {
                    subject: format!("{subject} at {}", site()),
                    error,
                });
                false
            }
        }
    }

    /// Encodes properties as an object. Missing properties, and those that cannot be encoded,
    /// become an empty object.
    pub(crate) fn encode_properties(
        &self,
        subject: &(impl fmt::Display + ?Sized),
        site: SiteFn<'_>,
        properties: impl Serialize,
        to: &mut Vec<u8>,
    ) {
        self.encode_properties_with(&[], subject, site, properties, to);
    }

    /// Encodes properties as an object that begins with the members of `first`. Returns whether
    /// the object may have a property that is an ID.
    pub(crate) fn encode_properties_with(
        &self,
        first: &[(&str, ValueRef<'_>)],
        subject: &(impl fmt::Display + ?Sized),
        site: SiteFn<'_>,
        properties: impl Serialize,
        to: &mut Vec<u8>,
    ) -> bool {
        let start = to.len();
        let may_have_id = self.encode_value_with(first, subject, site, properties, to);
        let rejected = match to.get(start) {
            Some(b'o') => return may_have_id,
            Some(b'0') => None,
            _ => Decoder::new(to.get(start..).unwrap_or_default()).value(),
        };
        to.truncate(start);
        ObjectEncoder::begin_with(first, to).end(to);
        if let Some(value) = rejected {
            let subject = format!("the properties of {subject} at {}", site());
            self.report(Reason::NotSerializable {
                subject,
                error: format!("{value} is not an object"),
            });
        }
        false
    }

    /// Encodes an amount. `None` if it is not finite, which is reported.
    pub(crate) fn encode_amount(
        &self,
        subject: &str,
        site: SiteFn<'_>,
        amount: &impl Amount,
        to: &mut Vec<u8>,
    ) -> Option<()> {
        let number = amount.number();
        if number.is_none() {
            let error = "the amount is not a finite number".to_owned();
            self.report(Reason::NotSerializable {
                subject: format!("{subject} at {}", site()),
                error,
            });
        }
        write_value(&Value::Number(number?), to);
        Some(())
    }
}

/// Encodes an ID as a string. Invalid IDs are found when the call is recorded. If the `Id`
/// implementation panics, the result is an empty string, which is invalid too.
pub(crate) fn encode_id(id: &(impl Id + ?Sized), to: &mut Vec<u8>) {
    encode_or_empty(to, |to| id.visit(&mut |text| write_text_value(text, to)));
}

/// Encodes one ID or a list of IDs.
pub(crate) fn encode_ids(ids: &(impl Ids + ?Sized), to: &mut Vec<u8>) {
    encode_or_empty(to, |to| {
        if let Some(len) = ids.list_len() {
            to.push(b'a');
            write_len(len, to);
        }
        ids.visit_each(&mut |text| write_text_value(text, to));
    });
}

/// Encodes what `write` writes, or an empty string if `write` panics.
fn encode_or_empty(to: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = to.len();
    if catch_unwind(AssertUnwindSafe(|| write(to))).is_err() {
        to.truncate(start);
        write_text_value("", to);
    }
}
