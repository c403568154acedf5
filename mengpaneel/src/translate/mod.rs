//! Calls into messages, as mixpanel-js would: a pure function of what was recorded.

mod agents;
pub(crate) mod args;
pub(crate) mod encoded;
pub(crate) mod event_writer;
mod events;
mod facts;
mod groups;
pub(crate) mod interpreter;
mod limits;
pub(crate) mod message;
pub(crate) mod outgoing;
#[cfg(test)]
mod parity;
mod people;
mod state;
#[cfg(test)]
mod tests;
pub(crate) mod user_agent;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::call::value::Decoder;
use crate::call::{Call, Method, Properties, is_placeholder};
use crate::translate::args::{arg, event_name, id, list, names, properties};
use crate::translate::event_writer::{EventTemplate, OwnProperties};
use crate::translate::events::FallbackMeta;
use crate::translate::facts::RequestProperties;
use crate::translate::interpreter::Translation;
use crate::translate::message::{Endpoint, Message};
use crate::translate::outgoing::{EncodedEvent, Outgoing};
use crate::translate::state::State;

/// As messages; held to be the same as what is written.
#[cfg(test)]
fn translate(token: &str, parcel: &crate::record::envelope::Envelope) -> Translation {
    let interpreter = crate::translate::interpreter::Translator::new(token.to_owned());
    let mut text = Vec::new();
    let (translation, written) = (
        interpreter.translate(parcel),
        interpreter.translate_encoded(parcel, &mut text),
    );
    encoded::agrees(&interpreter, parcel, &translation);
    assert_eq!(
        (&written.refused, &written.cut),
        (&translation.refused, &translation.cut)
    );
    assert_eq!(written.messages.len(), translation.messages.len());
    for (index, (said, message)) in written
        .messages
        .into_iter()
        .zip(&translation.messages)
        .enumerate()
    {
        match said {
            Outgoing::Message(said) => assert_eq!(&*said, message),
            Outgoing::Encoded(event) => {
                assert_eq!(
                    serde_json::from_slice::<Value>(&text[event.json]).unwrap(),
                    message.body
                );
                let owner_of = message.body["properties"]["distinct_id"].as_str();
                assert_eq!(
                    (event.index, event.partition_key),
                    (
                        index,
                        crate::translate::outgoing::partition_key(owner_of.map(str::as_bytes))
                    )
                );
            }
        }
    }
    translation
}

/// What the calls of one parcel do, one after the other.
struct TranslationRun<'a> {
    token: &'a str,
    opening: &'a [u8],
    parcel: Uuid,
    /// When the parcel was closed, in milliseconds.
    time: Option<u64>,
    facts: RequestProperties<'a>,
    state: State,
    /// Operations on a profile that wait for `identify`, as they do in mixpanel-js.
    waiting: Vec<(Call, Properties)>,
    /// Calls change the state, but make no message.
    is_silent: bool,
    /// Where plain events are written at once, if they are.
    text: Option<&'a mut Vec<u8>>,
    done: Translation<Outgoing>,
}

