mod fast_path;
mod identity;
mod limits;
mod methods;
mod request;
mod table;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::call::Calls;
use crate::record::envelope::Envelope;
use crate::record::visitor::Visitor;
use crate::translate::Translation;
use crate::translate::message::Endpoint;
use crate::translate::translate;

/// UUID of version 7 with the time 2024-03-09T16:14:23.867Z.
const ENVELOPE_ID: &str = "018e23fe-7a7b-7000-8000-000000000001";
const ENVELOPE_TIME: u64 = 0x018e_23fe_7a7b;
const DEVICE: &str = "6a4e5f12-9f0e-4f7e-8a31-0d8a5c1b2e3f";
const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36";

fn cookie(stored: &Value) -> String {
    utf8_percent_encode(&stored.to_string(), NON_ALPHANUMERIC).to_string()
}

fn anonymous() -> Visitor {
    visitor(&json!({"distinct_id": format!("$device:{DEVICE}"), "$device_id": DEVICE}))
}

fn user(id: &str) -> Visitor {
    visitor(&json!({"distinct_id": id, "$user_id": id, "$device_id": DEVICE}))
}

fn visitor(stored: &Value) -> Visitor {
    Visitor {
        cookie: Some(cookie(stored)),
        ..Visitor::default()
    }
}

fn envelope(visitor: Visitor, tracking: Value) -> Envelope {
    let mut envelope = Envelope::new(
        visitor,
        Calls {
            tracking: serde_json::from_value(tracking).unwrap(),
            ..Calls::default()
        },
    );
    envelope.id = Uuid::parse_str(ENVELOPE_ID).unwrap();
    envelope
}

fn translate_calls(visitor: Visitor, tracking: Value) -> Translation {
    translate("t", &envelope(visitor, tracking))
}

/// Returns the bodies of the messages, without properties that every message has.
fn bodies(translation: &Translation) -> Vec<Value> {
    let common = [
        "token",
        "$token",
        "mp_lib",
        "$lib_version",
        "$insert_id",
        "time",
        "$time",
        "$device_id",
        "$ip",
    ];
    let mut bodies = Vec::new();
    for message in &translation.messages {
        let mut body = message.body.clone();
        let properties = match message.endpoint {
            Endpoint::Events => body["properties"].as_object_mut().unwrap(),
            _ => body.as_object_mut().unwrap(),
        };
        properties.retain(|key, _| !common.contains(&key.as_str()));
        bodies.push(body);
    }
    bodies
}

fn event(name: &str, properties: impl Into<Value>) -> Value {
    json!({"event": name, "properties": properties.into()})
}
