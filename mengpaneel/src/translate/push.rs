//! Messages of a translation: events and profile operations, written to its buffer.

use serde_json::Value;

use crate::call::json::{JsonRef, KnownNames, write_text, write_value};
use crate::call::{Method, Properties};
use crate::translate::event_writer::Event;
use crate::translate::message::Endpoint;
use crate::translate::outgoing::{Outgoing, partition_key};
use crate::translate::profile::{Ids, Operation};
use crate::translate::run::{CallRef, TranslationRun};
use crate::translate::{events, limits, profile};

impl<'a, E: FnMut(usize, Outgoing, &mut Vec<u8>)> TranslationRun<'a, E> {
    /// Makes an event of decoded properties.
    pub(crate) fn event_of_values(&mut self, call: CallRef<'_>, name: &str, recorded: &Properties) {
        let (mut name_json, mut json) = (Vec::new(), Vec::new());
        write_text(name, &mut name_json);
        write_value(recorded, &mut json);
        let (name, recorded) = (JsonRef::new(&name_json), JsonRef::new(&json));
        self.event(call, name, recorded, KnownNames::ALL);
    }

    /// Makes an event of a name, which is a text, and recorded properties, an object with these
    /// names.
    #[inline]
    pub(crate) fn event(
        &mut self,
        call: CallRef<'_>,
        name: JsonRef<'_>,
        recorded: JsonRef<'_>,
        names: KnownNames,
    ) {
        if self.request.is_robot || self.state.is_disabled(name) {
            self.problems.ignored += usize::from(self.request.is_robot && !self.is_silent);
            return;
        }
        let duration = if self.state.is_timing() {
            let given = recorded.member("time").and_then(JsonRef::to_value);
            let at = given.or(self.time_ms.map(Value::from));
            let at = events::milliseconds(at.as_ref());
            self.state.stop_timer(name, at)
        } else {
            None
        };
        if self.is_silent || self.state.opted_out {
            return;
        }
        let (start, mut changes) = (self.text.len(), Vec::new());
        let event = Event {
            opening: &self.project.opening,
            name,
            recorded,
            names,
            duration,
            state: &self.state,
            request: &self.request,
            time_ms: self.time_ms,
            envelope_id: self.envelope_id,
            index: self.message_count,
        };
        let partition_key = match event.write(self.text, &mut changes) {
            Ok(partition_key) => partition_key,
            Err(reason) => return self.refuse_message(call, start, reason),
        };
        let outgoing = Outgoing {
            endpoint: Endpoint::Events,
            is_idempotent: true,
            call: call.position,
            set_len: None,
            json: start..self.text.len(),
            partition_key,
        };
        self.push(call, outgoing, &changes);
    }

    /// Makes a profile operation, or lets it wait for `identify`.
    pub(crate) fn people(&mut self, call: CallRef<'a>, operation: Operation) {
        if self.is_silent {
            return;
        }
        if !self.state.has_profile() {
            self.pending_operations.push((call, operation));
            return;
        }
        // After an alias, events keep the anonymous ID, but the profile is that of the user.
        let state = &self.state;
        let id = state.user_id.as_ref().or(state.distinct_id.as_ref());
        let id = id.map_or(Value::Null, |id| id.as_str().into());
        let mut ids = vec![("$distinct_id", id)];
        let [device_id, user_id] =
            [&state.device_id, &state.user_id].map(|id| id.as_deref().map(Value::from));
        ids.extend(device_id.map(|id| ("$device_id", id)));
        ids.extend(user_id.map(|id| ("$user_id", id)));
        // Without `0`, Mixpanel would locate the visitor at the server.
        ids.push(("$ip", self.request.ip.unwrap_or("0").into()));
        self.profile(call, Endpoint::People, ids, &operation);
    }

    /// Makes an operation on a profile.
    pub(crate) fn profile(
        &mut self,
        call: CallRef<'_>,
        endpoint: Endpoint,
        mut ids: Ids,
        operation: &Operation,
    ) {
        let method = call.method();
        let (false, false, Some(method)) = (self.is_silent, self.state.opted_out, method) else {
            return;
        };
        ids.push(("$token", self.project.token.as_str().into()));
        let (start, mut changes) = (self.text.len(), Vec::new());
        let (json, request) = (&mut *self.text, &self.request);
        match profile::write(json, &mut changes, request, &ids, operation, self.time_ms) {
            Ok(len) => {
                let id = ids.first().and_then(|(_, id)| id.as_str());
                let outgoing = Outgoing {
                    endpoint,
                    is_idempotent: method.is_idempotent(),
                    call: call.position,
                    set_len: (*method == Method::PeopleSet).then_some(len),
                    json: start..self.text.len(),
                    partition_key: partition_key(id.map(str::as_bytes)),
                };
                self.push(call, outgoing, &changes);
            }
            Err(reason) => self.refuse_message(call, start, reason),
        }
    }

    /// Emits a message, and adds its changes to the problems.
    #[inline]
    fn push(&mut self, call: CallRef<'_>, outgoing: Outgoing, changes: &[String]) {
        if !changes.is_empty() {
            let summary = limits::summary(changes);
            self.problems.truncated.extend(call.decode().zip(summary));
        }
        self.message_count += 1;
        (self.emit)(self.running, outgoing, self.text);
    }

    /// Removes the text of a message that cannot be sent, and adds its call to the problems.
    #[cold]
    fn refuse_message(&mut self, call: CallRef<'_>, start: usize, reason: String) {
        self.text.truncate(start);
        self.refuse(call, reason);
    }
}
