//! Members of an event, and rules for names with a meaning.

use std::ops::Range;

use crate::call::is_placeholder;
use crate::call::json::{JsonRef, Known, unescape};
use crate::error::log_text::Quoted;
use crate::translate::event_writer::EventWriter;
use crate::translate::limits::{
    MAX_INSERT_ID, MAX_PROPERTIES, check_id, is_insert_id, is_plain_json, is_short,
    replacement_insert_id,
};
use crate::translate::member_value::MemberValue;

/// Length of a short member, with a comma: `"a":1,`. With `$insert_id` and `time`, the average of an
/// event is longer.
const MIN_MEMBER_LEN: usize = 6;

impl EventWriter<'_> {
    /// Writes the properties of the application. Those that fit, as almost all do, are copied
    /// together.
    pub(crate) fn write_recorded(&mut self) -> Result<(), String> {
        if self.try_copy_recorded() {
            return Ok(());
        }
        let mut members = self.event.recorded.members();
        let (mut start, mut end) = (members.position(), members.position());
        while let Some((name, value)) = members.next() {
            let known = Known::from_name(name);
            match known {
                Some(Known::DistinctId) => self.distinct_id = Some(value),
                Some(Known::UserId) => self.user_id = Some(value),
                _ => {}
            }
            if !self.is_restricted && is_short(name) && fits(known, value) {
                self.known |= known.map_or(0, Known::bit);
                self.members.count += 1;
                end = members.position() - 1;
            } else {
                self.copy_recorded(start..end);
                (start, end) = (members.position(), members.position());
                self.member(&unescape(name), known, MemberValue::Json(value))?;
            }
        }
        self.copy_recorded(start..end);
        Ok(())
    }

    /// Copies all properties of the application, if it is known since they were recorded that they
    /// fit. Then only IDs are read.
    fn try_copy_recorded(&mut self) -> bool {
        let (recorded, names) = (self.event.recorded, self.event.names);
        let len = recorded.as_bytes().len();
        let is_plain = names.is_plain_event(len) && is_plain_json(recorded.as_bytes());
        if self.is_restricted || self.is_counted || !is_plain {
            return false;
        }
        let mut found = Known::Time.bit() | Known::InsertId.bit();
        if names.may_have_id() {
            let ids = recorded
                .members()
                .filter_map(|(name, value)| Some((Known::from_id_name(name)?, value)));
            for (known, value) in ids.take(names.max_ids()) {
                match known {
                    Known::DistinctId => self.distinct_id = Some(value),
                    Known::UserId => self.user_id = Some(value),
                    _ => {}
                }
                if !fits(Some(known), value) {
                    return false;
                }
                found |= known.bit();
            }
        }
        self.known |= found;
        self.members.count += len / MIN_MEMBER_LEN;
        self.copy_recorded(1..len - 1);
        true
    }

    fn copy_recorded(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            let recorded = self.event.recorded.as_bytes();
            self.members.json.push(b',');
            self.members
                .json
                .extend_from_slice(recorded.get(range).unwrap_or_default());
        }
    }

    /// Writes a member of any value. `known` is its name if that is known.
    pub(crate) fn member(
        &mut self,
        name: &str,
        known: Option<Known>,
        value: MemberValue<'_>,
    ) -> Result<(), String> {
        self.known |= known.map_or(0, Known::bit);
        if known == Some(Known::Token) || (self.is_restricted && self.must_leave_out(name, value)) {
            return Ok(());
        }
        let (mut value, replacement) = (value, &mut String::new());
        match known {
            Some(Known::DistinctId | Known::UserId) => {
                if let Some(id) = value.as_text() {
                    check_id(&id)?;
                }
            }
            Some(Known::Time) if !value.is_number() => value = self.replaced_time(value),
            Some(Known::InsertId)
                if !value
                    .as_text()
                    .is_some_and(|id| is_insert_id(id.as_bytes())) =>
            {
                *replacement = self.replaced_insert_id(value);
                value = MemberValue::Text(replacement);
            }
            _ => {}
        }
        let (event, has_super_properties) = (self.event, !self.is_other_user);
        let exists = |name: &str| event.has_member(name, has_super_properties);
        self.members.write(name, value, exists);
        Ok(())
    }

    /// Writes a known property unless it was written already.
    #[inline]
    pub(crate) fn write_default(
        &mut self,
        known: Known,
        value: MemberValue<'_>,
    ) -> Result<(), String> {
        if self.known & known.bit() != 0 {
            return Ok(());
        }
        if let (Known::DistinctId | Known::UserId, MemberValue::Text(id)) = (known, value) {
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
    fn must_leave_out(&mut self, name: &str, value: MemberValue<'_>) -> bool {
        let request = self.event.request;
        if request.omitted.has_property(name) {
            return true;
        }
        let value = value.to_value();
        if self.cookie_excess > 0
            && request.is_from_cookie(name, &value)
            && self.event.recorded.member(name).is_none()
        {
            self.cookie_excess -= 1;
            return true;
        }
        if self.request_excess > 0 && request.has(name, &value) {
            self.request_excess -= 1;
            self.members.changes.push(format!(
                "{} was left out; Mixpanel accepts {MAX_PROPERTIES} properties of an event",
                Quoted(name)
            ));
            return true;
        }
        false
    }

    /// Returns the time of the envelope, instead of a value that is not a number.
    #[cold]
    fn replaced_time<'v>(&mut self, given: MemberValue<'v>) -> MemberValue<'v> {
        let Some(time_ms) = self.event.time_ms else {
            return given;
        };
        let given = given.to_value();
        if !self.event.request.is_from_visitor("time", &given) {
            let given = given.to_string();
            let given = Quoted(given.trim_matches('"'));
            self.members.changes.push(format!("time must be a number of seconds or milliseconds, not {given}; it was replaced by that of recording"));
        }
        MemberValue::Unsigned(time_ms)
    }

    /// Returns a valid `$insert_id` instead of another value.
    #[cold]
    fn replaced_insert_id(&mut self, given: MemberValue<'_>) -> String {
        let given = given.to_value();
        let id = replacement_insert_id(&given);
        if !self.event.request.is_from_visitor("$insert_id", &given) {
            self.members.changes.push(format!(
                "$insert_id must consist of up to {MAX_INSERT_ID} letters, digits and dashes; it was replaced by {id}"
            ));
        }
        id
    }
}

/// Returns whether a recorded property certainly fits unchanged.
#[inline]
fn fits(known: Option<Known>, value: JsonRef<'_>) -> bool {
    let fits_name = match known {
        Some(Known::Token) => false,
        Some(Known::DistinctId | Known::UserId) => value
            .string()
            .is_none_or(|id| !id.contains(&b'\\') && !is_placeholder(id)),
        Some(Known::Time) => value.is_number(),
        Some(Known::InsertId) => value.string().is_some_and(is_insert_id),
        _ => true,
    };
    fits_name && is_plain_json(value.as_bytes())
}
