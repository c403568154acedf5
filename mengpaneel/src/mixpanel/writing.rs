//! What a call is called with, as it is written; what cannot be is told.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde_json::Value;

use super::Mixpanel;
use crate::call::{Call, Method, id_string, is_blank};
use crate::failure::Reason;
use crate::recorder::Place;
use crate::written::{self, Object, Reader, Seen, write_len, write_text_value, write_value};

/// First bytes of the properties that say whose an event is: `$device_id`, `$user_id`,
/// `distinct_id`.
pub(crate) const ID_PROPERTIES: [&[u8; 8]; 3] = [b"$device_", b"$user_id", b"distinct"];

/// Runs a value's `Serialize`, whose panic is an error as any other: no tracking may end a request.
fn caught<T, E: fmt::Display>(serialize: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(serialize)) {
        Ok(written) => written.map_err(|error| error.to_string()),
        Err(_) => Err("its Serialize panicked".to_owned()),
    }
}

impl Mixpanel {
    /// Writes a value; `null` where it cannot be written, which is told.
    pub(crate) fn value(&self, what: &(impl fmt::Display + ?Sized), value: impl Serialize, to: &mut Vec<u8>) {
        self.value_with(&[], what, value, to);
    }

    /// Writes a value with the members that an object has from the start. Returns whether it may have a
    /// property that is an ID.
    fn value_with(
        &self,
        first: &[(&str, Seen<'_>)],
        what: &(impl fmt::Display + ?Sized),
        value: impl Serialize,
        to: &mut Vec<u8>,
    ) -> bool {
        let begin = to.len();
        if !self.is_recording() {
            write_value(&Value::Null, to);
            return false;
        }
        match caught(|| written::write_with(&value, first, ID_PROPERTIES, to)) {
            Ok(may_have_id) => may_have_id,
            Err(why) => {
                to.truncate(begin);
                write_value(&Value::Null, to);
                self.tell(Reason::NotJson { what: what.to_string(), why });
                false
            }
        }
    }

    /// Writes properties as an object; an empty one where there are none, or they cannot be written.
    pub(crate) fn properties(&self, what: &(impl fmt::Display + ?Sized), properties: impl Serialize, to: &mut Vec<u8>) {
        self.properties_with(&[], what, properties, to);
    }

    /// The same, with what they have from the start. Returns whether they may have an ID among them.
    pub(super) fn properties_with(
        &self,
        first: &[(&str, Seen<'_>)],
        what: &(impl fmt::Display + ?Sized),
        properties: impl Serialize,
        to: &mut Vec<u8>,
    ) -> bool {
        let begin = to.len();
        let may_have_id = self.value_with(first, what, properties, to);
        let other = match to.get(begin) {
            Some(b'o') => return may_have_id,
            Some(b'0') => None,
            _ => Reader::of(to.get(begin..).unwrap_or_default()).value(),
        };
        to.truncate(begin);
        Object::begin_with(first, to).end(to);
        if let Some(other) = other {
            let what = format!("the properties of {what}");
            self.tell(Reason::NotJson { what, why: format!("{other} is no object") });
        }
        false
    }

    /// Writes an ID as text; `None` where it is none, which is reported with the method and the place.
    pub(crate) fn id(&self, method: &str, place: Place, id: impl Serialize, to: &mut Vec<u8>) -> Option<()> {
        if !self.is_recording() {
            return None;
        }
        let begin = to.len();
        // What cannot be written is no ID.
        let is_written = caught(|| written::write(&id, to)).is_ok();
        let id = Reader::of(to.get(begin..).unwrap_or_default());
        let is_text = { id }.seen().and_then(Seen::as_text).is_some_and(|text| !is_blank(text));
        if is_written && is_text {
            return Some(());
        }
        let id = { id }.value().filter(|_| is_written);
        to.truncate(begin);
        let id = id.as_ref().and_then(id_string);
        if id.is_none() {
            let call = (method == "identify").then(|| Call::new(Method::Identify, vec![]));
            self.reject(Reason::NoId(format!("{method} at {place}")), call);
        }
        id.map(|id| write_text_value(&id, to))
    }

    /// Writes one ID, or a list of them.
    pub(crate) fn ids(&self, method: &str, place: Place, ids: impl Serialize, to: &mut Vec<u8>) -> Option<()> {
        if !self.is_recording() {
            return None;
        }
        match caught(|| serde_json::to_value(ids)).unwrap_or_default() {
            Value::Array(ids) => {
                to.push(b'a');
                write_len(ids.len(), to);
                ids.into_iter().try_for_each(|id| self.id(method, place, id, to))
            }
            id => self.id(method, place, id, to),
        }
    }
}
