//! Plain events: nothing of them is past a limit, and nobody said twice what they have. Almost all
//! are. They are written as JSON at once, to the same effect as by way of values.

use serde::Serialize;

use super::facts::Facts;
use super::limits::{is_insert_id, is_placeholder, is_plain, is_short, is_taken};
use super::state::State;
use crate::server::said::owner;
use crate::written::{Seen, Style, text_as_json};

/// What every event of a parcel has.
pub(super) struct Common<'a> {
    pub(super) token: &'a str,
    /// Milliseconds since 1970.
    pub(super) time: Option<u64>,
}

/// The members that an event has from elsewhere, of those that it brings itself.
#[derive(Clone, Copy, Default)]
struct Brought(u8);

const DISTINCT_ID: Brought = Brought(1);
const USER_ID: Brought = Brought(2);
const DEVICE_ID: Brought = Brought(4);
const TIME: Brought = Brought(8);
const INSERT_ID: Brought = Brought(16);

/// Writes an event at the end of `text`, if it is plain; gives whose it is. Where it is not, what was
/// written of it is to be taken away.
pub(super) fn write(
    text: &mut Vec<u8>,
    name: &str,
    own: &[(&str, Seen<'_>)],
    state: &State,
    facts: &Facts<'_>,
    common: &Common<'_>,
    insert_id: impl FnOnce() -> String,
) -> Option<u64> {
    if !is_short(name) || !is_short(common.token) || state.is_timing() || facts.may_have_campaign() {
        return None;
    }
    let start = text.len();
    let mut record = Record { json: text, count: 0 };
    record.json.extend_from_slice(b"{\"event\":");
    record.quoted(name);
    record.json.extend_from_slice(b",\"properties\":{\"token\":");
    record.quoted(common.token);
    record.count += 1;
    let mut brought = Brought::default();
    for (key, value) in own {
        if *key != "token" {
            brought = brought.with(key, *value)?;
            record.own(key, *value)?;
        }
    }
    let id = record.identity(own, brought, state)?;
    if !brought.has(TIME)
        && let Some(time) = common.time
    {
        record.member("\"time\"", &time)?;
    }
    if !brought.has(INSERT_ID) {
        record.text("\"$insert_id\"", &insert_id())?;
    }
    record.json.extend_from_slice(
        concat!(",\"mp_lib\":\"mengpaneel\",\"$lib_version\":\"", env!("CARGO_PKG_VERSION"), "\"").as_bytes(),
    );
    record.count += 2;
    record.facts(facts)?;
    record.json.extend_from_slice(b"}}");
    is_taken(record.count, record.json.len() - start).then(|| owner(Some(id)))
}

impl Brought {
    fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// With this member; `None` where it needs a look.
    fn with(self, key: &str, value: Seen<'_>) -> Option<Self> {
        let is_id = || value.as_text().is_some_and(|text| !is_placeholder(text));
        let one = match key {
            "distinct_id" if is_id() => DISTINCT_ID,
            "$user_id" if is_id() => USER_ID,
            "$device_id" => DEVICE_ID,
            "time" if value.is_number() => TIME,
            "$insert_id" if value.as_text().is_some_and(is_insert_id) => INSERT_ID,
            "distinct_id" | "$user_id" | "time" | "$insert_id" | "mp_lib" | "$lib_version" | "ip" | "$referrer"
            | "$referring_domain" | "$current_url" | "$browser" | "$browser_version" | "$os" | "$device" => {
                return None;
            }
            _ => Self(0),
        };
        Some(Self(self.0 | one.0))
    }
}

/// A record that is being written.
struct Record<'t> {
    json: &'t mut Vec<u8>,
    /// How many properties it has.
    count: usize,
}

impl Record<'_> {
    fn value(&mut self, value: &(impl Serialize + ?Sized)) -> Option<()> {
        serde_json::to_writer(&mut *self.json, value).ok()
    }

    fn quoted(&mut self, text: &str) {
        text_as_json(text, Style::Plain, self.json);
    }

    /// A member whose key stands written, with its quotes.
    fn member(&mut self, key: &'static str, value: &impl Serialize) -> Option<()> {
        self.json.push(b',');
        self.json.extend_from_slice(key.as_bytes());
        self.json.push(b':');
        self.count += 1;
        self.value(value)
    }

    fn text(&mut self, key: &'static str, text: &str) -> Option<()> {
        if !is_short(text) {
            return None;
        }
        self.json.push(b',');
        self.json.extend_from_slice(key.as_bytes());
        self.json.push(b':');
        self.count += 1;
        self.quoted(text);
        Some(())
    }

    /// What the application says.
    fn own(&mut self, key: &str, value: Seen<'_>) -> Option<()> {
        let is_plain = is_short(key)
            && match value {
                Seen::Text(text) => is_short(text),
                Seen::Value(value) => is_plain(value),
                Seen::Nested(_) => false,
                _ => true,
            };
        if !is_plain {
            return None;
        }
        self.json.push(b',');
        self.quoted(key);
        self.json.push(b':');
        self.count += 1;
        match value {
            Seen::Null => self.value(&())?,
            Seen::Bool(truth) => self.value(&truth)?,
            Seen::Natural(number) => self.value(&number)?,
            Seen::Integer(number) => self.value(&number)?,
            Seen::Float(number) => self.value(&number)?,
            Seen::Text(text) => self.quoted(text),
            Seen::Value(value) => self.value(value)?,
            Seen::Nested(_) => return None,
        }
        Some(())
    }

    /// Who it is, and what goes with each event of theirs. Gives the distinct ID.
    fn identity<'a>(&mut self, own: &[(&str, Seen<'a>)], brought: Brought, state: &'a State) -> Option<&'a str> {
        let said = |key| own.iter().find(|(name, _)| *name == key).and_then(|(_, value)| value.as_text());
        let user = if brought.has(USER_ID) { said("$user_id") } else { None };
        let distinct = if brought.has(DISTINCT_ID) { said("distinct_id") } else { None };
        let is_known = |id: &str| [&state.user_id, &state.distinct_id].iter().any(|known| known.as_deref() == Some(id));
        let somebody_else = user.or(distinct).filter(|id| !id.is_empty() && !is_known(id));
        let id = somebody_else.or(state.distinct_id.as_deref()).unwrap_or_default();
        if distinct.is_none() {
            if is_placeholder(id) {
                return None;
            }
            self.text("\"distinct_id\"", id)?;
        }
        if somebody_else.is_none() {
            if let Some(device) = state.device_id.as_deref().filter(|_| !brought.has(DEVICE_ID)) {
                self.text("\"$device_id\"", device)?;
            }
            if let Some(user) = state.user_id.as_deref().filter(|_| !brought.has(USER_ID)) {
                if is_placeholder(user) {
                    return None;
                }
                self.text("\"$user_id\"", user)?;
            }
            for (key, value) in &state.super_properties {
                if is_added_elsewhere(key) {
                    return None;
                }
                if own.iter().all(|(name, _)| name != key) {
                    self.own(key, value.into())?;
                }
            }
        }
        Some(distinct.unwrap_or(id))
    }

    /// What the request adds.
    fn facts(&mut self, facts: &Facts<'_>) -> Option<()> {
        let texts = [
            ("\"$referrer\"", facts.referrer),
            ("\"$referring_domain\"", facts.referring_domain()),
            ("\"ip\"", facts.ip),
            ("\"$current_url\"", facts.url),
        ];
        for (key, text) in texts {
            if let Some(text) = text {
                self.text(key, text)?;
            }
        }
        let (count, agent) = facts.written_agent();
        self.count += count;
        self.json.extend_from_slice(agent);
        Some(())
    }
}

/// Whether a super property has the name of something that stands in each event anyway.
fn is_added_elsewhere(key: &str) -> bool {
    key == "token" || Brought::default().with(key, Seen::Null).is_none_or(|brought| brought.has(DEVICE_ID))
}
