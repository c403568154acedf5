//! Plain events: nothing of them is past a limit, and nobody said twice what they have. Almost all
//! are. They are written as JSON at once, to the same effect as by way of values.

#![expect(
    clippy::inline_always,
    reason = "what a function answers is copied through memory where it is called"
)]

use serde::Serialize;
use uuid::Uuid;

use crate::call::is_placeholder;
use crate::call::value::{Decoder, Escape, ValueRef, bytes_as_json, needs_no_escaping};
use crate::id::timestamp_ms;
use crate::translate::facts::RequestProperties;
use crate::translate::limits::{is_accepted_key, is_insert_id, is_plain, is_short};
use crate::translate::outgoing::partition_key;
use crate::translate::state::State;

/// What begins the properties of every event: the token.
pub(crate) fn opening(token: &str) -> Vec<u8> {
    let mut opening = b",\"properties\":{\"token\":".to_vec();
    bytes_as_json(token.as_bytes(), Escape::Plain, &mut opening);
    opening
}

/// What every event of a parcel has.
pub(crate) struct EventTemplate<'a> {
    /// Of this token.
    pub(crate) opening: &'a [u8],
    /// The parcel's name, which tells when it was closed.
    pub(crate) parcel: Uuid,
}

/// The members that an event has from elsewhere, of those that it brings itself.
#[derive(Clone, Copy, Default)]
struct Overrides<'a> {
    user: Option<&'a [u8]>,
    distinct: Option<&'a [u8]>,
    device: bool,
    time: bool,
    insert_id: bool,
}

/// What the application says of an event: so many members, as they are written.
#[derive(Clone, Copy)]
pub(crate) struct OwnProperties<'a> {
    count: usize,
    members: Decoder<'a>,
}

impl<'a> OwnProperties<'a> {
    /// Nothing, before what follows.
    pub(crate) fn none(reader: Decoder<'a>) -> Self {
        Self {
            count: 0,
            members: reader,
        }
    }

    /// Of the object that follows; `None` where something else does.
    pub(crate) fn of(mut reader: Decoder<'a>) -> Option<Self> {
        let is_object = reader.byte()? == b'o';
        let count = reader.len().filter(|_| is_object)?;
        Some(Self {
            count,
            members: reader,
        })
    }

    /// The next member, and its value.
    #[inline(always)]
    fn next(&mut self) -> Option<(&'a [u8], ValueRef<'a>)> {
        self.count = self.count.checked_sub(1)?;
        Some((self.members.name()?, self.members.read()?))
    }

    /// Whether there is one of that name.
    fn has(mut self, name: &[u8]) -> bool {
        std::iter::from_fn(|| self.next()).any(|(own, _)| own == name)
    }
}

/// Writes an event at the end of `text`, if it is plain; gives whose it is, and what follows what
/// the application says. Where it is not plain, what was written of it is to be taken away.
pub(crate) fn write<'a>(
    text: &mut Vec<u8>,
    name: &[u8],
    own: OwnProperties<'a>,
    state: &State,
    facts: &RequestProperties<'_>,
    common: &EventTemplate<'_>,
    insert_id: impl FnOnce() -> String,
) -> Option<(u64, Decoder<'a>)> {
    if facts.omitted.has_any_source() {
        return None;
    }
    if !is_short(name)
        || !is_short(common.opening)
        || state.is_timing()
        || facts.may_have_campaign()
    {
        return None;
    }
    let start = text.len();
    let mut record = EventWriter {
        json: text,
        count: 1,
    };
    record.json.extend_from_slice(b"{\"event\":");
    record.quoted(name);
    record.json.extend_from_slice(common.opening);
    let (brought, behind) = record.write_own_members(own)?;
    let id = record.write_identity(own, brought, state)?;
    if !brought.time
        && let Some(time) = timestamp_ms(common.parcel)
    {
        record.json.extend_from_slice(b",\"time\":");
        record.count += 1;
        record.value(&time)?;
    }
    if !brought.insert_id {
        record.text(",\"$insert_id\":", insert_id().as_bytes())?;
    }
    record.json.extend_from_slice(
        concat!(
            ",\"mp_lib\":\"mengpaneel\",\"$lib_version\":\"",
            env!("CARGO_PKG_VERSION"),
            "\""
        )
        .as_bytes(),
    );
    record.count += 2;
    record.write_request_properties(facts)?;
    record.json.extend_from_slice(b"}}");
    is_accepted_key(record.count, record.json.len() - start)
        .then(|| (partition_key(Some(id)), behind))
}

