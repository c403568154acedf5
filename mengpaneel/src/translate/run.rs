//! Translation of one envelope, call by call.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::call::json::{JsonRef, KnownNames};
use crate::call::{Call, Method, is_blank};
use crate::id::timestamp_ms;
use crate::record::envelope::codec;
use crate::record::envelope::codec::Reader;
use crate::translate::args::{
    arg, event_name, group, id_arg, into_list, optional_properties, property_names,
};
use crate::translate::message::Endpoint;
use crate::translate::outgoing::Outgoing;
use crate::translate::problems::Problems;
use crate::translate::profile::Operation;
use crate::translate::project::Project;
use crate::translate::request_properties::RequestProperties;
use crate::translate::state::State;
use crate::translate::{events, groups, limits, people};

/// Encoded call of an envelope.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallRef<'a> {
    /// Byte position in the envelope.
    pub(crate) position: usize,
    encoded: Reader<'a>,
}

impl CallRef<'_> {
    /// Decodes the call.
    pub(crate) fn decode(mut self) -> Option<Call> {
        self.encoded.call()
    }

    /// Decodes the method.
    pub(crate) fn method(mut self) -> Option<Cow<'static, Method>> {
        self.encoded.method()
    }
}

/// Translation of one envelope in progress, call by call.
pub(crate) struct TranslationRun<'a, E> {
    pub(crate) project: &'a Project,
    pub(crate) envelope_id: Uuid,
    /// Length of the encoded envelope.
    pub(crate) envelope_len: usize,
    /// Time at which the envelope was made, in milliseconds.
    pub(crate) time_ms: Option<u64>,
    pub(crate) request: RequestProperties<'a>,
    pub(crate) state: State,
    /// Profile operations that wait for `identify`, as in mixpanel-js.
    pub(crate) pending_operations: Vec<(CallRef<'a>, Operation)>,
    /// True if calls change the state, but make no messages.
    pub(crate) is_silent: bool,
    /// Buffer for the messages.
    pub(crate) text: &'a mut Vec<u8>,
    /// Receives each message, after the index of the call that runs, and before the buffer. It may
    /// clear the buffer.
    pub(crate) emit: E,
    /// Index of the call that runs.
    pub(crate) running: usize,
    /// Number of messages so far.
    pub(crate) message_count: usize,
    pub(crate) problems: Problems,
}

impl<'a, E: FnMut(usize, Outgoing, &mut Vec<u8>)> TranslationRun<'a, E> {
    /// Translates an encoded envelope. The rest of a malformed one is ignored: the worker checks
    /// records from outside of its process.
    pub(crate) fn run(
        project: &'a Project,
        (envelope_id, envelope): (Uuid, &'a [u8]),
        text: &'a mut Vec<u8>,
        emit: E,
    ) -> Problems {
        let Some((visitor, calls)) = codec::decode_header(envelope) else {
            return Problems::default();
        };
        let mut run = Self {
            project,
            envelope_id,
            envelope_len: envelope.len(),
            time_ms: timestamp_ms(envelope_id),
            request: RequestProperties::new(&visitor, &project.user_agents),
            state: State::new(&visitor),
            pending_operations: Vec::new(),
            is_silent: false,
            text,
            emit,
            running: 0,
            message_count: 0,
            problems: Problems::default(),
        };
        run.problems.is_robot = run.request.is_robot;
        let _ = run.translate_all(calls);
        run.refuse_pending_operations();
        run.problems
    }

    /// Translates the context and the calls of each mode. `None` if the encoding is malformed.
    fn translate_all(&mut self, mut calls: Reader<'a>) -> Option<()> {
        self.is_silent = true;
        for _ in 0..calls.len()? {
            self.translate_next(&mut calls)?;
        }
        self.is_silent = false;
        for _ in 0..3 {
            for _ in 0..calls.len()? {
                self.translate_next(&mut calls)?;
                self.running += 1;
            }
        }
        Some(())
    }

    /// Translates the next call. `None` if the encoding is malformed.
    fn translate_next(&mut self, calls: &mut Reader<'a>) -> Option<()> {
        let call = CallRef {
            position: self.envelope_len - calls.rest().len(),
            encoded: *calls,
        };
        let method = calls.method()?;
        let (len, names, args) = calls.args()?;
        let is_done = match (&*method, len) {
            (Method::Track, 2) => self.track_recorded(args, names, call),
            (Method::Identify, 1) => self.identify_recorded(args, call),
            _ => None,
        };
        if is_done.is_none() {
            let decoded = call.decode()?;
            if let Err(reason) = self.apply(call, &decoded) {
                self.refuse(call, reason);
            }
        }
        Some(())
    }

    /// Adds a call that cannot be sent. The envelope with a call itself reports its errors, not the
    /// one that has the call as context.
    #[cold]
    pub(crate) fn refuse(&mut self, call: CallRef<'_>, reason: String) {
        if !self.is_silent {
            let call = call.decode();
            self.problems
                .refused
                .extend(call.map(|call| (call, reason)));
        }
    }

    /// Translates a call that is decoded first.
    ///
    /// # Errors
    /// Returns the reason why the server cannot send the call.
    fn apply(&mut self, source: CallRef<'a>, call: &Call) -> Result<(), String> {
        match call.method() {
            method if method.is_track() => self.track(source, call),
            Method::Identify => {
                let id = id_arg(call, 0);
                if id.is_none() && arg(call, 0).is_some() {
                    return Err("identify requires an ID".into());
                }
                self.identify(source, id.as_deref())
            }
            Method::Alias => self.alias(source, call),
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
            Method::SetGroup | Method::AddGroup | Method::RemoveGroup => {
                self.change_groups(source, call)
            }
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
                self.people(source, operation);
                Ok(())
            }
            method if method.is_group() => {
                let (ids, operation) = groups::operation(call)?;
                self.profile(source, Endpoint::Groups, ids, &operation);
                Ok(())
            }
            method => Err(format!("{method} has an effect in a browser only")),
        }
    }

