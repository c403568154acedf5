use serde_json::json;

use super::*;
use crate::call::{Call, Calls, Method};
use crate::record::visitor::Visitor;

fn envelope(properties: &[serde_json::Value]) -> Envelope {
    let tracking = properties
        .iter()
        .map(|properties| Call::new(Method::Track, vec![json!("Sign In"), properties.clone()]));
    let setup = vec![Call::new(Method::Identify, vec![json!("42")])];
    Envelope::new(
        Visitor::default(),
        Calls {
            setup,
            tracking: tracking.collect(),
            ..Calls::default()
        },
    )
}

fn insert(claims: &Claims) -> Uuid {
    let id = Uuid::now_v7();
    assert!(claims.insert(Envelope {
        id,
        ..envelope(&[json!({})])
    }));
    id
}

#[test]
fn payload_is_claimed_once() {
    let (claims, id) = (Claims::new(10_000, None), Uuid::now_v7());
    let claim = claims.claim(id).unwrap();
    assert_eq!(claims.claim(id).unwrap_err(), ClaimError::Held);
    claim.commit();
    assert_eq!(claims.claim(id).unwrap_err(), ClaimError::Done);
}

#[test]
fn dropped_claim_is_released() {
    let (claims, id) = (Claims::new(10_000, None), Uuid::now_v7());
    drop(claims.claim(id));
    assert!(claims.claim(id).is_ok());
}

#[test]
fn number_of_remembered_payloads_is_bounded() {
    let claims = Claims::new(10_000, None);
    let first = insert(&claims);
    for _ in 0..CAPACITY {
        claims.claim(Uuid::now_v7()).unwrap().commit();
    }
    assert!(claims.claim(first).is_ok());
    assert_eq!(claims.lock().copy_count, 0);
}

#[test]
fn expired_payload_is_delivered_and_cannot_be_claimed() {
    let claims = Claims::new(10_000, None);
    let id = insert(&claims);
    assert!(matches!(claims.expire(id), Expiry::Deliver(_)));
    assert!(matches!(claims.expire(id), Expiry::Done));
    assert_eq!(claims.claim(id).unwrap_err(), ClaimError::Done);
}

#[test]
fn committed_payload_is_not_delivered_by_the_server() {
    let claims = Claims::new(10_000, None);
    let id = insert(&claims);
    let claim = claims.claim(id).unwrap();
    assert!(matches!(claims.expire(id), Expiry::Claimed));
    claim.commit();
    assert!(matches!(claims.expire(id), Expiry::Done));
}

#[test]
fn released_payload_is_delivered_by_the_server() {
    let claims = Claims::new(10_000, None);
    let id = insert(&claims);
    drop(claims.claim(id));
    assert!(matches!(claims.expire(id), Expiry::Deliver(_)));
}

#[test]
fn number_of_fallback_copies_is_bounded() {
    let claims = Claims::new(1, None);
    let first = insert(&claims);
    let second = Uuid::now_v7();
    assert!(!claims.insert(Envelope {
        id: second,
        ..envelope(&[])
    }));
    assert!(matches!(claims.expire(second), Expiry::Done));
    assert!(matches!(claims.expire(first), Expiry::Deliver(_)));
    insert(&claims);
}

#[test]
fn server_delivers_only_deduplicable_events_beside_siblings() {
    let claims = Claims::new(10_000, None);
    let id = Uuid::now_v7();
    claims.insert(Envelope {
        id,
        ..envelope(&[json!({"$user_id": "42"}), json!({})])
    });
    let without_identity = insert(&claims);
    drop(claims.claim(Uuid::now_v7()));
    let Expiry::Deliver(copy) = claims.expire(id) else {
        panic!("the copy must be delivered")
    };
    assert_eq!(copy.calls.tracking.len(), 1);
    assert_eq!(copy.context.len(), 1);
    assert!(copy.calls.setup.is_empty());
    assert!(matches!(claims.expire(without_identity), Expiry::Done));
}

#[test]
fn drain_returns_only_deduplicable_events() {
    let claims = Claims::new(10_000, None);
    claims.insert(envelope(&[json!({"$user_id": "42"}), json!({})]));
    insert(&claims);
    let drained = claims.drain();
    assert_eq!(
        drained
            .iter()
            .map(|envelope| envelope.calls.tracking.len())
            .collect::<Vec<_>>(),
        [1]
    );
    assert!(claims.drain().is_empty());
}

#[test]
fn late_copy_of_a_sent_payload_is_not_needed() {
    let claims = Claims::new(1, None);
    let copy = envelope(&[]);
    claims.track_remote(copy.id);
    claims.claim(copy.id).unwrap().commit();
    assert!(!claims.insert(copy.clone()));
    assert!(matches!(claims.expire(copy.id), Expiry::Done));
    insert(&claims);
}

#[test]
fn late_copy_keeps_the_claim_on_its_payload() {
    let claims = Claims::new(1, None);
    let copy = envelope(&[]);
    claims.track_remote(copy.id);
    let claim = claims.claim(copy.id).unwrap();
    assert!(claims.insert(copy.clone()));
    assert!(matches!(claims.expire(copy.id), Expiry::Claimed));
    drop(claim);
    assert!(matches!(claims.expire(copy.id), Expiry::Deliver(_)));
}
