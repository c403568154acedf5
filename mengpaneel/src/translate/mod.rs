//! Translation of calls to messages, as mixpanel-js would send them: a pure function of the
//! envelope.

pub(crate) mod args;
pub(crate) mod encoded;
pub(crate) mod event_writer;
mod events;
mod groups;
mod limits;
pub(crate) mod message;
pub(crate) mod outgoing;
#[cfg(test)]
mod parity;
mod people;
mod request_properties;
mod state;
#[cfg(test)]
mod tests;
pub(crate) mod translator;
pub(crate) mod user_agent;
mod user_agent_cache;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::call::value::Decoder;
use crate::call::{Call, Method, Properties, is_placeholder};
use crate::translate::args::{
    arg, event_name, event_properties, id_arg, into_list, property_names,
};
use crate::translate::event_writer::{EventTemplate, RecordedProperties};
use crate::translate::events::FallbackMeta;
use crate::translate::message::{Endpoint, Message};
use crate::translate::outgoing::{EncodedEvent, Outgoing};
use crate::translate::request_properties::RequestProperties;
use crate::translate::state::State;
use crate::translate::translator::Translation;

/// Translates an envelope to messages. Asserts that both fast paths give the same result.
#[cfg(test)]
fn translate(token: &str, envelope: &crate::record::envelope::Envelope) -> Translation {
    let translator = crate::translate::translator::Translator::new(token.to_owned());
    let mut text = Vec::new();
    let (translation, encoded) = (
        translator.translate(envelope),
        translator.translate_encoded(envelope, &mut text),
    );
    encoded::assert_equal_translation(&translator, envelope, &translation);
    assert_eq!(
        (&encoded.refused, &encoded.truncated),
        (&translation.refused, &translation.truncated)
    );
    assert_eq!(encoded.messages.len(), translation.messages.len());
    for (index, (outgoing, message)) in encoded
        .messages
        .into_iter()
        .zip(&translation.messages)
        .enumerate()
    {
        match outgoing {
            Outgoing::Message(outgoing) => assert_eq!(&*outgoing, message),
            Outgoing::Encoded(event) => {
                assert_eq!(
                    serde_json::from_slice::<Value>(&text[event.json]).unwrap(),
                    message.body
                );
                let distinct_id = message.body["properties"]["distinct_id"].as_str();
                assert_eq!(
                    (event.index, event.partition_key),
                    (
                        index,
                        crate::translate::outgoing::partition_key(distinct_id.map(str::as_bytes))
                    )
                );
            }
        }
    }
    translation
}

/// Translation of one envelope in progress, call by call.
struct TranslationRun<'a> {
    token: &'a str,
    opening: &'a [u8],
    envelope_id: Uuid,
    /// Time at which the envelope was made, in milliseconds.
    time_ms: Option<u64>,
    request: RequestProperties<'a>,
    state: State,
    /// Profile operations that wait for `identify`, as in mixpanel-js.
    pending_operations: Vec<(Call, Properties)>,
    /// True if calls change the state, but make no messages.
    is_silent: bool,
    /// Buffer for events on the fast path. `None` disables the fast path.
    text: Option<&'a mut Vec<u8>>,
    translation: Translation<Outgoing>,
}