    /// Translates a `track` with a name and properties, which most calls are. `None` if the
    /// arguments are others.
    fn track_recorded(
        &mut self,
        args: JsonRef<'a>,
        names: KnownNames,
        call: CallRef<'a>,
    ) -> Option<()> {
        let mut args = args.items();
        let (name, recorded) = (args.next()?, args.last_item()?);
        if recorded.first() != b'{' || name.string()?.is_empty() {
            return None;
        }
        self.event(call, name, recorded, names);
        Some(())
    }

    /// Translates an `identify` with a text. `None` if the argument is another.
    fn identify_recorded(&mut self, args: JsonRef<'a>, call: CallRef<'a>) -> Option<()> {
        let id = args.items().last_item()?.as_text()?;
        if is_blank(&id) {
            return None;
        }
        if let Err(reason) = self.identify(call, Some(&*id)) {
            self.refuse(call, reason);
        }
        Some(())
    }

    fn track(&mut self, source: CallRef<'a>, call: &Call) -> Result<(), String> {
        let index = call.method().properties_index().unwrap_or_default();
        let mut recorded = optional_properties(call, index)?;
        let event = match call.method() {
            Method::TrackPageview => {
                let mut page = self.request.all().page.clone();
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
        self.event_of_values(source, event, &recorded);
        Ok(())
    }

    /// Identifies the user, and sends the pending profile operations.
    fn identify(&mut self, call: CallRef<'a>, id: Option<&str>) -> Result<(), String> {
        if let Some(id) = id {
            if id.starts_with("$device:") {
                return Err("an ID cannot start with $device:, the prefix of anonymous IDs".into());
            }
            limits::check_id(id)?;
        }
        let previous = self.state.identify(id);
        for (call, operation) in std::mem::take(&mut self.pending_operations) {
            self.people(call, operation);
        }
        if let (Some(id), Some(previous)) = (id, previous) {
            let properties = events::identify_properties(id, &previous);
            self.event_of_values(call, "$identify", &properties);
        }
        Ok(())
    }

    /// Makes `alias` an ID of the current user, then identifies it. If no ID is known yet, this is
    /// `identify`.
    fn alias(&mut self, source: CallRef<'a>, call: &Call) -> Result<(), String> {
        let Some(alias) = id_arg(call, 0) else {
            return Err("alias requires an ID".into());
        };
        limits::check_id(&alias)?;
        let original = id_arg(call, 1).or_else(|| self.state.distinct_id.clone());
        if let Some(original) = original.filter(|original| original != &alias) {
            self.state.alias(&alias);
            let properties = Map::from_iter([
                ("alias".to_owned(), alias.as_str().into()),
                ("distinct_id".to_owned(), original.into()),
            ]);
            self.event_of_values(source, "$create_alias", &properties);
        }
        self.identify(source, Some(&alias))
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
    fn change_groups(&mut self, source: CallRef<'a>, call: &Call) -> Result<(), String> {
        let (key, ids) = group(call)?;
        let mut properties = Map::new();
        let (operation, value) = match call.method() {
            Method::SetGroup => {
                let ids = into_list(ids.clone());
                self.state.set_group(key, &ids);
                properties.clone_from(&self.request.all().profile);
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
        properties.insert(key.to_owned(), value);
        self.people(source, (operation, properties.into()));
        Ok(())
    }

    /// Refuses the profile operations of a visitor who is not identified.
    fn refuse_pending_operations(&mut self) {
        for (call, _) in std::mem::take(&mut self.pending_operations) {
            // Groups of an anonymous visitor are not refused: they are properties of each event.
            if call.method().is_some_and(|method| method.is_people()) {
                let reason = "nobody is identified, and an anonymous visitor has no profile";
                self.refuse(call, reason.to_owned());
            }
        }
    }
}

fn consent_reason(call: &Call) -> String {
    format!(
        "{} changes a cookie of the browser, which the server cannot do here",
        call.method()
    )
}