impl TranslationRun<'_> {
    fn apply(&mut self, call: &Call) -> Result<(), String> {
        match call.method() {
            method if method.is_track() => self.track(call),
            Method::Identify => self.identify(call, arg(call, 0).is_some()),
            Method::Alias => self.alias(call),
            Method::Reset => {
                self.reject_pending();
                self.state.reset();
                Ok(())
            }
            Method::TimeEvent => {
                let event = event_name(call)?;
                let parcel = self.time.map(Value::from);
                let at = events::milliseconds(arg(call, 1).or(parcel.as_ref()));
                self.state.start_timer(event, at);
                Ok(())
            }
            Method::Register | Method::RegisterOnce | Method::Unregister => self.register(call),
            Method::SetGroup | Method::AddGroup | Method::RemoveGroup => self.membership(call),
            Method::Disable => {
                self.state.disable(arg(call, 0).and_then(Value::as_array));
                Ok(())
            }
            Method::OptOutTracking => {
                self.state.opted_out = true;
                Err(consent(call))
            }
            Method::OptInTracking | Method::ClearOptInOutTracking => {
                self.state.opted_out = false;
                Err(consent(call))
            }
            method if method.is_people() => {
                let operation = people::operation(call, &self.facts, self.time)?;
                self.people(call, operation);
                Ok(())
            }
            method if method.is_group() => {
                let record = groups::record(call, self.token, self.time)?;
                self.send(Endpoint::Groups, record, call);
                Ok(())
            }
            method => Err(format!("{method} means something in a browser only")),
        }
    }

    fn track(&mut self, call: &Call) -> Result<(), String> {
        if let Some(event) = self.try_fast_path(call) {
            self.done.messages.push(Outgoing::Encoded(event));
            return Ok(());
        }
        let mut own = properties(call)?;
        let event = match call.method() {
            Method::TrackPageview => {
                let mut page = self.facts.page().clone();
                page.extend(own);
                own = page;
                arg(call, 1)
                    .and_then(|options| options.get("event_name")?.as_str())
                    .unwrap_or("$mp_web_page_view")
            }
            _ => event_name(call)?,
        };
        if call.method() == &Method::TrackWithGroups
            && let Some(Value::Object(groups)) = arg(call, 2)
        {
            let groups = groups.iter().filter(|(_, ids)| !ids.is_null());
            own.extend(groups.map(|(key, ids)| (key.clone(), ids.clone())));
        }
        self.event(call, event, own);
        Ok(())
    }

    fn identify(&mut self, call: &Call, has_id: bool) -> Result<(), String> {
        let id = id(call, 0);
        if has_id && id.is_none() {
            return Err(format!("{} takes an ID", call.method()));
        }
        if id.as_ref().is_some_and(|id| id.starts_with("$device:")) {
            return Err("an ID cannot start with $device:, which marks the anonymous".into());
        }
        if let Some(id) = id.as_ref().filter(|id| is_placeholder(id.as_bytes())) {
            return Err(limits::placeholder(id));
        }
        let previous = self.state.identify(id.as_deref());
        for (call, operation) in std::mem::take(&mut self.waiting) {
            self.people(&call, operation);
        }
        if let (Some(id), Some(previous)) = (id, previous) {
            self.event(call, "$identify", events::identified(&id, &previous));
        }
        Ok(())
    }

    /// Gives who is there another name, then identifies them by it. Where nobody is known there is
    /// nothing to give a name to: what remains is who it is.
    fn alias(&mut self, call: &Call) -> Result<(), String> {
        let Some(alias) = id(call, 0) else {
            return Err("alias takes an ID".into());
        };
        if is_placeholder(alias.as_bytes()) {
            return Err(limits::placeholder(&alias));
        }
        let original = id(call, 1).or_else(|| self.state.distinct_id.clone());
        if let Some(original) = original.filter(|original| original != &alias) {
            self.state.alias(&alias);
            let own = Map::from_iter([
                ("alias".to_owned(), alias.into()),
                ("distinct_id".to_owned(), original.into()),
            ]);
            self.event(call, "$create_alias", own);
        }
        self.identify(call, true)
    }

    fn register(&mut self, call: &Call) -> Result<(), String> {
        if call.method() == &Method::Unregister {
            for name in names(call, 0)?.iter().filter_map(Value::as_str) {
                self.state.unregister(name);
            }
            return Ok(());
        }
        let Some(properties) = call.properties() else {
            return Err(format!("{} takes an object of properties", call.method()));
        };
        if call.method() == &Method::Register {
            self.state.register(properties);
        } else {
            let default = arg(call, 1).cloned().unwrap_or_else(|| "None".into());
            self.state.register_once(properties, &default);
        }
        Ok(())
    }

    /// The visitor's groups, which go with each event, and into their profile if there is one.
    fn membership(&mut self, call: &Call) -> Result<(), String> {
        let (Some(Value::String(key)), Some(ids)) = (arg(call, 0), arg(call, 1)) else {
            return Err(format!(
                "{} takes the key and the ID of a group",
                call.method()
            ));
        };
        let mut properties = Map::new();
        let (operation, value) = match call.method() {
            Method::SetGroup => {
                let ids = list(ids.clone());
                self.state.set_group(key, &ids);
                properties.clone_from(self.facts.profile());
                ("$set", json!(ids))
            }
            Method::AddGroup => {
                self.state.add_group(key, ids);
                ("$union", json!([ids]))
            }
            _ => {
                self.state.remove_group(key, ids);
                ("$remove", ids.clone())
            }
        };
        properties.insert(key.clone(), value);
        let operation = Map::from_iter([(operation.to_owned(), properties.into())]);
        self.people(call, operation);
        Ok(())
    }

    /// An event that needs no look, as it is said.
    fn try_fast_path(&mut self, call: &Call) -> Option<EncodedEvent> {
        let name = event_name(call).ok()?;
        let own = match (call.method(), call.as_encoded().decoder_at(1)) {
            (Method::Track, Some(own)) => OwnProperties::of(own)?,
            (Method::Track, None) => OwnProperties::none(Decoder::new(&[])),
            _ => return None,
        };
        if self.is_silent
            || self.state.opted_out
            || self.facts.is_robot
            || self.state.is_disabled(name)
        {
            return None;
        }
        let (parcel, index) = (self.parcel, self.done.messages.len());
        let common = EventTemplate {
            opening: self.opening,
            parcel: self.parcel,
        };
        let text = self.text.as_deref_mut()?;
        let start = text.len();
        let written = event_writer::write(
            text,
            name.as_bytes(),
            own,
            &self.state,
            &self.facts,
            &common,
            || insert_id(parcel, index),
        );
        if written.is_none() {
            text.truncate(start);
        }
        Some(EncodedEvent {
            json: start..text.len(),
            partition_key: written?.0,
            index,
        })
    }

    fn event(&mut self, call: &Call, name: &str, own: Properties) {
        if self.facts.is_robot || self.state.is_disabled(name) {
            self.done.ignored += usize::from(self.facts.is_robot && !self.is_silent);
            return;
        }
        let insert_id = insert_id(self.parcel, self.done.messages.len());
        let stamp = FallbackMeta {
            token: self.token,
            insert_id: &insert_id,
            time: self.time,
        };
        let record = events::event(name, own, &mut self.state, &self.facts, stamp);
        self.send(Endpoint::Events, record, call);
    }

    fn people(&mut self, call: &Call, operation: Properties) {
        if self.is_silent {
            return;
        }
        if !self.state.has_profile() {
            self.waiting.push((call.clone(), operation));
            return;
        }
        let (state, facts) = (&self.state, &self.facts);
        if let Some(record) = people::record(operation, state, facts, self.token, self.time) {
            self.send(Endpoint::People, record, call);
        }
    }

    fn send(&mut self, endpoint: Endpoint, mut body: Value, call: &Call) {
        if self.is_silent || self.state.opted_out {
            return;
        }
        match limits::truncate(
            endpoint,
            &mut body,
            call.properties(),
            &self.facts,
            self.time,
        ) {
            Ok(cut) => {
                self.done
                    .cut
                    .extend(limits::summary(&cut).map(|what| (call.clone(), what)));
                let message = Message {
                    endpoint,
                    body,
                    call: call.clone(),
                };
                self.done
                    .messages
                    .push(Outgoing::Message(Box::new(message)));
            }
            Err(why) => self.done.refused.push((call.clone(), why)),
        }
    }

    fn reject_pending(&mut self) {
        for (call, _) in std::mem::take(&mut self.waiting) {
            // The groups of the anonymous are in force all the same: they go with each event.
            if call.method().is_people() {
                let reason = "nobody is identified, and the anonymous have no profile";
                self.done.refused.push((call, reason.to_owned()));
            }
        }
    }
}

/// Of an event that was not stamped: the same each time its parcel is translated.
fn insert_id(parcel: Uuid, index: usize) -> String {
    format!("{:x}{:04x}", parcel.simple(), index & 0xffff)
}

fn consent(call: &Call) -> String {
    format!(
        "{} is kept by the visitor's browser, out of a server's reach",
        call.method()
    )
}
