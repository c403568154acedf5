use serde_json::json;

use super::*;
use crate::call::Method;
use crate::visitor::Visitor;

fn parcel(events: &[serde_json::Value]) -> Parcel {
    let tracking = events
        .iter()
        .map(|own| Call::new(Method::Track, vec![json!("Sign In"), own.clone()]));
    let setup = vec![Call::new(Method::Identify, vec![json!("42")])];
    Parcel::new(
        Visitor::default(),
        Calls {
            setup,
            tracking: tracking.collect(),
            ..Calls::default()
        },
    )
}

fn aside(claims: &Claims) -> Uuid {
    let id = Uuid::now_v7();
    assert!(claims.keep_aside(id, parcel(&[json!({})])));
    id
}

#[test]
fn a_payload_is_claimed_once() {
    let (claims, id) = (Claims::default(), Uuid::now_v7());
    let claim = claims.claim(id).unwrap();
    assert_eq!(claims.claim(id).unwrap_err(), ClaimError::HeldElsewhere);
    claim.keep();
    assert_eq!(claims.claim(id).unwrap_err(), ClaimError::Done);
}

#[test]
fn a_claim_whose_answer_never_got_out_is_given_back() {
    let (claims, id) = (Claims::default(), Uuid::now_v7());
    drop(claims.claim(id));
    assert!(claims.claim(id).is_ok());
}

#[test]
fn only_so_many_claims_are_remembered() {
    let claims = Claims::default();
    let first = aside(&claims);
    for _ in 0..BOUND {
        claims.claim(Uuid::now_v7()).unwrap().keep();
    }
    assert!(claims.claim(first).is_ok());
    assert_eq!(claims.lock().aside, 0);
}

#[test]
fn what_nobody_claims_is_the_servers_and_comes_too_late_then() {
    let claims = Claims::default();
    let id = aside(&claims);
    assert!(matches!(claims.unclaimed(id), Unclaimed::Copy(_)));
    assert!(matches!(claims.unclaimed(id), Unclaimed::Gone));
    assert_eq!(claims.claim(id).unwrap_err(), ClaimError::Done);
}

#[test]
fn what_a_page_took_is_not_the_servers() {
    let claims = Claims::default();
    let id = aside(&claims);
    let claim = claims.claim(id).unwrap();
    assert!(matches!(claims.unclaimed(id), Unclaimed::InUse));
    claim.keep();
    assert!(matches!(claims.unclaimed(id), Unclaimed::Gone));
}

#[test]
fn what_a_page_took_and_lost_is_the_servers() {
    let claims = Claims::default();
    let id = aside(&claims);
    drop(claims.claim(id));
    assert!(matches!(claims.unclaimed(id), Unclaimed::Copy(_)));
}

#[test]
fn only_so_many_copies_are_kept_aside() {
    let claims = Claims::new(1);
    let first = aside(&claims);
    let second = Uuid::now_v7();
    assert!(!claims.keep_aside(second, parcel(&[])));
    assert!(matches!(claims.unclaimed(second), Unclaimed::Gone));
    assert!(matches!(claims.unclaimed(first), Unclaimed::Copy(_)));
    aside(&claims);
}

#[test]
fn beside_another_process_only_events_that_tell_whose_they_are_go_by_the_server() {
    let claims = Claims::default();
    let id = Uuid::now_v7();
    claims.keep_aside(id, parcel(&[json!({"$user_id": "42"}), json!({})]));
    let other = aside(&claims);
    drop(claims.claim(Uuid::now_v7()));
    let Unclaimed::Copy(copy) = claims.unclaimed(id) else {
        panic!("no copy")
    };
    assert_eq!(copy.calls.tracking.len(), 1);
    assert_eq!(copy.context.len(), 1);
    assert!(copy.calls.setup.is_empty());
    assert!(matches!(claims.unclaimed(other), Unclaimed::Gone));
}

#[test]
fn what_is_left_at_the_end_can_be_told_from_what_the_next_process_says() {
    let claims = Claims::default();
    claims.keep_aside(
        Uuid::now_v7(),
        parcel(&[json!({"$user_id": "42"}), json!({})]),
    );
    aside(&claims);
    let left = claims.leave();
    assert_eq!(
        left.iter()
            .map(|parcel| parcel.calls.tracking.len())
            .collect::<Vec<_>>(),
        [1]
    );
    assert!(claims.leave().is_empty());
}
