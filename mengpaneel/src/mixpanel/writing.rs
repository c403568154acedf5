//! What a call is called with, as it is written; what cannot be is told.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::Mixpanel;
use crate::call::id_string;
use crate::failure::Reason;
use crate::written::{self, Object, Reader, Seen, write_len, write_text_value, write_value};

impl Mixpanel {
    /// Writes a value; `null` where it cannot be written, which is told.
    pub(crate) fn value(&self, what: &(impl fmt::Display + ?Sized), value: impl Serialize, to: &mut Vec<u8>) {
        self.value_with(&[], what, value, to);
    }

    fn value_with(
        &self,
        first: &[(&str, Seen<'_>)],
        what: &(impl fmt::Display + ?Sized),
        value: impl Serialize,
        to: &mut Vec<u8>,
    ) {
        let begin = to.len();
        if !self.is_recording() {
            return write_value(&Value::Null, to);
        }
        if let Err(error) = written::write_with(&value, first, to) {
            to.truncate(begin);
            write_value(&Value::Null, to);
            self.tell(Reason::NotJson { what: what.to_string(), why: error.to_string() });
        }
    }

    /// Writes properties as an object; an empty one where there are none, or they cannot be written.
    pub(crate) fn properties(&self, what: &(impl fmt::Display + ?Sized), properties: impl Serialize, to: &mut Vec<u8>) {
        self.properties_with(&[], what, properties, to);
    }

    /// The same, with what they have from the start.
    pub(super) fn properties_with(
        &self,
        first: &[(&str, Seen<'_>)],
        what: &(impl fmt::Display + ?Sized),
        properties: impl Serialize,
        to: &mut Vec<u8>,
    ) {
        let begin = to.len();
        self.value_with(first, what, properties, to);
        let other = match to.get(begin) {
            Some(b'o') => return,
            Some(b'0') => None,
            _ => Reader::of(to.get(begin..).unwrap_or_default()).value(),
        };
        to.truncate(begin);
        Object::begin_with(first, to).end(to);
        if let Some(other) = other {
            let what = format!("the properties of {what}");
            self.tell(Reason::NotJson { what, why: format!("{other} is no object") });
        }
    }

    /// Writes an ID as text; `None` where it is none, which is told.
    pub(crate) fn id(&self, what: &str, id: impl Serialize, to: &mut Vec<u8>) -> Option<()> {
        if !self.is_recording() {
            return None;
        }
        let begin = to.len();
        // What cannot be written is no ID.
        let is_written = written::write(&id, to).is_ok();
        let id = Reader::of(to.get(begin..).unwrap_or_default());
        let is_text = { id }.seen().and_then(Seen::as_text).is_some_and(|text| !text.is_empty());
        if is_written && is_text {
            return Some(());
        }
        let id = { id }.value().filter(|_| is_written);
        to.truncate(begin);
        let id = id.as_ref().and_then(id_string);
        if id.is_none() {
            self.tell(Reason::NoId(what.to_owned()));
        }
        id.map(|id| write_text_value(&id, to))
    }

    /// Writes one ID, or a list of them.
    pub(crate) fn ids(&self, what: &str, ids: impl Serialize, to: &mut Vec<u8>) -> Option<()> {
        if !self.is_recording() {
            return None;
        }
        match serde_json::to_value(ids).unwrap_or_default() {
            Value::Array(ids) => {
                to.push(b'a');
                write_len(ids.len(), to);
                ids.into_iter().try_for_each(|id| self.id(what, id, to))
            }
            id => self.id(what, id, to),
        }
    }
}
