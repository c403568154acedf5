//! Writer of events as JSON. Members are written in the order of their precedence, each only if no
//! earlier one has its name: properties of the application, IDs, super properties, defaults, and
//! properties of the request.

mod members;

use std::borrow::Cow;

use serde_json::Value;
use uuid::Uuid;

use crate::call::is_blank;
use crate::call::json::{JsonRef, Known, KnownNames, unescape_bytes, write_text};
use crate::translate::limits::{MAX_PROPERTIES, MemberWriter, check_size, truncated};
use crate::translate::member_value::MemberValue;
use crate::translate::outgoing::partition_key;
use crate::translate::request_properties::RequestProperties;
use crate::translate::state::State;

/// Names of the properties that describe this library.
const LIBRARY: u32 = Known::Library.bit() | Known::LibraryVersion.bit();

/// Names of the properties that a request adds to every event.
const REQUEST: u32 = Known::Ip.bit()
    | Known::Referrer.bit()
    | Known::ReferringDomain.bit()
    | Known::CurrentUrl.bit()
    | Known::Browser.bit()
    | Known::BrowserVersion.bit()
    | Known::Os.bit()
    | Known::Device.bit();

/// Encodes the start of the properties of every event: the token.
pub(crate) fn opening(token: &str) -> Vec<u8> {
    let mut opening = b",\"properties\":{\"token\":".to_vec();
    write_text(token, &mut opening);
    opening
}

/// Event to write.
#[derive(Clone, Copy)]
pub(crate) struct Event<'e> {
    /// Result of [`opening`] for the token.
    pub(crate) opening: &'e [u8],
    /// Name, a text.
    pub(crate) name: JsonRef<'e>,
    /// Properties of the application, an object.
    pub(crate) recorded: JsonRef<'e>,
    pub(crate) names: KnownNames,
    /// Seconds since the timer of the event was started.
    pub(crate) duration: Option<f64>,
    pub(crate) state: &'e State,
    pub(crate) request: &'e RequestProperties<'e>,
    /// Time at which the envelope was made, in milliseconds.
    pub(crate) time_ms: Option<u64>,
    pub(crate) envelope_id: Uuid,
    /// Index of the message in the translation of the envelope.
    pub(crate) index: usize,
}

impl Event<'_> {
    /// Writes the event at the end of `json`, and adds the changes to report. Returns the partition
    /// key.
    ///
    /// # Errors
    /// Returns the reason if the event cannot be sent. The caller must then truncate `json`.
    pub(crate) fn write(
        &self,
        json: &mut Vec<u8>,
        changes: &mut Vec<String>,
    ) -> Result<u64, String> {
        let start = json.len();
        let (mut cookie_excess, mut request_excess, mut is_counted) = (0, 0, false);
        loop {
            let mut writer = EventWriter {
                event: self,
                members: MemberWriter::new(json, changes, self.request, false),
                known: 0,
                user_id: None,
                distinct_id: None,
                is_other_user: false,
                is_restricted: request_excess + cookie_excess > 0
                    || self.request.omitted.has_any_source(),
                cookie_excess,
                request_excess,
                is_counted,
            };
            let partition_key = writer.write_event()?;
            let count = writer.members.count;
            if count <= MAX_PROPERTIES {
                check_size(json.len() - start)?;
                return Ok(partition_key);
            }
            // Super properties of the visitor's cookie are left out first: the visitor can put
            // anything there. Those of the request follow.
            match (cookie_excess, request_excess) {
                _ if !std::mem::replace(&mut is_counted, true) => {}
                (0, _) => cookie_excess = count - MAX_PROPERTIES,
                (_, 0) => request_excess = count - MAX_PROPERTIES,
                _ => {
                    return Err(format!(
                        "the event has {count} properties; Mixpanel accepts {MAX_PROPERTIES}"
                    ));
                }
            }
            json.truncate(start);
            changes.clear();
        }
    }

    /// Returns whether the event has a recorded property or a super property of this name.
    fn has_member(&self, name: &str, has_super_properties: bool) -> bool {
        self.recorded.member(name).is_some()
            || (has_super_properties && self.state.super_properties.contains_key(name))
    }
}

/// Writer of one event.
struct EventWriter<'w> {
    event: &'w Event<'w>,
    members: MemberWriter<'w>,
    /// Set of the known names that were written, or omitted.
    known: u32,
    /// IDs that the application recorded.
    user_id: Option<JsonRef<'w>>,
    distinct_id: Option<JsonRef<'w>>,
    /// True if the event belongs to another user than the current one: user, device and super
    /// properties of this browser are not written then.
    is_other_user: bool,
    /// True if some properties must be left out.
    is_restricted: bool,
    /// Number of super properties of the cookie to leave out.
    cookie_excess: usize,
    /// Number of properties of the request to leave out.
    request_excess: usize,
    /// True if each member must be counted; otherwise too many may be.
    is_counted: bool,
}

