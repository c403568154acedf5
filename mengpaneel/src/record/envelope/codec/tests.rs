use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::call::Calls;
use crate::record::envelope::Envelope;

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,200}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("\\PC{0,10}", inner, 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let other = Method::from_path(&["name_tag"]).unwrap();
    let methods = prop::sample::select([Method::ALL, &[other]].concat());
    let call = (methods, prop::collection::vec(values(), 0..4))
        .prop_map(|(method, args)| Call::new(method, args));
    prop::collection::vec(call, 0..4)
}

fn envelopes() -> impl Strategy<Value = Envelope> {
    let text = || prop::option::of("\\PC{0,200}");
    let visitor = (
        text(),
        text(),
        text(),
        text(),
        text(),
        any::<bool>(),
        text(),
    )
        .prop_map(
            |(cookie, ip, user_agent, url, referrer, has_session, omitted)| Visitor {
                cookie,
                ip,
                user_agent,
                url,
                referrer,
                has_session,
                omitted,
            },
        );
    (visitor, calls(), calls(), calls(), calls(), any::<bool>()).prop_map(
        |(visitor, context, before_setup, setup, tracking, via_server)| {
            let calls = Calls {
                before_setup,
                setup,
                tracking,
            };
            Envelope {
                context,
                via_server,
                ..Envelope::new(visitor, calls)
            }
        },
    )
}

proptest! {
    #[test]
    fn encoding_round_trips(envelope in envelopes()) {
        let mut encoded = Vec::new();
        write(&envelope, &mut encoded);
        prop_assert!(validate(&encoded) && !validate(&encoded[..encoded.len() - 1]));
        for (index, call) in envelope.calls.iter().enumerate() {
            prop_assert_eq!(call_at(&encoded, index), Some(call.clone()));
        }
        prop_assert_eq!(call_at(&encoded, envelope.calls.iter().count()), None);
        prop_assert_eq!(decode(envelope.id, &encoded), Some(envelope));
    }

    #[test]
    fn decoding_arbitrary_bytes_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(validate(&bytes), decode(Uuid::nil(), &bytes).is_some());
    }
}

#[test]
fn encoded_envelope_is_small() {
    let call = Call::new(
        Method::Track,
        vec![json!("Sign In"), json!({"Plan": "Pro", "Seats": 3})],
    );
    let envelope = Envelope::new(
        Visitor::default(),
        Calls {
            tracking: vec![call],
            ..Calls::default()
        },
    );
    let mut encoded = Vec::new();
    write(&envelope, &mut encoded);
    assert!(encoded.len() < 64);
}
