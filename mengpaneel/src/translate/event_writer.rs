//! Fast path for plain events, which are encoded as JSON directly. The result equals that of the
//! slow path through values.
//!
//! An event is plain if nothing exceeds a limit, and no property is set twice. Almost all are.

#![expect(
    clippy::inline_always,
    reason = "without it, the result is copied through memory at the call"
)]

use serde::Serialize;
use uuid::Uuid;

use crate::call::is_placeholder;
use crate::call::value::{Decoder, Escape, ValueRef, bytes_as_json, needs_no_escaping};
use crate::id::timestamp_ms;
use crate::translate::limits::{is_insert_id, is_message_within_limits, is_plain, is_short};
use crate::translate::outgoing::partition_key;
use crate::translate::request_properties::RequestProperties;
use crate::translate::state::State;

/// Encodes the start of the properties of every event: the token.
pub(crate) fn opening(token: &str) -> Vec<u8> {
    let mut opening = b",\"properties\":{\"token\":".to_vec();
    bytes_as_json(token.as_bytes(), Escape::Plain, &mut opening);
    opening
}

/// Parts that all events of an envelope share.
pub(crate) struct EventTemplate<'a> {
    /// Result of [`opening`] for the token.
    pub(crate) opening: &'a [u8],
    /// ID of the envelope, which holds the time at which it was made.
    pub(crate) envelope_id: Uuid,
}

/// Properties of the caller that replace defaults.
#[derive(Clone, Copy, Default)]
struct Overrides<'a> {
    user_id: Option<&'a [u8]>,
    distinct_id: Option<&'a [u8]>,
    has_device_id: bool,
    has_time: bool,
    has_insert_id: bool,
}

/// Encoded properties of an event that the application recorded.
#[derive(Clone, Copy)]
pub(crate) struct RecordedProperties<'a> {
    count: usize,
    members: Decoder<'a>,
}

impl<'a> RecordedProperties<'a> {
    /// Creates an empty set, followed by the rest of `decoder`.
    pub(crate) fn empty(decoder: Decoder<'a>) -> Self {
        Self {
            count: 0,
            members: decoder,
        }
    }

    /// Reads the start of an object. `None` if the next value is none.
    pub(crate) fn decode(mut decoder: Decoder<'a>) -> Option<Self> {
        let is_object = decoder.byte()? == b'o';
        let count = decoder.len().filter(|_| is_object)?;
        Some(Self {
            count,
            members: decoder,
        })
    }

    /// Reads the next member.
    #[inline(always)]
    fn next(&mut self) -> Option<(&'a [u8], ValueRef<'a>)> {
        self.count = self.count.checked_sub(1)?;
        Some((self.members.name()?, self.members.read()?))
    }

    /// Returns whether there is a member `name`.
    fn has(mut self, name: &[u8]) -> bool {
        std::iter::from_fn(|| self.next()).any(|(key, _)| key == name)
    }
}

/// Writes an event at the end of `json`. Returns the partition key, and a decoder after the
/// properties of the application. `None` if the event is not plain: the caller must then truncate
/// `json`.
pub(crate) fn write<'a>(
    json: &mut Vec<u8>,
    name: &[u8],
    recorded: RecordedProperties<'a>,
    state: &State,
    request: &RequestProperties<'_>,
    template: &EventTemplate<'_>,
    insert_id: impl FnOnce() -> String,
) -> Option<(u64, Decoder<'a>)> {
    if request.omitted.has_any_source() {
        return None;
    }
    if !is_short(name)
        || !is_short(template.opening)
        || state.is_timing()
        || request.may_have_campaign()
    {
        return None;
    }
    let start = json.len();
    let mut writer = EventWriter { json, count: 1 };
    writer.json.extend_from_slice(b"{\"event\":");
    writer.quoted(name);
    writer.json.extend_from_slice(template.opening);
    let (overrides, rest) = writer.write_recorded(recorded)?;
    let id = writer.write_identity(recorded, overrides, state)?;
    if !overrides.has_time
        && let Some(time) = timestamp_ms(template.envelope_id)
    {
        writer.json.extend_from_slice(b",\"time\":");
        writer.count += 1;
        writer.serialize(&time)?;
    }
    if !overrides.has_insert_id {
        writer.text(",\"$insert_id\":", insert_id().as_bytes())?;
    }
    writer.json.extend_from_slice(
        concat!(
            ",\"mp_lib\":\"mengpaneel\",\"$lib_version\":\"",
            env!("CARGO_PKG_VERSION"),
            "\""
        )
        .as_bytes(),
    );
    writer.count += 2;
    writer.write_request_properties(request)?;
    writer.json.extend_from_slice(b"}}");
    is_message_within_limits(writer.count, writer.json.len() - start)
        .then(|| (partition_key(Some(id)), rest))
}

