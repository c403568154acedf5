//! Job for the worker of the original gem.
//!
//! The worker (mengpaneel 0.0.2 with mixpanel-ruby 2.3) runs the calls in their order. It knows
//! only users that an `identify` among the calls identified: neither mixpanel-js's cookie nor
//! Mixpanel's limits. Therefore an envelope is translated here as well. It becomes a job only if
//! the worker would send the same messages under the same IDs.

use std::time::Duration;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::call::json::Scalar;
use crate::call::{Call, Calls, Method, Mode};
use crate::record::envelope::Envelope;
use crate::settings::js_options::OmittedProperties;
use crate::translate::message::{Endpoint, Message};
use crate::translate::translator::Translator;

/// Class of the gem's worker.
const CLASS: &str = "Mengpaneel::Strategy::AsyncServerSide::Worker";

/// Maximum nesting of JSON that Ruby's parser reads by default. Sidekiq moves a deeper job to its
/// dead jobs.
///
/// <https://docs.ruby-lang.org/en/3.3/JSON.html>, `max_nesting`.
const MAX_NESTING: usize = 100;

/// Encodes an envelope as the JSON of a job.
///
/// # Errors
/// The reason why the gem's worker cannot deliver the envelope.
pub(crate) fn encode(
    envelope: &Envelope,
    queue: &str,
    now_ms: u64,
    translator: &Translator,
) -> Result<String, String> {
    let omitted = envelope
        .visitor
        .omitted
        .as_deref()
        .map(OmittedProperties::from_text)
        .unwrap_or_default();
    if envelope
        .calls
        .iter()
        .chain(&envelope.context)
        .filter_map(Call::properties)
        .any(|properties| omitted.has_any(properties))
    {
        return Err("the gem's worker would send a property of `property_blacklist`".to_owned());
    }
    let calls = job_calls(envelope, now_ms, translator)?;
    let ip = (!envelope.via_server || !envelope.visitor.is_server_to_server())
        .then_some(envelope.visitor.ip.as_deref())
        .flatten();
    // Seconds as a float: Sidekiq 8 writes integer milliseconds, but reads a float as seconds, as
    // Sidekiq 6 and 7 do (https://github.com/sidekiq/sidekiq/pull/6564).
    let now = Duration::from_millis(now_ms).as_secs_f64();
    let job = json!({
        "class": CLASS,
        "queue": queue,
        "retry": true,
        "args": [calls, ip],
        "jid": job_id(),
        "created_at": now,
        "enqueued_at": now,
    });
    let depth = nesting(&job);
    if depth > MAX_NESTING {
        return Err(format!(
            "the job has {depth} levels of nesting, and Ruby's JSON parser reads {MAX_NESTING}"
        ));
    }
    Ok(job.to_string())
}

/// Generates a job ID: 24 random hexadecimal digits, like Sidekiq's `SecureRandom.hex(12)`.
fn job_id() -> String {
    let id = Uuid::new_v4().simple().to_string();
    // The digits 12 and 16 are the version and variant of the UUID.
    [id.get(..12), id.get(20..)].into_iter().flatten().collect()
}

/// Returns calls for which the worker sends the same messages as this process.
fn job_calls(envelope: &Envelope, now_ms: u64, translator: &Translator) -> Result<Calls, String> {
    if envelope.calls.tracking.is_empty() {
        return Err("the gem's worker does nothing without a call in tracking mode".into());
    }
    let translated = translator.translate_by_call(envelope);
    let problems = translated.problems;
    if problems.is_robot && envelope.calls.iter().any(|call| call.method().is_track()) {
        return Err(
            "mixpanel-js sends no events of this browser, which is a bot, and the gem's worker would"
                .into(),
        );
    }
    if let Some((call, reason)) = problems.refused.first().or(problems.truncated.first()) {
        return Err(format!(
            "the gem's worker would send {} unchanged: {reason}",
            call.method()
        ));
    }
    let mut events = translated
        .messages
        .iter()
        .flatten()
        .filter(|message| message.endpoint == Endpoint::Events);
    if events.any(|event| is_too_old(event, now_ms)) {
        return Err(
            "an event is too old for `/track`, by which the gem's worker sends: `/track` drops it silently"
                .into(),
        );
    }
    let mut job_calls = JobCalls::default();
    let first_mode = if envelope.calls.before_setup.is_empty() {
        Mode::Setup
    } else {
        Mode::BeforeSetup
    };
    for call in &envelope.context {
        job_calls.add_context(call, first_mode)?;
    }
    let mut messages = translated.messages.into_iter();
    for mode in [Mode::BeforeSetup, Mode::Setup, Mode::Tracking] {
        for call in envelope.calls.mode(mode) {
            job_calls.add(call, messages.next().unwrap_or_default(), mode)?;
        }
    }
    if job_calls.calls.tracking.is_empty() {
        return Err(
            "no call in tracking mode has a message, and the gem's worker does nothing without one"
                .into(),
        );
    }
    Ok(job_calls.calls)
}

/// Maximum age of an event in a job: four days.
///
/// The worker sends by `/track`, which drops events older than five days; `/import` accepts them.
/// One day remains for the job to wait in its queue.
/// <https://docs.mixpanel.com/reference/track-event>
const MAX_EVENT_AGE: Duration = Duration::from_secs(4 * 24 * 60 * 60);

fn is_too_old(event: &Message, now_ms: u64) -> bool {
    let time = event
        .body
        .get("properties")
        .and_then(|properties| properties.get("time")?.as_f64());
    // A time below 1e11 is in seconds, otherwise in milliseconds.
    let time = time.map(|time| if time < 1e11 { time } else { time / 1_000.0 });
    let now = Duration::from_millis(now_ms).as_secs_f64();
    time.is_some_and(|time| now - time > MAX_EVENT_AGE.as_secs_f64())
}

