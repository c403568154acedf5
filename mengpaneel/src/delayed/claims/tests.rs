use serde_json::json;

use super::*;
use crate::call::{Call, Calls, Method};
use crate::record::visitor::Visitor;

fn parcel(events: &[serde_json::Value]) -> Envelope {
    let tracking = events
        .iter()
        .map(|own| Call::new(Method::Track, vec![json!("Sign In"), own.clone()]));
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
        ..parcel(&[json!({})])
    }));
    id
}

#[test]
fn a_payload_is_claimed_once() {
    let (claims, id) = (Claims::new(10_000, None), Uuid::now_v7());
    let claim = claims.claim(id).unwrap();
    assert_eq!(claims.claim(id).unwrap_err(), ClaimError::HeldElsewhere);
    claim.commit();
    assert_eq!(claims.claim(id).unwrap_err(), ClaimError::Done);
}

#[test]
fn a_claim_whose_answer_never_got_out_is_given_back() {
    let (claims, id) = (Claims::new(10_000, None), Uuid::now_v7());
    drop(claims.claim(id));
    assert!(claims.claim(id).is_ok());
}

#[test]
fn only_so_many_claims_are_remembered() {
    let claims = Claims::new(10_000, None);
    let first = insert(&claims);
    for _ in 0..CAPACITY {
        claims.claim(Uuid::now_v7()).unwrap().commit();
    }
    assert!(claims.claim(first).is_ok());
    assert_eq!(claims.lock().copies, 0);
}

#[test]
fn what_nobody_claims_is_the_servers_and_comes_too_late_then() {
    let claims = Claims::new(10_000, None);
    let id = insert(&claims);
    assert!(matches!(claims.expire(id), Expiry::Deliver(_)));
    assert!(matches!(claims.expire(id), Expiry::Done));
    assert_eq!(claims.claim(id).unwrap_err(), ClaimError::Done);
}

#[test]
fn what_a_page_took_is_not_the_servers() {
    let claims = Claims::new(10_000, None);
    let id = insert(&claims);
    let claim = claims.claim(id).unwrap();
    assert!(matches!(claims.expire(id), Expiry::InUse));
    claim.commit();
    assert!(matches!(claims.expire(id), Expiry::Done));
}

#[test]
fn what_a_page_took_and_lost_is_the_servers() {
    let claims = Claims::new(10_000, None);
    let id = insert(&claims);
    drop(claims.claim(id));
    assert!(matches!(claims.expire(id), Expiry::Deliver(_)));
}

#[test]
fn only_so_many_copies_are_kept_aside() {
    let claims = Claims::new(1, None);
    let first = insert(&claims);
    let second = Uuid::now_v7();
    assert!(!claims.insert(Envelope {
        id: second,
        ..parcel(&[])
    }));
    assert!(matches!(claims.expire(second), Expiry::Done));
    assert!(matches!(claims.expire(first), Expiry::Deliver(_)));
    insert(&claims);
}

#[test]
fn beside_another_process_only_events_that_tell_whose_they_are_go_by_the_server() {
    let claims = Claims::new(10_000, None);
    let id = Uuid::now_v7();
    claims.insert(Envelope {
        id,
        ..parcel(&[json!({"$user_id": "42"}), json!({})])
    });
    let other = insert(&claims);
    drop(claims.claim(Uuid::now_v7()));
    let Expiry::Deliver(copy) = claims.expire(id) else {
        panic!("no copy")
    };
    assert_eq!(copy.calls.tracking.len(), 1);
    assert_eq!(copy.context.len(), 1);
    assert!(copy.calls.setup.is_empty());
    assert!(matches!(claims.expire(other), Expiry::Done));
}

#[test]
fn what_is_left_at_the_end_can_be_told_from_what_the_next_process_says() {
    let claims = Claims::new(10_000, None);
    claims.insert(parcel(&[json!({"$user_id": "42"}), json!({})]));
    insert(&claims);
    let left = claims.drain();
    assert_eq!(
        left.iter()
            .map(|parcel| parcel.calls.tracking.len())
            .collect::<Vec<_>>(),
        [1]
    );
    assert!(claims.drain().is_empty());
}