impl TranslationRun<'_> {
    /// Translates a call.
    ///
    /// # Errors
    /// Returns the reason why the server cannot send the call.
    fn apply(&mut self, call: &Call) -> Result<(), String> {
        match call.method() {
            method if method.is_track() => self.track(call),
            Method::Identify => self.identify(call, arg(call, 0).is_some()),
            Method::Alias => self.alias(call),
            Method::Reset => {
                self.refuse_pending_operations();
                self.state.reset();
                Ok(())
            }
            Method::TimeEvent => {
                let event = event_name(call)?;
                let recorded = self.time_ms.map(Value::from);
                let at = events::milliseconds(arg(call, 1).or(recorded.as_ref()));
                self.state.start_timer(event, at);
                Ok(())
            }
            Method::Register | Method::RegisterOnce | Method::Unregister => self.register(call),
            Method::SetGroup | Method::AddGroup | Method::RemoveGroup => self.change_groups(call),
            Method::Disable => {
                self.state.disable(arg(call, 0).and_then(Value::as_array));
                Ok(())
            }
            Method::OptOutTracking => {
                self.state.opted_out = true;
                Err(consent_reason(call))
            }
            Method::OptInTracking | Method::ClearOptInOutTracking => {
                self.state.opted_out = false;
                Err(consent_reason(call))
            }
            method if method.is_people() => {
                let operation = people::operation(call, &self.request, self.time_ms)?;
                self.people(call, operation);
                Ok(())
            }
            method if method.is_group() => {
                let body = groups::body(call, self.token, self.time_ms)?;
                self.push_message(Endpoint::Groups, body, call);
                Ok(())
            }
            method => Err(format!("{method} has an effect in a browser only")),
        }
    }

    fn track(&mut self, call: &Call) -> Result<(), String> {
        if let Some(event) = self.try_fast_path(call) {
            self.translation.messages.push(Outgoing::Encoded(event));
            return Ok(());
        }
        let mut recorded = event_properties(call)?;
        let event = match call.method() {
            Method::TrackPageview => {
                let mut page = self.request.page().clone();
                page.extend(recorded);
                recorded = page;
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
            recorded.extend(groups.map(|(key, ids)| (key.clone(), ids.clone())));
        }
        self.event(call, event, recorded);
        Ok(())
    }

    /// Identifies the user, and sends the pending profile operations.
    fn identify(&mut self, call: &Call, has_id: bool) -> Result<(), String> {
        let id = id_arg(call, 0);
        if has_id && id.is_none() {
            return Err(format!("{} requires an ID", call.method()));
        }
        if id.as_ref().is_some_and(|id| id.starts_with("$device:")) {
            return Err("an ID cannot start with $device:, the prefix of anonymous IDs".into());
        }
        if let Some(id) = id.as_ref().filter(|id| is_placeholder(id.as_bytes())) {
            return Err(limits::placeholder_reason(id));
        }
        let previous = self.state.identify(id.as_deref());
        for (call, operation) in std::mem::take(&mut self.pending_operations) {
            self.people(&call, operation);
        }
        if let (Some(id), Some(previous)) = (id, previous) {
            self.event(
                call,
                "$identify",
                events::identify_properties(&id, &previous),
            );
        }
        Ok(())
    }

    /// Makes `alias` an ID of the current user, then identifies it. If no ID is known yet, this is
    /// `identify`.
    fn alias(&mut self, call: &Call) -> Result<(), String> {
        let Some(alias) = id_arg(call, 0) else {
            return Err("alias requires an ID".into());
        };
        if is_placeholder(alias.as_bytes()) {
            return Err(limits::placeholder_reason(&alias));
        }
        let original = id_arg(call, 1).or_else(|| self.state.distinct_id.clone());
        if let Some(original) = original.filter(|original| original != &alias) {
            self.state.alias(&alias);
            let properties = Map::from_iter([
                ("alias".to_owned(), alias.into()),
                ("distinct_id".to_owned(), original.into()),
            ]);
            self.event(call, "$create_alias", properties);
        }
        self.identify(call, true)
    }

    fn register(&mut self, call: &Call) -> Result<(), String> {
        if call.method() == &Method::Unregister {
            for name in property_names(call, 0)?.iter().filter_map(Value::as_str) {
                self.state.unregister(name);
            }
            return Ok(());
        }
        let Some(properties) = call.properties() else {
            return Err(format!(
                "{} requires an object of properties",
                call.method()
            ));
        };
        if call.method() == &Method::Register {
            self.state.register(properties);
        } else {
            let default = arg(call, 1).cloned().unwrap_or_else(|| "None".into());
            self.state.register_once(properties, &default);
        }
        Ok(())
    }

    /// Changes the groups of the user, which are properties of each event and of the profile.
    fn change_groups(&mut self, call: &Call) -> Result<(), String> {
        let (Some(Value::String(key)), Some(ids)) = (arg(call, 0), arg(call, 1)) else {
            return Err(format!(
                "{} requires the key and the ID of a group",
                call.method()
            ));
        };
        let mut properties = Map::new();
        let (operation, value) = match call.method() {
            Method::SetGroup => {
                let ids = into_list(ids.clone());
                self.state.set_group(key, &ids);
                properties.clone_from(self.request.profile());
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

    /// Encodes an event directly. `None` if the event needs the slow path, or must not be sent.
    fn try_fast_path(&mut self, call: &Call) -> Option<EncodedEvent> {
        let name = event_name(call).ok()?;
        let recorded = match (call.method(), call.as_encoded().decoder_at(1)) {
            (Method::Track, Some(recorded)) => RecordedProperties::decode(recorded)?,
            (Method::Track, None) => RecordedProperties::empty(Decoder::new(&[])),
            _ => return None,
        };
        if self.is_silent
            || self.state.opted_out
            || self.request.is_robot
            || self.state.is_disabled(name)
        {
            return None;
        }
        let (envelope_id, index) = (self.envelope_id, self.translation.messages.len());
        let template = EventTemplate {
            opening: self.opening,
            envelope_id,
        };
        let text = self.text.as_deref_mut()?;
        let start = text.len();
        let result = event_writer::write(
            text,
            name.as_bytes(),
            recorded,
            &self.state,
            &self.request,
            &template,
            || insert_id(envelope_id, index),
        );
        if result.is_none() {
            text.truncate(start);
        }
        Some(EncodedEvent {
            json: start..text.len(),
            partition_key: result?.0,
            index,
        })
    }

    /// Makes an event without the fast path.
    fn event(&mut self, call: &Call, name: &str, recorded: Properties) {
        if self.request.is_robot || self.state.is_disabled(name) {
            self.translation.ignored += usize::from(self.request.is_robot && !self.is_silent);
            return;
        }
        let insert_id = insert_id(self.envelope_id, self.translation.messages.len());
        let fallback = FallbackMeta {
            token: self.token,
            insert_id: &insert_id,
            time_ms: self.time_ms,
        };
        let body = events::event(name, recorded, &mut self.state, &self.request, fallback);
        self.push_message(Endpoint::Events, body, call);
    }

    /// Makes a profile operation, or lets it wait for `identify`.
    fn people(&mut self, call: &Call, operation: Properties) {
        if self.is_silent {
            return;
        }
        if !self.state.has_profile() {
            self.pending_operations.push((call.clone(), operation));
            return;
        }
        let (state, request) = (&self.state, &self.request);
        if let Some(body) = people::body(operation, state, request, self.token, self.time_ms) {
            self.push_message(Endpoint::People, body, call);
        }
    }

    /// Applies the limits of Mixpanel to a body, and adds its message.
    fn push_message(&mut self, endpoint: Endpoint, mut body: Value, call: &Call) {
        if self.is_silent || self.state.opted_out {
            return;
        }
        match limits::truncate(
            endpoint,
            &mut body,
            call.properties(),
            &self.request,
            self.time_ms,
        ) {
            Ok(changes) => {
                self.translation
                    .truncated
                    .extend(limits::summary(&changes).map(|summary| (call.clone(), summary)));
                let message = Message {
                    endpoint,
                    body,
                    call: call.clone(),
                };
                self.translation
                    .messages
                    .push(Outgoing::Message(Box::new(message)));
            }
            Err(reason) => self.translation.refused.push((call.clone(), reason)),
        }
    }

    fn refuse_pending_operations(&mut self) {
        for (call, _) in std::mem::take(&mut self.pending_operations) {
            // Groups of an anonymous visitor are not refused: they are properties of each event.
            if call.method().is_people() {
                let reason = "nobody is identified, and an anonymous visitor has no profile";
                self.translation.refused.push((call, reason.to_owned()));
            }
        }
    }
}

/// Returns the `$insert_id` of an event that got none when it was recorded. The ID is the same each
/// time the envelope is translated.
fn insert_id(envelope_id: Uuid, index: usize) -> String {
    format!("{:x}{:04x}", envelope_id.simple(), index & 0xffff)
}

fn consent_reason(call: &Call) -> String {
    format!(
        "{} changes a cookie of the browser, which the server cannot do here",
        call.method()
    )
}
