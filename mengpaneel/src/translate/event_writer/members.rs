//! Members of an event: the fast path for properties that fit, and rules for names with a meaning.

#![expect(
    clippy::inline_always,
    reason = "without it, the result is copied through memory at the call"
)]

use crate::call::is_placeholder;
use crate::call::value::{Decoder, ValueRef, needs_no_escaping};
use crate::error::log_text::Quoted;
use crate::translate::event_writer::EventWriter;
use crate::translate::limits::{
    MAX_INSERT_ID, MAX_PROPERTIES, check_id, is_insert_id, is_short, replacement_insert_id,
    write_scalar,
};
use crate::translate::recorded::Known;

impl<'a> EventWriter<'_, 'a> {
    /// Writes the properties of the application without escaping, if they need none and fit, as
    /// almost all do. Otherwise writes nothing and returns `None`.
    #[inline(always)]
    pub(crate) fn try_write_unescaped(&mut self) -> Option<Decoder<'a>> {
        let (start, mut recorded) = (self.members.json.len(), self.event.recorded);
        let (mut count, mut quotes) = (self.members.count, 0);
        let mut write_all = || {
            if self.is_restricted {
                return None;
            }
            let json = &mut *self.members.json;
            while let Some((name, value)) = recorded.next() {
                if let Some(known) = Known::from_name(name) {
                    if known == Known::Token {
                        continue;
                    }
                    match (known, value) {
                        (Known::DistinctId, ValueRef::Text(id)) if !is_placeholder(id) => {
                            self.distinct_id = Some(value);
                        }
                        (Known::UserId, ValueRef::Text(id)) if !is_placeholder(id) => {
                            self.user_id = Some(value);
                        }
                        (Known::Time, time) if time.is_number() => {}
                        (Known::InsertId, ValueRef::Text(id)) if is_insert_id(id) => {}
                        (Known::DistinctId | Known::UserId | Known::Time | Known::InsertId, _) => {
                            return None;
                        }
                        _ => {}
                    }
                    self.known |= known.bit();
                }
                if !is_short(name) {
                    return None;
                }
                count += 1;
                json.extend_from_slice(b",\"");
                json.extend_from_slice(name);
                if let ValueRef::Text(text) = value {
                    if !is_short(text) {
                        return None;
                    }
                    json.extend_from_slice(b"\":\"");
                    json.extend_from_slice(text);
                    json.push(b'"');
                    quotes += 4;
                } else {
                    json.extend_from_slice(b"\":");
                    if !write_scalar(value, json) {
                        return None;
                    }
                    quotes += 2;
                }
            }
            // Few texts need escaping, so all are checked together after writing.
            needs_no_escaping(json.get(start..)?, quotes).then_some(())
        };
        if write_all().is_none() {
            self.members.json.truncate(start);
            self.known = 0;
            return None;
        }
        self.members.count = count;
        Some(recorded.rest())
    }

    /// Writes the properties of the application.
    #[cold]
    pub(crate) fn write_recorded(&mut self) -> Result<Decoder<'a>, String> {
        let mut recorded = self.event.recorded;
        while let Some((name, value)) = recorded.next() {
            let known = Known::from_name(name);
            match known {
                Some(Known::DistinctId) => self.distinct_id = Some(value),
                Some(Known::UserId) => self.user_id = Some(value),
                _ => {}
            }
            self.member(name, known, value)?;
        }
        Ok(recorded.rest())
    }

    /// Writes a member of any value. `known` is its name if that is known.
    pub(crate) fn member(
        &mut self,
        name: &[u8],
        known: Option<Known>,
        value: ValueRef<'_>,
    ) -> Result<(), String> {
        self.known |= known.map_or(0, Known::bit);
        if known == Some(Known::Token) || (self.is_restricted && self.must_leave_out(name, value)) {
            return Ok(());
        }
        let (mut value, replacement) = (value, &mut String::new());
        match (known, value) {
            (Some(Known::DistinctId | Known::UserId), ValueRef::Text(id)) => check_id(id)?,
            (Some(Known::Time), time) if !time.is_number() => value = self.replaced_time(time),
            (Some(Known::InsertId), ValueRef::Text(id)) if is_insert_id(id) => {}
            (Some(Known::InsertId), id) => {
                *replacement = self.replaced_insert_id(id);
                value = ValueRef::Text(replacement.as_bytes());
            }
            _ => {}
        }
        let (event, has_super_properties) = (self.event, !self.is_other_user);
        let exists = |name: &str| event.has_member(name, has_super_properties);
        self.members.write(name, value, exists);
        Ok(())
    }

    /// Writes a known property unless it was written already.
    #[inline(always)]
    pub(crate) fn write_default(
        &mut self,
        known: Known,
        value: ValueRef<'_>,
    ) -> Result<(), String> {
        if self.known & known.bit() != 0 {
            return Ok(());
        }
        if let (Known::DistinctId | Known::UserId, ValueRef::Text(id)) = (known, value) {
            check_id(id)?;
        }
        if self.is_restricted || !self.members.try_write(known.prefix(), value) {
            return self.member(known.name(), Some(known), value);
        }
        self.known |= known.bit();
        Ok(())
    }

    /// Returns whether a property must be left out, and reports it if it is beyond the limit.
    #[cold]
    fn must_leave_out(&mut self, name: &[u8], value: ValueRef<'_>) -> bool {
        let request = self.event.request;
        if request.omitted.has_property(name) {
            return true;
        }
        let (Some(value), key) = (value.to_value(), String::from_utf8_lossy(name)) else {
            return false;
        };
        if self.cookie_excess > 0
            && request.is_from_cookie(&key, &value)
            && self.event.recorded.get(name).is_none()
        {
            self.cookie_excess -= 1;
            return true;
        }
        if self.request_excess > 0 && request.has(&key, &value) {
            self.request_excess -= 1;
            self.members.changes.push(format!(
                "{} was left out; Mixpanel accepts {MAX_PROPERTIES} properties of an event",
                Quoted(&key)
            ));
            return true;
        }
        false
    }

    /// Returns the time of the envelope, instead of a value that is not a number.
    #[cold]
    fn replaced_time<'v>(&mut self, given: ValueRef<'v>) -> ValueRef<'v> {
        let Some(time_ms) = self.event.time_ms else {
            return given;
        };
        let given = given.to_value().unwrap_or_default();
        if !self.event.request.is_from_visitor("time", &given) {
            let given = given.to_string();
            let given = Quoted(given.trim_matches('"'));
            self.members.changes.push(format!("time must be a number of seconds or milliseconds, not {given}; it was replaced by that of recording"));
        }
        ValueRef::Unsigned(time_ms)
    }

    /// Returns a valid `$insert_id` instead of another value.
    #[cold]
    fn replaced_insert_id(&mut self, given: ValueRef<'_>) -> String {
        let given = given.to_value().unwrap_or_default();
        let id = replacement_insert_id(&given);
        if !self.event.request.is_from_visitor("$insert_id", &given) {
            self.members.changes.push(format!(
                "$insert_id must consist of up to {MAX_INSERT_ID} letters, digits and dashes; it was replaced by {id}"
            ));
        }
        id
    }
}
