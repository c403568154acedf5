//! The job of the original gem's worker, and what that worker can do.
//!
//! The worker (mengpaneel 0.0.2 with mixpanel-ruby 2.3) runs the calls in their order. It knows who
//! was identified by an `identify` among them and nobody else: neither mixpanel-js's cookie nor
//! Mixpanel's limits. So a parcel is translated here as well, and becomes a job only where the
//! worker would send the same messages under the same IDs.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::call::value::ValueRef;
use crate::call::{Call, Calls, Method, Mode};
use crate::record::envelope::Envelope;
use crate::settings::js_options::Omitted;
use crate::translate::message::{Endpoint, Message};
use crate::translate::translator::Translator;

/// The class of the gem's worker.
const CLASS: &str = "Mengpaneel::Strategy::AsyncServerSide::Worker";

/// How deep Ruby's JSON parser reads, which Sidekiq uses as it is: it buries a deeper job unread.
/// <https://docs.ruby-lang.org/en/3.3/JSON.html>, `max_nesting`.
const MAX_NESTING: usize = 100;

/// A parcel as the JSON of a job, or why the gem's worker could not do it.
pub(crate) fn job(
    parcel: &Envelope,
    queue: &str,
    now_ms: u64,
    interpreter: &Translator,
) -> Result<String, String> {
    let omitted = parcel
        .visitor
        .omitted
        .as_deref()
        .map(Omitted::from_text)
        .unwrap_or_default();
    if parcel
        .calls
        .iter()
        .chain(&parcel.context)
        .filter_map(Call::properties)
        .any(|own| omitted.has_any(own))
    {
        return Err(
            "the gem's worker would send a property that property_blacklist names".to_owned(),
        );
    }
    let calls = job_calls(parcel, now_ms, interpreter)?;
    let ip = (!parcel.via_server || !parcel.visitor.is_server_to_server())
        .then_some(parcel.visitor.ip.as_deref())
        .flatten();
    // Seconds with a fraction: Sidekiq 8 writes whole milliseconds, and takes a float for seconds
    // as 6 and 7 do (https://github.com/sidekiq/sidekiq/pull/6564).
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds since 1970 are exact in a float"
    )]
    let now = now_ms as f64 / 1_000.0;
    let job = json!({
        "class": CLASS,
        "queue": queue,
        "retry": true,
        "args": [calls, ip],
        "jid": job_id(),
        "created_at": now,
        "enqueued_at": now,
    })
    .to_string();
    let depth = nesting(job.as_bytes());
    if depth > MAX_NESTING {
        return Err(format!(
            "the job would be nested {depth} deep, and Ruby reads JSON up to {MAX_NESTING} deep"
        ));
    }
    Ok(job)
}

/// A new job ID: 24 hexadecimal digits, all of them random, as `SecureRandom.hex(12)` gives
/// Sidekiq.
fn job_id() -> String {
    let id = Uuid::new_v4().simple().to_string();
    // The digits 12 and 16 tell a UUID's version and variant.
    [id.get(..12), id.get(20..)].into_iter().flatten().collect()
}

/// The calls that make the worker send what this process would send itself.
fn job_calls(parcel: &Envelope, now_ms: u64, interpreter: &Translator) -> Result<Calls, String> {
    if parcel.calls.tracking.is_empty() {
        return Err("the gem's worker does nothing where no call is in tracking mode".into());
    }
    let translated = interpreter.translate_by_call(parcel);
    if translated.is_robot && parcel.calls.iter().any(|call| call.method().is_track()) {
        return Err(
            "mixpanel-js sends no events of this browser, a bot's, and the gem's worker would"
                .into(),
        );
    }
    if let Some((call, why)) = translated.problem {
        return Err(format!(
            "the gem's worker would send {} as it is: {why}",
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
            "an event is older than the gem's worker can send by /track, which drops it in silence"
                .into(),
        );
    }
    let mut script = JobCalls::default();
    let first = if parcel.calls.before_setup.is_empty() {
        Mode::Setup
    } else {
        Mode::BeforeSetup
    };
    for call in &parcel.context {
        script.add_context(call, first)?;
    }
    let mut messages = translated.messages.into_iter();
    for mode in [Mode::BeforeSetup, Mode::Setup, Mode::Tracking] {
        for call in parcel.calls.mode(mode) {
            script.add(call, messages.next().unwrap_or_default(), mode)?;
        }
    }
    if script.calls.tracking.is_empty() {
        return Err(
            "nothing in tracking mode is left to send, and then the gem's worker does nothing"
                .into(),
        );
    }
    Ok(script.calls)
}

/// Mixpanel's `/track`, by which the worker sends, drops events that are older than five days;
/// `/import` takes them. One day less leaves the job time to wait. <https://docs.mixpanel.com/reference/track-event>
const MAX_EVENT_AGE_MS: f64 = 4.0 * 24.0 * 60.0 * 60.0 * 1_000.0;

fn is_too_old(event: &Message, now_ms: u64) -> bool {
    let time = event
        .body
        .get("properties")
        .and_then(|properties| properties.get("time")?.as_f64());
    // Seconds are told from milliseconds by their size, as everywhere.
    let time = time.map(|time| if time < 1e11 { time * 1_000.0 } else { time });
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds since 1970 are exact in a float"
    )]
    time.is_some_and(|time| now_ms as f64 - time > MAX_EVENT_AGE_MS)
}

