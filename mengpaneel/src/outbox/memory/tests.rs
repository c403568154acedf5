use serde_json::json;

use super::*;
use crate::call::{Call, Calls, Method};
use crate::record::visitor::Visitor;

fn parcel(event: &str) -> Envelope {
    let call = Call::new(Method::Track, vec![json!(event)]);
    Envelope::new(
        Visitor::default(),
        Calls {
            tracking: vec![call],
            ..Calls::default()
        },
    )
}

fn events(leases: &[Lease]) -> Vec<&str> {
    leases
        .iter()
        .filter_map(|lease| lease.envelope.calls.tracking[0].str_arg(0))
        .collect()
}

#[tokio::test]
async fn what_was_appended_first_is_leased_first() {
    let outbox = Memory::default();
    for event in ["a", "b", "c"] {
        outbox.append(parcel(event)).await.unwrap();
    }
    assert_eq!(events(&outbox.lease(2).await.unwrap()), ["a", "b"]);
    assert_eq!(events(&outbox.lease(2).await.unwrap()), ["c"]);
    assert_eq!(outbox.pending().await, Ok(3));
}

#[tokio::test]
async fn past_its_bounds_it_hands_the_parcel_back() {
    let outbox = Memory::default().max_records(1);
    outbox.append(parcel("a")).await.unwrap();
    let lease = outbox.lease(1).await.unwrap();
    let declined = outbox.append(parcel("b")).await.unwrap_err();
    assert_eq!(declined.envelope.calls.tracking[0].str_arg(0), Some("b"));
    outbox.acknowledge(vec![lease[0].id.clone()]).await.unwrap();
    outbox.append(parcel("b")).await.unwrap();

    let small = Memory::default().max_bytes(100);
    assert!(small.append(parcel("a")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_is_to_be_retried_is_due_after_its_delay_and_not_before() {
    let outbox = Memory::default();
    outbox.append(parcel("a")).await.unwrap();
    let leases = outbox.lease(1).await.unwrap();
    outbox
        .retry_later(leases, Duration::from_secs(5))
        .await
        .unwrap();
    let before = Instant::now();
    assert_eq!(events(&outbox.lease(1).await.unwrap()), ["a"]);
    assert!(before.elapsed() >= Duration::from_secs(5));
}

#[tokio::test]
async fn what_is_retried_stands_before_what_came_since() {
    let outbox = Memory::default();
    for event in ["a", "b", "c"] {
        outbox.append(parcel(event)).await.unwrap();
    }
    let leases = outbox.lease(2).await.unwrap();
    outbox.retry_later(leases, Duration::ZERO).await.unwrap();
    assert_eq!(events(&outbox.lease(3).await.unwrap()), ["a", "b", "c"]);
}

#[tokio::test]
async fn who_waits_is_woken_also_where_another_was_too_large_before() {
    let outbox = Memory::default().max_bytes(1_000);
    let (leases, ()) = tokio::join!(outbox.lease(1), async {
        assert!(outbox.append(parcel(&"a".repeat(1_000))).await.is_err());
        outbox.append(parcel("b")).await.unwrap();
    });
    assert_eq!(events(&leases.unwrap()), ["b"]);
}

#[tokio::test]
async fn all_who_wait_are_woken_as_long_as_there_is_more() {
    let outbox = Memory::default();
    let append = async {
        for event in ["a", "b", "c"] {
            outbox.append(parcel(event)).await.unwrap();
        }
    };
    let (one, two, three, ()) =
        tokio::join!(outbox.lease(1), outbox.lease(1), outbox.lease(1), append);
    let mut leased: Vec<_> = [one, two, three]
        .map(|leases| events(&leases.unwrap()).concat())
        .to_vec();
    leased.sort_unstable();
    assert_eq!(leased, ["a", "b", "c"]);
}

#[tokio::test]
async fn memory_is_used_again() {
    let outbox = Memory::default();
    let mut seen = Vec::new();
    for event in ["a", "b", "c"] {
        outbox.append(parcel(event)).await.unwrap();
        let taken = outbox.lease_records(1).await.unwrap();
        let memory = taken.iter().map(|taken| match taken {
            LeasedRecord::Encoded(sealed) => sealed.as_bytes().as_ptr() as usize,
            LeasedRecord::Decoded(_) => 0,
        });
        seen.extend(memory);
        outbox.acknowledge_records(&taken).await.unwrap();
        outbox.recycle(taken);
    }
    assert_eq!(seen, [seen[0]; 3]);
}

#[tokio::test]
async fn it_holds_what_every_outbox_must() {
    crate::outbox::conformance::check(Memory::default).await;
}

#[tokio::test]
async fn ten_thousand_retries_that_are_due_at_once_do_not_stop_it() {
    let outbox = Memory::default();
    for number in 0..10 {
        let appends = (0..1_000).map(|more| outbox.append(parcel(&format!("{number} {more}"))));
        assert!(
            futures_util::future::join_all(appends)
                .await
                .iter()
                .all(Result::is_ok)
        );
    }
    let leases = outbox.lease(10_000).await.unwrap();
    outbox
        .retry_later(leases, Duration::from_millis(1))
        .await
        .unwrap();
    let mut seen = std::collections::HashSet::new();
    while seen.len() < 10_000 {
        let leases = outbox.lease(10_000).await.unwrap();
        assert!(
            leases.iter().all(|lease| seen.insert(lease.envelope.id)),
            "each once"
        );
        outbox
            .acknowledge(leases.into_iter().map(|lease| lease.id).collect())
            .await
            .unwrap();
    }
    assert_eq!(outbox.pending().await, Ok(0));
}
