//! State of mixpanel-js between calls: identity, super properties, timers and disabled events.

use serde_json::{Map, Value, json};

use crate::call::json::JsonRef;
use crate::call::{Properties, id_string};
use crate::record::envelope::codec::VisitorRef;
use crate::record::visitor::Browser;
use crate::settings::js_options::OmittedProperties;

/// State of mixpanel-js, initially that of the visitor's cookie.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) distinct_id: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) device_id: Option<String>,
    /// ID of the last `alias`: identifying it does not change the distinct ID.
    alias: Option<String>,
    /// True after `identify`, with or without an ID.
    is_identified: bool,
    pub(crate) super_properties: Properties,
    timers: Map<String, Value>,
    disabled: DisabledEvents,
    pub(crate) opted_out: bool,
}

#[derive(Debug, Default)]
struct DisabledEvents {
    all: bool,
    events: Vec<String>,
}

impl State {
    pub(crate) fn new(visitor: &VisitorRef<'_>) -> Self {
        let Some(cookie) = visitor.cookie else {
            return Self::default();
        };
        let mut browser = Browser::parse(cookie).unwrap_or_default();
        if let Some(omitted) = visitor.omitted {
            OmittedProperties::from_text(omitted).strip_cookie(&mut browser.super_properties);
        }
        Self {
            // After an alias, the distinct ID of the cookie stays anonymous: the user ID counts.
            distinct_id: browser.current_id().map(str::to_owned),
            user_id: browser.user_id,
            device_id: browser.device_id,
            super_properties: browser.super_properties,
            timers: browser.timers,
            ..Self::default()
        }
    }

    /// Returns whether there is a user to whom a profile belongs.
    pub(crate) fn has_profile(&self) -> bool {
        self.distinct_id.is_some() && (self.user_id.is_some() || self.is_identified)
    }

    /// Identifies the visitor as `id`. `None` only marks the present ID as identified. Returns the
    /// previous distinct ID if it changed.
    pub(crate) fn identify(&mut self, id: Option<&str>) -> Option<String> {
        self.is_identified = true;
        let id = id?;
        if self.user_id.as_deref() == Some(id) {
            return None;
        }
        let previous = self.distinct_id.clone();
        if previous.as_deref() != Some(id) {
            self.user_id = Some(id.to_owned());
        }
        if self.device_id.is_none() {
            self.device_id = previous.clone().filter(|previous| previous != id);
        }
        if self.alias.as_deref() != Some(id) || previous.is_none() {
            self.alias = None;
            self.distinct_id = Some(id.to_owned());
        }
        previous.filter(|previous| previous != id)
    }

    pub(crate) fn alias(&mut self, alias: &str) {
        self.alias = Some(alias.to_owned());
    }

    /// Clears the state. The browser generates a new device ID, which the server cannot know.
    pub(crate) fn reset(&mut self) {
        let previous = std::mem::take(self);
        self.disabled = previous.disabled;
        self.opted_out = previous.opted_out;
    }

    pub(crate) fn register(&mut self, properties: &Properties) {
        for (key, value) in properties {
            self.set(key, value.clone());
        }
    }

    /// Sets properties that are absent or have the default value.
    pub(crate) fn register_once(&mut self, properties: &Properties, default: &Value) {
        for (key, value) in properties {
            if self.get(key).is_none_or(|current| &current == default) {
                self.set(key, value.clone());
            }
        }
    }

    pub(crate) fn unregister(&mut self, key: &str) {
        match self.identity(key) {
            Some(id) => *id = None,
            None => {
                self.super_properties.remove(key);
            }
        }
    }

    /// Returns the ID that a super property sets. mixpanel-js stores the IDs among the super
    /// properties, so `register` can change them. `None` for other properties.
    fn identity(&mut self, key: &str) -> Option<&mut Option<String>> {
        match key {
            "distinct_id" => Some(&mut self.distinct_id),
            "$user_id" => Some(&mut self.user_id),
            "$device_id" => Some(&mut self.device_id),
            _ => None,
        }
    }

    fn get(&mut self, key: &str) -> Option<Value> {
        match self.identity(key) {
            Some(id) => id.clone().map(Value::from),
            None => self.super_properties.get(key).cloned(),
        }
    }

    fn set(&mut self, key: &str, value: Value) {
        match self.identity(key) {
            Some(id) => *id = id_string(&value),
            None => {
                self.super_properties.insert(key.to_owned(), value);
            }
        }
    }

    pub(crate) fn set_group(&mut self, key: &str, ids: &[Value]) {
        self.super_properties.insert(key.to_owned(), json!(ids));
    }

    pub(crate) fn add_group(&mut self, key: &str, id: &Value) {
        let mut ids = self.groups(key);
        if !ids.contains(id) {
            ids.push(id.clone());
        }
        self.set_group(key, &ids);
    }

    pub(crate) fn remove_group(&mut self, key: &str, id: &Value) {
        let mut ids = self.groups(key);
        ids.retain(|member| member != id);
        if ids.is_empty() {
            self.super_properties.remove(key);
        } else {
            self.set_group(key, &ids);
        }
    }

    fn groups(&self, key: &str) -> Vec<Value> {
        match self.super_properties.get(key) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(ids)) => ids.clone(),
            Some(id) => vec![id.clone()],
        }
    }

    /// Starts the timer of an event. `at` is in milliseconds.
    pub(crate) fn start_timer(&mut self, event: &str, at: Option<f64>) {
        self.timers.insert(event.to_owned(), json!(at));
    }

    /// Stops the timer of an event, and returns the seconds since its start. `None` if no timer
    /// runs.
    pub(crate) fn stop_timer(&mut self, event: JsonRef<'_>, at: Option<f64>) -> Option<f64> {
        let started = self.timers.remove(&*event.as_text()?)?.as_f64()?;
        let seconds = (at? - started).max(0.0) / 1000.0;
        Some((seconds * 1000.0).round() / 1000.0)
    }

    /// Returns whether any timer runs.
    pub(crate) fn is_timing(&self) -> bool {
        !self.timers.is_empty()
    }

    /// Disables the named events; `None` disables all.
    pub(crate) fn disable(&mut self, events: Option<&Vec<Value>>) {
        match events {
            None => self.disabled.all = true,
            Some(events) => {
                let names = events.iter().filter_map(Value::as_str).map(str::to_owned);
                self.disabled.events.extend(names);
            }
        }
    }

    pub(crate) fn is_disabled(&self, event: JsonRef<'_>) -> bool {
        let DisabledEvents { all, events } = &self.disabled;
        *all || (!events.is_empty()
            && event
                .as_text()
                .is_some_and(|event| events.iter().any(|name| *name == event)))
    }
}
