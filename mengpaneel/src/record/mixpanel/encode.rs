//! What a call is called with, as it is written; what cannot be is told.

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

/// First bytes of the properties that say whose an event is: `$device_id`, `$user_id`,
/// `distinct_id`.
pub(crate) const ID_PROPERTIES: [&[u8; 8]; 3] = [b"$device_", b"$user_id", b"distinct"];

/// Runs a value's `Serialize`, whose panic is an error as any other: no tracking may end a request.
fn catch_panic<T, E: fmt::Display>(serialize: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(serialize)) {
        Ok(written) => written.map_err(|error| error.to_string()),
        Err(_) => Err("its Serialize panicked".to_owned()),
    }
}

/// Place of a call in the source code, for reports: looked up only where there is something to
/// report.
pub(crate) type At<'a> = &'a dyn Fn() -> CallSite;

impl Mixpanel {
    /// Writes a value; `null` where it cannot be written, which is reported.
    pub(crate) fn value(
        &self,
        what: &(impl fmt::Display + ?Sized),
        at: At<'_>,
        value: impl Serialize,
        to: &mut Vec<u8>,
    ) {
        self.value_with(&[], what, at, value, to);
    }

    /// Writes a value with the members that an object has from the start. Returns whether it may
    /// have a property that is an ID.
    fn value_with(
        &self,
        first: &[(&str, ValueRef<'_>)],
        what: &(impl fmt::Display + ?Sized),
        at: At<'_>,
        value: impl Serialize,
        to: &mut Vec<u8>,
    ) -> bool {
        let begin = to.len();
        if !self.is_recording() {
            write_value(&Value::Null, to);
            return false;
        }
        match catch_panic(|| value::write_with(&value, first, ID_PROPERTIES, to)) {
            Ok(may_have_id) => may_have_id,
            Err(why) => {
                to.truncate(begin);
                write_value(&Value::Null, to);
                self.report(Reason::NotSerializable {
                    what: format!("{what} at {}", at()),
                    why,
                });
                false
            }
        }
    }

    /// Writes properties as an object; an empty one where there are none, or they cannot be
    /// written.
    pub(crate) fn properties(
        &self,
        what: &(impl fmt::Display + ?Sized),
        at: At<'_>,
        properties: impl Serialize,
        to: &mut Vec<u8>,
    ) {
        self.properties_with(&[], what, at, properties, to);
    }

    /// The same, with what they have from the start. Returns whether they may have an ID among
    /// them.
    pub(crate) fn properties_with(
        &self,
        first: &[(&str, ValueRef<'_>)],
        what: &(impl fmt::Display + ?Sized),
        at: At<'_>,
        properties: impl Serialize,
        to: &mut Vec<u8>,
    ) -> bool {
        let begin = to.len();
        let may_have_id = self.value_with(first, what, at, properties, to);
        let other = match to.get(begin) {
            Some(b'o') => return may_have_id,
            Some(b'0') => None,
            _ => Decoder::new(to.get(begin..).unwrap_or_default()).value(),
        };
        to.truncate(begin);
        ObjectEncoder::begin_with(first, to).end(to);
        if let Some(other) = other {
            let what = format!("the properties of {what} at {}", at());
            self.report(Reason::NotSerializable {
                what,
                why: format!("{other} is no object"),
            });
        }
        false
    }

    /// Writes an amount; `None` where it is none, which is reported.
    pub(crate) fn amount(
        &self,
        what: &str,
        at: At<'_>,
        amount: &impl Amount,
        to: &mut Vec<u8>,
    ) -> Option<()> {
        let number = amount.number();
        if number.is_none() {
            let why = "the amount is not a finite number".to_owned();
            self.report(Reason::NotSerializable {
                what: format!("{what} at {}", at()),
                why,
            });
        }
        write_value(&Value::Number(number?), to);
        Some(())
    }
}

/// Writes an ID as text. A wrong one is found when its call is recorded; one whose own code panics
/// is written as an empty text, which is wrong too.
pub(crate) fn write_id(id: &(impl Id + ?Sized), to: &mut Vec<u8>) {
    write_or_empty(to, |to| id.visit(&mut |text| write_text_value(text, to)));
}

/// Writes one ID, or a list of them.
pub(crate) fn write_ids(ids: &(impl Ids + ?Sized), to: &mut Vec<u8>) {
    write_or_empty(to, |to| {
        if let Some(len) = ids.list_len() {
            to.push(b'a');
            write_len(len, to);
        }
        ids.visit_each(&mut |text| write_text_value(text, to));
    });
}

fn write_or_empty(to: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let begin = to.len();
    if catch_unwind(AssertUnwindSafe(|| write(to))).is_err() {
        to.truncate(begin);
        write_text_value("", to);
    }
}
