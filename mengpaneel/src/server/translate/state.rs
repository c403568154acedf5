//! The state that mixpanel-js keeps between calls: who is there, and what goes with each event.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::Said;
use crate::call::{Call, Properties};
use crate::parcel::Parcel;
use crate::server::user_agent;

/// What is known while calls are translated.
pub(super) struct State<'a> {
    pub(super) token: &'a str,
    pub(super) parcel: &'a Parcel,
    pub(super) user_id: Option<String>,
    pub(super) distinct_id: Option<String>,
    pub(super) device_id: Option<String>,
    pub(super) super_properties: Properties,
    /// Whom `alias` was called with: the browser keeps the anonymous ID for events then.
    aliased: Option<String>,
    timers: Properties,
    disabled: Disabled,
    opted_out: bool,
    /// How many messages were made, to name those that no call named.
    named: u128,
}

enum Disabled {
    Nothing,
    Everything,
    Some(Vec<String>),
}

impl<'a> State<'a> {
    pub(super) fn new(token: &'a str, parcel: &'a Parcel) -> Self {
        let browser = parcel.visitor.browser();
        Self {
            token,
            parcel,
            user_id: browser.user_id,
            distinct_id: browser.distinct_id,
            device_id: browser.device_id,
            super_properties: browser.super_properties,
            aliased: None,
            timers: browser.timers,
            disabled: Disabled::Nothing,
            opted_out: false,
            named: 0,
        }
    }

    /// Who the browser would take itself for.
    pub(super) fn current_id(&self) -> Option<&str> {
        self.user_id.as_deref().or(self.distinct_id.as_deref())
    }

    /// Whether nobody's browser stands behind the calls, so that address, browser and URL are a
    /// machine's.
    pub(super) fn is_faceless(&self) -> bool {
        self.parcel.via_server && self.parcel.visitor.is_machine()
    }

    pub(super) fn user_agent(&self) -> Option<&str> {
        self.parcel.visitor.user_agent.as_deref().filter(|_| !self.is_faceless())
    }

    /// The address that Mixpanel finds the city by.
    pub(super) fn ip(&self) -> Option<&str> {
        self.parcel.visitor.ip.as_deref().filter(|_| !self.is_faceless())
    }

    /// Whether mixpanel-js would send this event.
    pub(super) fn is_heard(&self, event: &str) -> bool {
        let enabled = match &self.disabled {
            Disabled::Nothing => true,
            Disabled::Everything => false,
            Disabled::Some(events) => !events.iter().any(|disabled| disabled == event),
        };
        let is_bot = || self.parcel.visitor.user_agent.as_deref().is_some_and(user_agent::is_bot);
        enabled && !self.opted_out && (self.parcel.via_server || !is_bot())
    }

    pub(super) fn is_opted_out(&self) -> bool {
        self.opted_out
    }

    /// When the parcel was made, in milliseconds since 1970.
    pub(super) fn made_at(&self) -> u64 {
        self.parcel.id.get_timestamp().map_or(0, |at| {
            let (seconds, nanos) = at.to_unix();
            seconds * 1_000 + u64::from(nanos / 1_000_000)
        })
    }

    /// A time before which nothing in the parcel was tracked: an `$identify` comes before the event
    /// that it is for.
    pub(super) fn begun_at(&self) -> u64 {
        let times = self.parcel.calls.iter().filter_map(|call| call.properties()?.get("time")?.as_u64());
        times.filter(|time| *time > 100_000_000_000).fold(self.made_at(), u64::min)
    }

    /// An insert ID for a message that no call gave one: the same each time this parcel is
    /// translated.
    pub(super) fn insert_id(&mut self) -> String {
        self.named += 1;
        Uuid::from_u128(self.parcel.id.as_u128().wrapping_add(self.named)).to_string()
    }

    /// Who is there from now on. Gives who was there before, where that was another.
    pub(super) fn identify(&mut self, id: &str) -> Option<String> {
        if self.current_id() == Some(id) {
            // mixpanel-js says so again on each page after an alias; once is enough.
            return None;
        }
        let before = self.distinct_id.clone();
        if self.device_id.is_none() {
            self.device_id.clone_from(&before);
        }
        self.user_id = Some(id.to_owned());
        if self.aliased.as_deref() != Some(id) || before.is_none() {
            self.aliased = None;
            self.distinct_id = Some(id.to_owned());
        }
        before.filter(|before| before != id)
    }

    /// Notes an alias. Gives whose it is, where anybody is known.
    pub(super) fn alias(&mut self, alias: &str) -> Option<String> {
        let current = self.current_id().map(str::to_owned).filter(|current| current != alias);
        self.aliased = current.is_some().then(|| alias.to_owned());
        current
    }

    pub(super) fn time_event(&mut self, event: &str, since: Option<&Value>) -> Said {
        let since = since.and_then(Value::as_u64).unwrap_or_else(|| self.made_at());
        self.timers.insert(event.to_owned(), Value::from(since));
        Ok(vec![])
    }

    /// Stops an event's clock. Gives when it was started, in milliseconds.
    pub(super) fn stop_clock(&mut self, event: &str) -> Option<f64> {
        self.timers.remove(event)?.as_f64()
    }

    pub(super) fn reset(&mut self) -> Said {
        self.user_id = None;
        self.distinct_id = None;
        self.device_id = None;
        self.aliased = None;
        self.super_properties.clear();
        self.timers.clear();
        Ok(vec![])
    }

    pub(super) fn register(&mut self, properties: &Map<String, Value>) -> Said {
        self.super_properties.extend(properties.clone());
        Ok(vec![])
    }

    /// Registers what is not there, or is there only by default.
    pub(super) fn register_once(&mut self, properties: &Map<String, Value>, default: Option<&Value>) -> Said {
        let none = Value::from("None");
        let default = default.filter(|default| !default.is_null()).unwrap_or(&none);
        for (name, value) in properties {
            let known = self.super_properties.get(name);
            if known.is_none_or(|known| known == default) {
                self.super_properties.insert(name.clone(), value.clone());
            }
        }
        Ok(vec![])
    }

    pub(super) fn unregister(&mut self, property: &str) -> Said {
        self.super_properties.remove(property);
        Ok(vec![])
    }

    pub(super) fn disable(&mut self, events: Option<&Value>) -> Said {
        match (events, &mut self.disabled) {
            (Some(Value::Array(events)), Disabled::Some(known)) => known.extend(texts(events)),
            (Some(Value::Array(events)), disabled @ Disabled::Nothing) => {
                *disabled = Disabled::Some(texts(events).collect())
            }
            (Some(Value::Array(_)), Disabled::Everything) => {}
            (_, disabled) => *disabled = Disabled::Everything,
        }
        Ok(vec![])
    }

    /// The visitor is not tracked from here on. A browser would delete the profile by default; a
    /// server deletes nothing by surprise.
    pub(super) fn opt_out(&mut self) -> Said {
        self.opted_out = true;
        Ok(vec![])
    }

    pub(super) fn forget_opt_out(&mut self) -> Said {
        self.opted_out = false;
        Ok(vec![])
    }
}

fn texts(values: &[Value]) -> impl Iterator<Item = String> + '_ {
    values.iter().filter_map(|value| value.as_str().map(str::to_owned))
}

/// The properties of a call's own, or none.
pub(super) fn own(call: &Call) -> Properties {
    call.properties().cloned().unwrap_or_default()
}