impl<'a> Overrides<'a> {
    /// Adds a member. `None` if the event is not plain with it.
    #[inline(always)]
    fn add(&mut self, key: &[u8], value: ValueRef<'a>) -> Option<()> {
        match (key, value) {
            (b"distinct_id", ValueRef::Text(id)) if !is_placeholder(id) => {
                self.distinct_id = Some(id);
            }
            (b"$user_id", ValueRef::Text(id)) if !is_placeholder(id) => self.user_id = Some(id),
            (b"$device_id", _) => self.has_device_id = true,
            (b"time", time) if time.is_number() => self.has_time = true,
            (b"$insert_id", ValueRef::Text(id)) if is_insert_id(id) => self.has_insert_id = true,
            (
                b"distinct_id" | b"$user_id" | b"time" | b"$insert_id" | b"mp_lib"
                | b"$lib_version" | b"ip" | b"$referrer" | b"$referring_domain" | b"$current_url"
                | b"$browser" | b"$browser_version" | b"$os" | b"$device",
                _,
            ) => return None,
            _ => {}
        }
        Some(())
    }
}

/// Writer of one event.
struct EventWriter<'t> {
    json: &'t mut Vec<u8>,
    /// Number of properties so far.
    count: usize,
}

impl EventWriter<'_> {
    fn serialize(&mut self, value: &(impl Serialize + ?Sized)) -> Option<()> {
        serde_json::to_writer(&mut *self.json, value).ok()
    }

    fn quoted(&mut self, text: &[u8]) {
        bytes_as_json(text, Escape::Plain, self.json);
    }

    /// Writes a member. `key` is encoded, with a comma, quotes and a colon.
    #[inline]
    fn text(&mut self, key: &'static str, text: &[u8]) -> Option<()> {
        if !is_short(text) {
            return None;
        }
        self.json.extend_from_slice(key.as_bytes());
        self.count += 1;
        self.quoted(text);
        Some(())
    }

    /// Writes the properties of the application. Returns those that replace defaults, and a decoder
    /// after the properties.
    #[inline(always)]
    fn write_recorded<'a>(
        &mut self,
        recorded: RecordedProperties<'a>,
    ) -> Option<(Overrides<'a>, Decoder<'a>)> {
        let (start, count) = (self.json.len(), self.count);
        let (mut overrides, mut remaining, mut quotes) = (Overrides::default(), recorded, 0);
        while remaining.count > 0 {
            let (key, value) = remaining.next()?;
            if key != b"token" {
                overrides.add(key, value)?;
                quotes += self.write_unescaped(key, value)?;
            }
        }
        // Few texts need escaping, so all are checked together after writing.
        if !needs_no_escaping(self.json.get(start..)?, quotes) {
            self.json.truncate(start);
            self.count = count;
            self.write_escaped(recorded)?;
        }
        Some((overrides, remaining.members))
    }

    /// Writes a member without escaping. Returns the number of quotes.
    #[inline(always)]
    fn write_unescaped(&mut self, key: &[u8], value: ValueRef<'_>) -> Option<usize> {
        self.count += 1;
        self.json.extend_from_slice(b",\"");
        self.json.extend_from_slice(key);
        match value {
            ValueRef::Text(text) if is_short(key) && is_short(text) => {
                self.json.extend_from_slice(b"\":\"");
                self.json.extend_from_slice(text);
                self.json.push(b'"');
                Some(4)
            }
            value if is_short(key) => {
                self.json.extend_from_slice(b"\":");
                self.write_non_text(value)?;
                Some(2)
            }
            _ => None,
        }
    }

    /// Writes the properties of the application with escaping.
    #[cold]
    fn write_escaped(&mut self, mut recorded: RecordedProperties<'_>) -> Option<()> {
        while recorded.count > 0 {
            let (key, value) = recorded.next()?;
            if key != b"token" {
                self.member(key, value)?;
            }
        }
        Some(())
    }

    /// Writes a member with escaping.
    fn member(&mut self, key: &[u8], value: ValueRef<'_>) -> Option<()> {
        if !is_short(key) {
            return None;
        }
        self.count += 1;
        self.json.push(b',');
        self.quoted(key);
        self.json.push(b':');
        match value {
            ValueRef::Text(text) if is_short(text) => self.quoted(text),
            value => self.write_non_text(value)?,
        }
        Some(())
    }

    /// Writes a value that is not a text. `None` if it may exceed a limit.
    #[inline(always)]
    fn write_non_text(&mut self, value: ValueRef<'_>) -> Option<()> {
        match value {
            ValueRef::Null => self.serialize(&()),
            ValueRef::Bool(value) => self.serialize(&value),
            ValueRef::Unsigned(number) => self.serialize(&number),
            ValueRef::Negative(number) => self.serialize(&number),
            ValueRef::Float(number) => self.serialize(&number),
            ValueRef::Value(value) if is_plain(value) => self.serialize(value),
            ValueRef::Text(_) | ValueRef::Uuid(_) | ValueRef::Value(_) | ValueRef::Encoded(_) => {
                None
            }
        }
    }

    /// Writes the IDs and super properties of the user. Returns the distinct ID.
    fn write_identity<'a>(
        &mut self,
        recorded: RecordedProperties<'_>,
        overrides: Overrides<'a>,
        state: &'a State,
    ) -> Option<&'a [u8]> {
        let [user_id, distinct_id, device_id] =
            [&state.user_id, &state.distinct_id, &state.device_id]
                .map(|id| id.as_deref().map(str::as_bytes));
        let is_current = |id: &[u8]| user_id == Some(id) || distinct_id == Some(id);
        let other_user = overrides
            .user_id
            .or(overrides.distinct_id)
            .filter(|id| !id.is_empty() && !is_current(id));
        let id = other_user.or(distinct_id).unwrap_or_default();
        if overrides.distinct_id.is_none() {
            if is_placeholder(id) {
                return None;
            }
            self.text(",\"distinct_id\":", id)?;
        }
        if other_user.is_none() {
            if let Some(device_id) = device_id.filter(|_| !overrides.has_device_id) {
                self.text(",\"$device_id\":", device_id)?;
            }
            if let Some(user_id) = user_id.filter(|_| overrides.user_id.is_none()) {
                if is_placeholder(user_id) {
                    return None;
                }
                self.text(",\"$user_id\":", user_id)?;
            }
            for (key, value) in &state.super_properties {
                let key = key.as_bytes();
                if is_default_property(key) {
                    return None;
                }
                if !recorded.has(key) {
                    self.member(key, value.into())?;
                }
            }
        }
        Some(overrides.distinct_id.unwrap_or(id))
    }

    /// Writes the properties that the request adds.
    fn write_request_properties(&mut self, request: &RequestProperties<'_>) -> Option<()> {
        let texts = [
            (",\"$referrer\":", request.referrer),
            (",\"$referring_domain\":", request.referring_domain()),
            (",\"ip\":", request.ip),
            (",\"$current_url\":", request.url),
        ];
        for (key, text) in texts {
            if let Some(text) = text {
                self.text(key, text.as_bytes())?;
            }
        }
        let (count, user_agent) = request.encoded_user_agent();
        self.count += count;
        self.json.extend_from_slice(user_agent);
        Some(())
    }
}

/// Returns whether a super property has the name of a property that each event gets anyway.
fn is_default_property(key: &[u8]) -> bool {
    let mut overrides = Overrides::default();
    key == b"token" || overrides.add(key, ValueRef::Null).is_none() || overrides.has_device_id
}
