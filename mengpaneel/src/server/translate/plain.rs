//! Plain events: nothing of them is past a limit, and nobody said twice what they have. Almost all
//! are. They are written as JSON at once, to the same effect as by way of values.

use serde::Serialize;
use serde_json::Value;

use super::events::stranger;
use super::facts::Facts;
use super::limits::{is_insert_id, is_placeholder, is_plain, is_short, is_taken};
use super::state::State;
use crate::call::Properties;
use crate::server::said::owner;

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
    own: Option<&Properties>,
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
    record.value(name)?;
    record.json.extend_from_slice(b",\"properties\":{\"token\":");
    record.value(common.token)?;
    record.count += 1;
    let mut brought = Brought::default();
    for (key, value) in own.into_iter().flatten() {
        if key != "token" {
            brought = brought.with(key, value)?;
            record.own(key, value)?;
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
    fn with(self, key: &str, value: &Value) -> Option<Self> {
        let is_id = || value.as_str().is_some_and(|text| !is_placeholder(text));
        let one = match key {
            "distinct_id" if is_id() => DISTINCT_ID,
            "$user_id" if is_id() => USER_ID,
            "$device_id" => DEVICE_ID,
            "time" if value.is_number() => TIME,
            "$insert_id" if value.as_str().is_some_and(is_insert_id) => INSERT_ID,
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

    /// A member whose key stands written, with its quotes.
    fn member(&mut self, key: &'static str, value: &(impl Serialize + ?Sized)) -> Option<()> {
        self.json.push(b',');
        self.json.extend_from_slice(key.as_bytes());
        self.json.push(b':');
        self.count += 1;
        self.value(value)
    }

    fn text(&mut self, key: &'static str, text: &str) -> Option<()> {
        if is_short(text) { self.member(key, text) } else { None }
    }

    /// What the application says.
    fn own(&mut self, key: &str, value: &Value) -> Option<()> {
        if !is_plain(key, value) {
            return None;
        }
        self.json.push(b',');
        self.value(key)?;
        self.json.push(b':');
        self.count += 1;
        match value {
            Value::String(text) => self.value(text.as_str()),
            value => self.value(value),
        }
    }

    /// Who it is, and what goes with each event of theirs. Gives the distinct ID.
    fn identity<'a>(&mut self, own: Option<&'a Properties>, brought: Brought, state: &'a State) -> Option<&'a str> {
        let said = |key| own.and_then(|own| own.get(key)?.as_str());
        let somebody_else =
            own.filter(|_| brought.has(USER_ID) || brought.has(DISTINCT_ID)).and_then(|own| stranger(own, state));
        let id = if somebody_else.is_some() {
            said("$user_id").or(said("distinct_id"))?
        } else {
            state.distinct_id.as_deref().unwrap_or_default()
        };
        if !brought.has(DISTINCT_ID) {
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
                if own.is_none_or(|own| !own.contains_key(key)) {
                    self.own(key, value)?;
                }
            }
        }
        if brought.has(DISTINCT_ID) { said("distinct_id") } else { Some(id) }
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
    key == "token" || Brought::default().with(key, &Value::Null).is_none_or(|brought| brought.has(DEVICE_ID))
}