/// Calls for the worker, and the user that they have identified so far.
#[derive(Default)]
struct JobCalls {
    calls: Calls,
    identity: Option<String>,
}

impl JobCalls {
    /// Adds a call that is in effect, but whose messages are delivered elsewhere.
    fn add_context(&mut self, call: &Call, mode: Mode) -> Result<(), String> {
        let method = call.method();
        if method.is_track() || method.is_people() || method.is_group() {
            return Ok(());
        }
        self.add(call, Vec::new(), mode)
    }

    /// Adds the calls for the messages of a call.
    fn add(&mut self, call: &Call, messages: Vec<Message>, mode: Mode) -> Result<(), String> {
        if let Some(objection) = objection(call) {
            return Err(format!("the gem's worker {objection}: {}", call.method()));
        }
        match call.method() {
            Method::Identify => self.identify(call.clone(), mode),
            Method::Register | Method::Unregister | Method::Disable => {
                self.push(call.clone(), mode);
            }
            _ => {}
        }
        for message in messages {
            match message.endpoint {
                Endpoint::Events => self.add_event(&message, mode)?,
                Endpoint::People => self.add_profile(message, mode),
                Endpoint::Groups => return Err("the gem's worker does not support groups".into()),
            }
        }
        Ok(())
    }

    fn add_event(&mut self, message: &Message, mode: Mode) -> Result<(), String> {
        let Some(Value::Object(properties)) = message.body.get("properties") else {
            return Err("an event has no properties".into());
        };
        if !message.call.method().is_track() {
            // `$identify`: mixpanel-js sends it as an ordinary event.
            let name = message.body.get("event").cloned().unwrap_or_default();
            let properties: Map<_, _> = IDENTIFY_PROPERTIES
                .into_iter()
                .filter_map(|key| Some((key.to_owned(), properties.get(key)?.clone())))
                .collect();
            let args = vec![name, properties.into()];
            self.push(Call::new(Method::Track, args), mode);
            return Ok(());
        }
        let text = |key: &str| properties.get(key).and_then(Value::as_str);
        let mut call = message.call.clone();
        let id = text("distinct_id").unwrap_or_default();
        if id != self.identity.as_deref().unwrap_or_default() {
            call.default_properties(&[("distinct_id", Scalar::Text(id))]);
        }
        if let Some(device) = text("$device_id") {
            call.default_properties(&[("$device_id", Scalar::Text(device))]);
            if let Some(user) = text("$user_id") {
                call.default_properties(&[("$user_id", Scalar::Text(user))]);
            }
        }
        self.push(call, mode);
        Ok(())
    }

    fn add_profile(&mut self, message: Message, mode: Mode) {
        if let Some(id) = message
            .body
            .get("$distinct_id")
            .filter(|id| id.as_str() != self.identity.as_deref())
        {
            // The worker's `identify` selects the profile and sends nothing.
            self.identify(Call::new(Method::Identify, vec![id.clone()]), mode);
        }
        self.push(message.call, mode);
    }

    fn identify(&mut self, call: Call, mode: Mode) {
        self.identity = call.str_arg(0).map(str::to_owned);
        self.push(call, mode);
    }

    fn push(&mut self, call: Call, mode: Mode) {
        self.calls.mode_mut(mode).push(call);
    }
}

/// Properties of `$identify`; the worker adds token, IP address and library.
const IDENTIFY_PROPERTIES: [&str; 8] = [
    "distinct_id",
    "$anon_distinct_id",
    "$identified_id",
    "$anon_id",
    "$device_id",
    "$user_id",
    "$insert_id",
    "time",
];

/// Properties that a caller can override in the worker, but not in this process.
const OVERRIDABLE: [&str; 1] = ["token"];
/// Registered properties that mixpanel-js reads as an identity, and the worker as a property.
const IDENTITY_PROPERTIES: [&str; 4] = ["token", "distinct_id", "$user_id", "$device_id"];

/// Returns the reason why the gem's worker must not run a call. `None` if it may.
///
/// The worker may raise an error, and then sends all calls before it again, 25 times. It may ignore
/// the call. A retry of the job may count the call twice.
fn objection(call: &Call) -> Option<&'static str> {
    let args = call.args();
    let has = |keys: &[&str]| {
        call.properties()
            .is_some_and(|properties| keys.iter().any(|key| properties.contains_key(*key)))
    };
    let is_supported = match call.method() {
        Method::Track if has(&OVERRIDABLE) => return Some("would send this to another project"),
        Method::Register if has(&IDENTITY_PROPERTIES) => {
            return Some("would register an ID as a property");
        }
        Method::Track => matches!(
            args,
            [Value::String(_)] | [Value::String(_), Value::Object(_)]
        ),
        Method::Identify | Method::Unregister => matches!(args, [Value::String(_)]),
        Method::Register | Method::PeopleSet | Method::PeopleSetOnce => {
            matches!(args, [Value::Object(_)])
        }
        Method::Disable => matches!(args, [Value::Array(_)]),
        Method::Alias => return Some("silently ignores this"),
        method if !method.is_idempotent() => {
            return Some("would count this again on a retry of the job");
        }
        _ => return Some("does not support this"),
    };
    (!is_supported).then_some("does not support these arguments")
}

/// Returns the maximum nesting of arrays and objects in a JSON value.
fn nesting(value: &Value) -> usize {
    let deepest_item = match value {
        Value::Array(items) => items.iter().map(nesting).max(),
        Value::Object(fields) => fields.values().map(nesting).max(),
        _ => return 0,
    };
    deepest_item.unwrap_or(0) + 1
}

#[cfg(test)]
mod tests;
