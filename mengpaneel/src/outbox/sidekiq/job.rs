//! The job of the original gem's worker, and what that worker can do.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::call::{Call, Calls, Method};
use crate::parcel::Parcel;
use crate::written::Seen;

/// The class of the gem's worker.
const CLASS: &str = "Mengpaneel::Strategy::AsyncServerSide::Worker";

/// A parcel as a job, or why the gem's worker could not do it.
pub(super) fn job(parcel: &Parcel, queue: &str, now_ms: u64) -> Result<Value, String> {
    let mut calls = parcel.calls.clone();
    calls.setup.splice(0..0, parcel.context.iter().filter(|call| keeps_state(call)).cloned());
    for call in calls.iter().chain(&parcel.context) {
        if let Some(why) = objection(call) {
            return Err(format!("the gem's worker {why}: {}", call.method()));
        }
    }
    name_visitor(&mut calls, parcel);
    let number = parcel.id.simple().to_string();
    let ip = (!parcel.via_server || !parcel.visitor.is_machine()).then_some(parcel.visitor.ip.as_deref()).flatten();
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are exact in a float")]
    let now = now_ms as f64 / 1_000.0;
    Ok(json!({
        "class": CLASS,
        "queue": queue,
        "retry": true,
        "args": [calls, ip],
        // Its last 24 digits are the random ones.
        "jid": number.get(8..).map_or_else(|| Uuid::new_v4().simple().to_string(), str::to_owned),
        "created_at": now,
        "enqueued_at": now,
    }))
}

/// Whether it changes what later calls say and sends nothing by itself.
fn keeps_state(call: &Call) -> bool {
    matches!(call.method(), Method::Identify | Method::Register | Method::Unregister)
}

/// Why the gem's worker must not get a call: it would raise (and send everything before it again,
/// 25 times), or say nothing, or a retry of the job would count it twice.
fn objection(call: &Call) -> Option<&'static str> {
    let args = call.args();
    let takes = match call.method() {
        Method::Track => matches!(args, [Value::String(_)] | [Value::String(_), Value::Object(_)]),
        Method::Identify | Method::Unregister => matches!(args, [Value::String(_)]),
        Method::Register | Method::PeopleSet | Method::PeopleSetOnce => matches!(args, [Value::Object(_)]),
        Method::Disable => matches!(args, [Value::Array(_)]),
        Method::Alias => return Some("passes over this in silence"),
        method if method.counts_twice() => return Some("would count this again when it retries a job"),
        _ => return Some("does not know this"),
    };
    (!takes).then_some("does not take these arguments")
}

/// The gem's worker does not know the visitor's cookie: an event of nobody says itself whose it is.
fn name_visitor(calls: &mut Calls, parcel: &Parcel) {
    if calls.identity().is_some() {
        return;
    }
    let browser = parcel.visitor.browser();
    let (Some(id), device) = (browser.current_id().map(str::to_owned), browser.device_id.clone()) else { return };
    for call in calls.tracking.iter_mut().filter(|call| call.method().is_track()) {
        call.default_properties(&[("distinct_id", Seen::Text(id.as_bytes()))]);
        if let Some(device) = &device {
            call.default_properties(&[("$device_id", Seen::Text(device.as_bytes()))]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visitor::Visitor;

    fn parcel(calls: Value) -> Parcel {
        let visitor = Visitor { ip: Some("203.0.113.7".into()), ..Visitor::default() };
        Parcel::new(visitor, serde_json::from_value(calls).unwrap())
    }

    #[test]
    fn a_job_is_what_the_gem_itself_would_enqueue() {
        let calls = json!({"setup": [[["identify"], ["42"]]], "tracking": [[["track"], ["Basic", {"a": 1}]]]});
        let mut job = job(&parcel(calls.clone()), "default", 1_400_000_000_500).unwrap();
        let jid = job["jid"].take();
        assert_eq!(jid.as_str().map(str::len), Some(24));
        assert!(jid.as_str().unwrap().chars().all(|c| c.is_ascii_hexdigit()));
        let expected = json!({
            "class": "Mengpaneel::Strategy::AsyncServerSide::Worker",
            "queue": "default",
            "retry": true,
            "args": [calls, "203.0.113.7"],
            "jid": null,
            "created_at": 1_400_000_000.5,
            "enqueued_at": 1_400_000_000.5,
        });
        assert_eq!(job, expected);
    }

    #[test]
    fn calls_on_which_the_gems_worker_raises_or_is_silent_are_no_job() {
        for call in [
            json!([["name_tag"], ["Jane"]]),
            json!([["reset"], []]),
            json!([["time_event"], ["After"]]),
            json!([["track_pageview"], ["/x"]]),
            json!([["get_group", "set"], ["company", "x", {"a": 1}]]),
            json!([["people", "set"], ["Plan", "Pro"]]),
            json!([["people", "increment"], [{"Posts": 1}]]),
            json!([["people", "remove"], [{"list": "a"}]]),
            json!([["disable"], ["Off"]]),
            json!([["register"], [{"plan": "pro"}, 30]]),
            json!([["alias"], ["42"]]),
        ] {
            let calls = json!({"tracking": [[["track"], ["After"]], call]});
            assert!(job(&parcel(calls), "default", 0).is_err(), "{call}");
        }
    }

    #[test]
    fn under_whom_an_event_was_recorded_is_said_where_the_gems_worker_cannot_know() {
        let mut parcel = parcel(json!({"tracking": [[["track"], ["A"]]]}));
        parcel.visitor.cookie = Some("%7B%22distinct_id%22%3A%22d%22%2C%22%24device_id%22%3A%22dev%22%7D".into());
        let anonymous = job(&parcel, "default", 0).unwrap();
        assert_eq!(anonymous["args"][0]["tracking"][0][1][1], json!({"distinct_id": "d", "$device_id": "dev"}));

        parcel.context = serde_json::from_value(json!([[["identify"], ["42"]]])).unwrap();
        let known = job(&parcel, "default", 0).unwrap();
        assert_eq!(known["args"][0]["setup"], json!([[["identify"], ["42"]]]));
        assert_eq!(known["args"][0]["tracking"][0][1].get(1), None);
    }
}
