use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::call::Calls;
use crate::call::json::tests::values;
use crate::record::envelope::Envelope;

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let other = Method::from_path(&["name_tag"]).unwrap();
    let methods = prop::sample::select([Method::ALL, &[other]].concat());
    let call = (methods, prop::collection::vec(values(6), 0..4))
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
        let calls = &envelope.calls;
        let (_, mut reader) = decode_header(&encoded).unwrap();
        for list in [&envelope.context, &calls.before_setup, &calls.setup, &calls.tracking] {
            prop_assert_eq!(reader.len(), Some(list.len()));
            for call in list {
                let position = encoded.len() - reader.rest().len();
                prop_assert_eq!(call_at(&encoded, position), Some(call.clone()));
                reader.call();
            }
        }
        prop_assert_eq!(call_at(&encoded, encoded.len()), None);
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
