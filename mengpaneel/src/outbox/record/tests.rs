use serde_json::json;

use super::*;
use crate::call::{Call, Calls, Method};
use crate::record::visitor::Visitor;
use crate::translate::message::Endpoint;

fn envelope(method: Method) -> Envelope {
    let call = Call::new(method, vec![json!("Sign In"), json!({"Plan": "Pro"})]);
    Envelope::new(
        Visitor::default(),
        Calls {
            tracking: vec![call],
            ..Calls::default()
        },
    )
}

fn progress() -> Progress {
    let message = Message {
        endpoint: Endpoint::People,
        body: json!({"$add": {"Posts": 1}}),
        call: Call::new(Method::PeopleIncrement, vec![json!({"Posts": 1})]),
    };
    Progress {
        attempts: 2,
        remaining: Some(vec![message]),
    }
}

#[test]
fn record_keeps_envelope_and_progress() {
    let envelope = envelope(Method::Track);
    let record = Record::new(&envelope);
    assert_eq!(record.id(), envelope.id);
    assert_eq!(record.envelope(), Ok(envelope.clone()));
    assert_eq!(record.progress(), Ok(Progress::default()));

    let retried = record.with_progress(&progress()).unwrap();
    assert_eq!(retried.envelope(), Ok(envelope));
    assert_eq!(retried.progress(), Ok(progress()));
    let again = retried
        .with_progress::<Vec<Message>>(&Progress::default())
        .unwrap();
    assert_eq!(again.progress(), Ok(Progress::default()));
    assert_eq!(Record::from_bytes(record.as_bytes().to_vec()), record);
}

#[test]
fn flags_survive_other_changes() {
    assert!(Record::new(&envelope(Method::Track)).is_idempotent());
    let record = Record::new(&envelope(Method::PeopleIncrement)).mark_in_doubt(true);
    assert!(record.is_in_doubt() && !record.is_idempotent());
    let encoded = record.with_payload(b"encrypted");
    assert!(encoded.is_in_doubt() && !encoded.is_idempotent());
    assert_eq!(
        (encoded.id(), encoded.payload()),
        (record.id(), &b"encrypted"[..])
    );
    let tried = encoded.with_payload(record.payload());
    let tried = tried.with_progress(&progress()).unwrap();
    assert!(!tried.is_in_doubt() && !tried.is_idempotent());
}

#[test]
fn damaged_record_is_refused() {
    let record = Record::new(&envelope(Method::Track));
    let record = record.with_progress(&progress()).unwrap();
    for end in 0..record.as_bytes().len() {
        let truncated = Record::from_bytes(record.as_bytes()[..end].to_vec());
        assert_eq!(
            truncated.progress().and_then(|_| truncated.envelope()),
            Err(RecordError::Damaged),
            "{end}"
        );
    }
}

#[test]
fn checksum_finds_a_damaged_payload() {
    let record = Record::new(&envelope(Method::Track)).with_checksum();
    assert_eq!(record.check(), Ok(()));
    assert_eq!(record.clone().mark_in_doubt(true).check(), Ok(()));
    assert_eq!(record.with_payload(record.payload()).check(), Ok(()));
    let damaged = (HEAD_LEN..record.as_bytes().len()).map(|index| {
        let mut bytes = record.as_bytes().to_vec();
        bytes[index] ^= 1;
        Record::from_bytes(bytes).with_checksum().check()
    });
    assert!(damaged.into_iter().all(|checked| checked.is_err()));
    let unchecked = record.with_payload(b"\0damaged");
    assert_eq!(unchecked.check(), Err(RecordError::Damaged));
}

#[test]
fn record_of_an_earlier_version_is_refused() {
    for (bytes, found) in [(&b"\x01..."[..], 1), (b"{\"parcel\":{}}", b'{')] {
        let error = Record::from_bytes(bytes.to_vec()).envelope().unwrap_err();
        assert_eq!(error, RecordError::Format { found });
        assert!(error.to_string().contains("drain the outbox"), "{error}");
    }
}

#[test]
fn deduplicable_part_has_events_of_users_only() {
    assert_eq!(Record::new(&envelope(Method::Track)).deduplicable(), None);
    let mut envelope = envelope(Method::PeopleSet);
    let args = vec![json!("Sign In"), json!({"$user_id": "7"})];
    envelope.calls.tracking.push(Call::new(Method::Track, args));
    let part = Record::new(&envelope).deduplicable().unwrap();
    let calls = part.envelope().unwrap().calls;
    assert_eq!(calls.iter().count(), 1);
    assert_eq!(calls.tracking[0].method(), &Method::Track);
}
