mod identity;
mod limits;
mod methods;
mod random;
mod request;
mod table;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::call::json::{KnownNames, Scalar, add_missing, write_value, write_with_names};
use crate::call::{Args, Call, Calls, Method};
use crate::record::envelope::{Envelope, codec};
use crate::record::visitor::Visitor;
use crate::translate::message::{Endpoint, Message};
use crate::translate::outgoing::Outgoing;
use crate::translate::translator::Translator;

/// Decoded result of the translation of an envelope.
#[derive(Debug, PartialEq)]
pub(crate) struct Translation {
    pub(crate) messages: Vec<Message>,
    pub(crate) refused: Vec<(Call, String)>,
    pub(crate) truncated: Vec<(Call, String)>,
}

/// Translates an envelope, and decodes the messages.
pub(crate) fn translate(token: &str, envelope: &Envelope) -> Translation {
    let (mut encoded, mut text, mut outgoing) = (Vec::new(), b"before".to_vec(), Vec::new());
    codec::write(envelope, &mut encoded);
    let problems = Translator::new(token.to_owned()).translate(
        (envelope.id, &encoded),
        &mut text,
        |message, _| outgoing.push(message),
    );
    let lengths: usize = outgoing.iter().map(|message| message.json.len()).sum();
    assert_eq!(
        text.len(),
        b"before".len() + lengths,
        "no text without a message"
    );
    let decode = |outgoing: Outgoing| {
        let call = codec::call_at(&encoded, outgoing.call).unwrap();
        let json = &text[outgoing.json.clone()];
        let message = outgoing.to_message(json, call).unwrap();
        let mut again = Vec::new();
        let expected = Outgoing {
            json: outgoing.json.clone(),
            ..Outgoing::encode(&message, outgoing.call, &mut again)
        };
        assert_eq!(outgoing, expected);
        let members = |json: &[u8]| json.windows(2).filter(|pair| pair == b"\":").count();
        let distinct = message.body.to_string();
        assert_eq!(members(json), members(distinct.as_bytes()), "{distinct}");
        if let Some(len) = outgoing.set_len {
            let (set, time) = json.split_at(len);
            assert!(time == b"}" || time.starts_with(b",\"$time\":"));
            assert!(set.starts_with(b"{\"$distinct_id\":"));
        }
        message
    };
    Translation {
        messages: outgoing.into_iter().map(decode).collect(),
        refused: problems.refused,
        truncated: problems.truncated,
    }
}

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
    let mut recorded = envelope(visitor.clone(), tracking.clone());
    let calls = &mut recorded.calls.tracking;
    *calls = calls.iter().map(as_recorded).collect();
    let mut parsed = recorded.clone();
    for call in &mut parsed.calls.tracking {
        *call = Call::new(call.method().clone(), call.args().to_vec());
    }
    assert_eq!(translate("t", &recorded), translate("t", &parsed));
    translate("t", &envelope(visitor, tracking))
}

/// Returns an event as the application records it: with the names of its properties, an
/// `$insert_id` and a time.
fn as_recorded(call: &Call) -> Call {
    let (Method::Track, [name, properties @ Value::Object(_)]) = (call.method(), call.args())
    else {
        return call.clone();
    };
    let (mut args, mut names) = (Args::with_capacity(), KnownNames::default());
    args.push(|to| write_value(name, to));
    args.push(|to| {
        let (start, id) = (to.len(), Uuid::from_u128(7));
        names = write_with_names(properties, to).unwrap();
        let meta = [
            ("$insert_id", Scalar::Uuid(id)),
            ("time", Scalar::Unsigned(ENVELOPE_TIME)),
        ];
        add_missing(&meta, names, start, to);
    });
    args.set_names(names.with_meta());
    Call::with_args(Method::Track, args)
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
