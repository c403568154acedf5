use serde_json::json;

use super::*;
use crate::call::{Call, Calls, Method};
use crate::record::visitor::Visitor;

fn envelope(event: &str) -> Envelope {
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
async fn records_are_leased_in_append_order() {
    let outbox = Memory::default();
    for event in ["a", "b", "c"] {
        outbox.append(envelope(event)).await.unwrap();
    }
    assert_eq!(events(&outbox.lease(2).await.unwrap()), ["a", "b"]);
    assert_eq!(events(&outbox.lease(2).await.unwrap()), ["c"]);
    assert_eq!(outbox.pending().await, Ok(3));
}

#[tokio::test]
async fn full_outbox_returns_the_envelope() {
    let outbox = Memory::default().max_records(1);
    outbox.append(envelope("a")).await.unwrap();
    let lease = outbox.lease(1).await.unwrap();
    let error = outbox.append(envelope("b")).await.unwrap_err();
    assert_eq!(error.envelope.calls.tracking[0].str_arg(0), Some("b"));
    outbox.acknowledge(vec![lease[0].id.clone()]).await.unwrap();
    outbox.append(envelope("b")).await.unwrap();

    let small = Memory::default().max_bytes(100);
    assert!(small.append(envelope("a")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn retry_is_due_after_its_delay() {
    let outbox = Memory::default();
    outbox.append(envelope("a")).await.unwrap();
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
async fn retries_are_leased_before_newer_records() {
    let outbox = Memory::default();
    for event in ["a", "b", "c"] {
        outbox.append(envelope(event)).await.unwrap();
    }
    let leases = outbox.lease(2).await.unwrap();
    outbox.retry_later(leases, Duration::ZERO).await.unwrap();
    assert_eq!(events(&outbox.lease(3).await.unwrap()), ["a", "b", "c"]);
}

#[tokio::test]
async fn append_after_a_refused_one_wakes_the_lease() {
    let outbox = Memory::default().max_bytes(1_000);
    let (leases, ()) = tokio::join!(outbox.lease(1), async {
        assert!(outbox.append(envelope(&"a".repeat(1_000))).await.is_err());
        outbox.append(envelope("b")).await.unwrap();
    });
    assert_eq!(events(&leases.unwrap()), ["b"]);
}

#[tokio::test]
async fn every_waiting_lease_wakes_while_records_remain() {
    let outbox = Memory::default();
    let append = async {
        for event in ["a", "b", "c"] {
            outbox.append(envelope(event)).await.unwrap();
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
async fn chunk_buffers_are_reused() {
    let outbox = Memory::default();
    let mut addresses = Vec::new();
    for event in ["a", "b", "c"] {
        outbox.append(envelope(event)).await.unwrap();
        let records = outbox.lease_records(1).await.unwrap();
        let record_addresses = records.iter().map(|record| match record {
            LeasedRecord::Encoded(encoded) => encoded.as_bytes().as_ptr() as usize,
            LeasedRecord::Decoded(_) => 0,
        });
        addresses.extend(record_addresses);
        outbox.acknowledge_records(&records).await.unwrap();
        outbox.recycle(records);
    }
    assert_eq!(addresses, [addresses[0]; 3]);
}

#[tokio::test]
async fn conformance_suite_passes() {
    crate::outbox::conformance::check(Memory::default).await;
}

#[tokio::test]
async fn ten_thousand_retries_due_at_once_are_leased() {
    let outbox = Memory::default();
    for batch in 0..10 {
        let appends = (0..1_000).map(|index| outbox.append(envelope(&format!("{batch} {index}"))));
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
            "a record was leased twice"
        );
        outbox
            .acknowledge(leases.into_iter().map(|lease| lease.id).collect())
            .await
            .unwrap();
    }
    assert_eq!(outbox.pending().await, Ok(0));
}