/// Calls for the worker, and the user whom it has identified so far.
#[derive(Default)]
struct JobCalls {
    calls: Calls,
    identity: Option<String>,
}

impl JobCalls {
    /// Adds a call that is in force, but delivered elsewhere.
    fn add_context(&mut self, call: &Call, mode: Mode) -> Result<(), String> {
        let method = call.method();
        if method.is_track() || method.is_people() || method.is_group() {
            return Ok(());
        }
        self.add(call, Vec::new(), mode)
    }

    /// Adds a call and its messages.
    fn add(&mut self, call: &Call, messages: Vec<Message>, mode: Mode) -> Result<(), String> {
        if let Some(why) = objection(call) {
            return Err(format!("the gem's worker {why}: {}", call.method()));
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
                Endpoint::Groups => return Err("the gem's worker knows no groups".into()),
            }
        }
        Ok(())
    }

    fn add_event(&mut self, message: &Message, mode: Mode) -> Result<(), String> {
        let Some(Value::Object(properties)) = message.body.get("properties") else {
            return Err("an event has no properties".into());
        };
        if !message.call.method().is_track() {
            // `$identify`, which mixpanel-js sends as an event like any other.
            let name = message.body.get("event").cloned().unwrap_or_default();
            let own = IDENTIFY
                .into_iter()
                .filter_map(|key| Some((key.to_owned(), properties.get(key)?.clone())));
            self.push(
                Call::new(Method::Track, vec![name, own.collect::<Map<_, _>>().into()]),
                mode,
            );
            return Ok(());
        }
        let text = |key: &str| properties.get(key).and_then(Value::as_str);
        let mut call = message.call.clone();
        let id = text("distinct_id").unwrap_or_default();
        if id != self.identity.as_deref().unwrap_or_default() {
            call.default_properties(&[("distinct_id", ValueRef::Text(id.as_bytes()))]);
        }
        if let Some(device) = text("$device_id") {
            call.default_properties(&[("$device_id", ValueRef::Text(device.as_bytes()))]);
            if let Some(user) = text("$user_id") {
                call.default_properties(&[("$user_id", ValueRef::Text(user.as_bytes()))]);
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
            // To the worker this sets whose profile is meant, and sends nothing.
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

/// The properties of `$identify`; the worker adds token, address and library itself.
const IDENTIFY: [&str; 8] = [
    "distinct_id",
    "$anon_distinct_id",
    "$identified_id",
    "$anon_id",
    "$device_id",
    "$user_id",
    "$insert_id",
    "time",
];

/// Properties that the worker lets a caller override, where this process does not.
const OVERRIDDEN: [&str; 1] = ["token"];
/// Properties that mixpanel-js takes for an identity when registered, and the worker for a
/// property.
const REGISTERED: [&str; 4] = ["token", "distinct_id", "$user_id", "$device_id"];

/// Why the gem's worker must not get a call: it would raise (and send everything before it again,
/// 25 times), or say nothing, or a retry of the job would count it twice.
fn objection(call: &Call) -> Option<&'static str> {
    let args = call.args();
    let has = |keys: &[&str]| {
        call.properties()
            .is_some_and(|own| keys.iter().any(|key| own.contains_key(*key)))
    };
    let takes = match call.method() {
        Method::Track if has(&OVERRIDDEN) => return Some("would send this to another project"),
        Method::Register if has(&REGISTERED) => return Some("takes an ID for a property"),
        Method::Track => matches!(
            args,
            [Value::String(_)] | [Value::String(_), Value::Object(_)]
        ),
        Method::Identify | Method::Unregister => matches!(args, [Value::String(_)]),
        Method::Register | Method::PeopleSet | Method::PeopleSetOnce => {
            matches!(args, [Value::Object(_)])
        }
        Method::Disable => matches!(args, [Value::Array(_)]),
        Method::Alias => return Some("passes over this in silence"),
        method if !method.is_idempotent() => {
            return Some("would count this again when it retries a job");
        }
        _ => return Some("does not know this"),
    };
    (!takes).then_some("does not take these arguments")
}

/// How deep arrays and objects of a JSON text are nested.
fn nesting(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut is_text) = (0_usize, 0, false);
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => is_text = !is_text,
            b'\\' => drop(bytes.next()),
            _ if is_text => {}
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests;