impl<'a> Overrides<'a> {
    /// Notes this member; `None` where it needs a look.
    #[inline(always)]
    fn record_override(&mut self, key: &[u8], value: ValueRef<'a>) -> Option<()> {
        match (key, value) {
            (b"distinct_id", ValueRef::Text(id)) if !is_placeholder(id) => self.distinct = Some(id),
            (b"$user_id", ValueRef::Text(id)) if !is_placeholder(id) => self.user = Some(id),
            (b"$device_id", _) => self.device = true,
            (b"time", time) if time.is_number() => self.time = true,
            (b"$insert_id", ValueRef::Text(id)) if is_insert_id(id) => self.insert_id = true,
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

/// A record that is being written.
struct EventWriter<'t> {
    json: &'t mut Vec<u8>,
    /// How many properties it has.
    count: usize,
}

impl EventWriter<'_> {
    fn value(&mut self, value: &(impl Serialize + ?Sized)) -> Option<()> {
        serde_json::to_writer(&mut *self.json, value).ok()
    }

    fn quoted(&mut self, text: &[u8]) {
        bytes_as_json(text, Escape::Plain, self.json);
    }

    /// A member whose key stands written: behind a comma, with its quotes and its colon.
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

    /// What the application says. Gives what of that stands elsewhere too, and what follows it.
    #[inline(always)]
    fn write_own_members<'a>(
        &mut self,
        own: OwnProperties<'a>,
    ) -> Option<(Overrides<'a>, Decoder<'a>)> {
        let (begin, count) = (self.json.len(), self.count);
        let (mut brought, mut left, mut quotes) = (Overrides::default(), own, 0);
        while left.count > 0 {
            let (key, value) = left.next()?;
            if key != b"token" {
                brought.record_override(key, value)?;
                quotes += self.write_unescaped(key, value)?;
            }
        }
        // Texts hardly ever hold anything to escape: they are looked at together, once they are
        // written.
        if !needs_no_escaping(self.json.get(begin..)?, quotes) {
            self.json.truncate(begin);
            self.count = count;
            self.escaped(own)?;
        }
        Some((brought, left.members))
    }

    /// A member as if nothing in it had to be escaped. Gives the number of its quotes.
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
                self.write_other(value)?;
                Some(2)
            }
            _ => None,
        }
    }

    /// The same, where something has to be escaped.
    #[cold]
    fn escaped(&mut self, mut own: OwnProperties<'_>) -> Option<()> {
        while own.count > 0 {
            let (key, value) = own.next()?;
            if key != b"token" {
                self.member(key, value)?;
            }
        }
        Some(())
    }

    /// A member.
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
            value => self.write_other(value)?,
        }
        Some(())
    }

    /// A value that is no text.
    #[inline(always)]
    fn write_other(&mut self, value: ValueRef<'_>) -> Option<()> {
        match value {
            ValueRef::Null => self.value(&()),
            ValueRef::Bool(truth) => self.value(&truth),
            ValueRef::Unsigned(number) => self.value(&number),
            ValueRef::Negative(number) => self.value(&number),
            ValueRef::Float(number) => self.value(&number),
            ValueRef::Value(value) if is_plain(value) => self.value(value),
            ValueRef::Text(_) | ValueRef::Uuid(_) | ValueRef::Value(_) | ValueRef::Encoded(_) => {
                None
            }
        }
    }

    /// Who it is, and what goes with each event of theirs. Gives the distinct ID.
    fn write_identity<'a>(
        &mut self,
        own: OwnProperties<'_>,
        Overrides {
            user,
            distinct,
            device,
            ..
        }: Overrides<'a>,
        state: &'a State,
    ) -> Option<&'a [u8]> {
        let [user_id, distinct_id, device_id] =
            [&state.user_id, &state.distinct_id, &state.device_id]
                .map(|id| id.as_deref().map(str::as_bytes));
        let is_known = |id: &[u8]| user_id == Some(id) || distinct_id == Some(id);
        let somebody_else = user
            .or(distinct)
            .filter(|id| !id.is_empty() && !is_known(id));
        let id = somebody_else.or(distinct_id).unwrap_or_default();
        if distinct.is_none() {
            if is_placeholder(id) {
                return None;
            }
            self.text(",\"distinct_id\":", id)?;
        }
        if somebody_else.is_none() {
            if let Some(device_id) = device_id.filter(|_| !device) {
                self.text(",\"$device_id\":", device_id)?;
            }
            if let Some(user) = user_id.filter(|_| user.is_none()) {
                if is_placeholder(user) {
                    return None;
                }
                self.text(",\"$user_id\":", user)?;
            }
            for (key, value) in &state.super_properties {
                let key = key.as_bytes();
                if is_added_elsewhere(key) {
                    return None;
                }
                if !own.has(key) {
                    self.member(key, value.into())?;
                }
            }
        }
        Some(distinct.unwrap_or(id))
    }

    /// What the request adds.
    fn write_request_properties(&mut self, facts: &RequestProperties<'_>) -> Option<()> {
        let texts = [
            (",\"$referrer\":", facts.referrer),
            (",\"$referring_domain\":", facts.referring_domain()),
            (",\"ip\":", facts.ip),
            (",\"$current_url\":", facts.url),
        ];
        for (key, text) in texts {
            if let Some(text) = text {
                self.text(key, text.as_bytes())?;
            }
        }
        let (count, agent) = facts.written_agent();
        self.count += count;
        self.json.extend_from_slice(agent);
        Some(())
    }
}

/// Whether a super property has the name of something that stands in each event anyway.
fn is_added_elsewhere(key: &[u8]) -> bool {
    let mut brought = Overrides::default();
    key == b"token" || brought.record_override(key, ValueRef::Null).is_none() || brought.device
}