impl EventWriter<'_> {
    fn write_event(&mut self) -> Result<u64, String> {
        let name = MemberValue::Json(self.event.name);
        if !self.members.try_write("{\"event\":", name) {
            self.members.json.push(b'{');
            self.members.write("event", name, |_| false);
        }
        // The name was counted, and the token is the first property: their numbers are equal.
        self.members.json.extend_from_slice(self.event.opening);
        self.write_recorded()?;
        let partition_key = self.write_identity()?;
        self.write_defaults()?;
        self.write_request_properties()?;
        self.members.json.extend_from_slice(b"}}");
        Ok(partition_key)
    }

    /// Writes a member unless one of its name was written already.
    fn write_absent(
        &mut self,
        name: &str,
        value: &Value,
        has_super_properties: bool,
    ) -> Result<(), String> {
        let known = Known::from_name(name.as_bytes());
        let is_written = match known {
            Some(known) => self.known & known.bit() != 0,
            None => self.event.has_member(name, has_super_properties),
        };
        if is_written {
            return Ok(());
        }
        self.member(name, known, value.into())
    }

    /// Writes the IDs and super properties of the user. Returns the partition key.
    fn write_identity(&mut self) -> Result<u64, String> {
        let state = self.event.state;
        let [user_id, distinct_id, device_id] =
            [&state.user_id, &state.distinct_id, &state.device_id].map(|id| id.as_deref());
        let is_current = |id: &[u8]| {
            [user_id, distinct_id]
                .iter()
                .any(|current| current.is_some_and(|current| current.as_bytes() == id))
        };
        let given = self.user_id.or(self.distinct_id);
        let other_user = given.and_then(id_text).filter(|id| !is_current(id));
        self.is_other_user = other_user.is_some();
        match (&other_user, given) {
            (Some(_), Some(id)) if id.string().is_some() => {
                self.write_default(Known::DistinctId, MemberValue::Json(id))?;
            }
            (Some(id), _) => {
                let id = String::from_utf8_lossy(id);
                self.write_default(Known::DistinctId, MemberValue::Text(&id))?;
            }
            (None, _) => {
                let id = MemberValue::Text(distinct_id.unwrap_or_default());
                self.write_default(Known::DistinctId, id)?;
            }
        }
        if !self.is_other_user {
            if let Some(id) = device_id {
                self.write_default(Known::DeviceId, MemberValue::Text(id))?;
            }
            if let Some(id) = user_id {
                self.write_default(Known::UserId, MemberValue::Text(id))?;
            }
            for (name, value) in &state.super_properties {
                self.write_absent(name, value, false)?;
            }
        }
        let id = match self.distinct_id {
            Some(given) => given.string().map(unescape_bytes),
            None => Some(other_user.unwrap_or(distinct_id.unwrap_or_default().as_bytes().into())),
        };
        Ok(partition_key(id.as_deref()))
    }

    /// Writes time, `$insert_id`, duration and library.
    fn write_defaults(&mut self) -> Result<(), String> {
        if let Some(time_ms) = self.event.time_ms {
            self.write_default(Known::Time, MemberValue::Unsigned(time_ms))?;
        }
        if self.known & Known::InsertId.bit() == 0 {
            let id = insert_id(self.event.envelope_id, self.event.index);
            self.write_default(
                Known::InsertId,
                MemberValue::Text(std::str::from_utf8(&id).unwrap_or_default()),
            )?;
        }
        if let Some(duration) = self.event.duration {
            self.write_default(Known::Duration, MemberValue::Float(duration))?;
        }
        if self.is_restricted || self.known & LIBRARY != 0 {
            let version = env!("CARGO_PKG_VERSION");
            self.write_default(Known::Library, MemberValue::Text("mengpaneel"))?;
            return self.write_default(Known::LibraryVersion, MemberValue::Text(version));
        }
        let library = concat!(
            ",\"mp_lib\":\"mengpaneel\",\"$lib_version\":\"",
            env!("CARGO_PKG_VERSION"),
            "\""
        );
        self.members.json.extend_from_slice(library.as_bytes());
        self.members.count += 2;
        Ok(())
    }

    /// Writes the properties that the request adds.
    fn write_request_properties(&mut self) -> Result<(), String> {
        let request = self.event.request;
        if self.is_restricted || self.known & REQUEST != 0 || request.may_have_campaign() {
            for (name, value) in &request.all().event {
                self.write_absent(name, value, !self.is_other_user)?;
            }
            return Ok(());
        }
        for (known, text) in request.texts() {
            if let Some(text) = text {
                self.write_default(known, MemberValue::Text(truncated(text)))?;
            }
        }
        let (count, user_agent) = request.encoded_user_agent();
        self.members.count += count;
        self.members.json.extend_from_slice(user_agent);
        Ok(())
    }
}

/// Returns the text of an ID. `None` if the value is not a valid ID.
fn id_text(value: JsonRef<'_>) -> Option<Cow<'_, [u8]>> {
    match value.string().map(unescape_bytes) {
        Some(id) if id.first().is_some_and(u8::is_ascii_graphic) => Some(id),
        Some(id) => Some(id).filter(|id| !std::str::from_utf8(id).is_ok_and(is_blank)),
        None if value.is_number() => Some(value.as_bytes().into()),
        None => None,
    }
}

/// Returns the `$insert_id` of an event that got none when it was recorded. The ID is the same each
/// time the envelope is translated.
fn insert_id(envelope_id: Uuid, index: usize) -> [u8; 36] {
    let mut id = [0; 36];
    if let Some((envelope, rest)) = id.split_first_chunk_mut::<32>() {
        envelope_id.simple().encode_lower(envelope);
        for (digit, shift) in rest.iter_mut().zip([12, 8, 4, 0]) {
            let [low, ..] = (index >> shift & 0xf).to_le_bytes();
            *digit = if low < 10 {
                b'0' + low
            } else {
                b'a' + low - 10
            };
        }
    }
    id
}
